"""Where the project lies, which experiment is active, and how expected errors are shown."""

import os
import sys
from pathlib import Path
from types import TracebackType

from kedro.io import DatasetError
from kedro.utils import find_kedro_project

from gan_pipelines.parameters import ExperimentError
from gan_pipelines.training.divergence import TrainingDiverged


def project_folder() -> Path:
    """The Kedro project around the current folder; else the one that holds this package's source."""
    return find_kedro_project(Path.cwd()) or Path(__file__).resolve().parents[2]


def active_experiment() -> str:
    """Name of the folder under conf/ that is active: `--env`, else KEDRO_ENV, else `base`.

    Raises:
        ExperimentError: there is no such folder.
    """
    name = os.environ.get("KEDRO_ENV") or "base"
    conf = project_folder() / "conf"
    if not (conf / name).is_dir():
        known = ", ".join(sorted(folder.name for folder in conf.iterdir() if folder.is_dir()))
        raise ExperimentError(f"--env: there is no experiment {name!r}, a folder under conf/; found {known}.")
    return name


def show_expected_errors_plainly(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    """Print errors that explain themselves without a traceback; an exception hook."""
    if isinstance(error, ExperimentError | TrainingDiverged | DatasetError):
        print(f"Error: {error}", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, traceback)
