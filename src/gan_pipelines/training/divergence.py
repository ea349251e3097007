"""Detect divergence: a training stops as soon as a loss term, a gradient or a weight is not finite."""

from collections import defaultdict, deque
from collections.abc import Mapping

import torch
from torch import Tensor

from gan_pipelines.training.players import Player, first_not_finite
from gan_pipelines.training.stage import Stage
from gan_pipelines.training.turns import Terms, Turn

RECENT_STEPS = 5
"""Number of earlier steps quoted in the message."""


class TrainingDiverged(RuntimeError):
    """A loss term, a gradient or a weight became infinite or not a number."""


class DivergenceMonitor:
    """Checks that terms and gradients stay finite: before each step on the CPU, at reports and checkpoints elsewhere.

    Looking at a number that a GPU computes means waiting for it, so on a GPU the check comes later; nothing computed in
    the meantime is saved.

    Args:
        stage: the training's stage.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.resumed_at = 0
        self._unchecked: list[tuple[int, Turn, Terms, Tensor]] = []
        self._recent: defaultdict[str, deque[tuple[int, Terms]]] = defaultdict(lambda: deque(maxlen=RECENT_STEPS))

    def record(self, step: int, turn: Turn, terms: Terms, gradient_norm: Tensor) -> None:
        """Add a turn, which is checked at once on the CPU.

        Raises:
            TrainingDiverged: on the CPU, it was not finite.
        """
        self._unchecked.append((step, turn, terms, gradient_norm))
        if self._stage.device.type == "cpu":
            self.check()

    def check(self) -> None:
        """Check all turns since the last check.

        Raises:
            TrainingDiverged: one of them was not finite.
        """
        sums = [torch.stack([*terms.values(), norm]).sum() for _, _, terms, norm in self._unchecked]
        if sums and not torch.isfinite(torch.stack(sums)).all():
            bad = [bool(torch.isfinite(value)) for value in sums].index(False)
            self._remember(bad)
            raise TrainingDiverged(self._describe(*self._unchecked[bad]))
        self._remember(len(sums))
        self._unchecked.clear()

    def check_weights(self, players: Mapping[str, Player], step: int) -> None:
        """Check the weights before they are saved.

        Raises:
            TrainingDiverged: one of them is not finite.
        """
        if (name := first_not_finite(players)) is not None:
            what = f"by step {step}: weights of the {name} are not finite. The last steps were"
            raise TrainingDiverged(self._explain(what, name))

    def _remember(self, turns: int) -> None:
        for step, turn, terms, _ in self._unchecked[:turns]:
            self._recent[turn.player].append((step, terms))

    def _describe(self, step: int, turn: Turn, terms: Terms, gradient_norm: Tensor) -> str:
        bad = ", ".join(name for name, value in terms.items() if not torch.isfinite(value))
        if bad:
            what = f"the term {bad}"
        elif not torch.isfinite(torch.stack(list(terms.values())).sum()):
            what = "the sum of the terms"
        elif any(not torch.isfinite(gradient).all() for _, gradient in turn.upstream):
            what = "the gradient from below"
        else:
            what = f"the gradient (norm {gradient_norm.item():g})"
        what = f"at step {step}: {what} of the {turn.player} is not finite ({_format(terms)}). Before it"
        return self._explain(what, turn.player)

    def _explain(self, what: str, player: str) -> str:
        before = "; ".join(f"step {earlier}: {_format(values)}" for earlier, values in self._recent[player])
        start = f"the training resumed after step {self.resumed_at}" if self.resumed_at else "there was no step"
        return (
            f"Training of {self._stage.name} diverged {what} {before or start}. {self._stage.describe_checkpoint()} "
            f"No model was saved. A lower learning_rate or other loss weights may help."
        )


def _format(terms: Terms) -> str:
    return ", ".join(f"{name} = {value.item():g}" for name, value in terms.items())
