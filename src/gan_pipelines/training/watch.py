"""Watching a training: its generator is scored now and then, and its best weights may be what the training ends with.

Nothing that is drawn or computed for a score reaches the training: streams and networks are copies. A training knows no
metrics, so the function that scores is handed in.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from gan_pipelines.parameters import WatchParameters
from gan_pipelines.training.observer import Row
from gan_pipelines.training.players import Player
from gan_pipelines.training.stage import Stage, forked_random_state, stage_seed

logger = logging.getLogger(__name__)

WATCHED = "watch."
"""How the names of scores begin in the rows of a history."""
DISTANCE = "frechet_distance"
"""The score by which weights are the best: the least one."""


class Drawn(NamedTuple):
    """Pictures of a generator, on the CPU, and the classes or categories that were asked for, if any were."""

    pictures: UInt8[Tensor, "count channels height width"]
    labels: Int64[Tensor, "count"] | None = None


class Scoring(Protocol):
    """Scores samples; can be pickled, since each rank of a training gets its own."""

    @property
    def made_from(self) -> Mapping[str, str]:
        """Digest of each thing that decides the scores."""

    def __call__(self, pictures: Tensor, labels: Tensor | None, device: torch.device) -> Mapping[str, float]:
        """The scores of samples by name, with `frechet_distance` among them; networks compute on the device."""


class Watch:
    """Scores a generator while it trains, and keeps the best weights if asked to.

    Args:
        parameters: when, how many samples, which weights are kept.
        stage: the training's stage.
        draw: draws so many samples of the generator as it is, with standing statistics; must not change it.
        scoring: scores them, on the first rank.
    """

    def __init__(
        self,
        parameters: WatchParameters,
        stage: Stage,
        draw: Callable[[int, torch.Generator], Drawn],
        scoring: Scoring,
    ) -> None:
        self._parameters, self._stage, self._draw, self._scoring = parameters, stage, draw, scoring
        self._best: dict[str, Tensor] = {}

    def score(self, step: int, steps: int) -> dict[str, float]:
        """The scores of the generator after this step of so many; empty if they are not due.

        The noise is the same each time, and the random streams of the training stay as they are.
        """
        found: Mapping[str, float] = {}
        if step % self._parameters.every_steps and step < steps:
            return {}
        if self._stage.ranks.is_first:
            device = self._stage.device
            with forked_random_state(device), torch.no_grad():
                torch.manual_seed(0)  # for initial weights of the copies, which are replaced
                rng = torch.Generator().manual_seed(stage_seed(self._stage.run.seed, f"{self._stage.name}/watch"))
                found = self._scoring(*self._draw(self._parameters.samples, rng), device)
        return {f"{WATCHED}{name}": value for name, value in self._stage.ranks.broadcast(found).items()}

    def keep_best(self, rows: Sequence[Row], players: Mapping[str, Player]) -> None:
        """Keep a copy of all weights if the last row is that of the best scores so far."""
        if self._parameters.keep == "best" and f"{WATCHED}{DISTANCE}" in rows[-1] and best_row(rows) is rows[-1]:
            self._best = {name: value.clone() for name, value in _weights(players).items()}

    def hand_back(self, rows: Sequence[Row], players: Mapping[str, Player]) -> None:
        """Give the players the weights that the training ends with."""
        if self._parameters.keep == "last":
            return
        best, name = best_row(rows), f"{WATCHED}{DISTANCE}"
        with torch.no_grad():
            for key, value in _weights(players).items():
                value.copy_(self._best[key])
        logger.info(
            "%s: ends with the weights of step %d of %d, of Frechet distance %.4g; the last had %.4g",
            *(self._stage.name, best["step"], rows[-1]["step"], best[name], rows[-1][name]),
        )

    def state(self) -> dict[str, Tensor]:
        """The best weights so far; which step they are of, the rows of the history say."""
        return dict(self._best)

    def restore(self, state: Mapping[str, Tensor], rows: Sequence[Row], players: Mapping[str, Player]) -> None:
        """Restore the best weights so far.

        Raises:
            ValueError: they are not those of these players, or missing.
        """
        scored = any(f"{WATCHED}{DISTANCE}" in row for row in rows)
        wanted = _weights(players) if scored and self._parameters.keep == "best" else {}
        forms = [{name: (x.dtype, x.shape) for name, x in tensors.items()} for tensors in (wanted, state)]
        if forms[0] != forms[1]:
            raise ValueError("its best weights are not those of this training")
        self._best = {name: value.to(self._stage.device) for name, value in state.items()}


def open_watch(
    parameters: WatchParameters | None,
    stage: Stage,
    draw: Callable[[int, torch.Generator], Drawn],
    scoring: Scoring | None,
) -> Watch | None:
    """Prepare to watch a training, if its parameters say so; the arguments are those of `Watch`.

    Raises:
        ValueError: it is to be watched, and nothing scores.
    """
    if parameters is None:
        return None
    if scoring is None:
        raise ValueError(f"{stage.name} is to be watched, and there is nothing that scores")
    return Watch(parameters, stage, draw, scoring)


def best_row(rows: Sequence[Row]) -> Row:
    """The first row with the least Frechet distance among those that have one."""
    name = f"{WATCHED}{DISTANCE}"
    return min((row for row in rows if name in row), key=lambda row: row[name])


def _weights(players: Mapping[str, Player]) -> dict[str, Tensor]:
    """Weights, buffers and averages of all players, as they are in memory."""
    return {
        f"{name}.{part}.{key}": value
        for name, player in players.items()
        for part, module in (("module", player.module), ("average", player.average))
        if module is not None
        for key, value in module.state_dict().items()
    }
