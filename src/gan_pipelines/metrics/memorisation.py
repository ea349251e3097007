"""Scores of repetition: samples that repeat each other, and samples that repeat training images.

What is suspiciously close depends on how crowded the place is: two ones are always closer than two eights. Therefore a
distance is compared with the mean distance to the eight nearest pictures (as Carlini et al. 2023 do to find what a
generator has memorised), and the limit is what 5 % of real test images fall below.
"""

from collections.abc import Iterator
from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.metrics.definitions import JUDGE
from gan_pipelines.metrics.features import LabelledFeatures, Reference
from gan_pipelines.metrics.intervals import (
    Strata,
    Uncertainty,
    equal_parts,
    first_order,
    group_influence,
    stratified_variance,
)
from gan_pipelines.metrics.neighbours import NEIGHBOURS, nearest_distances, picture_distances
from gan_pipelines.metrics.scores import SHARE, Score, missing_score, smooth_score
from gan_pipelines.parameters import PIXELS

CLOSE = 0.05
"""The share of test images that are closer to another picture than the limit below which samples are suspect."""
TWINS = 0.5
"""Near duplicates are closer than this part of that limit: samples of one generator resemble each other more than real
images do, and of a healthy one half or more fall below the limit itself."""
SLOPE = 1.1
"""How densely closenesses lie at the limit is counted between the limit divided and multiplied by this."""
MEMORY = ("neighbour_distance", "copies")
TOO_FEW = f"it takes at least {round(1 / CLOSE) - 1} test images without an equal picture"


def score_near_duplicates(
    judged: LabelledFeatures, pictures: LabelledImages, reference: Reference, strata: Strata, rng: torch.Generator
) -> Iterator[Score]:
    """The share of samples that are suspiciously close to another sample, in pixels: of all, then of each class.

    Neighbours get closer as their number grows, so samples are cut into parts of as many pictures as there are test
    images. Duplicates come in pairs at least, so a share of n pictures varies by chance as one of n / 2. If it varies
    more than twice as much between the parts, they come in clusters, and its interval comes from that.

    Args:
        judged: its labels are the classes of the samples.
        pictures: the samples.
        reference: holds the test images.
        strata: in which the samples were drawn.
        rng: cuts the parts.
    """
    name, test_images = "near_duplicates", reference.test_images
    size = min(len(pictures), len(test_images))
    chosen = equal_parts(test_images.labels, size, rng)[0]
    real, real_strata = test_images.images[chosen], test_images.labels[chosen]
    others = picture_distances(real, real, NEIGHBOURS + 1)[:, 1:]
    limit = _limit(others[others[:, 0] > 0]) if others.shape[1] else None
    if limit is None:
        yield missing_score(name, PIXELS, size, TOO_FEW)
        return
    parts = equal_parts(strata, size, rng)
    repeats = [_repeats(pictures.images[part], real) for part in parts]
    suspect = [part < TWINS * limit for part in repeats]
    of_parts = [judged.labels[part] for part in parts]
    overall = _share_of_parts(name, suspect, size)
    if overall.uncertainty is None:
        yield overall
    else:
        moved = _limit_influence(torch.cat(repeats) / TWINS, _closeness(others), limit)
        uncertainty = replace(
            overall.uncertainty,
            real=stratified_variance(moved, real_strata),
            groups=group_influence(moved, real_strata),
        )
        yield smooth_score(name, PIXELS, size, overall.value, uncertainty, SHARE, units=_pairs(suspect))
    for label, of_class in enumerate(reference.test_images.classes):
        found = [part[labels == label] for part, labels in zip(suspect, of_parts, strict=True)]
        found = [part for part in found if len(part)]
        if found:
            yield replace(_share_of_parts(name, found, size), of_class=of_class)


def _repeats(samples: Tensor, real: Tensor) -> Float[Tensor, "samples"]:
    """Distance to the nearest other sample, divided by the mean distance to the nearest real images."""
    nearest = picture_distances(samples, samples, 2)[:, -1]
    usual = picture_distances(samples, real).mean(dim=1)
    return torch.where(usual > 0, nearest / usual, 0.0)


def _share_of_parts(name: str, suspect: list[Bool[Tensor, "pictures"]], size: int) -> Score:
    shares = torch.stack([part.double().mean() for part in suspect])
    share, parts = shares.mean().item(), len(shares)
    if parts == 1:
        return Score(
            name, PIXELS, size, share, note=f"no interval: it takes twice as many samples as test images, {2 * size}"
        )
    spread, by_chance = shares.var().item() / parts, share * (1 - share) / _pairs(suspect)
    clustered = spread > 2 * by_chance
    uncertainty = Uncertainty(spread, freedom=parts - 1) if clustered else Uncertainty(by_chance)
    return smooth_score(name, PIXELS, size, share, uncertainty, SHARE, units=_pairs(suspect))


def _pairs(suspect: list[Bool[Tensor, "pictures"]]) -> float:
    return sum(len(part) for part in suspect) / 2


def score_memorisation(
    judged: LabelledFeatures, pictures: LabelledImages, reference: Reference, strata: Strata
) -> Iterator[Score]:
    """How close samples are to training images, compared with test images, which can be close only by chance.

    A test image that is also a training image says nothing about chance, and is left out of the limit.

    Args:
        judged: what the judge sees in the samples.
        pictures: the samples.
        reference: holds the training images, and the distances of the test images to them.
        strata: in which the samples were drawn.
    """
    found = {
        JUDGE: nearest_distances(judged.features, reference.features.train[JUDGE].features),
        PIXELS: picture_distances(pictures.images, reference.train_images.images),
    }
    unseen = reference.features.test_distances[PIXELS][:, 0] > 0
    for space, distances in found.items():
        expected = reference.features.test_distances[space]
        limit = _limit(expected[unseen])
        if limit is None:
            yield from (missing_score(score, space, len(pictures), TOO_FEW) for score in MEMORY)
            continue
        nearest, theirs = distances[:, 0].double(), expected[:, 0].double()
        ratio = (nearest.mean() / theirs.mean()).item()
        influences = (nearest - nearest.mean()) / theirs.mean(), -ratio * (theirs / theirs.mean() - 1)
        uncertainty = first_order(influences[0], strata, influences[1], reference.test_images.labels)
        yield smooth_score("neighbour_distance", space, len(pictures), ratio, uncertainty, expected=1.0)
        close, theirs = _closeness(distances), _closeness(expected)
        copied = (close < limit).double()
        moved = _limit_influence(close, theirs, limit)
        uncertainty = first_order(copied, strata, moved, reference.test_images.labels)
        share = copied.mean().item()
        yield smooth_score("copies", space, len(pictures), share, uncertainty, SHARE, expected=CLOSE)


def _closeness(distances: Float[Tensor, "count neighbours"]) -> Float[Tensor, "count"]:
    """Distance to the nearest picture, divided by the mean distance to the nearest ones."""
    mean = distances.mean(dim=1)
    return torch.where(mean > 0, distances[:, 0] / mean, 0.0)


def _limit_influence(
    samples: Float[Tensor, "samples"], real: Float[Tensor, "tests"], limit: float
) -> Float[Tensor, "tests"]:
    """How far each test image moves the share of samples below the limit, by moving the limit.

    With one test image more below it the limit falls, and with it the share of samples, in proportion to how densely
    they lie there, compared with test images.

    Args:
        samples: closeness of the samples, in the unit of the limit.
        real: closeness of the test images.
        limit: which 5 % of them fall below.
    """
    ours, theirs = (
        ((values > limit / SLOPE) & (values < limit * SLOPE)).double().mean().item() for values in (samples, real)
    )
    below = (real < limit).double()
    return -(ours / theirs if theirs else 0.0) * (below - below.mean())


def _limit(distances: Float[Tensor, "tests neighbours"]) -> float | None:
    """The closeness that another real image falls below with a chance of 5 % at most; None with too few images.

    The k-th smallest of n values has the chance k / (n + 1), whatever their law.
    """
    place = int(CLOSE * (len(distances) + 1))
    return _closeness(distances).kthvalue(place).values.item() if place else None


def missing_memorisation(samples: int) -> Iterator[Score]:
    """The same scores for the training images themselves, which have no distance to training images."""
    for space in (JUDGE, PIXELS):
        for score in MEMORY:
            yield missing_score(score, space, samples, "these are the training images")
