"""MLflow's store: where it lies and how it is opened. MLflow's import takes seconds and waits for use."""

import os
import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from gan_pipelines.parameters.base import Schema

if TYPE_CHECKING:
    from mlflow import MlflowClient

SQLITE = "sqlite:///"

MLFLOW_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # otherwise a dead server holds the training up for minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_SQLALCHEMYSTORE_POOLCLASS": "NullPool",  # an open sqlite connection must not pass through a fork
}
"""How MLflow is to behave where the user's environment does not say otherwise."""


class Settings(Schema):
    """Where runs are recorded.

    Attributes:
        tracking_uri: MLflow's store, a sqlite path being relative to the root; MLFLOW_TRACKING_URI has precedence.
        artifacts: folder, relative to the root, for the files of a sqlite store; a server has a place of its own.
    """

    tracking_uri: str
    artifacts: str

    def locate(self, project: Path, experiment: str) -> tuple[str, str | None]:
        """The store's absolute address, and that of an experiment's files unless the store itself decides on it."""
        uri = os.environ.get("MLFLOW_TRACKING_URI") or self.tracking_uri
        if not uri.startswith(SQLITE):
            return uri, None
        file = project.resolve() / uri.removeprefix(SQLITE)
        return f"{SQLITE}{file.as_posix()}", (project.resolve() / self.artifacts / experiment).as_uri()


@cache
def open_client(uri: str) -> "MlflowClient":
    """A client of the store at this absolute address; a sqlite store is made if need be."""
    for name, value in MLFLOW_DEFAULTS.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    if uri.startswith(SQLITE):  # fail at once; MLflow tries for 100 s to open what cannot be opened
        file = Path(uri.removeprefix(SQLITE))
        file.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA schema_version")
        with FileLock(file.with_name(f"{file.name}.lock")):  # of two first runs at once one makes the tables
            client = MlflowClient(uri)
            client.search_experiments(max_results=1)
        return client
    return MlflowClient(uri)
