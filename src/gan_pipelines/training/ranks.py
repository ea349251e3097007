"""Data-parallel training: one stage in several processes, each with its share of every batch.

PyTorch's elastic launcher starts the processes, its DistributedDataParallel averages the gradients: gloo on CPUs,
NCCL on GPUs. Every rank draws the same whole batch and the same noise and keeps its share; batch-norm statistics are
those of the whole batch. So the ranks compute together what one process would compute alone, up to rounding; layers
that draw in training (`dropout`, `random_affine`) draw apart on each rank.
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
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import torch
from torch import Tensor, distributed, multiprocessing, nn
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch
from torch.nn.parallel import DistributedDataParallel

from gan_pipelines.parameters import RunParameters
from gan_pipelines.training.interruption import Interrupted, stop_on_signals, stop_requested, stoppable

Compute = Callable[[Callable[[], Mapping[str, Tensor]]], Mapping[str, Tensor]]
"""Calls a function that computes loss terms."""

logging.getLogger("torch.distributed.elastic").setLevel(logging.ERROR)  # it warns that it leaves signals to us

Arguments = ParamSpec("Arguments")
Value = TypeVar("Value")


@dataclass(frozen=True)
class Ranks:
    """This process among those that share a training; alone, it is the first of one."""

    rank: int = field(default_factory=lambda: distributed.get_rank() if distributed.is_initialized() else 0)
    count: int = field(default_factory=lambda: distributed.get_world_size() if distributed.is_initialized() else 1)

    @property
    def is_first(self) -> bool:
        """Whether this process speaks for all: it alone reports and writes."""
        return self.rank == 0

    def share(self, batch: Tensor) -> Tensor:
        """This rank's part of what all ranks have drawn."""
        return batch[self.rank :: self.count] if self.count > 1 else batch

    def first_says(self, value: Value) -> Value:
        """The value that the first rank has."""
        if self.count == 1:
            return value
        said: list[Any] = [value]
        distributed.broadcast_object_list(said)
        return cast("Value", said[0])

    def highest(self, value: int) -> int:
        """The highest of all ranks' numbers."""
        if self.count == 1:
            return value
        told = torch.tensor(value)
        distributed.all_reduce(told, distributed.ReduceOp.MAX)
        return int(told)

    def mean(self, values: Tensor) -> Tensor:
        """The mean over the ranks."""
        if self.count > 1:
            distributed.all_reduce(values)
        return values / self.count

    def gather(self, value: Tensor) -> list[Tensor]:
        """Every rank's value, in order."""
        if self.count == 1:
            return [value]
        values = [torch.empty_like(value) for _ in range(self.count)]
        distributed.all_gather(values, value)
        return values

    @contextmanager
    def connected(self, module: nn.Module) -> "Iterator[Compute]":
        """While the module trains, its gradients are the mean over the ranks, its batch norms those of the whole batch.

        Yields:
            What to call a function with that computes the module's loss terms.
        """
        if self.count == 1:
            yield lambda terms: terms()
            return
        replaced = _share_batch_norm(module, self.count)
        yield DistributedDataParallel(_Calling(module), forward_sync_buffers=False)
        for part, name, alone in replaced:
            part._modules[name] = alone


class _Calling(nn.Module):
    """A module under which its losses are computed; DistributedDataParallel needs a forward pass to begin with."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, terms: Callable[[], Mapping[str, Tensor]]) -> dict[str, Tensor]:
        return dict(terms())


class _SumOverRanks(torch.autograd.Function):
    """Sum over all ranks; the gradient of a sum that everybody uses is everybody's gradient, summed."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:  # noqa: ARG004  # autograd's signature
        total = values.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ARG004  # autograd's signature
        total = gradient.clone()
        distributed.all_reduce(total)
        return total


class _SharedBatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch norm over the batches of all ranks; PyTorch's SyncBatchNorm does the same, on GPUs only."""

    ranks: int

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002  # PyTorch's name
        """Any shape will do."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  # PyTorch's name
        if not self.training:
            return super().forward(input)
        others = [dimension for dimension in range(input.dim()) if dimension != 1]
        shape = [1, -1] + [1] * (input.dim() - 2)
        count = self.ranks * input.numel() // input.shape[1]
        sum_over_ranks: Callable[[Tensor], Tensor] = _SumOverRanks.apply
        mean = sum_over_ranks(input.sum(others)) / count
        centred = input - mean.view(shape)
        variance = sum_over_ranks(centred.square().sum(others)) / count
        self._follow(mean.detach(), variance.detach() * count / (count - 1))
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return centred * scale.view(shape) + self.bias.view(shape)

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, cast("float", self.momentum))
        self.running_var.lerp_(variance, cast("float", self.momentum))


def _share_batch_norm(module: nn.Module, ranks: int) -> list[tuple[nn.Module, str, nn.Module]]:
    """Replace batch norms by those of all ranks, on the same tensors; returns what was replaced, and where."""
    found = [
        (part, name, child)
        for part in module.modules()
        for name, child in part.named_children()
        if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d)
    ]
    for part, name, child in found:
        shared: nn.Module
        if child.weight.is_cuda:
            shared = nn.SyncBatchNorm.convert_sync_batchnorm(child)
        else:
            shared = _SharedBatchNorm(child.num_features, child.eps, child.momentum)
            shared.ranks = ranks
        shared._parameters, shared._buffers = child._parameters, child._buffers
        part._modules[name] = shared
    return [(part, name, child) for part, name, child in found]


class _Relay:
    """The first rank's observer: whatever it is told, it passes on to the process that launched the ranks."""

    def __init__(self, queue: Any) -> None:
        self._queue = queue

    def start(self, *told: Any) -> None:
        self._queue.put(("start", told))

    def report(self, *told: Any) -> None:
        self._queue.put(("report", told))

    def show(self, step: int, pictures: Tensor) -> None:
        self._queue.put(("show", (step, pictures.numpy())))


class _Silent:
    """The other ranks' observer."""

    def start(self, *told: Any) -> None:
        """Nothing."""

    report = show = start


def shared_by_workers(fit: Callable[Arguments, Value]) -> Callable[Arguments, Value]:
    """Run a training in `run.workers` processes where that is more than one; the first one's result is returned.

    Args:
        fit: a function of a module with the arguments `run` and `observer`.
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
    """Start the ranks, pass on what the first one reports, and return or raise what it returns or raises."""
    run, observer = given["run"], given.pop("observer")
    threads = run.threads or max(1, torch.get_num_threads() // run.workers)
    given["run"] = run.model_copy(update={"threads": threads})
    queue = multiprocessing.get_context("spawn").SimpleQueue()
    listener = threading.Thread(target=_listen, args=(queue, observer))
    listener.start()
    try:
        # in a thread, since in the main one the launcher would put its own signal handlers over ours
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
    if failures:  # one rank's own failure makes the others lose their connection, which is a RuntimeError
        raise min(failures, key=lambda error: type(error) is RuntimeError)
    return outcomes[0]


def _launch_config(workers: int, meeting: Path) -> LaunchConfig:
    """Processes of this machine that find each other through files: no port is open to others."""
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
    while (told := queue.get()) is not None:
        method, arguments = told
        if method == "show":
            arguments = (arguments[0], torch.from_numpy(arguments[1]))
        getattr(observer, method)(*arguments)


def _run_rank(fit: Callable[..., Any], given: dict[str, Any], queue: Any, meeting: Path) -> Any:
    """One rank; what it raises is its result, lest the launcher turn it into a text."""
    stop_on_signals()
    warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")  # of one channel
    rank, run = int(os.environ["RANK"]), given["run"]
    for library in ("GLOO", "NCCL"):  # they talk over the loopback interface
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
        result = fit(**given, observer=_Silent() if rank else _Relay(queue))
        return None if rank else result
    except (Exception, Interrupted) as error:
        return error
    finally:
        distributed.destroy_process_group()
