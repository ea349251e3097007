"""MLflow's store: where it is, how it is opened, and what its web page's address is.

Importing MLflow takes seconds, so nothing here does it before a store is opened.
"""

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from filelock import FileLock

from gan_pipelines.parameters.base import ExperimentError, Schema

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

SQLITE = "sqlite:///"
PAGE_PORT = 5000
"""Where `make ui` serves MLflow's page, on this machine."""
SERVE_PORT = 5001
"""Where `make serve` serves a model, on this machine."""

MLFLOW_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # a server's clients print two lines at the end of each stage
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # otherwise a dead server delays the training for minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_SQLALCHEMYSTORE_POOLCLASS": "NullPool",  # an open sqlite connection must not survive a fork
}
"""MLflow's settings, where the user's environment does not set them."""

DEFAULT_FILES = "_MLFLOW_SERVER_ARTIFACT_ROOT"
"""Environment variable: the address of the files of experiments that have none of their own."""

_OF_RUN = "(SELECT experiment_id FROM runs WHERE runs.run_uuid = model_versions.run_id)"
ADDRESSES = (
    ("experiments", "artifact_location", "experiment_id"),
    ("runs", "artifact_uri", "experiment_id"),
    ("logged_models", "artifact_location", "experiment_id"),
    ("model_versions", "source", _OF_RUN),
    ("model_versions", "storage_location", _OF_RUN),
)
"""Tables and columns in which MLflow keeps absolute addresses of files, and whose experiment they belong to."""


class Settings(Schema):
    """Where runs are recorded.

    Attributes:
        tracking_uri: MLflow's store; a sqlite path is relative to the project. MLFLOW_TRACKING_URI takes precedence.
        artifacts: folder, relative to the project, for the files of a sqlite store; a server has its own.
    """

    tracking_uri: str
    artifacts: str

    def locate(self, project: Path) -> str:
        """The store's absolute address."""
        uri = os.environ.get("MLFLOW_TRACKING_URI") or self.tracking_uri
        return f"{SQLITE}{(project.resolve() / file).as_posix()}" if (file := sqlite_file(uri)) else uri

    def locate_files(self, project: Path, experiment: str) -> str | None:
        """The absolute address of an experiment's files; None if the store chooses it."""
        folder = project.resolve() / self.artifacts / experiment
        return folder.as_uri() if sqlite_file(self.locate(project)) else None


def sqlite_file(uri: str) -> Path | None:
    """The file of a sqlite store; None for any other store."""
    return Path(uri.removeprefix(SQLITE)) if uri.startswith(SQLITE) else None


def find_store(settings: Settings, project: Path) -> str:
    """The store's absolute address, with the addresses in it brought up to date (see `relocate`).

    Call this before reading the record or serving MLflow's page. A store that cannot be read or written is left as it
    is: whoever opens it next says what is wrong.
    """
    with suppress(OSError, sqlite3.Error):
        relocate(settings, project)
    return settings.locate(project)


def relocate(settings: Settings, project: Path) -> None:
    """Correct the absolute addresses in the project's own sqlite store after the project was moved or copied.

    Only addresses that end like this project's own change, from `/<artifacts>/<experiment>` on. A run whose files
    stayed at the old place keeps its address. A store outside the project may serve several projects and is left alone.

    Raises:
        OSError: the store's lock cannot be taken.
        sqlite3.Error: the store cannot be read or written.
    """
    root, file = project.resolve(), sqlite_file(settings.locate(project))
    if file is None or not file.is_file() or not file.resolve().is_relative_to(root):
        return
    with _lock(file), closing(sqlite3.connect(file, timeout=30)) as connection, connection:
        folders = {
            experiment: root / settings.artifacts / name
            for experiment, name in connection.execute("SELECT experiment_id, name FROM experiments")
        }
        for table, column, owner in ADDRESSES:
            rows = connection.execute(f"SELECT rowid, {owner}, {column} FROM {table}").fetchall()  # noqa: S608  # fixed words
            for row, experiment, old in rows:
                new = _move(old, root, folders[experiment]) if old and experiment in folders else None
                if new and (table == "experiments" or _local_path(new).exists() or not _local_path(old).exists()):
                    connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (new, row))  # noqa: S608  # likewise


def _move(address: str, root: Path, folder: Path) -> str | None:
    """The address below this root, if it lies below another one and ends in this folder's relative path."""
    here, path = root.as_uri(), folder.as_uri()
    if not (address.startswith("file://") and path.startswith(f"{here}/")):
        return None
    old_root, tail, rest = address.rpartition(path.removeprefix(here))
    moved = tail and rest[:1] in ("", "/") and old_root != here
    return f"{here}{tail}{rest}" if moved else None


def _local_path(address: str) -> Path:
    return Path(url2pathname(urlsplit(address).path))


def _lock(file: Path) -> FileLock:
    """Held while tables are made or addresses change, in case two runs start at the same time."""
    return FileLock(file.with_name(f"{file.name}.lock"))


@cache
def open_client(uri: str) -> "MlflowClient":
    """Open a client of the store at this absolute address; a sqlite store is created if necessary."""
    for name, value in MLFLOW_DEFAULTS.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    file = sqlite_file(uri)
    if file is None:
        return MlflowClient(uri)
    file.parent.mkdir(parents=True, exist_ok=True)
    # MLflow writes this into SQL as it stands, and without it the path, in which a quote would end a text
    os.environ[DEFAULT_FILES] = f"{file.parent.as_uri()}/mlruns"
    with closing(sqlite3.connect(file)) as connection:  # fails at once; MLflow would try for 100 s
        connection.execute("PRAGMA schema_version")
    with _lock(file):
        client = MlflowClient(uri)
        client.search_experiments(max_results=1)
    return client


@contextmanager
def reading(uri: str) -> Iterator["MlflowClient"]:
    """A client to read with, which creates nothing.

    Raises:
        ExperimentError: there is no store at this address, or it cannot be read.
    """
    file = sqlite_file(uri)
    if file and not file.is_file():
        raise ExperimentError(
            f"compare: there is no record of runs at {file}. Run an experiment first, or name another store in "
            f"MLFLOW_TRACKING_URI."
        )
    try:
        yield open_client(uri)
    except store_errors() as error:
        raise ExperimentError(
            f"compare: the record of runs at {mask(uri)} cannot be read: {describe_error(error)}"
        ) from None


def mlflow_exception() -> "type[MlflowException]":
    """What MLflow raises; a function, because importing MLflow takes seconds."""
    from mlflow.exceptions import MlflowException

    kind: type[MlflowException] = MlflowException
    return kind


def store_errors() -> tuple[type[Exception], ...]:
    """What opening and reading a store raises, a driver that is not installed included."""
    from sqlalchemy.exc import SQLAlchemyError

    return OSError, ImportError, sqlite3.Error, SQLAlchemyError, mlflow_exception()


def describe_error(error: Exception) -> str:
    """An error's first line, without credentials."""
    return mask(str(error)).splitlines()[0][:300] if str(error) else type(error).__name__


def mask(text: str) -> str:
    """Hide the credentials of all addresses in a text; a path of a sqlite store has none."""
    masked = re.sub(r"(?<!sqlite)://.*@", "://***@", text)
    return re.sub(r"([?&]password=)[^&\s]*", r"\1***", masked)


def server_address(uri: str) -> str | None:
    """The address of a tracking server without credentials; None for any other store."""
    if not uri.startswith(("http://", "https://")):
        return None
    server = urlsplit(uri)
    return f"{server.scheme}://{server.netloc.rpartition('@')[2]}{server.path.rstrip('/')}"


def page_address(uri: str, experiment_id: str) -> str:
    """The address at which MLflow's page shows an experiment's runs, without credentials.

    Args:
        uri: the store. A tracking server serves its own page; for any other store `make ui` does.
        experiment_id: MLflow's id.
    """
    base = server_address(uri) or f"http://127.0.0.1:{PAGE_PORT}"
    return f"{base}/#/experiments/{experiment_id}/runs?workflowType=machine_learning"
