"""The one training loop: players take turns, each turn is one optimiser step on a sum of named loss terms.

Supervised training has one player, a level two, a stack of N levels 2N. An objective says, for every step, whose
turn comes and which terms that player minimises; this file alone calls `backward` and `step`. A training that was
broken off goes on from its newest checkpoint, and ends bit for bit as if it had never stopped.
"""

import logging
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from gan_pipelines.models.provenance import Provenance
from gan_pipelines.parameters import TrainingParameters
from gan_pipelines.training.checkpoint import Checkpoint
from gan_pipelines.training.history import History, Row
from gan_pipelines.training.interruption import Interrupted, stop_requested, stoppable
from gan_pipelines.training.memory import keep_freed_memory
from gan_pipelines.training.players import Player, Terms, averaging_decay, begin_step, not_finite, update_averages
from gan_pipelines.training.seeding import Stage

logger = logging.getLogger(__name__)


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


Objective = Callable[[int], Iterator[Turn]]
"""Draws the batch of a step, the first being 1, and yields the turns of that step in order."""


@dataclass(frozen=True)
class Resumed:
    """What a training goes on from.

    Attributes:
        step: the last one that is done.
        version: of the run that did it.
        rows: what was reported until then.
    """

    step: int
    version: str
    rows: Sequence[Row]


class Observer(Protocol):
    """Who is told how the training goes."""

    def start(
        self, steps: int, batch_size: int, provenance: Provenance | None = None, resumed: Resumed | None = None
    ) -> None:
        """The training begins, or goes on; what decides its result, where that is known."""

    def report(self, step: int, metrics: Mapping[str, float]) -> None:
        """Means of the loss terms and measures since the last report."""

    def show(self, step: int, pictures: Tensor) -> None:
        """Pictures in [0, 1], (count, channels, height, width), of the models as they stand."""


RECENT_STEPS = 5
"""So many steps are told of when a training diverges."""


class TrainingDiverged(RuntimeError):
    """A loss term or a gradient became infinite or not a number."""


def train(
    stage: Stage,
    players: Mapping[str, Player],
    objective: Objective,
    training: TrainingParameters,
    observer: Observer,
    preview: Callable[[], Tensor] | None = None,
) -> list[Row]:
    """Let the players take their turns for `training.steps` steps.

    Args:
        stage: its name, device, random streams and checkpoints.
        players: who takes part, by name.
        objective: yields the turns of each step.
        training: length, rates, averaging.
        observer: is told of losses and pictures.
        preview: makes the pictures that the observer is shown at ten points of the training.

    Returns:
        One row a report: `step`, `images_per_second`, the mean of each term as `<player>.<term>`, of each measure.

    Raises:
        TrainingDiverged: a term or a gradient is not finite; no such weights are saved.
        Interrupted: Ctrl-C or SIGTERM; the state after the last step is in a checkpoint if the stage keeps any.
    """
    keep_freed_memory()
    history, watch = History(), _Watch(stage)
    shown_at = {training.steps * tenth // 10 for tenth in range(1, 11)}
    with stoppable(), ExitStack() as started:
        for player in players.values():
            started.enter_context(player.in_training(stage.ranks, stage.run.compile))
        stage.draw_apart()
        done = watch.resumed_at = _resume(stage, players, history, training, observer)
        _stop_if(stage.ranks.highest(stop_requested()), stage)
        for step in range(done + 1, training.steps + 1):
            if stage.run.compile == "graphs":
                torch.compiler.cudagraph_mark_step_begin()
            begin_step(players, step, training)
            for turn in _turns(stage, objective, step):
                history.add(_take_turn(stage, step, players, turn, watch))
            update_averages(players, averaging_decay(step, training.ema_decay))
            history.count_step()
            if step % training.report_every_steps == 0 or step == training.steps:
                watch.check()
                row = history.report(step, training.batch_size, stage.ranks)
                observer.report(step, {name: value for name, value in row.items() if name != "step"})
            with history.paused():
                if preview is not None and step in shown_at:
                    observer.show(step, preview())
                _keep(stage, players, history, watch, step, last=step == training.steps)
    return history.rows


def _turns(stage: Stage, objective: Objective, step: int) -> Iterator[Turn]:
    """The turns of a step; what the objective computes between them is in the stage's precision."""
    turns = objective(step)
    while True:
        with stage.autocast():
            turn = next(turns, None)
        if turn is None:
            return
        yield turn


def _take_turn(
    stage: Stage, step: int, players: Mapping[str, Player], turn: Turn, watch: "_Watch"
) -> dict[str, Tensor]:
    for name, player in players.items():
        player.module.requires_grad_(name == turn.player)
    with stage.autocast():
        terms = players[turn.player].compute(turn.terms)
    total = torch.stack(list(terms.values())).sum()
    optimiser = players[turn.player].optimiser
    optimiser.zero_grad()
    torch.autograd.backward([total, *(tensor for tensor, _ in turn.upstream)], [None, *(g for _, g in turn.upstream)])
    gradients = [weight.grad for weight in players[turn.player].module.parameters() if weight.grad is not None]
    detached = {name: value.detach() for name, value in terms.items()}
    watch.see(step, turn, detached, torch.nn.utils.get_total_norm(gradients))
    optimiser.step()
    return {f"{turn.player}.{name}": value for name, value in detached.items()} | dict(turn.measures(detached))


class _Watch:
    """Sees that terms and gradients stay finite: on the CPU before each step, elsewhere at each report and checkpoint.

    To look at a number that a GPU computes is to wait for it, so there the look is taken later; what was computed
    meanwhile is never saved.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.resumed_at = 0
        self._unchecked: list[tuple[int, Turn, Terms, Tensor]] = []
        self._recent: defaultdict[str, deque[tuple[int, Terms]]] = defaultdict(lambda: deque(maxlen=RECENT_STEPS))

    def see(self, step: int, turn: Turn, terms: Terms, gradient_norm: Tensor) -> None:
        """Take note of a turn."""
        self._unchecked.append((step, turn, terms, gradient_norm))
        if self._stage.device.type == "cpu":
            self.check()

    def check(self) -> None:
        """Look at all turns since the last look.

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
        what = f"at step {step}: {what} of the {turn.player} is not finite ({_shown(terms)}). Before it"
        return self._explain(what, turn.player)

    def refuse_weights(self, players: Mapping[str, Player], step: int) -> None:
        """Look at the weights before they are saved.

        Raises:
            TrainingDiverged: one is not finite.
        """
        if (name := not_finite(players)) is not None:
            what = f"by step {step}: weights of the {name} are not finite. The last steps were"
            raise TrainingDiverged(self._explain(what, name))

    def _explain(self, what: str, player: str) -> str:
        before = "; ".join(f"step {earlier}: {_shown(values)}" for earlier, values in self._recent[player])
        start = f"the training went on from step {self.resumed_at}" if self.resumed_at else "there was no step"
        kept = self._stage.checkpoints.describe_last() if self._stage.checkpoints else "No checkpoints are kept."
        return (
            f"Training of {self._stage.name} diverged {what} {before or start}. {kept} No model was saved. "
            f"A lower learning_rate, or other loss weights, may help."
        )


def _shown(terms: Terms) -> str:
    return ", ".join(f"{name} = {value.item():g}" for name, value in terms.items())


def _resume(
    stage: Stage, players: Mapping[str, Player], history: History, training: TrainingParameters, observer: Observer
) -> int:
    """Take over the newest checkpoint, if there is one, and tell the observer; returns the steps that are done."""
    found = stage.ranks.first_says(stage.checkpoints.newest() if stage.checkpoints else None)
    if found is None:
        observer.start(training.steps, training.batch_size, stage.provenance)
        return 0
    for name, player in players.items():
        player.restore(_part(found, f"players.{name}."))
    history.restore(_part(found, "sums."), found.values, stage)
    stage.restore(found.tensors)
    logger.info("%s: goes on from the checkpoint of step %d of %d", stage.name, found.step, training.steps)
    resumed = Resumed(found.step, found.version, history.rows)
    observer.start(training.steps, training.batch_size, stage.provenance, resumed)
    return found.step


def _part(found: Checkpoint, prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in found.tensors.items() if name.startswith(prefix)}


def _keep(
    stage: Stage, players: Mapping[str, Player], history: History, watch: _Watch, step: int, *, last: bool
) -> None:
    """Write a checkpoint if one is due; end the training if that is asked for.

    Raises:
        TrainingDiverged: there is something in the weights that must not be saved.
    """
    checkpoints = stage.checkpoints
    signal = stage.ranks.highest(stop_requested())
    due = last or stage.ranks.highest(int(checkpoints is not None and (signal > 0 or checkpoints.is_due(step))))
    if due:
        watch.check()
        watch.refuse_weights(players, step)
        sums, values = history.state(stage.ranks)
        tensors = {f"sums.{name}": value for name, value in sums.items()} | stage.state()
        for name, player in players.items():
            tensors |= {f"players.{name}.{key}": value for key, value in player.state().items()}
        if checkpoints is not None:
            checkpoints.write(step, tensors, values)
    _stop_if(signal, stage)


def _stop_if(signal: int, stage: Stage) -> None:
    if signal:
        kept = stage.checkpoints.describe_last() if stage.checkpoints else "No checkpoints are kept."
        logger.warning("%s: stops, as signal %d asks. %s", stage.name, signal, kept)
        raise Interrupted(128 + signal)
