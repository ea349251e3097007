"""A thin MLflow sink: one run for every pipeline run, and below it one child run for every training stage.

Which run is active stands in environment variables, where the worker processes of a parallel runner find it. With no
run active, or once the store has failed, nothing here does anything. MLflow's import takes seconds and waits for use.
"""

import logging
import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import psutil
from torch import Tensor
from torchvision.utils import make_grid

from gan_pipelines import __version__
from gan_pipelines.data.images import to_bytes
from gan_pipelines.models.provenance import Provenance
from gan_pipelines.parameters.base import flatten
from gan_pipelines.progress import Progress, open_progress
from gan_pipelines.store import Settings, open_client
from gan_pipelines.training.interruption import stoppable
from gan_pipelines.training.observer import Observer, Resumed

if TYPE_CHECKING:
    from mlflow import MlflowClient

logger = logging.getLogger(__name__)

RUN_ID, TRACKING_URI, LOST = "GAN_PIPELINES_RUN_ID", "GAN_PIPELINES_TRACKING_URI", "GAN_PIPELINES_TRACKING_LOST"
"""Environment variables: the parent run, its store, and why that store was given up if it was."""

FLUSH_SECONDS = 5.0
CLOCK_TOLERANCE_SECONDS = 5.0
"""A correction of the clock moves the time at which a process seems to have begun."""
Report = tuple[int, int, Mapping[str, float]]  # time in milliseconds, step, metrics
Pairs = Iterable[tuple[str, str]]
Status = Literal["FINISHED", "FAILED", "KILLED"]
INHERITED = ("experiment", "data_source", "data_sha256", "git_commit")
"""Tags of a run that its stages bear too, so that they can be searched for by themselves."""
NOTE = "mlflow.note.content"
"""The tag that MLflow's page shows as the run's description."""


def start_run(
    settings: Settings, project: Path, experiment: str, parameters: Mapping[str, Any], tags: Mapping[str, str]
) -> None:
    """Open the parent run, make it the active one, and record what it starts from.

    Args:
        settings: where to record.
        project: the project's root.
        experiment: MLflow's experiment; it is created if need be.
        parameters: plain nested data, recorded one by one, and as a whole in the artifact `parameters.json`.
        tags: added to the experiment, the code's commit and version; `mlflow.runName` names the run.
    """
    _forget_run()
    os.environ[TRACKING_URI], artifacts = settings.locate(project, experiment)

    def create(client: "MlflowClient") -> str:
        experiment_id = _experiment_id(client, experiment, artifacts)
        _close_dead_runs(client, experiment_id)
        code = {"experiment": experiment, "package_version": __version__, **_git_tags(project)}
        process = {"host": platform.node(), "process": _describe_process()}
        return str(client.create_run(experiment_id, tags={**code, **process, **tags}).info.run_id)

    with stoppable():  # until it is known which run is to be closed
        run_id = _send(create)
        if run_id is not None:
            os.environ[RUN_ID] = run_id
            _log(run_id, parameters=flatten(parameters))
            _send(lambda client: client.log_dict(run_id, dict(parameters), "parameters.json"))


def finish_run(status: Status, note: str = "") -> None:
    """End the active run, and with it its children still open, such as those of killed workers.

    A store that was given up is tried once more, lest the run seem to go on for ever.

    Args:
        status: how it ended.
        note: why, shown as the run's description.
    """
    run_id = os.environ.get(RUN_ID, "")
    if run_id:
        _send(lambda client: _close(client, run_id, status, note), even_if_lost=True)
    _forget_run()


def _close(client: "MlflowClient", run_id: str, status: Status, note: str = "") -> None:
    open_children = f"tags.mlflow.parentRunId = '{run_id}' and attributes.status = 'RUNNING'"
    for child in client.search_runs([client.get_run(run_id).info.experiment_id], open_children):
        client.set_terminated(child.info.run_id, status)
    if note:
        client.set_tag(run_id, NOTE, note)
    client.set_terminated(run_id, status)


def _close_dead_runs(client: "MlflowClient", experiment_id: str) -> None:
    """Runs of this machine whose process is gone, killed before it could say so, must not seem to go on."""
    mine = f"attributes.status = 'RUNNING' and tags.host = '{platform.node()}'"
    for run in client.search_runs([experiment_id], mine):
        if not _is_alive(run.data.tags["process"]):
            _close(client, run.info.run_id, "KILLED", "The process was killed.")


def _describe_process() -> str:
    """This process's number and when it began, since numbers are given out again."""
    return f"{os.getpid()} since {psutil.Process().create_time():.0f}"


def _is_alive(described: str) -> bool:
    number, _, began = described.partition(" since ")
    try:
        return abs(psutil.Process(int(number)).create_time() - float(began)) < CLOCK_TOLERANCE_SECONDS
    except psutil.NoSuchProcess:
        return False


def _forget_run() -> None:
    for name in (RUN_ID, TRACKING_URI, LOST):
        os.environ.pop(name, None)


def _experiment_id(client: "MlflowClient", name: str, artifacts: str | None) -> str:
    from mlflow.exceptions import MlflowException

    known = client.get_experiment_by_name(name)
    try:
        return str(known.experiment_id if known else client.create_experiment(name, artifacts))
    except MlflowException:  # another run has created it in this very moment
        known = client.get_experiment_by_name(name)
        if known is None:
            raise
        return str(known.experiment_id)


@contextmanager
def stage_run(name: str, clock: Callable[[], float] = time.monotonic) -> Iterator[Observer]:
    """Open a child run, and a display of progress, for a training stage of that name; `clock` counts seconds.

    The child bears its name as the tag `stage`, and what is known by then of its parent's data and code.

    Yields:
        The observer to hand to the training. If the block raises, the child run ends as FAILED, with the message as its
        description; as KILLED if it was told to stop.
    """

    def create(client: "MlflowClient") -> str:
        parent = client.get_run(os.environ[RUN_ID])
        inherited = {tag: parent.data.tags[tag] for tag in INHERITED if tag in parent.data.tags}
        tags = {"mlflow.parentRunId": parent.info.run_id, "stage": name, **inherited}
        return str(client.create_run(parent.info.experiment_id, tags=tags, run_name=name).info.run_id)

    run_id = _send(create)
    status: Status = "KILLED"
    note = ""
    with closing(open_progress(name, clock=clock)) as progress:
        stage = _Stage(run_id, progress, clock)
        try:
            yield stage
            status = "FINISHED"
        except Exception as error:
            status, note = "FAILED", str(error)
            raise
        finally:
            stage.flush()
            _send(lambda client: _close(client, str(run_id), status, note))


class _Stage:
    """Passes what it observes on to the display, and to a child run if there is one; metrics go there in batches."""

    def __init__(self, run_id: str | None, progress: Progress, clock: Callable[[], float]) -> None:
        self._run_id, self._progress, self._clock = run_id, progress, clock
        self._waiting, self._sent = list[Report](), clock()

    def start(
        self, steps: int, batch_size: int, provenance: Provenance | None = None, resumed: Resumed | None = None
    ) -> None:
        self._progress.start(steps, batch_size, resumed.step if resumed else 0)
        if provenance:
            _log(self._run_id, parameters=flatten(provenance.model_dump(mode="json")))
        if resumed:
            tags = {"resumed_at_step": str(resumed.step), "resumed_from_version": resumed.version}
            now = time.time_ns() // 10**6
            rows = [(now, int(row["step"]), {k: v for k, v in row.items() if k != "step"}) for row in resumed.rows]
            _log(self._run_id, rows, tags=tags.items())

    def report(self, step: int, metrics: Mapping[str, float]) -> None:
        self._progress.report(step, metrics)
        self._waiting.append((time.time_ns() // 10**6, step, metrics))
        if self._clock() - self._sent >= FLUSH_SECONDS:
            self.flush()

    def show(self, step: int, pictures: Tensor) -> None:
        _send(lambda client: client.log_image(str(self._run_id), _grid(pictures), key="samples", step=step))

    def flush(self) -> None:
        _log(self._run_id, self._waiting)
        self._waiting, self._sent = [], self._clock()


def log_scores(scores: Mapping[str, float]) -> None:
    """Record final scores as metrics of the active run."""
    _log(os.environ.get(RUN_ID), [(time.time_ns() // 10**6, 0, scores)])


def log_tags(tags: Mapping[str, str]) -> None:
    """Record facts found on the way, such as the data's digest, as tags of the active run."""
    _log(os.environ.get(RUN_ID), tags=tags.items())


def log_artifact(path: Path, folder: str | None = None) -> None:
    """Copy a file, such as a picture, or all that a folder holds, into a folder of the active run's artifacts."""
    _send(lambda client: client.log_artifact(os.environ[RUN_ID], str(path), folder))


def log_text(text: str, name: str) -> None:
    """Write text, such as a figure in HTML, as an artifact of the active run, such as `figures/losses.html`."""
    _send(lambda client: client.log_text(os.environ[RUN_ID], text, name))


def _send(call: "Callable[[MlflowClient], str | None]", even_if_lost: bool = False) -> str | None:
    """Every word to MLflow passes here: nothing is said without a store, and a store that fails is given up."""
    uri = os.environ.get(TRACKING_URI)
    if uri is None or (LOST in os.environ and not even_if_lost):
        return None
    with stoppable():  # a signal in the midst of it would tear the record apart
        try:
            return call(open_client(uri))
        except Exception as error:  # whatever goes wrong with the record, the training goes on
            if LOST not in os.environ:
                os.environ[LOST] = f"{type(error).__name__}: {error}".splitlines()[0][:300]
                news = "MLflow fails, so no more of this run is recorded; all else goes on. %s"
                logger.warning(news, os.environ[LOST])
    return None


def _log(run_id: str | None, reports: Iterable[Report] = (), parameters: Pairs = (), tags: Pairs = ()) -> None:
    def call(client: "MlflowClient") -> None:
        from mlflow.entities import Metric, Param, RunTag

        metrics = [Metric(name, value, now, step) for now, step, values in reports for name, value in values.items()]
        client.log_batch(str(run_id), metrics, [Param(*pair) for pair in parameters], [RunTag(*pair) for pair in tags])

    _send(call)


def _grid(pictures: Tensor) -> Any:
    """Pictures in rows of ten as one array, (height, width, 3) of bytes."""
    return make_grid(to_bytes(pictures.detach().float()).cpu(), nrow=10).permute(1, 2, 0).numpy()


def _git_tags(project: Path) -> dict[str, str]:
    """Commit, and whether anything differs from it; nothing outside a checkout."""
    command = ["git", "--no-optional-locks", "status", "--porcelain=v2", "--branch"]
    try:
        answer = subprocess.run(command, cwd=project, capture_output=True, text=True, check=True)  # noqa: S603  # fixed words
    except (OSError, subprocess.CalledProcessError):
        return {}
    lines = answer.stdout.splitlines()  # a heading of lines with #, which begins with the commit, then the changes
    return {"git_commit": lines[0].removeprefix("# branch.oid "), "git_dirty": str(lines[-1][0] != "#").lower()}
