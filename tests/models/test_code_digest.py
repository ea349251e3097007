"""The code digest covers the code that decides the weights, and nothing else."""

import ast
import re
import shutil
from pathlib import Path

import pytest

import gan_pipelines
from gan_pipelines.models.code_digest import TRAININGS, digest_code

PACKAGE = Path(gan_pipelines.__file__).parent
OWN = digest_code(PACKAGE)

DECIDING = ("tensor_file.py", "training/engine.py", "models/layers.py", "parameters/training.py", "data/batches.py")
DECIDING += ("models/stack.py", "models/standing.py")  # which samples a watched training is scored by
IRRELEVANT = ("parameters/compare.py", "parameters/experiment.py", "data/sources.py", "models/requirements.py")
IRRELEVANT += ("model_file.py",)
IRRELEVANT_FOLDERS = ("metrics", "pipelines", "reporting")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package's sources."""
    return Path(shutil.copytree(PACKAGE, tmp_path / "gan_pipelines", ignore=shutil.ignore_patterns("__pycache__")))


def test_the_digest_does_not_depend_on_where_the_package_is(package: Path) -> None:
    assert digest_code(package) == OWN
    assert re.fullmatch("[0-9a-f]{64}", OWN)


def test_changes_to_code_that_decides_the_weights_change_the_digest(package: Path) -> None:
    losses = [f"losses/{file.name}" for file in (package / "losses").glob("*.py") if file.stem != "__init__"]
    assert len(losses) == 8
    digests = [OWN]
    for name in (*DECIDING, *losses):
        with (package / name).open("a") as file:
            file.write("\nchanged = 1\n")
        digests.append(digest_code(package))
    assert len(set(digests)) == 1 + len(DECIDING) + len(losses)


def test_changes_to_other_code_leave_the_digest(package: Path) -> None:
    for file in [
        *(package / name for name in IRRELEVANT),
        *(file for name in IRRELEVANT_FOLDERS for file in (package / name).rglob("*.py")),
    ]:
        file.write_text(file.read_text() + "\nchanged = 1\n")
    assert digest_code(package) == OWN


def test_comments_docstrings_and_formatting_leave_the_digest(package: Path) -> None:
    for file in package.rglob("*.py"):
        tree = ast.parse(file.read_text())
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Expr)
                and isinstance(node.value, ast.Constant)
                and isinstance(node.value.value, str)
            ):
                node.value.value = "Another docstring."
        file.write_text(f"# a comment\n\n{ast.unparse(tree)}\n")  # the old comments and formatting are lost
    assert digest_code(package) == OWN


def test_every_training_is_covered() -> None:
    modules = {file for file in (PACKAGE / "training").glob("*.py") if re.search(r"^def fit_", file.read_text(), re.M)}
    assert {f"training.{file.stem}" for file in modules} == {*TRAININGS}


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A package whose trainings import nothing, beside three modules that they might import."""
    package = tmp_path / "toy"
    for name in TRAININGS:
        write(package, f"{name.replace('.', '/')}.py", "x = 1")
    write(package, "tools/__init__.py", "from toy.tools.hammer import hit as strike\nOWN = 1")
    write(package, "tools/hammer.py", "def hit():\n    return 1")
    write(package, "tools/saw.py", "def cut():\n    return 1")
    return package


def write(package: Path, name: str, text: str) -> None:
    (package / name).parent.mkdir(parents=True, exist_ok=True)
    (package / name).write_text(text)


@pytest.mark.parametrize(
    ("statement", "counted"),
    [
        ("import toy.tools.saw", {"saw"}),
        ("import toy.tools.saw as saw, os", {"saw"}),
        ("from toy.tools import saw", {"saw"}),
        ("from toy.tools.saw import cut", {"saw"}),
        ("from ..tools import saw", {"saw"}),
        ("from ..tools.saw import cut as slice", {"saw"}),
        ("def late():\n    with open('x'):\n        from toy.tools import saw", {"saw"}),
        ("from toy.tools import strike", {"hammer"}),
        ("from toy.tools import OWN", {"__init__", "hammer"}),
        ("import os\nfrom json import dumps", set()),
    ],
)
def test_imports_are_followed_to_the_module_that_defines_the_name(toy: Path, statement: str, counted: set[str]) -> None:
    write(toy, "training/joint.py", statement)
    before, found = digest_code(toy), set()
    for file in (toy / "tools").iterdir():
        text = file.read_text()
        file.write_text(f"{text}\nchanged = 1\n")
        if digest_code(toy) != before:
            found.add(file.stem)
        file.write_text(text)
    assert found == counted


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ('"""A docstring."""\nx = 1', True),
        ("# a comment\nx = (1)", True),
        ("x = 2", False),
        ("y = 1", False),
        ('x = 1\ny = "text"', False),
    ],
)
def test_only_the_syntax_tree_counts(toy: Path, changed: str, same: bool) -> None:
    before = digest_code(toy)
    write(toy, "training/level.py", changed)
    assert (digest_code(toy) == before) is same


def test_the_name_of_a_module_counts(toy: Path) -> None:
    write(toy, "training/joint.py", "import toy.tools.saw")
    before = digest_code(toy)
    (toy / "tools" / "saw.py").rename(toy / "tools" / "knife.py")
    write(toy, "training/joint.py", "import toy.tools.knife")
    assert digest_code(toy) != before
