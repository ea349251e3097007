"""What the documents tell a reader to type works, in their order, on the smoke experiment.

Blocks of `kedro run`, Python and YAML run; commands within sentences run up to their first node, since the tests of the
pipelines run these. What cannot run here is at least read: see test_document_names.py.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import yaml
from kedro.framework.project import configure_project
from kedro.framework.startup import bootstrap_project
from kedro.io import DataCatalog
from mlflow import MlflowClient
from PIL import Image

from gan_pipelines.cli import require_runner, run
from gan_pipelines.configuration import LOADER_ARGUMENTS, ExperimentLoader
from gan_pipelines.parameters import Experiment
from tests.pipelines.conftest import STORE, Project
from tests.pipelines.documents import PAGES, PLACEHOLDER, ROOT, RUN, Code, Reached, UpToTheFirstNode, options_of, read

SMALL = ("mnist", "plain_gan", "unconditional", "three_levels", "cifar10")
"""Experiments that documents name, here with the networks and lengths of smoke."""


@dataclass
class Reader:
    """Types what a page says, in a project in which everything was trained once.

    Attributes:
        project: where; without `--env` it has smoke's networks too.
        monkeypatch: undoes what is installed.
        changed: whether a page has changed the source, so that only another process sees the change.
    """

    project: Project
    monkeypatch: pytest.MonkeyPatch
    changed: bool = False

    def follow(self, code: Code) -> None:
        """Run a block, or the beginning of a command."""
        match code.language:
            case _ if code.file:
                self.project.write(code.file, code.text)
            case "yaml":
                self.write(code)
            case "diff":
                self.change(code.text)
            case "python":
                exec(compile(self.fill_in(code.text), str(code), "exec"), {"__name__": "__main__"})
            case "sh" | "command":
                for words in code.commands():
                    if words[0] == "kedro" and words[1:2] == ["run"]:
                        self.run([self.fill_in(word) for word in words[2:]], whole=not code.begun)
                    elif words[:2] == ["pip", "install"] and "--editable" in words:
                        self.install(words[-1])
                    else:
                        assert words[0] == "make" or code.language == "command", f"mark this block as not run: {code}"

    def run(self, arguments: list[str], whole: bool) -> None:
        """`kedro run`, as a whole or up to its first node."""
        arguments = [word for word in arguments if not PLACEHOLDER.search(word)]
        arguments = [re.sub(r"=\$seed\b", "=1", word) for word in arguments]
        self.monkeypatch.setenv("PYTHONPATH", os.environ.get("PYTHONPATH", ""))  # both of which Kedro changes for good
        self.monkeypatch.setattr(sys, "path", [*sys.path])
        bootstrap_project(self.project.folder)
        configure_project("gan_pipelines")
        if self.changed:
            source = {**os.environ, "PYTHONPATH": str(self.project.folder / "src")}
            subprocess.run([sys.executable, "-m", "kedro", "run", *arguments], env=source, check=True)
            return
        if whole:
            run.main(arguments, prog_name="kedro run", standalone_mode=False)
            return
        asked = dict(options_of(arguments))
        require_runner(asked.get("--runner"), {})
        kept = [word for word in arguments if not word.startswith("--runner")]
        runner = f"--runner={UpToTheFirstNode.__module__}.{UpToTheFirstNode.__name__}"
        with pytest.raises(Reached):
            run.main([*kept, runner], prog_name="kedro run", standalone_mode=False)

    def write(self, code: Code) -> None:
        """Make a block of YAML the experiment `mine`, or an entry of the catalog."""
        values = yaml.safe_load(text := self.fill_in(code.text))
        if not all(key in Experiment.model_fields or key == "extends" or key.startswith("_") for key in values):
            self.project.write("conf/base/catalog_mine.yml", text)
            conf = ExperimentLoader(str(self.project.folder / "conf"), "smoke", **LOADER_ARGUMENTS)
            found = DataCatalog.from_config({name: conf["catalog"][name] for name in values})
            assert all(found.get(name) is not None for name in values), code
            return
        self.project.write("conf/mine/parameters.yml", text if "extends" in values else f"extends: smoke\n{text}")
        if not self.changed:
            conf = ExperimentLoader(str(self.project.folder / "conf"), "mine", **LOADER_ARGUMENTS)
            Experiment.read(conf["parameters"])

    def install(self, folder: str) -> None:
        """Install a package of the reader's for this test alone."""
        site = self.project.folder / "site"
        command = ["pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", f"--target={site}"]
        subprocess.run([sys.executable, "-m", *command, str(self.project.folder / folder)], check=True)
        self.monkeypatch.syspath_prepend(site)

    def change(self, diff: str) -> None:
        """Change the source of this project's copy of the package."""
        if not self.changed:
            shutil.copytree(ROOT / "src", self.project.folder / "src", dirs_exist_ok=True)
        self.changed = True
        subprocess.run(["git", "apply", "-"], input=diff, text=True, check=True)

    def fill_in(self, text: str) -> str:
        """A text with versions that are there in place of those in the document."""
        files = r"(?P<name>\w+)(?P<suffix>\.safetensors)?(?P<sign>[:/])(?:VERSION|\d{4}-\d\d-\d\dT[\d.]+Z)"
        return re.sub(files, lambda x: f"{x['name']}{x['suffix'] or ''}{x['sign']}{self.version(x['name'])}", text)

    def version(self, model: str) -> str:
        return self.project.version(f"{model}.safetensors")


@pytest.fixture(scope="module")
def furnished(finished_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A finished project whose experiments are all small, with the files that a reader is asked to have."""
    project = finished_project.copy(tmp_path_factory.mktemp("documents") / "a project")
    data = project.folder / "data"
    for name in ("base", "mnist"):
        for folder in [*data.glob("*/smoke")]:
            shutil.copytree(folder, folder.with_name(name))
    for name in SMALL:
        file = project.folder / "conf" / name / "parameters.yml"
        file.write_text(f"extends: smoke\n{file.read_text()}" if name not in ("mnist", "cifar10") else "extends: smoke")
    project.write("conf/local/parameters.yml", "extends: smoke\n")
    for place in ("elsewhere", "."):
        for model in ("joint_stack", "infogan", "level_pixels"):
            (project.folder / place).mkdir(exist_ok=True)
            shutil.copy(project.newest(f"{model}.safetensors"), project.folder / place)
    write_pictures(data / "01_raw")
    client = MlflowClient(f"sqlite:///{project.folder / STORE}")
    client.rename_experiment(client.get_experiment_by_name("smoke").experiment_id, "base")
    project.run(env="mnist", pipeline_names=["infogan_evaluation"])
    project.run(env=None, pipeline_names=["sgan"])
    return project


def write_pictures(folder: Path) -> None:
    """Random pictures in folders, and in a file of arrays."""
    rng = np.random.default_rng(0)
    for name, label in ((name, label) for name in ("mine", "theirs") for label in range(10)):
        (folder / name / str(label)).mkdir(parents=True)
        for number in range(24):
            picture = Image.fromarray(rng.integers(0, 256, (28, 28), dtype=np.uint8))
            picture.save(folder / name / str(label) / f"{number}.png")
    arrays = {"x_train": rng.integers(0, 256, (400, 28, 28), dtype=np.uint8), "y_train": np.arange(400) % 10}
    arrays |= {"x_test": rng.integers(0, 256, (200, 28, 28), dtype=np.uint8), "y_test": np.arange(200) % 10}
    np.savez(folder / "mine.npz", **arrays)


@pytest.fixture
def reader(furnished: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reader:
    project = furnished.copy(tmp_path / "a project")
    project.write("conf/mine/parameters.yml", "extends: smoke\n")
    monkeypatch.chdir(project.folder)
    monkeypatch.setitem(mpl.rcParams, "backend", "agg")
    return Reader(project, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if any(code.language in RUN for code in read(page))],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_what_a_page_says_works_from_top_to_bottom(page: Path, reader: Reader) -> None:
    for code in read(page):
        if not code.reason or code.begun:
            try:
                reader.follow(code)
            except Exception as error:
                raise AssertionError(f"{code}: {code.text}") from error
