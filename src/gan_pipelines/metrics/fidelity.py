"""Scores on a network's features: how close samples are to real test images, and how diverse."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from jaxtyping import Bool
from torch import Tensor

from gan_pipelines.metrics.definitions import JUDGE
from gan_pipelines.metrics.distances import (
    frechet_distances,
    inception_influence,
    inception_score,
    kernel_distance,
)
from gan_pipelines.metrics.diversity import Diversity, within_class_diversity
from gan_pipelines.metrics.features import LabelledFeatures
from gan_pipelines.metrics.intervals import Strata, Uncertainty, first_order, normal_interval, stratified_variance
from gan_pipelines.metrics.manifolds import expected_coverage, manifold_scores
from gan_pipelines.metrics.scores import POSITIVE, SHARE, UNBOUNDED, Score, missing_score, smooth_score

FEWEST_OF_CLASS = 10
"""Pictures of a class on either side, below which its diversity has no interval."""


def score_fidelity(
    network: str, samples: LabelledFeatures, real: LabelledFeatures, strata: Strata, rng: torch.Generator
) -> Iterator[Score]:
    """Distances, Inception score and manifold scores on the features of one network.

    Args:
        network: its name.
        samples: features of the scored pictures.
        real: features of the real test images.
        strata: in which the samples were drawn: their labels, if those were asked for.
        rng: cuts pictures into parts.
    """
    yield from _score_frechet_distances(network, samples, real, strata, rng)
    value, uncertainty = kernel_distance(samples.features, real.features, strata, real.labels)
    yield smooth_score("kernel_distance", network, len(samples), value, uncertainty, UNBOUNDED, expected=0.0)
    value, uncertainty = inception_score(samples.logits), first_order(inception_influence(samples.logits), strata)
    limits = (1.0, float(samples.logits.shape[1]))  # the number of classes
    yield smooth_score("inception_score", network, len(samples), value, uncertainty, limits)
    yield from _score_manifold(network, samples, real, strata, rng)


def _score_frechet_distances(
    network: str, samples: LabelledFeatures, real: LabelledFeatures, strata: Strata, rng: torch.Generator
) -> Iterator[Score]:
    names = ("frechet_distance", "frechet_distance_infinity", "frechet_distance_relative")
    dimensions = samples.features.shape[1]
    if min(len(samples), len(real)) < 2 * (dimensions + 1):
        note = (
            f"with {dimensions} features it needs at least {2 * (dimensions + 1)} pictures on both sides; "
            f"found {len(samples)} samples and {len(real)} real images"
        )
        yield from (missing_score(name, network, len(samples), note) for name in names)
        return
    found = frechet_distances(samples.features, real.features, strata, real.labels, rng)
    yield smooth_score(names[0], network, len(samples), found.value, found.uncertainty)
    yield smooth_score(names[1], network, len(samples), found.at_infinity, found.uncertainty, UNBOUNDED, expected=0.0)
    # a single picture, repeated, that lies in the mean of the real features is as far from them as they vary
    scale = 1 / real.features.double().var(dim=0).sum().item()
    relative = found.uncertainty.scaled(scale)
    yield smooth_score(names[2], network, len(samples), scale * found.at_infinity, relative, UNBOUNDED, expected=0.0)


def _score_manifold(
    network: str, samples: LabelledFeatures, real: LabelledFeatures, strata: Strata, rng: torch.Generator
) -> Iterator[Score]:
    found = manifold_scores(samples.features, real.features, strata, real.labels, rng)
    expected = {"density": 1.0, "coverage": expected_coverage(found.pictures)}
    for name, value in found.values.items():
        limits = POSITIVE if name == "density" else SHARE
        known = expected.get(name, torch.nan)
        yield smooth_score(name, network, found.pictures, value, found.uncertainties[name], limits, known)


def score_class_shares(
    judged: LabelledFeatures, real: LabelledFeatures, classes: Sequence[str], strata: Strata
) -> Iterator[Score]:
    """The share of each class among the samples, divided by its share among test images.

    The judge sees a class also in some pictures of others. What it sees in test images of other classes is therefore
    subtracted from both shares, so that a class without any sample has 0 (label shift; Lipton, Wang and Smola 2018, for
    one class against the others). Both vary with the test images, too.

    Args:
        judged: what the judge sees in the samples.
        real: what it sees in test images.
        classes: names of the classes.
        strata: in which the samples were drawn: their labels, if those were asked for.
    """
    ours, theirs = judged.logits.argmax(dim=1), real.logits.argmax(dim=1)
    for label, of_class in enumerate(classes):
        others = real.labels != label
        mistaken = (theirs[others] == label).double().mean().item() if others.any() else 0.0
        recognised = (theirs == label).double().mean().item() - mistaken
        if recognised <= 0:
            note = "the judge does not recognise this class"
            yield replace(missing_score("class_share", JUDGE, len(judged), note), of_class=of_class)
            continue
        share = (ours == label).double().mean().item()
        ratio = (share - mistaken) / recognised
        # how far one test image in which the class is seen moves the share of samples that would have the same ratio
        own, other = ratio, ratio + (1 - ratio) / others.double().mean().item() if others.any() else 0.0
        of_real = own**2 * _variance_of_count(theirs[~others] == label)
        of_real += other**2 * _variance_of_count(theirs[others] == label)
        variance = stratified_variance((ours == label).double(), strata) + of_real / len(real) ** 2
        seen = smooth_score("class_share", JUDGE, len(judged), share, Uncertainty(variance), SHARE)
        ends = {end: max((getattr(seen, end) - mistaken) / recognised, 0.0) for end in ("value", "low", "high")}
        yield replace(seen, of_class=of_class, expected=1.0, uncertainty=None, **ends)


def _variance_of_count(holds: Bool[Tensor, "pictures"]) -> float:
    """Variance of the number of pictures for which something holds, as if it held for a quarter more, and not for one.

    Otherwise nothing would vary if it holds for none or all; so the interval of a count of 0, of 1.96 deviations, ends
    at 1.
    """
    share = (holds.sum().item() + 0.25) / (len(holds) + 0.5)
    return len(holds) * share * (1 - share)


def score_diversity(judged: LabelledFeatures, real: LabelledFeatures, classes: Sequence[str]) -> Iterator[Score]:
    """Diversity within classes, in the judge's features: the mean over classes, then each class."""
    name = "within_class_diversity"
    found = within_class_diversity(judged, real)
    if not found.by_class:
        note = "no class has two samples and two real images"
        yield missing_score(name, JUDGE, len(judged), note)
        return
    uncertainty = first_order(found.of_samples, judged.labels, found.of_real, real.labels)
    yield smooth_score(name, JUDGE, len(judged), found.mean, uncertainty, expected=1.0)
    for label, ratio in found.by_class.items():
        yield replace(_diversity_of_class(found, label, ratio, judged, real), of_class=classes[label])


def _diversity_of_class(
    found: Diversity, label: int, ratio: float, judged: LabelledFeatures, real: LabelledFeatures
) -> Score:
    """Diversity of one class, with an interval if there are enough pictures to know how it varies."""
    counts = [int((side.labels == label).sum()) for side in (judged, real)]
    score = Score("within_class_diversity", JUDGE, counts[0], ratio, expected=1.0)
    if min(counts) < FEWEST_OF_CLASS:
        return replace(score, note=f"no interval: it takes {FEWEST_OF_CLASS} pictures of the class on both sides")
    variances = []
    for influence, side, count in zip((found.of_samples, found.of_real), (judged, real), counts, strict=True):
        on_class = influence[side.labels == label] * len(found.by_class) * count / len(side)  # not on the mean of all
        variances.append(on_class.var().item() / count)
    low, high = normal_interval(ratio, sum(variances), *POSITIVE)
    return replace(score, low=low, high=high)
