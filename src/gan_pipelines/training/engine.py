"""The training loop: players take turns, each turn is one optimiser step on a sum of named loss terms.

Supervised training has one player, a level has two, a stack of N levels 2N. For every step, an objective yields the
turns and the terms that each player minimises; only this file calls `backward` and `step`. An interrupted training
resumes from its newest checkpoint, and the result equals, bit for bit, that of an uninterrupted one.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor

from gan_pipelines.parameters import TrainingParameters
from gan_pipelines.training.checkpoint import Checkpoint
from gan_pipelines.training.collapse import CollapseAlarm
from gan_pipelines.training.divergence import DivergenceMonitor
from gan_pipelines.training.history import History
from gan_pipelines.training.interruption import Interrupted, acknowledge, stop_requested, stoppable
from gan_pipelines.training.observer import Observer, Resumed, Row
from gan_pipelines.training.players import Player, averaging_decay, begin_step, update_averages
from gan_pipelines.training.stage import Stage
from gan_pipelines.training.turns import Objective, Turn
from gan_pipelines.training.watch import Watch

logger = logging.getLogger(__name__)


def train(
    stage: Stage,
    players: Mapping[str, Player],
    objective: Objective,
    training: TrainingParameters,
    observer: Observer,
    preview: Callable[[], Tensor] | None = None,
    watch: Watch | None = None,
) -> list[Row]:
    """Let the players take their turns for `training.steps` steps.

    Args:
        stage: name, device, random streams, checkpoints.
        players: the players by name.
        objective: yields the turns of each step.
        training: length, learning rates, averaging.
        observer: receives losses and pictures.
        preview: generates the pictures shown to the observer, before the first step and at ten points of the training.
        watch: scores the generator, at steps that are reported, and decides which weights the training ends with.

    Returns:
        One row per report: `step`, `images_per_second`, and the means of each term, as `<player>.<term>`, and measure;
        where the generator was scored, the scores, as `watch.<score>`.

    Raises:
        TrainingDiverged: a term, a gradient or a weight is not finite; no such weights are saved.
        Interrupted: Ctrl-C or SIGTERM; the last step is in a checkpoint if the stage keeps any.
    """
    history, monitor, alarm = History(), DivergenceMonitor(stage), CollapseAlarm(stage, training.steps)
    shown_at = {training.steps * tenth // 10 for tenth in range(1, 11)}
    with stoppable(), ExitStack() as started:
        for player in players.values():
            started.enter_context(player.in_training(stage.ranks, stage.run.compile))
        stage.seed_rank()
        done = monitor.resumed_at = _resume(stage, players, history, training, observer, watch)
        _stop_if_signalled(stage.ranks.maximum(stop_requested()), stage)
        if preview is not None and not done:
            with history.paused():
                observer.show(0, preview())
        for step in range(done + 1, training.steps + 1):
            if stage.run.compile == "graphs":
                torch.compiler.cudagraph_mark_step_begin()
            begin_step(players, step, training)
            for turn in _turns(stage, objective, step):
                history.add(_take_turn(stage, step, players, turn, monitor))
            update_averages(players, averaging_decay(step, training.ema_decay))
            history.count_step()
            if step % training.report_every_steps == 0 or step == training.steps:
                monitor.check()
                with history.paused():
                    scores = watch.score(step, training.steps) if watch else {}
                row = history.report(step, training.batch_size, stage.ranks, scores)
                if watch:
                    watch.keep_best(history.rows, players)
                alarm.watch(row)
                observer.report(step, {name: value for name, value in row.items() if name != "step"})
            with history.paused():
                if preview is not None and step in shown_at:
                    observer.show(step, preview())
                _checkpoint(stage, players, history, monitor, watch, step, last=step == training.steps)
    if watch:
        watch.hand_back(history.rows, players)
    return history.rows


def _turns(stage: Stage, objective: Objective, step: int) -> Iterator[Turn]:
    """The turns of a step; what the objective computes between them uses the stage's precision."""
    turns = objective(step)
    while True:
        with stage.autocast():
            turn = next(turns, None)
        if turn is None:
            return
        yield turn


def _take_turn(
    stage: Stage, step: int, players: Mapping[str, Player], turn: Turn, monitor: DivergenceMonitor
) -> dict[str, Tensor]:
    """One optimiser step of one player; returns its terms and measures, detached."""
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
    monitor.record(step, turn, detached, torch.nn.utils.get_total_norm(gradients))
    optimiser.step()
    return {f"{turn.player}.{name}": value for name, value in detached.items()} | dict(turn.measures(detached))


def _resume(
    stage: Stage,
    players: Mapping[str, Player],
    history: History,
    training: TrainingParameters,
    observer: Observer,
    watch: Watch | None,
) -> int:
    """Restore the newest checkpoint that fits, and notify the observer; returns the number of completed steps."""
    found = _restore_newest(stage, players, history, training, watch)
    if found is None:
        observer.start(training.steps, training.batch_size, stage.provenance)
        return 0
    logger.info("%s: resumes from the checkpoint of step %d of %d", stage.name, found.step, training.steps)
    resumed = Resumed(found.step, found.version, history.rows)
    observer.start(training.steps, training.batch_size, stage.provenance, resumed)
    return found.step


def _restore_newest(
    stage: Stage,
    players: Mapping[str, Player],
    history: History,
    training: TrainingParameters,
    watch: Watch | None,
) -> Checkpoint | None:
    """Restore the newest checkpoint that holds the state of this training; others are passed over with a warning."""
    while found := stage.ranks.broadcast(stage.checkpoints.newest() if stage.checkpoints else None):
        state, values = _state(stage, players, history, watch)
        initial = {name: value.clone() for name, value in state.items()}
        try:
            _require_state(found, state, training.steps)
            _restore(stage, players, history, watch, found.tensors, found.values)
        except (KeyError, IndexError, TypeError, ValueError, RuntimeError) as error:
            _restore(stage, players, history, watch, initial, values)
            if stage.checkpoints is not None:
                reason = str(error).strip().partition("\n")[0]
                stage.checkpoints.skip(
                    found.file, f"{found.file}: does not hold the state of this training ({reason})."
                )
        else:
            return found
    return None


def _require_state(found: Checkpoint, initial: Mapping[str, Tensor], steps: int) -> None:
    """Check the tensors of a checkpoint against those at the start, as far as they keep their forms.

    Raises:
        ValueError: one is missing, of another type or shape, or not finite; or the training is shorter.
    """
    if found.step > steps:
        raise ValueError(f"it is of step {found.step}, and the training has {steps}")
    for name, value in initial.items():
        other = found.tensors[name]
        if not name.startswith("batches.") and (other.dtype, other.shape) != (value.dtype, value.shape):
            raise ValueError(f"{name} is {other.dtype} of shape {tuple(other.shape)}")
    for name, value in found.tensors.items():
        if value.is_floating_point() and not value.isfinite().all():
            raise ValueError(f"{name} has values that are not finite")


def _state(
    stage: Stage, players: Mapping[str, Player], history: History, watch: Watch | None
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """All that decides how the training goes on: tensors, and JSON."""
    sums, values = history.state(stage.ranks)
    tensors = {f"sums.{name}": value for name, value in sums.items()} | stage.state()
    for name, player in players.items():
        tensors |= {f"players.{name}.{key}": value for key, value in player.state().items()}
    if watch:
        tensors |= {f"best.{key}": value for key, value in watch.state().items()}
    return tensors, values


def _restore(
    stage: Stage,
    players: Mapping[str, Player],
    history: History,
    watch: Watch | None,
    tensors: Mapping[str, Tensor],
    values: Mapping[str, Any],
) -> None:
    for name, player in players.items():
        player.restore(_part(tensors, f"players.{name}."))
    history.restore(_part(tensors, "sums."), values, stage)
    if watch:
        watch.restore(_part(tensors, "best."), history.rows, players)
    stage.restore(tensors)


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _checkpoint(
    stage: Stage,
    players: Mapping[str, Player],
    history: History,
    monitor: DivergenceMonitor,
    watch: Watch | None,
    step: int,
    *,
    last: bool,
) -> None:
    """Write a checkpoint if one is due, and stop if a signal asked for it.

    Raises:
        TrainingDiverged: the state must not be saved.
        Interrupted: a signal asked the training to stop.
    """
    checkpoints = stage.checkpoints
    signal = stage.ranks.maximum(stop_requested())
    due = last or stage.ranks.maximum(int(checkpoints is not None and (signal > 0 or checkpoints.is_due(step))))
    if due:
        monitor.check()
        monitor.check_weights(players, step)
        tensors, values = _state(stage, players, history, watch)
        if checkpoints is not None:
            checkpoints.write(step, tensors, values)
    _stop_if_signalled(signal, stage)


def _stop_if_signalled(signal: int, stage: Stage) -> None:
    if signal:
        acknowledge(signal)  # its copy could otherwise arrive while this rank returns its result, and cut it off
        logger.warning("%s: stops because of signal %d. %s", stage.name, signal, stage.describe_checkpoint())
        raise Interrupted(128 + signal)
