"""Scores on a network's features: how close samples are to real test images, and how diverse."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch

from gan_pipelines.metrics.definitions import JUDGE
from gan_pipelines.metrics.distances import (
    frechet_distances,
    inception_influence,
    inception_score,
    kernel_distance,
)
from gan_pipelines.metrics.diversity import within_class_diversity
from gan_pipelines.metrics.features import LabelledFeatures
from gan_pipelines.metrics.intervals import Strata, first_order
from gan_pipelines.metrics.manifolds import expected_coverage, manifold_scores
from gan_pipelines.metrics.scores import POSITIVE, SHARE, UNBOUNDED, Score, missing_score, smooth_score


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
    names, dimensions = ("frechet_distance", "frechet_distance_infinity"), samples.features.shape[1]
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


def _score_manifold(
    network: str, samples: LabelledFeatures, real: LabelledFeatures, strata: Strata, rng: torch.Generator
) -> Iterator[Score]:
    found = manifold_scores(samples.features, real.features, strata, real.labels, rng)
    expected = {"density": 1.0, "coverage": expected_coverage(found.pictures)}
    for name, value in found.values.items():
        limits = POSITIVE if name == "density" else SHARE
        known = expected.get(name, torch.nan)
        yield smooth_score(name, network, found.pictures, value, found.uncertainties[name], limits, known)


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
        count = int((judged.labels == label).sum())
        yield replace(Score(name, JUDGE, count, ratio, expected=1.0), of_class=classes[label])
