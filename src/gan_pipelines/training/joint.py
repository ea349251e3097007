"""End-to-end training of the stack (SGAN, section 3.4): each G_i takes what the level above generates.

Level k minimises its own loss + w x the losses of all levels below it, with w = `upstream_weight`. The losses below
reach it through the representation it generates.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gan_pipelines.data.images import Representation, labels_in_proportion
from gan_pipelines.models import Encoder, LevelGAN, assemble_stack, standing_stack
from gan_pipelines.models.layers import set_mean_images
from gan_pipelines.models.level import joint_start
from gan_pipelines.parameters import JointParameters, RunParameters
from gan_pipelines.training.checkpoint import CheckpointFolder
from gan_pipelines.training.collapse import VARIANCE_RATIO
from gan_pipelines.training.engine import train
from gan_pipelines.training.level import (
    discriminator_terms,
    generator_terms,
    level_segment,
    measure_variance,
    preview_pictures,
    updates_of_generator,
)
from gan_pipelines.training.observer import Observer
from gan_pipelines.training.players import Player, gan_players
from gan_pipelines.training.ranks import Ranks
from gan_pipelines.training.stage import Stage, training_stage
from gan_pipelines.training.turns import Turn
from gan_pipelines.training.watch import Drawn, Scoring, open_watch
from gan_pipelines.training.workers import shared_by_workers


@dataclass(frozen=True)
class JointLevel:
    """A level with its E_i and the real representations it imitates."""

    level: LevelGAN
    segment: nn.Module
    target: Representation

    @property
    def name(self) -> str:
        """Name of the representation it generates."""
        return self.level.spec.target


def joint_turns(
    levels: Sequence[JointLevel],
    reals: Mapping[str, Tensor],
    top: Tensor,
    draw_noises: Callable[[], Mapping[str, Tensor]],
    upstream_weight: float,
    ranks: Ranks,
) -> Iterator[Turn]:
    """The 2N turns of one step: every D_k, then every G_k from the pixels upwards.

    Further updates of all G_k, with noise of their own, are those that the schedule of the pixels gives.

    Args:
        levels: from the top down to the pixels.
        reals: h_k of each level by name.
        top: the condition of the first level, such as one-hot labels.
        draw_noises: draws z_k of each level by name.
        upstream_weight: w.
        ranks: who share the training.
    """
    noises = draw_noises()
    passed = _generate(levels, top, noises, upstream_weight)
    for joint, fake in zip(levels, passed.conditions[1:], strict=True):
        labels = top.argmax(dim=1) if joint.level.discriminator.aware_of_classes else None
        level, real, noise = joint.level, reals[joint.name], noises[joint.name]
        terms, found = partial(discriminator_terms, level, real, fake.detach(), noise, labels), dict[str, Tensor]()
        measures = partial(measure_variance, f"{joint.name}.{VARIANCE_RATIO}", real, fake, ranks, found)
        yield Turn(f"{joint.name}.discriminator", terms, measures=measures)
    yield from _generator_turns(levels, passed, noises, upstream_weight)
    for _ in range(1, updates_of_generator(levels[-1].level, found, ranks)):
        for joint in levels:  # the turn before has frozen all but the first
            joint.level.generator.requires_grad_(True)
        noises = draw_noises()
        yield from _generator_turns(levels, _generate(levels, top, noises, upstream_weight), noises, upstream_weight)


class _Passed(NamedTuple):
    """One pass through the stack: the condition of each level and what the last one generates, cut off and not."""

    conditions: list[Tensor]
    generated: list[Tensor]


def _generate(
    levels: Sequence[JointLevel], top: Tensor, noises: Mapping[str, Tensor], upstream_weight: float
) -> _Passed:
    conditions, generated = [top], []
    for joint in levels:
        generated.append(joint.level.generator(conditions[-1], noises[joint.name]))
        conditions.append(generated[-1].detach().requires_grad_(upstream_weight > 0))
    return _Passed(conditions, generated)


def _generator_turns(
    levels: Sequence[JointLevel], passed: _Passed, noises: Mapping[str, Tensor], upstream_weight: float
) -> Iterator[Turn]:
    """Every G_k from the pixels upwards."""
    conditions, generated = passed
    below: Tensor | None = None  # gradient of all losses below with respect to this level's output
    for depth in reversed(range(len(levels))):
        joint, condition, output = levels[depth], conditions[depth], generated[depth]
        upstream = [] if below is None else [(output, upstream_weight * below)]
        missing = _unweighted_rest(output, condition, below, upstream_weight) if depth else None
        terms = partial(generator_terms, joint.level, joint.segment, output, condition, noises[joint.name])
        yield Turn(f"{joint.name}.generator", terms, upstream)
        below = condition.grad if depth else None
        if below is not None and missing is not None:
            below = below + missing


def _unweighted_rest(output: Tensor, condition: Tensor, below: Tensor | None, weight: float) -> Tensor | None:
    """What is missing from the gradient on `condition` because w already scaled the losses below on this level."""
    if below is None or weight in (0.0, 1.0):
        return None
    (rest,) = torch.autograd.grad(output, condition, (1 - weight) * below, retain_graph=True)
    return rest


def joint_players(levels: Sequence[JointLevel], parameters: JointParameters) -> dict[str, Player]:
    """2N players with the learning rates of the joint training."""
    players: dict[str, Player] = {}
    for joint in levels:
        players |= gan_players(joint.level, parameters.training, prefix=f"{joint.name}.")
    return players


@shared_by_workers
def fit_joint(
    run: RunParameters,
    parameters: JointParameters,
    trained: Sequence[LevelGAN],
    encoder: Encoder,
    targets: Mapping[str, Representation],
    top: Representation,
    observer: Observer,
    checkpoints: CheckpointFolder | None = None,
    scoring: Scoring | None = None,
) -> tuple[list[LevelGAN], list[dict[str, float]]]:
    """Train all levels end to end, on the stage's own random streams.

    Args:
        run: seed, device, threads.
        parameters: initial weights, length, rates, w.
        trained: the levels from the top down to the pixels, not changed: independent ones, and those that
            `parameters.initialise` names.
        encoder: frozen; contains every E_k.
        targets: real representations by name.
        top: the condition of the first level for the same images, such as one-hot labels.
        observer: receives losses and pictures.
        checkpoints: where to keep checkpoints; None keeps none.
        scoring: scores samples of the stack, if it is watched.

    Returns:
        The jointly trained levels on the CPU and the history of the losses of all levels.
    """
    alone = {
        f"level_{level.spec.target}": level for level in trained if level.spec.target not in parameters.initial_levels
    }
    starts = {
        f"initial_{level.spec.target}": level for level in trained if level.spec.target in parameters.initial_levels
    }
    inputs = {"encoder": encoder.digest()} | {name: level.digest() for name, level in alone.items()}
    inputs |= scoring.made_from if scoring else {}
    with training_stage(run, "joint", parameters, inputs, checkpoints, starts) as stage:
        levels = [joint_start(level, parameters) for level in trained]
        for level in levels:
            set_mean_images(level.discriminator, targets[level.spec.target])
        joint_levels = [
            JointLevel(
                stage.place(level),
                stage.place(level_segment(encoder, level.spec)),
                targets[level.spec.target].to(stage.device),
            )
            for level in levels
        ]
        first, batch_size = top.to(stage.device), parameters.training.batch_size
        batches = stage.draw_batches(len(top.values), batch_size)

        def draw_noises() -> dict[str, Tensor]:
            drawn = {joint.name: joint.level.latent.sample(batch_size, stage.rng) for joint in joint_levels}
            return {name: stage.local_batch(noise) for name, noise in drawn.items()}

        def objective(_: int) -> Iterator[Turn]:
            index = stage.local_batch(next(batches))
            reals = {joint.name: joint.target.batch(index) for joint in joint_levels}
            weight, ranks = parameters.upstream_weight, stage.ranks
            yield from joint_turns(joint_levels, reals, first.batch(index), draw_noises, weight, ranks)

        preview = preview_pictures(levels, top, stage)
        watch = open_watch(parameters.watch, stage, _draw_from(levels, encoder.spec.classes, top, stage), scoring)
        players = joint_players(joint_levels, parameters)
        history = train(stage, players, objective, parameters.training, observer, preview, watch)
        for level in levels:
            level.spec = level.spec.model_copy(
                update={
                    "provenance": stage.provenance,
                    "data_digest": encoder.spec.data_digest,
                    "encoder_digest": encoder.digest(),
                }
            )
    return [level.cpu() for level in levels], history


def _draw_from(
    levels: Sequence[LevelGAN], classes: tuple[str, ...], top: Representation, stage: Stage
) -> Callable[[int, torch.Generator], Drawn]:
    """Draws samples of the stack of these levels, with the labels of the training images in proportion."""

    def draw(count: int, rng: torch.Generator) -> Drawn:
        stack = stage.place(assemble_stack(levels, classes))
        if not stack.spec.conditional:
            none = torch.zeros(count, dtype=torch.int64, device=stage.device)
            return Drawn(standing_stack(stack, none, rng).sample(none, rng))
        labels = labels_in_proportion(top.values.argmax(dim=1), count)
        asked = labels.to(stage.device)
        return Drawn(standing_stack(stack, asked, rng).sample(asked, rng), labels)

    return draw
