"""Real Kedro projects in temporary folders with a space in their names, and the records of their runs."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kedro.framework.project import configure_project
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from mlflow import MlflowClient
from mlflow.entities import Run

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def make_project(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    def make() -> Path:
        folder = tmp_path_factory.mktemp("a project")
        for name in ("pyproject.toml", ".telemetry"):
            shutil.copy(ROOT / name, folder)
        shutil.copytree(ROOT / "conf", folder / "conf", ignore=shutil.ignore_patterns("local"))
        (folder / "conf" / "local").mkdir()
        (folder / "src").mkdir()
        return folder

    return make


def run_kedro(project: Path, params: dict[str, Any] | None = None, env: str = "smoke", **arguments: Any) -> None:
    """One `kedro run` in this process, as the command line would do it."""
    before = Path.cwd()
    os.chdir(project)
    os.environ["KEDRO_ENV"] = env
    try:
        bootstrap_project(project)
        configure_project("gan_pipelines")
        with KedroSession.create(project, env=env, runtime_params=params or {}) as session:
            session.run(**arguments)
    finally:
        os.chdir(before)
        os.environ.pop("KEDRO_ENV", None)


@pytest.fixture(scope="session")
def finished_project(make_project: Callable[[], Path]) -> Path:
    """A project in which everything ran once, SGAN and InfoGAN, in the smoke environment."""
    project = make_project()
    run_kedro(project)
    return project


@pytest.fixture(scope="session")
def kedro() -> Callable[..., None]:
    """`run_kedro`, for tests."""
    return run_kedro


Records = Callable[[Path], tuple[MlflowClient, Run, dict[str, Run]]]


@pytest.fixture(scope="session")
def records() -> Records:
    """Reads a project's newest run from MLflow: the client, the parent run, its children by name."""

    def read(project: Path) -> tuple[MlflowClient, Run, dict[str, Run]]:
        client = MlflowClient(f"sqlite:///{project / 'mlflow.db'}")
        experiment = client.get_experiment_by_name("smoke")
        assert experiment is not None
        found = list(client.search_runs([experiment.experiment_id]))
        parent = next(run for run in found if "mlflow.parentRunId" not in run.data.tags)
        mine = [run for run in found if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
        return client, parent, {run.info.run_name: run for run in mine}

    return read


@pytest.fixture(scope="session")
def files() -> Callable[[Path, str], list[Path]]:
    """Lists the files, not the versioned folders, that match a pattern below data/, oldest version first."""

    def find(project: Path, pattern: str) -> list[Path]:
        return sorted(path for path in (project / "data").rglob(pattern) if path.is_file())

    return find
