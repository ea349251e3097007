"""The statistics of batch norms, recomputed after a training."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn


@torch.no_grad()
def recompute_statistics(network: nn.Module, batches: Iterable[Sequence[Tensor]]) -> None:
    """Replace the statistics of every batch norm by the means, over batches, of each batch's mean and variance.

    While they are computed, each batch is normalised by its own statistics, as in training; dropout and random maps
    are off. Without a batch norm, no batch is drawn.

    Args:
        network: changed in place, and left in evaluation mode.
        batches: the arguments of the network, batch by batch.
    """
    norms = [module for module in network.eval().modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.train().momentum = None  # the mean over all batches
    for batch in batches:
        network(*batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.eval().momentum = momentum
