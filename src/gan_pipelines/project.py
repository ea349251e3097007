"""The project and the experiment of the Kedro session under way, and how expected errors are shown."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from kedro.config import MissingConfigException
from kedro.framework.project import PACKAGE_NAME, pipelines
from kedro.io import DatasetError
from kedro.utils import find_kedro_project

from gan_pipelines.configuration import LOADER_ARGUMENTS, ExperimentLoader
from gan_pipelines.parameters import Experiment, ExperimentError

TRACEBACK = "GAN_PIPELINES_TRACEBACK"
"""Environment variable: if it is set, errors come with their traceback."""
EXPECTED = (ExperimentError, DatasetError, MissingConfigException, OSError)
"""What a user, or the machine, can cause; everything else but a diverged training is a defect."""
DEFECT = (
    "this is a defect of gan_pipelines. Please report the lines above, and the command, to the project's maintainers."
)


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
    """The experiment of the active session; without one, as in `kedro registry describe`, that of KEDRO_ENV."""
    if _session.experiment is None:
        conf = str(project_folder() / "conf")
        return Experiment.read(ExperimentLoader(conf, os.environ.get("KEDRO_ENV"), **LOADER_ARGUMENTS)["parameters"])
    return _session.experiment


def show_expected_errors_plainly(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    """Print what a user can mend as one paragraph, and a defect of ours with its traceback; an exception hook."""
    if (expected := _is_expected(error)) and TRACEBACK not in os.environ:
        print(f"Error: {' '.join(_explain(error).split())}", file=sys.stderr)
        return
    sys.__excepthook__(kind, error, traceback)
    if isinstance(error, Exception) and not expected:
        print(f"Error: {DEFECT}", file=sys.stderr)


def _is_expected(error: BaseException) -> bool:
    if not isinstance(error, RuntimeError):
        return isinstance(error, EXPECTED)
    from gan_pipelines.training.divergence import TrainingDiverged  # a refusal does not wait for PyTorch

    return isinstance(error, (*EXPECTED, TrainingDiverged))


def _explain(error: BaseException) -> str:
    if isinstance(error, OSError):
        return f"{error.filename or 'the system'}: {error.strerror or error}. {TRACEBACK}=1 shows the traceback."
    return str(error)
