"""Real sqlite stores in folders with a space in their names; copies of one, since creating its tables takes seconds."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from gan_pipelines.tracking.names import parse_training_name
from gan_pipelines.tracking.store import Settings
from tests.conftest import Record

SETTINGS = Settings(tracking_uri="sqlite:///records/mlflow.db", artifacts="mlartifacts")


@pytest.fixture(scope="session")
def make_project(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """A folder with a store where SETTINGS say."""

    def make() -> Path:
        project = tmp_path_factory.mktemp("projects") / "my project"
        (project / "records").mkdir(parents=True)
        shutil.copy(empty_store, project / "records")
        return project

    return make


@pytest.fixture(scope="session")
def record(empty_store: Path) -> Callable[[Path], Record]:
    """The record of a project, to be filled."""

    def make(project: Path) -> Record:
        shutil.copy(empty_store, project)
        return Record(project)

    return make


def own_variables() -> list[str]:
    return [name for name in os.environ if name.startswith("GAN_PIPELINES_")]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No store and no active run from outside; none is left behind."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    yield
    for name in own_variables():
        del os.environ[name]


def children(store: MlflowClient, parent: str) -> dict[str, Run]:
    """A run's child runs by stage."""
    experiment = store.get_run(parent).info.experiment_id
    runs = store.search_runs([experiment], f"tags.mlflow.parentRunId = '{parent}'")
    return {parse_training_name(run.info.run_name): run for run in runs}
