"""Batch norm whose statistics are those of the whole batch, although each rank holds only a shard of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, distributed, nn


class _SumOverRanks(torch.autograd.Function):
    """Sum over all ranks; since every rank uses the sum, its gradient is the sum of all ranks' gradients."""

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


class _SynchronisedBatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch norm over the shards of all ranks, on the CPU; PyTorch's SyncBatchNorm works on GPUs only."""

    ranks: int

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002  # PyTorch's name
        """Accept any shape."""

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
        self._update_running_statistics(mean.detach(), variance.detach() * count / (count - 1))
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return centred * scale.view(shape) + self.bias.view(shape)

    @torch.no_grad()
    def _update_running_statistics(self, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, cast("float", self.momentum))
        self.running_var.lerp_(variance, cast("float", self.momentum))


@contextmanager
def synchronised_batch_norm(module: nn.Module, ranks: int) -> Iterator[None]:
    """Within the context, a module's batch norms use the statistics of the whole batch, with the same tensors.

    Args:
        module: changed in place, and changed back afterwards.
        ranks: number of processes that share a batch.
    """
    found = [
        (part, name, child)
        for part in module.modules()
        for name, child in part.named_children()
        if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d)
    ]
    for part, name, child in found:
        synchronised: nn.Module
        if child.weight.is_cuda:
            synchronised = nn.SyncBatchNorm.convert_sync_batchnorm(child)
        else:
            synchronised = _SynchronisedBatchNorm(child.num_features, child.eps, child.momentum)
            synchronised.ranks = ranks
        synchronised._parameters, synchronised._buffers = child._parameters, child._buffers
        part._modules[name] = synchronised
    yield
    for part, name, child in found:
        part._modules[name] = child
