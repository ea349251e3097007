"""Kedro's runner that sends nodes to the workers of a Dask cluster."""

import logging
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, Executor, Future
from contextlib import contextmanager, suppress
from copy import copy
from typing import TYPE_CHECKING, Any

import torch
from kedro.framework.project import settings
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline
from kedro.runner import AbstractRunner
from pluggy import PluginManager

from gan_pipelines import project, tracking
from gan_pipelines.cluster.checks import (
    ask_workers,
    connect,
    known_workers,
    require_equal_workers,
    require_runnable,
)
from gan_pipelines.cluster.worker import LOOK_SECONDS, Work, run_node, runs_under_way
from gan_pipelines.parameters import ClusterLost, ExperimentError

if TYPE_CHECKING:
    from distributed import Client

STOP_SECONDS = 20.0
"""So long a worker may take for the step and the checkpoint of a training before it is restarted."""
ANSWER_SECONDS = 5.0
"""So long it may be silent meanwhile before it counts as busy."""
WATCH_SECONDS = 15.0
"""Time between two looks whether the run waits for workers."""

logger = logging.getLogger(__name__)


class DaskRunner(AbstractRunner):
    """Runs each node on a worker; a node whose worker dies runs again on another, from its newest checkpoint.

    Args:
        address: of the scheduler: `tcp://127.0.0.1:8786`, or `tls://...` on another machine.
        is_async: whether nodes load and save in threads.

    Raises:
        ExperimentError: Dask is not installed, nothing answers there, or a worker differs from the others.
    """

    def __init__(self, address: str, is_async: bool = False) -> None:
        super().__init__(is_async=is_async)
        self._client = connect(address)
        facts = require_equal_workers(self._client)
        torch.set_num_threads(int(facts["threads"]))  # this process trains nothing, but records what the run uses

    @property
    def _logger(self) -> logging.Logger:
        return logging.getLogger("kedro.runner")  # which is quiet in this project

    def _get_executor(self, max_workers: int) -> Executor:
        del max_workers
        return _Workers(self._client)

    def _run(
        self,
        pipeline: Pipeline,
        catalog: Any,
        hook_manager: PluginManager | None = None,
        run_id: str | None = None,
    ) -> None:
        from distributed.scheduler import KilledWorker

        require_runnable(pipeline, catalog, project.active_experiment().run)
        try:
            with _say_what_it_waits_for(self._client):
                super()._run(pipeline, catalog, hook_manager, run_id)
        except KilledWorker as error:
            raise ExperimentError(
                f"{error.task}: {error.allowed_failures + 1} workers died of it, {error.last_worker.address} the "
                f"last; was there too little memory? The same command goes on from its checkpoints."
            ) from None
        except CancelledError:
            raise ClusterLost(
                "The scheduler of the cluster is gone, and its workers with it. The same command goes on from its "
                "checkpoints once there is a cluster."
            ) from None


class _Workers(Executor):
    """Sends Kedro's tasks to the workers; when the run ends early, so does what they do for it."""

    def __init__(self, client: "Client") -> None:
        self._client, self._run = client, ""
        self._sent: list[Any] = []

    def submit(self, task: Any, /, *_: Any, **__: Any) -> Future[Any]:
        from distributed.protocol.pickle import dumps

        catalog = DataCatalog({name: task.catalog.get(name) for name in {*task.node.inputs, *task.node.outputs}})
        hooks = tuple(_knowing(catalog, hook) for hook in settings.HOOKS)
        task.catalog, task.hook_manager, self._run = catalog, None, task.run_id
        work = Work(task, hooks, project.project_folder(), project.active_experiment(), tracking.active_run())
        key = f"{task.node.name} of {task.run_id}"
        sent, future = self._client.submit(run_node, dumps(work), key=key, pure=False), Future[Any]()
        self._sent.append(sent)
        sent.add_done_callback(lambda done: _hand_over(done, future))
        return future

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        try:
            if error is not None:
                # if the scheduler is gone, workers end by themselves; one without a nanny cannot be restarted
                with suppress(OSError, ValueError):
                    self._stop()
        finally:
            self._client.close(timeout=ANSWER_SECONDS)

    def _stop(self) -> None:
        """Cancel all nodes, wait until trainings have written their checkpoints, restart workers that take too long."""
        self._client.cancel([sent for sent in self._sent if not sent.done()])
        deadline = time.monotonic() + STOP_SECONDS
        while busy := self._busy():
            if time.monotonic() > deadline:
                self._client.restart_workers(busy, timeout=STOP_SECONDS, raise_for_error=False)
                return
            time.sleep(LOOK_SECONDS)

    def _busy(self) -> list[str]:
        """Workers that still run a node of this run, or do not answer."""
        answers = ask_workers(self._client, runs_under_way, seconds=ANSWER_SECONDS)
        return [
            worker
            for worker, runs in answers.items()
            if isinstance(runs, TimeoutError) or (not isinstance(runs, Exception) and self._run in runs)
        ]


def _hand_over(done: Any, future: "Future[Any]") -> None:
    """Tell Kedro how a node ended, once Dask has forgotten it.

    As long as Dask keeps the outcome of a node, it runs the node again if the worker that has it dies, and files that
    others read meanwhile would be removed and written anew.
    """
    try:
        result = done.result()
    except CancelledError:
        future.cancel()
        future.set_running_or_notify_cancel()
    except BaseException as error:
        done.release()
        future.set_exception(error)
    else:
        done.release()
        future.set_result(result)


def _knowing(catalog: DataCatalog, hook: Any) -> Any:
    """A hook that knows one node's datasets; with the whole catalog, each node of the ablation would weigh 2 MB."""
    other = copy(hook)
    if hasattr(other, "catalog"):
        other.catalog = catalog
    return other


@contextmanager
def _say_what_it_waits_for(client: "Client") -> Iterator[None]:
    """Within the context, say so when no worker is left, or the scheduler is silent; Dask would wait without a word."""
    ended = threading.Event()

    def watch() -> None:
        said = ""
        while not ended.wait(WATCH_SECONDS):
            news = ""
            try:
                if not client.sync(known_workers, client, callback_timeout=WATCH_SECONDS):
                    news = "The cluster has no workers any more; the run goes on when one joins."
            except TimeoutError:
                news = "The scheduler of the cluster does not answer; the run goes on when it does."
            except Exception:  # it is gone, which the run tells
                return
            if news and news != said:
                logger.warning("%s Ctrl-C stops the run, which the same command continues.", news)
            said = news

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        ended.set()
