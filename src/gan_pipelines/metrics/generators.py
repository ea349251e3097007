"""Scores of a generator: its samples, the classifier trained on them, and the levels of a stack."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.metrics.definitions import JUDGE
from gan_pipelines.metrics.diversity import LevelVariation
from gan_pipelines.metrics.features import LabelledFeatures, Reference
from gan_pipelines.metrics.fidelity import score_class_shares, score_diversity, score_fidelity
from gan_pipelines.metrics.intervals import Uncertainty, group_influence, stratified_variance
from gan_pipelines.metrics.judges import Opinions, score_agreement, score_labels
from gan_pipelines.metrics.memorisation import missing_memorisation, score_memorisation, score_near_duplicates
from gan_pipelines.metrics.scores import POSITIVE, Score, mean_score, share_score

Kind = Literal["labelled", "unlabelled", "real"]
"""Samples of requested labels, samples without requested labels, or the real training images."""


def score_pictures(
    features: Mapping[str, LabelledFeatures],
    second_opinion: Int64[Tensor, "count"],
    pictures: LabelledImages,
    reference: Reference,
    kind: Kind,
    rng: torch.Generator,
) -> list[Score]:
    """Score pictures against the real test images.

    Args:
        features: of the pictures, or of some of them, by network; the judge, which read all, is one of them.
        second_opinion: the class that the second judge sees in each picture.
        pictures: what is scored.
        reference: the real images, with features of the same networks.
        kind: `labelled` if labels were requested; the diversity of `unlabelled` samples is measured within the classes
            that the judge sees.
        rng: cuts pictures into parts.
    """
    alike = {
        name: torch.zeros_like(read.labels) if kind == "unlabelled" else read.labels for name, read in features.items()
    }
    judged, strata = features[JUDGE], alike[JUDGE]
    if kind == "unlabelled":
        judged = replace(judged, labels=judged.logits.argmax(dim=1))
    test, classes = reference.features.test, reference.test_images.classes
    found = [score for name in features for score in score_fidelity(name, features[name], test[name], alike[name], rng)]
    unseen = Opinions(test[JUDGE].logits.argmax(dim=1), reference.features.second_opinion, test[JUDGE].labels)
    # the judges know the training images by heart; of real images, only the test images tell what they can read
    seen = unseen if kind == "real" else Opinions(judged.logits.argmax(dim=1), second_opinion, judged.labels)
    if kind != "unlabelled":
        found += score_labels(seen, unseen, classes)
    found.append(score_agreement(seen, unseen))
    found += score_class_shares(judged, test[JUDGE], classes, strata)
    found += score_diversity(judged, test[JUDGE], classes)
    found += score_near_duplicates(judged, pictures, reference, strata, rng)
    if kind == "real":
        return [*found, *missing_memorisation(len(pictures))]
    return [*found, *score_memorisation(judged, pictures, reference, strata)]


def score_classification(logits: Float[Tensor, "tests classes"], test_images: LabelledImages, samples: int) -> Score:
    """Classification accuracy score (Ravuri and Vinyals 2019).

    The interval is about other test images, read by this classifier; it says nothing about another training of it.

    Args:
        logits: of a classifier trained on samples only, for the real test images.
        test_images: the real test images.
        samples: number of samples on which the classifier was trained.
    """
    correct = logits.argmax(dim=1) == test_images.labels
    share = share_score("classification_accuracy", JUDGE, correct)
    groups = group_influence(correct.double(), test_images.labels)
    variance = stratified_variance(correct.double(), test_images.labels)
    return replace(share, samples=samples, uncertainty=Uncertainty(0.0, variance, groups))


def score_levels(variations: Mapping[str, LevelVariation], samples: int) -> list[Score]:
    """How much each level's output varies with its noise, and how much of the noise Q recovers from it.

    Args:
        variations: by level.
        samples: number of pictures on which they were measured.
    """
    found = []
    for level, variation in variations.items():
        variance = mean_score("noise_variance", level, variation.variance, POSITIVE, variation.strata)
        recovery = mean_score("noise_recovery", level, variation.recovery, (-torch.inf, 1.0), variation.strata)
        found += [replace(variance, samples=samples, expected=variation.expected), replace(recovery, samples=samples)]
    return found
