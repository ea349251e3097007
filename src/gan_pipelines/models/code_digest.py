"""A digest of exactly the code that decides the weights of trained models.

It covers the modules with the `fit_*` functions and, transitively, every module of this package that they import. Only
syntax trees without docstrings count, so comments, docstrings and formatting change nothing.
"""

import ast
import hashlib
from collections.abc import Iterator
from importlib.util import resolve_name
from pathlib import Path

TRAININGS = ("training.classifier", "training.infogan", "training.joint", "training.level")
"""The modules with the `fit_*` functions."""


def digest_code(package: Path) -> str:
    """SHA-256 over the modules of a package that decide the weights.

    Args:
        package: folder of the package's sources.
    """
    sources, digest = _Sources(package), hashlib.sha256()
    waiting, found = [f"{package.name}.{module}" for module in TRAININGS], set[str]()
    while waiting:
        if (module := waiting.pop()) not in found:
            found.add(module)
            waiting += sources.imported(module)
    for module in sorted(found):
        tree, _ = sources.parse(module)
        digest.update(f"{module}\n{ast.dump(tree)}\n".encode())
    return digest.hexdigest()


class _Sources:
    """The source files of a package, each parsed at most once."""

    def __init__(self, package: Path) -> None:
        self._package = package
        self._parsed: dict[str, tuple[ast.Module, list[ast.Import | ast.ImportFrom]]] = {}

    def parse(self, module: str) -> tuple[ast.Module, list[ast.Import | ast.ImportFrom]]:
        """The syntax tree of a module without docstrings, and all its import statements."""
        if module not in self._parsed:
            tree, imports = ast.parse(self._file(module).read_bytes()), []
            for node in (tree, *_statements(tree)):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    imports.append(node)
                elif isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                    node.body = [statement for statement in node.body if not _is_string(statement)]
            self._parsed[module] = tree, imports
        return self._parsed[module]

    def imported(self, module: str) -> Iterator[str]:
        """The modules of this package that a module imports, anywhere in its code."""
        for node in self.parse(module)[1]:
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names if self._is_own(alias.name))
            elif self._is_own(source := self._source(module, node)):
                yield from (self._definer(source, alias.name) for alias in node.names)

    def _definer(self, source: str, name: str) -> str:
        """The module that defines a name; `source` is that module, or a package that re-exports the name."""
        if self._file(f"{source}.{name}").is_file():
            return f"{source}.{name}"
        for node in self.parse(source)[1] if self._is_package(source) else ():
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    if name == (alias.asname or alias.name):
                        return self._definer(self._source(source, node), alias.name)
        return source

    def _source(self, module: str, node: ast.ImportFrom) -> str:
        """The absolute name of the module that a statement imports from."""
        parent = module if self._is_package(module) else module.rpartition(".")[0]
        return resolve_name("." * node.level + (node.module or ""), parent)

    def _file(self, module: str) -> Path:
        path = self._package.parent.joinpath(*module.split("."))
        return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")

    def _is_package(self, module: str) -> bool:
        return self._file(module).name == "__init__.py"

    def _is_own(self, module: str) -> bool:
        return module.split(".")[0] == self._package.name


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """All statements below a node; several times faster than `ast.walk`, which visits every expression too."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
            yield child
            yield from _statements(child)


def _is_string(statement: ast.stmt) -> bool:
    """Whether a statement is a docstring, of whatever it stands below."""
    value = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)
