"""Scores of a generator: its samples, the classifier trained on them, and the levels of a stack."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.metrics.bootstrap import interval, resample, resampled_mean
from gan_pipelines.metrics.definitions import JUDGE
from gan_pipelines.metrics.diversity import LevelVariation
from gan_pipelines.metrics.features import LabelledFeatures, Reference
from gan_pipelines.metrics.fidelity import score_diversity, score_fidelity, score_label_accuracy
from gan_pipelines.metrics.memorisation import missing_memorisation, score_memorisation, score_near_duplicates
from gan_pipelines.metrics.scores import SHARE, Resamples, Score
from gan_pipelines.parameters import PIXELS

COLLAPSED_BELOW = 0.3
"""A generator has collapsed if its diversity is certainly below this share of the real one."""
COPIES_ABOVE = 0.5
"""A generator copies if certainly more than this share of its samples are copies of training images."""
Kind = Literal["labelled", "unlabelled", "real"]
"""Samples of requested labels, samples without requested labels, or the real training images."""


def score_pictures(
    features: Mapping[str, LabelledFeatures],
    pictures: LabelledImages,
    reference: Reference,
    kind: Kind,
    resamples: int,
    rng: torch.Generator,
) -> list[Score]:
    """Score pictures against the real test images.

    Args:
        features: of the pictures, by network; the judge is one of them.
        pictures: what is scored.
        reference: the real images, with features of the same networks.
        kind: `labelled` if labels were requested; the diversity of `unlabelled` samples is measured within the classes
            that the judge sees.
        resamples: number of bootstrap resamples.
        rng: draws the resamples.
    """
    judged = features[JUDGE]
    if kind == "unlabelled":
        judged = replace(judged, labels=judged.logits.argmax(dim=1))
    drawn = Resamples(*(resample(len(side), resamples, rng) for side in (pictures, reference.test_images)))
    test = reference.features.test
    found = [score for name in features for score in score_fidelity(name, features[name], test[name], drawn)]
    if kind != "unlabelled":
        found += score_label_accuracy(judged, pictures.classes, drawn)
    found.append(score_diversity(judged, test[JUDGE], drawn))
    found.append(score_near_duplicates(pictures, reference, drawn, rng))
    if kind == "real":
        return [*found, *missing_memorisation(len(pictures))]
    return [*found, *score_memorisation(judged, pictures, reference, drawn)]


def score_classification(
    logits: Float[Tensor, "tests classes"],
    test_images: LabelledImages,
    samples: int,
    resamples: int,
    rng: torch.Generator,
) -> Score:
    """Classification accuracy score (Ravuri and Vinyals 2019).

    Args:
        logits: of a classifier trained on samples only, for the real test images.
        test_images: the real test images.
        samples: number of samples on which the classifier was trained.
        resamples: number of bootstrap resamples of the test images.
        rng: draws the resamples.
    """
    correct = (logits.argmax(dim=1) == test_images.labels).double()
    resampled = resampled_mean(correct, resample(len(correct), resamples, rng))
    value = correct.mean().item()
    return Score("classification_accuracy", JUDGE, samples, value, *interval(value, resampled, *SHARE))


def score_levels(
    variations: Mapping[str, LevelVariation], samples: int, resamples: int, rng: torch.Generator
) -> list[Score]:
    """How much each level's output varies with its noise, and how much of the noise Q recovers from it.

    Args:
        variations: by level.
        samples: number of pictures on which they were measured.
        resamples: number of bootstrap resamples of the conditions.
        rng: draws the resamples.
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
        intervals: lower and upper end of each score, by its name and space.
    """
    unknown = (float("nan"), float("nan"))
    words = []
    if intervals.get(("within_class_diversity", JUDGE), unknown)[1] < COLLAPSED_BELOW:
        words.append("collapsed")
    if any(intervals.get(("copies", space), unknown)[0] > COPIES_ABOVE for space in (JUDGE, PIXELS)):
        words.append("copies")
    return ", ".join(words)
