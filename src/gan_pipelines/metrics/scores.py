"""Scores of a generator: what its samples are like beside real test images, each with its interval."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.metrics.bootstrap import interval, resample, resampled_mean
from gan_pipelines.metrics.distances import (
    frechet_distance,
    inception_score,
    kernel_distance,
    precision_and_recall,
    resampled_frechet_distance,
    resampled_inception_score,
    resampled_kernel_distance,
)
from gan_pipelines.metrics.diversity import LevelVariation, within_class_diversity
from gan_pipelines.metrics.features import JUDGE, PIXEL_SPACE, LabelledReading, RealReadings, pixel_rows
from gan_pipelines.metrics.neighbours import (
    manifold_membership,
    nearest_distances,
    neighbour_radii,
)

CLOSE = 0.01
"""Share of real pictures that lie so near to another one, or to a training image, that nearer is suspect."""
COLLAPSED_BELOW = 0.3
"""A generator whose diversity is surely below this share of the real one is called collapsed."""
COPIES_ABOVE = 0.5
"""A generator of which surely more than this share lies on training images is called a copy of them."""
Kind = Literal["labelled", "unlabelled", "real"]
"""Samples with the labels asked for, samples that nobody asked a label of, or the real training images."""


@dataclass(frozen=True)
class Score:
    """One score of one generator.

    Attributes:
        score: its name, of `definitions.SCORES`.
        space: the network, or the representation, in which it is measured.
        samples: number of pictures scored; several scores are biased by it, so they compare for equal counts only.
        value: the score; NaN where it cannot be had.
        low: end of its 95 % bootstrap interval.
        high: the other end.
        spread: of the kernel distance, the standard deviation over its subsets; NaN for others.
        of_class: the class, of a score of one class; empty for others.
        note: why there is no value, or no interval.
    """

    score: str
    space: str
    samples: int
    value: float
    low: float
    high: float
    spread: float = float("nan")
    of_class: str = ""
    note: str = ""


def gap(score: str, space: str, samples: int, note: str) -> Score:
    """A score that cannot be had, and why."""
    missing = float("nan")
    return Score(score, space, samples, missing, missing, missing, note=note)


def score_pictures(
    readings: Mapping[str, LabelledReading],
    pictures: LabelledImages,
    real: RealReadings,
    train_images: LabelledImages,
    test_images: LabelledImages,
    kind: Kind,
    resamples: int,
    rng: torch.Generator,
) -> list[Score]:
    """Score pictures against the real test images.

    Args:
        readings: of the pictures by each network; the judge's is among them.
        pictures: what is scored.
        real: readings of real images by the same networks.
        train_images: of which samples may be copies.
        test_images: the reference.
        kind: whether labels were asked for; for diversity, the others have the classes that the judge sees.
        resamples: of the bootstrap.
        rng: draws them.
    """
    judged = readings[JUDGE]
    if kind == "unlabelled":
        judged = replace(judged, labels=judged.logits.argmax(dim=1))
    counts, real_counts = (resample(len(side), resamples, rng) for side in (pictures, test_images))
    scoring = _Scoring(len(pictures), counts, real_counts)
    found = [score for name in readings for score in _fidelity(scoring, name, readings[name], real.test[name])]
    if kind != "unlabelled":
        found += _label_accuracy(scoring, judged, pictures.classes)
    found.append(_diversity(scoring, judged, real.test[JUDGE]))
    found.append(_twins(scoring, pictures, test_images, rng))
    return [*found, *_memory(scoring, judged, pictures, real, train_images, kind)]


@dataclass(frozen=True)
class _Scoring:
    """What every score of a generator shares: number of pictures, resamples of them and of the test images."""

    samples: int
    counts: Tensor
    real_counts: Tensor

    def score(
        self, name: str, space: str, value: float, resampled: Tensor, lowest: float = 0.0, highest: float = torch.inf
    ) -> Score:
        return Score(name, space, self.samples, value, *interval(value, resampled, lowest, highest))

    def mean(self, name: str, space: str, values: Tensor, highest: float = 1.0) -> Score:
        """A score that is the mean of one value a picture, which lies in [0, highest]."""
        return self.score(name, space, values.double().mean().item(), resampled_mean(values, self.counts), 0.0, highest)

    def share_of_some(self, name: str, space: str, holds: Tensor, chosen: Tensor) -> Score:
        """A score that is the share of some chosen pictures for which something holds."""
        counts, value = self.counts[:, chosen].double(), holds.double().mean().item()
        resampled = counts @ holds.double() / counts.sum(dim=1).clamp(min=1)
        return Score(name, space, len(holds), value, *interval(value, resampled, 0.0, 1.0))


def _fidelity(scoring: _Scoring, name: str, samples: LabelledReading, real: LabelledReading) -> Iterator[Score]:
    ours, theirs, dimensions = samples.features, real.features, samples.features.shape[1]
    if min(len(ours), len(theirs)) > dimensions:
        resampled = resampled_frechet_distance(ours, theirs, scoring.counts, scoring.real_counts)
        yield scoring.score("frechet_distance", name, frechet_distance(ours, theirs), resampled)
    else:
        note = f"a covariance of {dimensions} features needs more pictures; {len(ours)} samples, {len(theirs)} real"
        yield gap("frechet_distance", name, scoring.samples, note)
    value, spread = kernel_distance(ours, theirs)
    resampled = resampled_kernel_distance(ours, theirs, scoring.counts, scoring.real_counts)
    yield replace(scoring.score("kernel_distance", name, value, resampled, -torch.inf), spread=spread)
    resampled = resampled_inception_score(samples.logits, scoring.counts)
    classes = float(samples.logits.shape[1])
    yield scoring.score("inception_score", name, inception_score(samples.logits), resampled, 1.0, classes)
    yield from _manifold(scoring, name, ours, theirs)


def _manifold(scoring: _Scoring, name: str, ours: Tensor, theirs: Tensor) -> Iterator[Score]:
    members = manifold_membership(ours, theirs)
    precision, recall = precision_and_recall(ours, theirs)
    of_reals = (resampled_mean(values, scoring.real_counts) for values in (members.recalled, members.covered))
    yield scoring.score("precision", name, precision, resampled_mean(members.precise, scoring.counts), 0.0, 1.0)
    yield scoring.score("recall", name, recall, next(of_reals), 0.0, 1.0)
    yield scoring.mean("density", name, members.density, torch.inf)
    yield scoring.score("coverage", name, members.covered.double().mean().item(), next(of_reals), 0.0, 1.0)


def _label_accuracy(scoring: _Scoring, judged: LabelledReading, classes: Sequence[str]) -> Iterator[Score]:
    """Of all classes, then of each."""
    right = judged.logits.argmax(dim=1) == judged.labels
    yield scoring.mean("label_accuracy", JUDGE, right)
    for label, name in enumerate(classes):
        chosen = judged.labels == label
        if not chosen.any():
            yield replace(gap("label_accuracy", JUDGE, 0, "no picture of this class"), of_class=name)
            continue
        share = scoring.share_of_some("label_accuracy", JUDGE, right[chosen], chosen)
        yield replace(share, of_class=name)


def _diversity(scoring: _Scoring, judged: LabelledReading, real: LabelledReading) -> Score:
    try:
        value = within_class_diversity(judged, real).item()
    except ValueError as error:
        return gap("within_class_diversity", JUDGE, scoring.samples, str(error))
    resampled = within_class_diversity(judged, real, scoring.counts, scoring.real_counts)
    return scoring.score("within_class_diversity", JUDGE, value, resampled)


def _twins(scoring: _Scoring, pictures: LabelledImages, test_images: LabelledImages, rng: torch.Generator) -> Score:
    """Among as many samples as there are real test images, since neighbours come nearer with their number.

    They are drawn, since pictures may lie in the order of their classes.
    """
    count = min(len(pictures), len(test_images))
    chosen, others = (torch.randperm(len(side), generator=rng)[:count] for side in (pictures, test_images))
    ours, theirs = pixel_rows(pictures)[chosen], pixel_rows(test_images)[others]
    limit = neighbour_radii(theirs, 1).quantile(CLOSE)
    return scoring.share_of_some("twins", PIXEL_SPACE, neighbour_radii(ours, 1) <= limit, chosen)


def _memory(
    scoring: _Scoring,
    judged: LabelledReading,
    pictures: LabelledImages,
    real: RealReadings,
    train_images: LabelledImages,
    kind: Kind,
) -> Iterator[Score]:
    """How near samples lie to training images, where test images lie no nearer than chance brings them."""
    rows: dict[str, Callable[[], tuple[Tensor, Tensor]]] = {
        JUDGE: lambda: (judged.features, real.train[JUDGE].features),
        PIXEL_SPACE: lambda: (pixel_rows(pictures), pixel_rows(train_images)),
    }
    for space, both in rows.items():
        if kind == "real":
            note = "these are the training images"
            yield from (gap(score, space, scoring.samples, note) for score in ("neighbour_distance", "copies"))
            continue
        distances, expected = nearest_distances(*both()), real.test_distances[space]
        ratio = distances.double().mean().item() / expected.double().mean().item()
        resampled = resampled_mean(distances, scoring.counts) / resampled_mean(expected, scoring.real_counts)
        yield scoring.score("neighbour_distance", space, ratio, resampled)
        yield scoring.mean("copies", space, distances <= expected.quantile(CLOSE))


def score_classification(
    logits: Float[Tensor, "tests classes"],
    test_images: LabelledImages,
    samples: int,
    resamples: int,
    rng: torch.Generator,
) -> Score:
    """Classification accuracy score (Ravuri and Vinyals 2019).

    Args:
        logits: what a classifier that was trained on samples alone says of the real test images.
        test_images: the real ones.
        samples: number of samples that it was trained on.
        resamples: of the bootstrap, over test images.
        rng: draws them.
    """
    right = (logits.argmax(dim=1) == test_images.labels).double()
    resampled = resampled_mean(right, resample(len(right), resamples, rng))
    low, high = interval(right.mean().item(), resampled, 0.0, 1.0)
    return Score("classification_accuracy", JUDGE, samples, right.mean().item(), low, high)


def score_levels(
    variations: Mapping[str, LevelVariation], samples: int, resamples: int, rng: torch.Generator
) -> list[Score]:
    """How much each level's output varies over its noise, and how much of the noise Q reads from it.

    Args:
        variations: by level.
        samples: pictures on which they were measured.
        resamples: of the bootstrap, over conditions.
        rng: draws them.
    """
    found = []
    for level, variation in variations.items():
        counts = resample(len(variation.variance), resamples, rng)
        limits = {"noise_variance": (0.0, torch.inf), "noise_recovery": (-torch.inf, 1.0)}
        for name, values in (("noise_variance", variation.variance), ("noise_recovery", variation.recovery)):
            value = values.double().mean().item()
            ends = interval(value, resampled_mean(values, counts), *limits[name])
            found.append(Score(name, level, samples, value, *ends))
    return found


def verdict(intervals: Mapping[tuple[str, str], tuple[float, float]]) -> str:
    """What a reader must know before any other score: `collapsed`, `copies`, both, or nothing.

    Args:
        intervals: low and high end of each score by its name and space.
    """
    unknown = (float("nan"), float("nan"))
    words = []
    if intervals.get(("within_class_diversity", JUDGE), unknown)[1] < COLLAPSED_BELOW:
        words.append("collapsed")
    if any(intervals.get(("copies", space), unknown)[0] > COPIES_ABOVE for space in (JUDGE, PIXEL_SPACE)):
        words.append("copies")
    return ", ".join(words)
