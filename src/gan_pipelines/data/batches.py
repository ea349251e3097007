"""Seeded endless batches."""

from collections.abc import Iterator

import torch
from jaxtyping import Int64
from torch import Tensor

from gan_pipelines.parameters import ExperimentError


def endless_batches(count: int, batch_size: int, rng: torch.Generator) -> Iterator[Int64[Tensor, "batch_size"]]:
    """Positions of one batch after another; every epoch a new permutation, its incomplete last batch dropped.

    Args:
        count: number of examples.
        batch_size: examples in a batch.
        rng: draws the permutations.

    Raises:
        ExperimentError: fewer examples than a batch holds, at the first batch.
    """
    if count < batch_size:
        raise ExperimentError(f"batch_size: must be at most the number of images, {count}; found {batch_size}.")
    while True:
        order = torch.randperm(count, generator=rng)
        yield from order[: count - count % batch_size].split(batch_size)
