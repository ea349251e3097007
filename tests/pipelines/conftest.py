"""Real Kedro projects in temporary folders with a space in their names, and what their runs leave behind."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from kedro.framework.project import configure_project, pipelines, settings
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from kedro.pipeline import Pipeline
from mlflow import MlflowClient
from mlflow.entities import Run

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.datasets import ImagesDataset
from gan_pipelines.model_file import read_model
from gan_pipelines.tracking.names import parse_training_name

if TYPE_CHECKING:
    from tests.pipelines.processes import Process

ROOT = Path(__file__).parents[2]
PARENT = "mlflow.parentRunId"
STORE = "mlflow.db"


WHOLE_RUNS = {"finished_project", "empty_project"}
"""Fixtures of tests that need a run, or make one."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that needs a run, or makes one, is slow."""
    for item in items:
        if isinstance(item, pytest.Function) and WHOLE_RUNS & set(item.fixturenames):
            item.add_marker(pytest.mark.slow)


@dataclass(frozen=True)
class Recorded:
    """One `kedro run` in MLflow: the parent run, and a child run by name for each training stage."""

    client: MlflowClient
    parent: Run
    children: dict[str, Run]

    def artifacts(self, folder: str, child: str | None = None) -> set[str]:
        """Names of the files in a folder of the parent's artifacts, or of a child's."""
        run = self.children[child] if child else self.parent
        return {Path(found.path).name for found in self.client.list_artifacts(run.info.run_id, folder)}


@dataclass(frozen=True)
class Project:
    """A real Kedro project in a folder, and what its runs leave behind."""

    folder: Path

    def run(self, params: dict[str, Any] | None = None, env: str | None = "smoke", **selection: Any) -> None:
        """One `kedro run` in this process.

        Args:
            params: what the command line takes as --params.
            env: the experiment; base if None.
            selection: arguments of Kedro's session, such as `pipeline_names`.
        """
        with self._session(params, env) as session:
            session.run(**selection)

    def pipelines(self, params: dict[str, Any] | None = None, env: str | None = "smoke") -> dict[str, Pipeline]:
        """The graphs from which a run with these parameters could choose; nothing runs."""
        with self._session(params, env) as session:
            session.load_context()
            return dict(pipelines)

    @contextmanager
    def _session(self, params: dict[str, Any] | None, env: str | None) -> Iterator[KedroSession]:
        before = Path.cwd()
        os.chdir(self.folder)
        try:
            bootstrap_project(self.folder)
            configure_project("gan_pipelines")
            with settings.SESSION_CLASS.create(self.folder, env=env, runtime_params=params or {}) as session:
                yield session
        finally:
            os.chdir(before)

    def files(self, pattern: str) -> list[Path]:
        """Files, but not the versioned folders of the same name, below data/; the oldest version first."""
        return sorted(path for path in (self.folder / "data").rglob(pattern) if path.is_file())

    def newest(self, pattern: str) -> Path:
        """The newest version of a file."""
        return self.files(pattern)[-1]

    def only(self, pattern: str) -> Path:
        """A file that has a single version."""
        (path,) = self.files(pattern)
        return path

    def version(self, pattern: str) -> str:
        """The newest version of a file, as Kedro names it."""
        return self.newest(pattern).parent.name

    def model(self, name: str) -> Any:
        """The newest version of a model, such as `joint_stack`."""
        return read_model(self.newest(f"{name}.safetensors"))

    def images(self, name: str) -> LabelledImages:
        """The newest version of some images, such as `joint_stack_samples`."""
        return ImagesDataset(filepath=str(self.newest(f"{name}.safetensors"))).load()

    def table(self, name: str) -> pd.DataFrame:
        """The newest version of a table."""
        return pd.read_csv(self.newest(f"{name}.csv"), keep_default_na=False, na_values=[""], dtype={"of_class": str})

    def scores(self, generator: str) -> pd.DataFrame:
        """The newest scores of a generator over all classes together, by score and space."""
        table = self.table(f"{generator}_scores")
        return table[table["of_class"].isna()].set_index(["score", "space"])

    def json(self, name: str) -> Any:
        """The newest version of a JSON file: a card, metrics, a figure."""
        return json.loads(self.newest(f"{name}.json").read_text())

    def records(self, experiment: str = "smoke") -> list[Recorded]:
        """Every run of an experiment, the newest first."""
        client = MlflowClient(f"sqlite:///{self.folder / STORE}")
        known = client.get_experiment_by_name(experiment)
        assert known is not None, f"MLflow knows no experiment {experiment}"
        runs = list(client.search_runs([known.experiment_id], max_results=1000))
        children: dict[str, dict[str, Run]] = {}
        for run in runs:
            stage = parse_training_name(run.info.run_name)
            children.setdefault(run.data.tags.get(PARENT, ""), {})[stage] = run
        parents = [run for run in runs if PARENT not in run.data.tags]
        return [Recorded(client, parent, children.get(parent.info.run_id, {})) for parent in parents]

    def record(self, experiment: str = "smoke") -> Recorded:
        """The newest run of an experiment."""
        return self.records(experiment)[0]

    def copy(self, folder: Path) -> "Project":
        """The same project in another folder."""
        return Project(Path(shutil.copytree(self.folder, folder)))

    def write(self, path: str, text: str) -> None:
        """Write a file of the project, such as conf/smoke/parameters_data.yml."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


@pytest.fixture(scope="session")
def new_checkout(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Project]:
    """Makes projects with this repository's configuration and nothing else."""

    def make() -> Project:
        folder = tmp_path_factory.mktemp("a project")
        for name in ("pyproject.toml", ".telemetry"):
            shutil.copy(ROOT / name, folder)
        shutil.copytree(ROOT / "conf", folder / "conf", ignore=shutil.ignore_patterns("local"))
        (folder / "conf" / "local").mkdir()
        (folder / "src").mkdir()
        return Project(folder)

    return make


@pytest.fixture(scope="session")
def new_project(new_checkout: Callable[[], Project], empty_store: Path) -> Callable[[], Project]:
    """Makes projects in which nothing has run yet; the record of runs is there, and empty."""

    def make() -> Project:
        project = new_checkout()
        shutil.copy(empty_store, project.folder)
        return project

    return make


@pytest.fixture
def empty_project(new_project: Callable[[], Project]) -> Project:
    """A project of the test's own in which nothing has run yet."""
    return new_project()


@pytest.fixture(scope="session")
def finished_project(new_project: Callable[[], Project]) -> Project:
    """A project in which everything ran once, SGAN and InfoGAN, in the smoke experiment.

    Nothing else may run in it, so that its newest record is that of the whole run.
    """
    project = new_project()
    project.run()
    return project


@pytest.fixture
def project(finished_project: Project, tmp_path: Path) -> Project:
    """A copy of the finished project for the test to change."""
    return finished_project.copy(tmp_path / "a copy")


@pytest.fixture
def unmade_project(project: Project) -> Project:
    """A project without data, but with a record of runs that has all its tables."""
    shutil.rmtree(project.folder / "data")
    return project


@pytest.fixture(scope="session")
def kedro_run(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Callable[..., Process]]":
    """Starts `kedro run` as a process of its own; see `processes.Launcher.run`."""
    from tests.pipelines.processes import Launcher  # which knows projects

    launcher = Launcher(tmp_path_factory.mktemp("logs"))
    yield launcher.run
    launcher.close()
