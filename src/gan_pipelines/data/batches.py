"""Seeded endless batches that can be taken up where they were left."""

from collections.abc import Iterator, Mapping

import torch
from jaxtyping import Int64
from torch import Tensor

from gan_pipelines.parameters import ExperimentError


class Batches(Iterator[Tensor]):
    """Positions of one batch after another; every epoch a new permutation, its incomplete last batch dropped.

    Args:
        count: number of examples.
        batch_size: examples in a batch.
        rng: draws the permutations.

    Raises:
        ExperimentError: fewer examples than a batch holds.
    """

    def __init__(self, count: int, batch_size: int, rng: torch.Generator) -> None:
        if count < batch_size:
            raise ExperimentError(f"batch_size: must be at most the number of images, {count}; found {batch_size}.")
        self._count, self._batch_size, self._rng = count, batch_size, rng
        self._order, self._position = torch.empty(0, dtype=torch.int64), 0

    def __next__(self) -> Int64[Tensor, "batch_size"]:
        if self._position + self._batch_size > len(self._order):
            self._order, self._position = torch.randperm(self._count, generator=self._rng), 0
        batch = self._order[self._position : self._position + self._batch_size]
        self._position += self._batch_size
        return batch

    def state(self) -> dict[str, Tensor]:
        """The epoch's order and how much of it is used up."""
        return {"order": self._order, "position": torch.tensor(self._position)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on where the batches stood that gave this state; the generator is restored by whoever owns it."""
        self._order, self._position = state["order"], int(state["position"])
