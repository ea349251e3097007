"""What a Dask worker does: it runs nodes as the process that started the run would."""

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM
from typing import Any, cast

from kedro.framework.hooks.manager import _create_hook_manager, _register_hooks
from kedro.framework.project import configure_project, settings
from kedro.io import DataCatalog
from kedro.pipeline.node import Node
from kedro.runner.task import Task

from gan_pipelines import project, tracking
from gan_pipelines.hooks.versions import remove_output, versioned_files
from gan_pipelines.models.provenance import code_version
from gan_pipelines.parameters import Experiment
from gan_pipelines.training.interruption import Interrupted, acknowledge, stop_on_signals

LOOK_SECONDS = 0.2
"""Time between two looks whether a node is still wanted."""

_under_way: list[str] = []


@dataclass(frozen=True)
class Work:
    """A node with all that a worker needs for it.

    Attributes:
        task: Kedro's: the node, the catalog of its datasets with parameters and pinned versions, the run's version.
        hooks: the project's, with what they know of the run and of these datasets.
        folder: of the project.
        experiment: the run's parameters.
        record: the active MLflow run.
    """

    task: Task
    hooks: tuple[Any, ...]
    folder: Path
    experiment: Experiment
    record: Mapping[str, str]


def dask_setup(_: object) -> None:
    """Called by Dask when a worker starts: import what nodes need, and remember which code that was."""
    configure_project("gan_pipelines")
    tuple(settings.HOOKS)  # makes and imports them
    code_version()


def run_node(pickled: bytes) -> Node:
    """Run a node.

    Args:
        pickled: a `Work`, in bytes so that the scheduler does not unpack it.
    """
    from distributed.protocol.pickle import loads

    work: Work = loads(pickled)
    configure_project("gan_pipelines")
    project.enter(work.folder, work.experiment)
    tracking.join_run(work.record)
    work.task.hook_manager = _create_hook_manager()
    _register_hooks(work.task.hook_manager, work.hooks)
    for output in versioned_files(work.task.node.outputs, cast("DataCatalog", work.task.catalog)).values():
        remove_output(output)
    with _while_wanted(str(work.task.run_id)):
        return work.task.execute()


def runs_under_way() -> list[str]:
    """Versions of the runs whose nodes this worker runs at the moment."""
    return list(_under_way)


@contextmanager
def _while_wanted(run: str) -> Iterator[None]:
    """Within the context, stop a training as Ctrl-C would when its node is cancelled, or whoever sent it is gone."""
    from distributed.worker import get_worker, thread_state

    tasks, key, ended = get_worker().state.tasks, thread_state.key, threading.Event()

    def watch() -> None:
        while not ended.wait(LOOK_SECONDS):
            if key not in tasks or tasks[key].state == "cancelled":
                acknowledge(SIGTERM)
                return

    stop_on_signals()  # forgets that the node before was stopped
    threading.Thread(target=watch, daemon=True).start()
    _under_way.append(run)
    try:
        yield
    except Interrupted:  # which would end the worker
        raise CancelledError from None
    finally:
        ended.set()
        _under_way.remove(run)
