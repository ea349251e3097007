"""Writes to MLflow: one run per pipeline run, which its training stages' runs are children of.

Environment variables say which run is active, so that the worker processes of a parallel runner know it too. When no
run is active, or once the store has failed, nothing here does anything. MLflow is imported when it is first needed,
because that takes seconds.
"""

import json
import logging
import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from gan_pipelines.parameters.base import flatten
from gan_pipelines.tracking import names
from gan_pipelines.tracking.origin import describe_origin, is_gone
from gan_pipelines.tracking.store import Settings, describe_error, mask, open_client, page_address, relocate
from gan_pipelines.training.interruption import stoppable

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

logger = logging.getLogger(__name__)

RUN_ID, TRACKING_URI, LOST = "GAN_PIPELINES_RUN_ID", "GAN_PIPELINES_TRACKING_URI", "GAN_PIPELINES_TRACKING_LOST"
OWN, SERVER = (RUN_ID, TRACKING_URI, LOST), "MLFLOW_TRACKING_"
"""Environment variables: the parent run, its store, and, if the store has failed, how; how those of a server begin."""
RUNNING = "attributes.status = 'RUNNING'"

DIGEST_LETTERS = 36
"""MLflow takes no longer digest of a dataset."""

Report = tuple[int, int, Mapping[str, float]]  # time in milliseconds, step, metrics
Pairs = Iterable[tuple[str, str]]
Status = Literal["FINISHED", "FAILED", "KILLED"]

_more_tags: ContextVar[Mapping[str, str]] = ContextVar("tags of every run that starts", default=MappingProxyType({}))


@contextmanager
def tagged(tags: Mapping[str, str]) -> Iterator[None]:
    """Give these tags to every run that starts inside, such as the trials of a sweep."""
    before = _more_tags.set(tags)
    try:
        yield
    finally:
        _more_tags.reset(before)


def start_run(
    settings: Settings, project: Path, experiment: str, parameters: Mapping[str, Any], tags: Mapping[str, str]
) -> None:
    """Open the parent run, make it the active one, and record what it starts from.

    Args:
        settings: where to record.
        project: the project's root.
        experiment: MLflow's experiment; created if necessary.
        parameters: plain nested data; recorded one by one, and all together as the artifact `parameters.json`.
        tags: added to those of `describe_origin`; `mlflow.runName` names the run.
    """
    _forget_run()
    os.environ[TRACKING_URI], artifacts = settings.locate(project), settings.locate_files(project, experiment)

    def create(client: "MlflowClient") -> str:
        relocate(settings, project)
        experiment_id = _experiment_id(client, experiment, artifacts)
        _close_dead_runs(client, experiment_id)
        origin = {names.EXPERIMENT: experiment, **describe_origin(project)}
        return str(client.create_run(experiment_id, tags={**origin, **tags, **_more_tags.get()}).info.run_id)

    with stoppable():  # until it is known which run to close
        run_id = send(create)
        if run_id is not None:
            os.environ[RUN_ID] = run_id
            log_batch(run_id, parameters=flatten(parameters))
            send(lambda client: client.log_dict(run_id, dict(parameters), names.PARAMETERS_FILE))


def active_run() -> dict[str, str]:
    """The environment variables by which another process records for the active run, with a server's log-in."""
    return {name: x for name, x in os.environ.items() if name in OWN or name.startswith(SERVER)}


def active_run_id() -> str:
    """MLflow's id of the active run; empty if nothing is recorded."""
    return os.environ.get(RUN_ID, "")


def join_run(run: Mapping[str, str]) -> None:
    """Record for a run of another process from now on.

    Args:
        run: what `active_run` was there.
    """
    if run.get(RUN_ID) != os.environ.get(RUN_ID):
        _forget_run()
    os.environ.update(run)


def finish_run(status: Status, note: str = "") -> str | None:
    """End the active run, and those of its children that are still open, such as those of killed workers.

    A store that has failed is tried once more, so that the run does not seem to go on forever.

    Args:
        status: how it ended.
        note: why, or what it found, in Markdown; shown as the run's description.

    Returns:
        The address at which MLflow's page shows the runs of this experiment; None if nothing was recorded.
    """
    run_id, uri = os.environ.get(RUN_ID, ""), os.environ.get(TRACKING_URI, "")

    def end(client: "MlflowClient") -> str:
        return page_address(uri, close_run(client, run_id, status, note))

    address = send(end, even_if_lost=True) if run_id else None
    _forget_run()
    return address


def close_run(client: "MlflowClient", run_id: str, status: Status, note: str = "") -> str:
    """End a run and its open children; returns the experiment's id."""
    experiment_id = str(client.get_run(run_id).info.experiment_id)
    for child in open_children(client, experiment_id, run_id):
        client.set_terminated(child.info.run_id, status)
    if note:
        client.set_tag(run_id, names.NOTE, note)
    client.set_terminated(run_id, status)
    return experiment_id


def open_children(client: "MlflowClient", experiment_id: str, run_id: str) -> "list[Run]":
    """The children of a run that have not ended."""
    return list(client.search_runs([experiment_id], f"tags.`{names.PARENT}` = '{run_id}' and {RUNNING}"))


def _close_dead_runs(client: "MlflowClient", experiment_id: str) -> None:
    """End this machine's runs whose process was killed before it could do so; they would seem to go on."""
    mine = f"{RUNNING} and tags.{names.HOST} = '{platform.node()}'"
    for run in client.search_runs([experiment_id], mine):
        if is_gone(run.data.tags.get(names.PROCESS, "")):
            close_run(client, run.info.run_id, "KILLED", "The process was killed.")


def _forget_run() -> None:
    for name in OWN:
        os.environ.pop(name, None)


def _experiment_id(client: "MlflowClient", name: str, artifacts: str | None) -> str:
    from mlflow.exceptions import MlflowException

    known = client.get_experiment_by_name(name)
    try:
        return str(known.experiment_id if known else client.create_experiment(name, artifacts))
    except MlflowException:  # another run has just created it
        known = client.get_experiment_by_name(name)
        if known is None:
            raise
        return str(known.experiment_id)


def log_scores(scores: Mapping[str, float]) -> None:
    """Record final scores as metrics of the active run."""
    log_batch(os.environ.get(RUN_ID), [(time.time_ns() // 10**6, 0, scores)])


def log_parameters(parameters: Mapping[str, str]) -> None:
    """Record parameters that become known during the run, such as the seed of a model, of the active run."""
    log_batch(os.environ.get(RUN_ID), parameters=parameters.items())


def log_tags(tags: Mapping[str, str]) -> None:
    """Record facts that become known during the run, such as the data's digest, as tags of the active run."""
    log_batch(os.environ.get(RUN_ID), tags=tags.items())


def log_dataset(name: str, digest: str, source: str, context: str) -> None:
    """Record data as an input of the active run; child runs that start later inherit it.

    Args:
        name: of the data, such as `mnist_5k`.
        digest: of their content; MLflow keeps its first 36 letters.
        source: where they come from, such as a path.
        context: what they are used for, such as `training`.
    """

    def call(client: "MlflowClient") -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        dataset = Dataset(name, digest[:DIGEST_LETTERS], "local", json.dumps({"uri": source}))
        client.log_inputs(os.environ[RUN_ID], [DatasetInput(dataset, [InputTag(names.DATA_CONTEXT, context)])])

    send(call)


def log_artifact(path: Path, folder: str | None = None) -> None:
    """Copy a file, such as a picture, or a folder's files into a folder of the active run's artifacts."""
    send(lambda client: client.log_artifact(os.environ[RUN_ID], str(path), folder))


def log_text(text: str, name: str) -> None:
    """Write text, such as a figure in HTML, as an artifact of the active run, such as `figures/losses.html`."""
    send(lambda client: client.log_text(os.environ[RUN_ID], text, name))


def send(call: "Callable[[MlflowClient], str | None]", even_if_lost: bool = False) -> str | None:
    """Make one call to MLflow, if there is a store; after the first failure no more calls are made."""
    uri = os.environ.get(TRACKING_URI)
    if uri is None or (LOST in os.environ and not even_if_lost):
        return None
    with stoppable():  # a signal halfway would leave half a record
        try:
            return call(open_client(uri))
        except Exception as error:  # whatever happens to the record, the training goes on
            if LOST not in os.environ:
                os.environ[LOST] = f"{type(error).__name__}: {describe_error(error)}"
                news = "MLflow fails, so no more of this run is recorded; all else goes on. The store is %s. %s"
                logger.warning(news, mask(uri), os.environ[LOST])
    return None


def log_batch(run_id: str | None, reports: Iterable[Report] = (), parameters: Pairs = (), tags: Pairs = ()) -> None:
    """Record metrics, parameters and tags of a run, all in one call."""

    def call(client: "MlflowClient") -> None:
        from mlflow.entities import Metric, Param, RunTag

        metrics = [Metric(name, value, now, step) for now, step, values in reports for name, value in values.items()]
        client.log_batch(str(run_id), metrics, [Param(*pair) for pair in parameters], [RunTag(*pair) for pair in tags])

    send(call)
