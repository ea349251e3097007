"""Data-parallel training: one stage in several processes, each with a shard of every batch.

DistributedDataParallel averages the gradients. Every rank draws the same whole batch and the same noise and keeps its
shard; batch-norm statistics are those of the whole batch. Together the ranks therefore compute what one process would
compute alone, up to rounding. Only layers that draw while training (`dropout`, `gaussian_noise`, `random_affine`) draw
differently on each rank.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from gan_pipelines.training.batch_norm import synchronised_batch_norm
from gan_pipelines.training.turns import Compute, Terms

Value = TypeVar("Value")


@dataclass(frozen=True)
class Ranks:
    """This process among those that share a training; a process on its own is rank 0 of 1.

    Attributes:
        rank: index of this process.
        count: number of processes.
    """

    rank: int = field(default_factory=lambda: distributed.get_rank() if distributed.is_initialized() else 0)
    count: int = field(default_factory=lambda: distributed.get_world_size() if distributed.is_initialized() else 1)

    @property
    def is_first(self) -> bool:
        """Whether this is rank 0, the only one that reports and writes."""
        return self.rank == 0

    def shard(self, batch: Tensor) -> Tensor:
        """This rank's shard of a batch that all ranks have drawn."""
        return batch[self.rank :: self.count] if self.count > 1 else batch

    def broadcast(self, value: Value) -> Value:
        """The value of rank 0, on every rank."""
        if self.count == 1:
            return value
        values: list[Any] = [value]
        distributed.broadcast_object_list(values)
        return cast("Value", values[0])

    def maximum(self, value: int) -> int:
        """The maximum over the ranks."""
        if self.count == 1:
            return value
        result = torch.tensor(value)
        distributed.all_reduce(result, distributed.ReduceOp.MAX)
        return int(result)

    def mean(self, values: Tensor) -> Tensor:
        """The mean over the ranks."""
        if self.count > 1:
            distributed.all_reduce(values)
        return values / self.count

    def gather(self, value: Tensor) -> list[Tensor]:
        """The values of all ranks, in order."""
        if self.count == 1:
            return [value]
        values = [torch.empty_like(value) for _ in range(self.count)]
        distributed.all_gather(values, value)
        return values

    @contextmanager
    def synchronised(self, module: nn.Module) -> Iterator[Compute]:
        """Within the context, average the module's gradients over the ranks; batch norm sees the whole batch.

        Args:
            module: the network that trains.

        Yields:
            A function that must be used to call any function that computes the module's loss terms.
        """
        if self.count == 1:
            yield lambda terms: terms()
            return
        with synchronised_batch_norm(module, self.count):
            yield DistributedDataParallel(_LossModule(module), forward_sync_buffers=False)


class _LossModule(nn.Module):
    """A module whose forward pass computes losses, since DistributedDataParallel acts in a forward pass."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, terms: Callable[[], Terms]) -> dict[str, Tensor]:
        return dict(terms())
