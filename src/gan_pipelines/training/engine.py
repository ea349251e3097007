"""The one training loop: players take turns, each turn is one optimiser step on a sum of named loss terms.

Supervised training has one player, a level two, a stack of N levels 2N. An objective says, for every step, whose
turn comes and which terms that player minimises; this file alone calls `backward` and `step`.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from gan_pipelines.parameters import TrainingParameters
from gan_pipelines.training.memory import keep_freed_memory

Terms = Mapping[str, Tensor]
"""Weighted loss terms by name; the player minimises their sum."""


@dataclass(frozen=True)
class Turn:
    """One player's update.

    Attributes:
        player: who steps.
        terms: computes the player's loss terms; called while that player alone takes gradients.
        upstream: pairs of a tensor and the gradient that reaches it from losses of other players.
        measures: makes of the terms what is worth a record besides them; it takes part in no loss.
    """

    player: str
    terms: Callable[[], Terms]
    upstream: Sequence[tuple[Tensor, Tensor]] = ()
    measures: Callable[[Terms], Terms] = lambda _: {}


Objective = Callable[[], Iterator[Turn]]
"""Draws a batch and yields the turns of one step in order."""


@dataclass
class Player:
    """A module with its optimiser, and the running average of its weights where one is kept."""

    module: nn.Module
    optimiser: torch.optim.Optimizer
    average: nn.Module | None = None


class Observer(Protocol):
    """Who is told how the training goes."""

    def start(self, steps: int, batch_size: int) -> None:
        """The training begins."""

    def report(self, step: int, metrics: Mapping[str, float]) -> None:
        """Means of the loss terms and measures since the last report."""

    def show(self, step: int, pictures: Tensor) -> None:
        """Pictures in [0, 1], (count, channels, height, width), of the models as they stand."""


HELP = "No model was saved. A lower learning_rate, or other loss weights, may help."


class TrainingDiverged(RuntimeError):
    """A loss term became infinite or not a number."""


def make_player(
    module: nn.Module,
    training: TrainingParameters,
    learning_rate: float | None = None,
    weight_decay: float = 0.0,
    average: nn.Module | None = None,
) -> Player:
    """A player with Adam, or AdamW where weight decay is asked for."""
    optimiser = torch.optim.AdamW(
        module.parameters(),
        lr=learning_rate or training.learning_rate,
        betas=(training.beta1, training.beta2),
        weight_decay=weight_decay,
        fused=True,
    )
    return Player(module, optimiser, average)


def train(
    stage: str,
    players: Mapping[str, Player],
    objective: Objective,
    training: TrainingParameters,
    observer: Observer,
    preview: Callable[[], Tensor] | None = None,
) -> list[dict[str, float]]:
    """Let the players take their turns for `training.steps` steps.

    Args:
        stage: its name, for messages.
        players: who takes part, by name.
        objective: yields the turns of each step.
        training: length, rates, averaging.
        observer: is told of losses and pictures.
        preview: makes the pictures that the observer is shown at ten points of the training.

    Returns:
        One row a report: `step`, `images_per_second`, the mean of each term as `<player>.<term>`, of each measure.

    Raises:
        TrainingDiverged: a term is not finite; the step is not taken.
    """
    keep_freed_memory()
    _prepare(players)
    history: list[dict[str, float]] = []
    sums: dict[str, Tensor] = {}
    counts: Counter[str] = Counter()
    since, began = 0, time.perf_counter()
    shown_at = {training.steps * tenth // 10 for tenth in range(1, 11)}
    observer.start(training.steps, training.batch_size)
    for step in range(1, training.steps + 1):
        for player in players.values():
            player.module.train().requires_grad_(True)
            _set_rate(player.optimiser, rate_factor(step, training))
        for turn in objective():
            for name, value in _take_turn(stage, step, players, turn).items():
                sums[name] = sums.get(name, torch.zeros_like(value)) + value
                counts[name] += 1
        _update_averages(players, averaging_decay(step, training.ema_decay))
        since += 1
        if step % training.report_every_steps == 0 or step == training.steps:
            elapsed = time.perf_counter() - began
            metrics = {name: (total / counts[name]).item() for name, total in sums.items()}
            metrics["images_per_second"] = since * training.batch_size / elapsed
            history.append({"step": step, **metrics})
            observer.report(step, metrics)
            sums, counts, since, began = {}, Counter(), 0, time.perf_counter()
        if preview is not None and step in shown_at:
            observer.show(step, preview())
            began = time.perf_counter() if since == 0 else began
    _finish(stage, players)
    return history


def _take_turn(stage: str, step: int, players: Mapping[str, Player], turn: Turn) -> dict[str, Tensor]:
    for name, player in players.items():
        player.module.requires_grad_(name == turn.player)
    terms = turn.terms()
    total = torch.stack(list(terms.values())).sum()
    if not torch.isfinite(total + sum(gradient.sum() for _, gradient in turn.upstream)):
        raise TrainingDiverged(_describe(stage, step, turn, terms))
    optimiser = players[turn.player].optimiser
    optimiser.zero_grad()
    torch.autograd.backward([total, *(tensor for tensor, _ in turn.upstream)], [None, *(g for _, g in turn.upstream)])
    optimiser.step()
    detached = {name: value.detach() for name, value in terms.items()}
    return {f"{turn.player}.{name}": value for name, value in detached.items()} | dict(turn.measures(detached))


def _describe(stage: str, step: int, turn: Turn, terms: Terms) -> str:
    shown = ", ".join(f"{name} = {value.item():g}" for name, value in terms.items())
    bad = ", ".join(name for name, value in terms.items() if not torch.isfinite(value))
    what = f"term {bad}" if bad else "gradient from below" if turn.upstream else "sum of the terms"
    return (
        f"Training of {stage} diverged at step {step}: the {what} of the {turn.player} is not finite ({shown}). {HELP}"
    )


def rate_factor(step: int, training: TrainingParameters) -> float:
    """1 over the first half of the training, then linearly down to `final_learning_rate_fraction`."""
    progress = max(0.0, 2 * step / training.steps - 1)
    return 1 - progress * (1 - training.final_learning_rate_fraction)


def _set_rate(optimiser: torch.optim.Optimizer, factor: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor


def averaging_decay(step: int, decay: float) -> float:
    """The decay at a step: it rises as (1 + step) / (10 + step), so that the first weights are soon forgotten."""
    return min(decay, (1 + step) / (10 + step))


@torch.no_grad()
def _update_averages(players: Mapping[str, Player], decay: float) -> None:
    """Weights are averaged; batch-norm buffers too, but for their counters, which are copied."""
    for player in players.values():
        if player.average is None:
            continue
        average, current = player.average.state_dict(), player.module.state_dict()
        for name, value in average.items():
            if value.is_floating_point():
                value.lerp_(current[name], 1 - decay)
            else:
                value.copy_(current[name])


def _prepare(players: Mapping[str, Player]) -> None:
    """Convolutions on the CPU are faster with the channels last; averages are for sampling alone."""
    for player in players.values():
        for module in (player.module, player.average):
            if module is not None:
                module.to(memory_format=torch.channels_last)
        if player.average is not None:
            player.average.eval()


def _finish(stage: str, players: Mapping[str, Player]) -> None:
    """Freeze everybody; weights that are not finite must not be saved."""
    for name, player in players.items():
        player.module.eval().requires_grad_(False)
        if not all(torch.isfinite(value).all() for value in player.module.state_dict().values()):
            raise TrainingDiverged(
                f"Training of {stage} diverged: weights of the {name} are not finite at its end. {HELP}"
            )
