"""Standing statistics: batch norm with the statistics of what a network really gets (Brock et al. 2019).

The running statistics of a training come from other weights or other pictures: those of an averaged generator are
averages of the raw generator's, and those of D and Q mix real and generated batches. No weight changes here.
"""

from collections.abc import Sequence
from copy import deepcopy

import torch
from jaxtyping import Int64
from torch import Tensor, nn

from gan_pipelines.data.images import no_condition, one_hot
from gan_pipelines.models.batch_norm import recompute_statistics
from gan_pipelines.models.infogan import InfoGAN
from gan_pipelines.models.latent import Latent
from gan_pipelines.models.level import LevelGAN
from gan_pipelines.models.stack import StackedGenerator

PICTURES, BATCH_SIZE = 5000, 100
"""From how many pictures the statistics of a generator and its Q are computed, and how many make a batch."""


def standing_stack(stack: StackedGenerator, labels: Int64[Tensor, "count"], rng: torch.Generator) -> StackedGenerator:
    """A copy of a stack whose generators have standing statistics, each for what the generators above it make.

    Args:
        stack: is not changed.
        labels: a class index for each picture from which the statistics are, on the stack's device.
        rng: draws noise.
    """
    standing = deepcopy(stack)
    inputs = stack.conditions(labels).split(BATCH_SIZE)
    for name, generator in standing.generators.items():
        inputs = _recompute_generator(generator, standing.latents[name], inputs, rng)
    return standing


def standing_levels(levels: Sequence[LevelGAN], labels: Int64[Tensor, "count"], rng: torch.Generator) -> list[LevelGAN]:
    """Copies of levels in which the sampling generators, and D and Q, have the standing statistics of generated input.

    Args:
        levels: from the top down to the pixels; they are not changed.
        labels: `PICTURES` class indices, on the levels' device.
        rng: draws noise.
    """
    standing, top = [deepcopy(level) for level in levels], levels[0].spec
    inputs = (one_hot(labels, *top.condition_shape) if top.conditional else no_condition(labels)).split(BATCH_SIZE)
    for level in standing:
        inputs = _recompute_generator(level.sampling_generator, level.latent, inputs, rng)
        recompute_statistics(level.discriminator, ((generated,) for generated in inputs))
    return standing


@torch.no_grad()
def _recompute_generator(
    generator: nn.Module, latent: Latent, conditions: Sequence[Tensor], rng: torch.Generator
) -> tuple[Tensor, ...]:
    """Recompute the statistics of one level's generator in place; returns what it then makes of the conditions."""
    batches = [(condition, latent.sample(len(condition), rng).to(condition.device)) for condition in conditions]
    recompute_statistics(generator, batches)
    return tuple(generator(*batch) for batch in batches)


@torch.no_grad()
def standing_infogan(gan: InfoGAN, rng: torch.Generator, pictures: int = PICTURES) -> InfoGAN:
    """A copy of an InfoGAN whose sampling generator, trunk and Q have the standing statistics of generated pictures.

    Args:
        gan: is not changed.
        rng: draws noise and codes.
        pictures: from how many the statistics are, in hundreds.
    """
    standing, device = deepcopy(gan), next(gan.parameters()).device
    latents = [
        torch.cat([gan.noise.sample(BATCH_SIZE, rng), gan.codes.sample(BATCH_SIZE, rng)], dim=1).to(device)
        for _ in range(pictures // BATCH_SIZE)
    ]
    recompute_statistics(standing.sampling_generator, ((batch,) for batch in latents))
    q = nn.Sequential(standing.discriminator.trunk, standing.discriminator.codes)
    recompute_statistics(q, ((standing.sampling_generator(batch),) for batch in latents))
    return standing
