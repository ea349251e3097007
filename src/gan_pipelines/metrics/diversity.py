"""How different pictures of one class are, and how much of that each level of a stack gives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from gan_pipelines.data.images import Representation, no_condition, one_hot
from gan_pipelines.metrics.bootstrap import Counts
from gan_pipelines.metrics.features import LabelledReading
from gan_pipelines.models import LevelGAN

CONDITIONS, NOISES = 200, 20
"""Conditions for which a level is watched, and noises at each of them."""


def within_class_diversity(
    reading: LabelledReading,
    reference: LabelledReading,
    counts: Counts | None = None,
    reference_counts: Counts | None = None,
) -> Float[Tensor, "resamples"]:
    """Mean over classes of (total feature variance of the samples / of the real images), in each resample.

    Classes with fewer than two pictures on either side are left out.

    Args:
        reading: of the samples.
        reference: of real images.
        counts: resamples of the samples; None is the samples themselves.
        reference_counts: likewise of the real images.

    Raises:
        ValueError: no class has two pictures on both sides.
    """
    ratios = []
    for label in range(reading.logits.shape[1]):
        ours, theirs = (_variance(*side, label) for side in ((reading, counts), (reference, reference_counts)))
        if ours is not None and theirs is not None:
            ratios.append(ours / theirs)
    if not ratios:
        raise ValueError("within-class diversity needs a class with at least two samples and two real images")
    return torch.stack(ratios).nanmean(dim=0)


def _variance(reading: LabelledReading, counts: Counts | None, label: int) -> Float[Tensor, "resamples"] | None:
    """Total variance of the features of one class; None where it has less than two pictures.

    It is NaN in a resample that drew less than two different ones: of such a class there is nothing to compare.
    """
    chosen = reading.labels == label
    if chosen.sum() < 2:
        return None
    rows = reading.features[chosen].double()
    rows = rows - rows.mean(dim=0)
    weights = torch.ones(1, len(rows)).double() if counts is None else counts[:, chosen].double()
    total = weights.sum(dim=1)
    squares = weights @ (rows**2).sum(dim=1) - ((weights @ rows) ** 2).sum(dim=1) / total
    several = (weights > 0).sum(dim=1) > 1
    return (squares / (total - 1)).where(several, torch.nan)


@dataclass(frozen=True)
class LevelVariation:
    """How one level uses its noise, one value a condition.

    Attributes:
        variance: total variance of the level's output over its noise, over that of the real representation.
        recovery: share of the noise's variance that Q reads from the output; 0 or below is nothing.
    """

    variance: Float[Tensor, "conditions"]
    recovery: Float[Tensor, "conditions"]


@torch.no_grad()
def level_variations(
    levels: Sequence[LevelGAN],
    real: Mapping[str, Representation],
    labels: Int64[Tensor, "count"],
    class_count: int,
    rng: torch.Generator,
) -> dict[str, LevelVariation]:
    """Watch each level of a stack as its noise changes and its condition, generated above, does not.

    The variance is measured against that of real representations within a class, since of each real condition but the
    labels there is one image alone: below the first level a ratio well under 1 is right, one of 0 is not. Where a
    level has no condition, it is measured against the variance of all.

    Args:
        levels: from the labels down to the pixels, frozen, on the CPU.
        real: real representations of the training set by name.
        labels: of the training set.
        class_count: how many classes there are.
        rng: draws noise.
    """
    asked = torch.arange(CONDITIONS) % class_count
    condition, found = one_hot(asked, class_count) if levels[0].spec.conditional else no_condition(asked), {}
    for level in levels:
        noise = level.latent.sample(CONDITIONS * NOISES, rng)
        outputs = level.sampling_generator.eval()(condition.repeat_interleave(NOISES, dim=0), noise)
        head = level.discriminator.eval()(outputs).recovered_noise
        missed = ((level.latent.posterior_mean(head)["noise"] - noise) ** 2).mean(dim=1) / noise.var()
        by_condition = outputs.flatten(1).unflatten(0, (CONDITIONS, NOISES)).double()
        groups = labels if level.spec.conditional else torch.zeros_like(labels)
        within = real_variance(real[level.spec.target], groups)
        found[level.spec.target] = LevelVariation(
            variance=by_condition.var(dim=1).sum(dim=1) / within,
            recovery=1 - missed.unflatten(0, (CONDITIONS, NOISES)).mean(dim=1),
        )
        condition = outputs.unflatten(0, (CONDITIONS, NOISES))[:, 0]
    return found


def real_variance(representation: Representation, groups: Int64[Tensor, "count"]) -> float:
    """Total variance of a real representation within a group, the mean over groups of at least two."""
    found = []
    for group in groups.unique():
        rows = representation.batch((groups == group).nonzero().squeeze(1)).flatten(1).double()
        if len(rows) > 1:
            found.append(rows.var(dim=0).sum())
    return torch.stack(found).mean().item()
