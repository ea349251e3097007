"""The project and the experiment of the Kedro session under way, and how expected errors are shown."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from kedro.framework.project import PACKAGE_NAME, pipelines
from kedro.io import DatasetError
from kedro.utils import find_kedro_project

from gan_pipelines.configuration import LOADER_ARGUMENTS, ExperimentLoader
from gan_pipelines.parameters import Experiment, ExperimentError
from gan_pipelines.training.divergence import TrainingDiverged


@dataclass
class _Session:
    folder: Path | None = None
    experiment: Experiment | None = None


_session = _Session()


def enter(folder: Path, experiment: Experiment) -> None:
    """Make a session's project and experiment the active ones; Kedro builds the pipelines again for it."""
    _session.folder, _session.experiment = folder, experiment
    pipelines.configure(f"{PACKAGE_NAME or 'gan_pipelines'}.pipeline_registry")


def project_folder() -> Path:
    """The project of the active session; without one the Kedro project around the current folder, else that folder."""
    return _session.folder or find_kedro_project(Path.cwd()) or Path.cwd()


def active_experiment() -> Experiment:
    """The experiment of the active session; without one, as in `kedro registry list`, the one that KEDRO_ENV names."""
    if _session.experiment is None:
        conf = str(project_folder() / "conf")
        return Experiment.read(ExperimentLoader(conf, os.environ.get("KEDRO_ENV"), **LOADER_ARGUMENTS)["parameters"])
    return _session.experiment


def show_expected_errors_plainly(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    """Print errors that explain themselves without a traceback; an exception hook."""
    if isinstance(error, ExperimentError | TrainingDiverged | DatasetError):
        print(f"Error: {error}", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, traceback)
