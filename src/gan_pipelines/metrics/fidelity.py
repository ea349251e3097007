"""Scores on a network's features: how close samples are to real test images, to their labels, and how diverse."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from gan_pipelines.metrics.bootstrap import resampled_mean
from gan_pipelines.metrics.definitions import JUDGE
from gan_pipelines.metrics.distances import (
    frechet_distance,
    inception_score,
    kernel_distance,
    precision_and_recall,
    resampled_frechet_distance,
    resampled_inception_score,
    resampled_kernel_distance,
)
from gan_pipelines.metrics.diversity import within_class_diversity
from gan_pipelines.metrics.features import LabelledFeatures
from gan_pipelines.metrics.neighbours import manifold_membership
from gan_pipelines.metrics.scores import SHARE, Resamples, Score, missing_score


def score_fidelity(
    network: str, samples: LabelledFeatures, real: LabelledFeatures, resamples: Resamples
) -> Iterator[Score]:
    """Distances, Inception score and manifold scores on the features of one network.

    Args:
        network: its name.
        samples: features of the scored pictures.
        real: features of the real test images.
        resamples: of both.
    """
    yield _score_frechet_distance(network, samples.features, real.features, resamples)
    value, spread = kernel_distance(samples.features, real.features)
    counts = resamples.counts, resamples.real_counts
    resampled = resampled_kernel_distance(samples.features, real.features, *counts)
    limits = (-torch.inf, torch.inf)
    yield replace(resamples.score("kernel_distance", network, value, resampled, limits), spread=spread)
    value, resampled = inception_score(samples.logits), resampled_inception_score(samples.logits, resamples.counts)
    limits = (1.0, float(samples.logits.shape[1]))  # the number of classes
    yield resamples.score("inception_score", network, value, resampled, limits)
    yield from _score_manifold(network, samples.features, real.features, resamples)


def _score_frechet_distance(network: str, samples: Tensor, real: Tensor, resamples: Resamples) -> Score:
    dimensions = samples.shape[1]
    if min(len(samples), len(real)) <= dimensions:
        note = f"a covariance of {dimensions} features needs more pictures; {len(samples)} samples, {len(real)} real"
        return missing_score("frechet_distance", network, resamples.samples, note)
    resampled = resampled_frechet_distance(samples, real, resamples.counts, resamples.real_counts)
    return resamples.score("frechet_distance", network, frechet_distance(samples, real), resampled)


def _score_manifold(network: str, samples: Tensor, real: Tensor, resamples: Resamples) -> Iterator[Score]:
    members = manifold_membership(samples, real)
    precision, recall = precision_and_recall(samples, real)
    precise = resampled_mean(members.precise, resamples.counts)
    recalled, covered = (resampled_mean(of, resamples.real_counts) for of in (members.recalled, members.covered))
    yield resamples.score("precision", network, precision, precise, SHARE)
    yield resamples.score("recall", network, recall, recalled, SHARE)
    yield resamples.mean("density", network, members.density, torch.inf)
    yield resamples.score("coverage", network, members.covered.double().mean().item(), covered, SHARE)


def score_label_accuracy(judged: LabelledFeatures, classes: Sequence[str], resamples: Resamples) -> Iterator[Score]:
    """Whether the judge sees the label in each picture: for all classes together, then for each class.

    Args:
        judged: what the judge sees in the pictures.
        classes: names of the classes.
        resamples: of the pictures.
    """
    correct = judged.logits.argmax(dim=1) == judged.labels
    yield resamples.mean("label_accuracy", JUDGE, correct)
    for label, name in enumerate(classes):
        chosen = judged.labels == label
        if not chosen.any():
            yield replace(missing_score("label_accuracy", JUDGE, 0, "no picture of this class"), of_class=name)
            continue
        share = resamples.share_of_some("label_accuracy", JUDGE, correct[chosen], chosen)
        yield replace(share, of_class=name)


def score_diversity(judged: LabelledFeatures, real: LabelledFeatures, resamples: Resamples) -> Score:
    """Diversity within classes, in the judge's features."""
    try:
        value = within_class_diversity(judged, real).item()
    except ValueError as error:
        return missing_score("within_class_diversity", JUDGE, resamples.samples, str(error))
    resampled = within_class_diversity(judged, real, resamples.counts, resamples.real_counts)
    return resamples.score("within_class_diversity", JUDGE, value, resampled)
