"""Run a training in several worker processes.

PyTorch's elastic launcher starts the processes; each one is a rank. They communicate by gloo on CPUs and NCCL on GPUs.
"""

import functools
import inspect
import logging
import os
import sys
import tempfile
import threading
import uuid
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import torch
from torch import Tensor, distributed, multiprocessing
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from gan_pipelines.models.provenance import Provenance
from gan_pipelines.parameters import RunParameters
from gan_pipelines.training.interruption import Interrupted, stop_on_signals, stop_requested, stoppable
from gan_pipelines.training.observer import Observer, Resumed, Silent

logging.getLogger("torch.distributed.elastic").setLevel(logging.ERROR)  # it warns that it leaves signals to us

Arguments = ParamSpec("Arguments")
Value = TypeVar("Value")


def shared_by_workers(fit: Callable[Arguments, Value]) -> Callable[Arguments, Value]:
    """Run a training in `run.workers` processes if that is more than one; returns the first rank's result.

    Args:
        fit: a module-level function with the arguments `run` and `observer`.
    """

    @functools.wraps(fit)
    def run_shared(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Value:
        given = inspect.signature(fit).bind(*args, **kwargs).arguments
        run: RunParameters = given["run"]
        if run.workers == 1 or distributed.is_initialized():
            return fit(*args, **kwargs)
        return cast("Value", _launch(run_shared, given))

    return run_shared


def _launch(fit: Callable[..., Any], given: dict[str, Any]) -> Any:
    """Start the ranks, forward the first one's reports, and return its result or raise a rank's exception."""
    run, observer = given["run"], given.pop("observer")
    threads = run.threads or max(1, torch.get_num_threads() // run.workers)
    given["run"] = run.model_copy(update={"threads": threads})
    queue = multiprocessing.get_context("spawn").SimpleQueue()
    listener = threading.Thread(target=_listen, args=(queue, observer))
    listener.start()
    try:
        # in a thread: in the main thread the launcher would replace our signal handlers
        with stoppable(), ThreadPoolExecutor(1) as pool, tempfile.TemporaryDirectory() as meeting:
            launch = elastic_launch(_launch_config(run.workers, Path(meeting)), _run_rank)
            outcomes = pool.submit(launch, fit, given, queue, Path(meeting)).result()
    except ChildFailedError as error:
        if number := stop_requested():
            raise Interrupted(128 + number) from None
        raise RuntimeError(f"A worker died: {error.get_first_failure()[1].message}") from None
    finally:
        queue.put(None)
        listener.join()
    failures = [outcome for outcome in outcomes.values() if isinstance(outcome, BaseException)]
    if failures:  # when one rank fails, the others lose their connection, which is a RuntimeError
        raise min(failures, key=lambda error: type(error) is RuntimeError)
    return outcomes[0]


def _launch_config(workers: int, meeting: Path) -> LaunchConfig:
    """Processes on this machine that find each other through files, so that no port is opened to others."""
    os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
    return LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=workers,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint=str(meeting / "launcher"),
        rdzv_configs={"store_type": "file"},
        local_addr="127.0.0.1",
        max_restarts=0,
    )


def _listen(queue: Any, observer: Any) -> None:
    """Forward the first rank's reports to the observer until None arrives."""
    while (report := queue.get()) is not None:
        method, arguments = report
        if method == "show":
            arguments = (arguments[0], torch.from_numpy(arguments[1]))
        getattr(observer, method)(*arguments)


def _run_rank(fit: Callable[..., Any], given: dict[str, Any], queue: Any, meeting: Path) -> Any:
    """Run one rank; an exception becomes its result, since the launcher would reduce it to text."""
    stop_on_signals()
    warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")  # of weights with one channel
    rank, run = int(os.environ["RANK"]), given["run"]
    for library in ("GLOO", "NCCL"):  # use the loopback interface
        os.environ[f"{library}_SOCKET_IFNAME"] = "lo" if sys.platform == "linux" else "lo0"
    on_gpu = run.device.startswith("cuda") or (run.device == "auto" and torch.cuda.device_count() > 0)
    if on_gpu:
        given["run"] = run.model_copy(update={"device": f"cuda:{rank}"})
        torch.cuda.set_device(rank)
    distributed.init_process_group(
        "cpu:gloo,cuda:nccl" if on_gpu else "gloo",
        init_method=(meeting / "ranks").as_uri(),
        rank=rank,
        world_size=run.workers,
    )
    try:
        result = fit(**given, observer=Silent() if rank else _QueueObserver(queue))
        return None if rank else result
    except (Exception, Interrupted) as error:
        return error
    finally:
        distributed.destroy_process_group()


class _QueueObserver(Observer):
    """The first rank's observer: sends everything to the process that launched the ranks."""

    def __init__(self, queue: Any) -> None:
        self._queue = queue

    def start(
        self, steps: int, batch_size: int, provenance: Provenance | None = None, resumed: Resumed | None = None
    ) -> None:
        self._queue.put(("start", (steps, batch_size, provenance, resumed)))

    def report(self, step: int, metrics: Mapping[str, float]) -> None:
        self._queue.put(("report", (step, metrics)))

    def show(self, step: int, pictures: Tensor) -> None:
        self._queue.put(("show", (step, pictures.numpy())))
