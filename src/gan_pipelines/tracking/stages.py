"""Writes training stages to MLflow, each as a child of the active run, and shows their progress."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from torch import Tensor

from gan_pipelines import progress
from gan_pipelines.data.images import to_bytes
from gan_pipelines.models.provenance import Provenance
from gan_pipelines.tracking import names
from gan_pipelines.tracking.runs import RUN_ID, Report, Status, close_run, log_batch, open_children, send
from gan_pipelines.tracking.telling import telling_numbers
from gan_pipelines.training.observer import Observer, Resumed

if TYPE_CHECKING:
    from mlflow import MlflowClient

FLUSH_SECONDS = 5.0
"""Time between two batches of metrics."""
TRAINING_NOTE = (
    "The training `{stage}` of [{parent.run_name}](#/experiments/{parent.experiment_id}/runs/{parent.run_id}): {steps} "
    f"steps of {{batch_size}} images. Its curves, and the film `{names.SAMPLES}` of a generator, are under "
    f"*Model metrics*; what decides its result, among its *Artifacts*, `{names.PROVENANCE_FILE}`."
)
"""The description at the top of a training's page."""
GRID_PIXELS = 640
"""Width that a grid of samples has at most after it was enlarged."""

Follower = Callable[[str, int, Mapping[str, float]], None]
"""Is told of each report of a training: its title, the step, losses and scores. What it raises ends the training."""

_namespace: ContextVar[str | None] = ContextVar("namespace of the running node", default=None)
_follower: ContextVar[Follower | None] = ContextVar("who follows all trainings", default=None)


def running_node(namespace: str | None) -> None:
    """Remember the namespace of the Kedro node that starts running, for the names of its child runs."""
    _namespace.set(namespace)


@contextmanager
def followed(follower: Follower | None) -> Iterator[None]:
    """Within the context, trainings of this process are followed, also through what they did before an interruption."""
    before = _follower.set(follower)
    try:
        yield
    finally:
        _follower.reset(before)


@contextmanager
def stage_run(name: str, clock: Callable[[], float] = time.monotonic) -> Iterator[Observer]:
    """Open a child run for a training stage, whose progress is shown.

    The run is named for `<outer>.<name>`, where `outer` are the namespaces around the running node's own, and, once the
    training starts, for its seed too; its tag `stage` is the bare name. It inherits its parent's datasets, and those
    tags in `INHERITED` that are known by then.

    Args:
        name: the stage.
        clock: counts seconds.

    Yields:
        The observer to hand to the training. If the block raises, the child run ends as FAILED, described by the
        message; if it is told to stop, as KILLED.
    """
    outer = (_namespace.get() or "").rpartition(".")[0]
    title = f"{outer}.{name}" if outer else name

    def create(client: "MlflowClient") -> str:
        parent = client.get_run(os.environ[RUN_ID])
        inherited = {tag: parent.data.tags[tag] for tag in names.INHERITED if tag in parent.data.tags}
        for child in open_children(client, parent.info.experiment_id, parent.info.run_id):
            stage = names.parse_training_name(child.info.run_name)
            if stage == title:  # its worker has died, and another one starts again
                client.set_terminated(child.info.run_id, "KILLED")
        tags = {names.PARENT: parent.info.run_id, names.STAGE: name, **inherited}
        child = client.create_run(parent.info.experiment_id, tags=tags, run_name=title).info.run_id
        if parent.inputs.dataset_inputs:
            client.log_inputs(child, parent.inputs.dataset_inputs)
        return str(child)

    run_id = send(create)
    status: Status = "KILLED"
    note = ""
    with progress.under_way(title, clock) as shown:
        stage = _Stage(run_id, title, shown, clock)
        try:
            yield stage
            status = "FINISHED"
        except Exception as error:
            status, note = "FAILED", str(error)
            raise
        finally:
            stage.flush()
            send(lambda client: close_run(client, str(run_id), status, note))


class _Stage:
    """Passes what it observes to the display and, if there is one, to a child run, which gets metrics in batches."""

    def __init__(self, run_id: str | None, title: str, shown: progress.Stage, clock: Callable[[], float]) -> None:
        self._run_id, self._title, self._shown, self._clock = run_id, title, shown, clock
        self._waiting, self._sent = list[Report](), clock()

    def start(
        self, steps: int, batch_size: int, provenance: Provenance | None = None, resumed: Resumed | None = None
    ) -> None:
        self._shown.start(progress.STEP, steps, "images", batch_size, resumed.step if resumed else 0)
        if provenance:
            self._describe(provenance, {"seed": provenance.seed, "steps": steps, "batch_size": batch_size})
        if resumed:
            tags = {names.RESUMED_AT: str(resumed.step), names.RESUMED_FROM: resumed.version}
            now = time.time_ns() // 10**6
            rows = [(now, int(row["step"]), {k: v for k, v in row.items() if k != "step"}) for row in resumed.rows]
            log_batch(self._run_id, rows, tags=tags.items())
            for _, step, metrics in rows:
                self._follow(step, metrics)

    def _describe(self, provenance: Provenance, shown: Mapping[str, int]) -> None:
        """Name the run by its seed, and record what decides the result; what is shown, MLflow writes above pictures."""

        def call(client: "MlflowClient") -> None:
            parent = client.get_run(os.environ[RUN_ID]).info
            name = names.training_name(self._title, provenance.seed, parent.run_name)
            client.update_run(str(self._run_id), name=name)
            note = TRAINING_NOTE.format(stage=self._title, parent=parent, **shown)
            client.set_tag(str(self._run_id), names.NOTE, note)
            client.log_dict(str(self._run_id), provenance.model_dump(mode="json"), names.PROVENANCE_FILE)

        send(call)
        log_batch(self._run_id, parameters=[(name, str(value)) for name, value in shown.items()])

    def report(self, step: int, metrics: Mapping[str, float]) -> None:
        self._shown.report(step, _told(metrics))
        self._waiting.append((time.time_ns() // 10**6, step, metrics))
        if self._clock() - self._sent >= FLUSH_SECONDS:
            self.flush()
        self._follow(step, metrics)

    def _follow(self, step: int, metrics: Mapping[str, float]) -> None:
        if follower := _follower.get():
            follower(self._title, step, metrics)

    def show(self, step: int, pictures: Tensor) -> None:
        send(lambda client: client.log_image(str(self._run_id), _grid(pictures), key=names.SAMPLES, step=step))

    def flush(self) -> None:
        log_batch(self._run_id, self._waiting)
        self._waiting, self._sent = [], self._clock()


def _told(metrics: Mapping[str, float]) -> Mapping[str, float]:
    if progress.VERBOSE not in os.environ:
        return telling_numbers(metrics)
    return {name: value for name, value in metrics.items() if name != names.SPEED}


def _grid(pictures: Tensor) -> Any:
    """Pictures in rows of ten as one array, (height, width, 3) of bytes; small ones are enlarged, pixel by pixel."""
    from torchvision.utils import make_grid

    grid = make_grid(to_bytes(pictures.detach().float()).cpu(), nrow=10).permute(1, 2, 0).numpy()
    times = max(GRID_PIXELS // grid.shape[1], 1)
    return grid.repeat(times, axis=0).repeat(times, axis=1)
