"""The programs, options, targets, modules, files and names that the documents mention exist; nothing is run."""

import importlib.util
import re
import subprocess
from pathlib import Path

import click
import pytest
import yaml
from kedro.framework.project import configure_project, pipelines
from kedro.pipeline import Pipeline

from gan_pipelines import project as active
from gan_pipelines.cli import registry, run, sweep
from gan_pipelines.configuration import LOADER_ARGUMENTS, ExperimentLoader
from gan_pipelines.parameters import Experiment
from tests.pipelines.documents import PAGES, ROOT, Code, options_of, read, spans

CODE = [code for page in PAGES for code in read(page)]
ELSEWHERE = ("git", "docker", "pip", "hf", "curl", "uv", "pre-commit", "export", "for", "cp", "mkdir", "ls", "cd",
             "sha256sum", "cat", "tail", "mv", "chmod", "openssl", "sbatch", "kubectl",
             "apt-get", "runuser", "servers/bin/pip", "servers/bin/moto_server", "servers/bin/mlflow")  # fmt: skip
"""Programs that are not of this project, of which nothing is checked."""
NAME = re.compile(r"[A-Za-z_][\w.]*\w")
FILES = re.compile(r"[\w.<>*-]*(/[\w.<>*-]+)*/?")
SOURCES = ("src", "conf", "tests", "benchmarks", "notebooks", "docs/site")
READERS_OWN = re.compile(
    r"conf/(mine|mine-best|mine-best-2|<\w+>)/.*|\.\w+|/.*|.*://.*|<\w+>/.*|influences/.*|figures/.*|uncertainty/.*"
)
"""Paths that a reader makes, kinds of files, places of the machine, and the names of things in MLflow."""
TEXTS = (".py", ".yml", ".html", ".md", ".json", ".ipynb")


def test_the_documents_have_code_of_every_kind() -> None:
    assert {"sh", "python", "yaml", "command"} <= {code.language for code in CODE}
    kinds = [[code.language for code in read(page)] for page in (ROOT / "README.md", ROOT / "docs" / "how-to.md")]
    assert kinds[0][0] == "sh"
    assert min(kinds[1].count(kind) for kind in ("sh", "python", "yaml")) >= 4
    assert len(CODE) > 100


@pytest.mark.parametrize("code", [code for code in CODE if code.language in ("sh", "command")], ids=str)
def test_every_command_that_a_document_names_exists(code: Code) -> None:
    for words in code.commands():
        require_command(words)


def require_command(words: list[str]) -> None:
    """Check program, sub-command and options of a command."""
    program, arguments = words[0], words[1:]
    match program:
        case "make":
            targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
            variables = re.findall(r"^([A-Z]+) *\??=", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
            known = {*targets, *(f"{name}=" for name in variables)}
            assert {re.sub("=.*", "=", word) for word in arguments} <= known, words
        case "kedro" if arguments[0] == "run":
            require_options(run, words)
        case "kedro" if arguments[0] == "registry":
            assert arguments[1] in registry.commands, words
        case "kedro" if arguments[0] == "sweep":
            require_options(sweep, words)
        case "kedro":
            from kedro.framework.cli.project import project_group

            assert arguments[0] in project_group.commands, words
        case "gan-pipelines":
            require_options(run, words)
        case "mlflow":
            from mlflow.models.cli import commands as models

            assert arguments[0] == "models", words
            require_options(models.commands[arguments[1]], words)
        case "dask":
            from distributed.cli import dask_scheduler, dask_worker

            require_options({"worker": dask_worker, "scheduler": dask_scheduler}[arguments[0]].main, words)
        case "python" if arguments[0] == "-m":
            assert importlib.util.find_spec(arguments[1]), words
            if arguments[1] == "gan_pipelines":
                require_options(run, words)
        case "python":
            assert arguments[0] == "-c", words
        case _ if program.startswith("benchmarks/"):
            text = (ROOT / program).read_text(encoding="utf-8")
            assert all(f'"{name}"' in text for name, _ in options_of(arguments)), words
        case _:
            assert program in ELSEWHERE, words


def require_options(command: click.Command, words: list[str]) -> None:
    """Check that a command has the options with which a document calls it."""
    known = {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
    assert {name for name, _ in options_of(words)} <= known, words


@pytest.mark.parametrize("code", [code for code in CODE if code.reason or code.language == "python"], ids=str)
def test_what_is_not_run_says_why_and_can_be_read(code: Code) -> None:
    match code.language:
        case "python":
            compile(code.text, str(code), "exec")
        case "sh":
            subprocess.run(["bash", "-n"], input=code.text, text=True, check=True)
        case "yaml":
            assert isinstance(yaml.safe_load(code.text), dict)
    assert not code.reason or len(code.reason.split()) >= 3


@pytest.fixture(scope="module")
def words() -> set[str]:
    """Every word of the source and the configuration, and the names of nodes and datasets."""
    files = [path for folder in SOURCES for path in (ROOT / folder).rglob("*") if path.suffix in TEXTS]
    files += [ROOT / name for name in ("pyproject.toml", "Makefile", "Dockerfile", ".ci/run")]
    found = set(re.findall(r"\w+", " ".join(path.read_text(encoding="utf-8") for path in files)))
    configure_project("gan_pipelines")
    active.enter(ROOT, Experiment.read(ExperimentLoader(str(ROOT / "conf"), "base", **LOADER_ARGUMENTS)["parameters"]))
    graph = sum(pipelines.values(), Pipeline([]))
    return found | set(re.findall(r"\w+", " ".join([*graph.datasets(), *(node.name for node in graph.nodes)])))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_name_and_path_in_a_page_exists(page: Path, words: set[str]) -> None:
    for span in spans(page):
        if NAME.fullmatch(span) and re.search(r"[_.]", span) and not is_file(span):
            parts = {word if word in words else re.sub(r"_\d+$", "", word) for word in re.findall(r"\w+", span)}
            unknown = parts - words  # numbers are those of codes that are repeated
            assert not unknown, f"{span}: {unknown}"
        elif FILES.fullmatch(span) and is_file(span) and not READERS_OWN.fullmatch(span):
            pattern = re.sub(r"<\w+>|\.\.\.", "*", span)
            places = [ROOT, ROOT / "src", ROOT / "src" / "gan_pipelines", ROOT / "docs", page.parent]
            pattern = pattern if "/" in pattern else f"**/{pattern}"
            assert any(next(place.glob(pattern), None) for place in places) or is_made(pattern), span


def is_file(span: str) -> bool:
    return "/" in span or span.endswith((".py", ".md", ".yml", ".ipynb", ".toml", ".lock"))


def is_made(path: str) -> bool:
    """Whether git ignores a path, since runs and builds make it."""
    return subprocess.run(["git", "check-ignore", "--quiet", path], cwd=ROOT, check=False).returncode == 0
