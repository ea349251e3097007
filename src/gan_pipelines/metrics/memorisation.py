"""Scores of repetition: samples that repeat each other, and samples that repeat training images."""

from collections.abc import Iterator

import torch

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.metrics.definitions import JUDGE
from gan_pipelines.metrics.features import LabelledFeatures, Reference, pixel_rows
from gan_pipelines.metrics.intervals import Strata, first_order
from gan_pipelines.metrics.neighbours import nearest_distances, neighbour_radii
from gan_pipelines.metrics.scores import Score, missing_score, share_score, smooth_score
from gan_pipelines.parameters import PIXELS

CLOSE = 0.01
"""The share of real images that are closer to another image than the limit below which samples are suspect."""


def score_near_duplicates(pictures: LabelledImages, reference: Reference, rng: torch.Generator) -> Score:
    """The share of samples that are suspiciously close to another sample, in pixels.

    Neighbours get closer as their number grows, so samples and test images are compared in equal number. They are
    chosen at random, because pictures may be sorted by class.

    Args:
        pictures: the samples.
        reference: holds the test images.
        rng: chooses the pictures.
    """
    test_images = reference.test_images
    count = min(len(pictures), len(test_images))
    chosen, others = (torch.randperm(len(side), generator=rng)[:count] for side in (pictures, test_images))
    ours, theirs = pixel_rows(pictures)[chosen], pixel_rows(test_images)[others]
    limit = neighbour_radii(theirs, 1).quantile(CLOSE)
    return share_score("near_duplicates", PIXELS, neighbour_radii(ours, 1) <= limit)


def score_memorisation(
    judged: LabelledFeatures, pictures: LabelledImages, reference: Reference, strata: Strata
) -> Iterator[Score]:
    """How close samples are to training images, compared with test images, which can be close only by chance.

    Args:
        judged: what the judge sees in the samples.
        pictures: the samples.
        reference: holds the training images, and the distances of the test images to them.
        strata: in which the samples were drawn.
    """
    rows = {
        JUDGE: (judged.features, reference.features.train[JUDGE].features),
        PIXELS: (pixel_rows(pictures), pixel_rows(reference.train_images)),
    }
    for space, (queries, training) in rows.items():
        distances, expected = nearest_distances(queries, training), reference.features.test_distances[space]
        ours, theirs = distances.double().mean(), expected.double().mean()
        if theirs == 0:
            note = "every test image is also a training image"
            yield from (missing_score(name, space, len(pictures), note) for name in ("neighbour_distance", "copies"))
            continue
        ratio = (ours / theirs).item()
        influences = (distances.double() - ours) / theirs, -ratio * (expected.double() - theirs) / theirs
        uncertainty = first_order(influences[0], strata, influences[1], reference.test_images.labels)
        yield smooth_score("neighbour_distance", space, len(pictures), ratio, uncertainty, expected=1.0)
        yield share_score("copies", space, distances <= expected.quantile(CLOSE), expected=CLOSE)


def missing_memorisation(samples: int) -> Iterator[Score]:
    """The same scores for the training images themselves, which have no distance to training images."""
    for space in (JUDGE, PIXELS):
        for score in ("neighbour_distance", "copies"):
            yield missing_score(score, space, samples, "these are the training images")
