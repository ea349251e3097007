"""Turns: what one player minimises in one optimiser step."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

Terms = Mapping[str, Tensor]
"""Weighted loss terms by name; the player minimises their sum."""

Compute = Callable[[Callable[[], Terms]], Terms]
"""Calls a function that computes loss terms, and returns them."""


@dataclass(frozen=True)
class Turn:
    """One player's update.

    Attributes:
        player: name of the player that steps.
        terms: computes the player's loss terms; called while only that player's weights require gradients.
        upstream: pairs of a tensor and a gradient that other players' losses pass back to it.
        measures: further values to report, computed from the detached terms; they are part of no loss.
    """

    player: str
    terms: Callable[[], Terms]
    upstream: Sequence[tuple[Tensor, Tensor]] = ()
    measures: Callable[[Terms], Terms] = lambda _: {}


Objective = Callable[[int], Iterator[Turn]]
"""Takes the number of a step, counted from 1, draws its batch, and yields the step's turns in order."""
