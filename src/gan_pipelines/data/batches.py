"""Seeded, endless batches that can be resumed."""

from collections.abc import Iterator, Mapping

import torch
from jaxtyping import Int64
from torch import Tensor

from gan_pipelines.parameters import ExperimentError


class Batches(Iterator[Tensor]):
    """Yield the indices of one batch after another; every epoch is a new permutation without its incomplete last batch.

    Args:
        count: number of examples.
        batch_size: examples per batch.
        rng: draws the permutations.

    Raises:
        ExperimentError: there are fewer examples than a batch needs.
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
        """The current permutation and the position in it."""
        return {"order": self._order, "position": torch.tensor(self._position)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Continue from a saved state; the owner of the random generator restores that itself.

        Raises:
            ValueError: it is no permutation of the examples with a position in it.
        """
        order, position = state["order"], int(state["position"])
        if not torch.equal(order.sort().values, torch.arange(self._count if len(order) else 0)):
            raise ValueError(f"the order of the batches is no permutation of {self._count} examples")
        if not 0 <= position <= len(order):
            raise ValueError(f"the position in the batches, {position}, is not within 0..{len(order)}")
        self._order, self._position = order, position
