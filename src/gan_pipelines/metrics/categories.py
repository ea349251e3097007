"""How well categories that were found without labels fit the true classes."""

from collections.abc import Iterator

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from gan_pipelines.metrics.definitions import REAL
from gan_pipelines.metrics.intervals import Uncertainty, jackknife_variance
from gan_pipelines.metrics.scores import SHARE, Score, share_score, smooth_score

NO_CLASS = -1
"""Marks a category that is matched to no class."""


def score_categories(
    categories: Int64[Tensor, "count"],
    labels: Int64[Tensor, "count"],
    category_count: int,
    class_count: int,
    rng: torch.Generator,
) -> Iterator[Score]:
    """Score the categories of images against their classes; no score depends on how the categories are numbered.

    `classification_error` is the share of images whose category is not matched to their class. The one-to-one matching
    that judges an image was chosen without it, so the error of random categories is 1 - 1 / classes if the images are
    evenly distributed, and larger if there are more categories than classes.

    `normalised_mutual_information` of categories and classes is divided by the mean of their entropies. With few
    images, random categories score slightly above 0.

    `purity` is the share of images whose class is the most frequent one of their category. Several categories may share
    a class, so more categories increase it.

    Args:
        categories: the category of each image, 0 .. category_count - 1.
        labels: the true classes, 0 .. class_count - 1.
        category_count: how many categories there are, including those without images.
        class_count: how many classes there are.
        rng: splits the images into the two halves of the classification error.

    Raises:
        ValueError: fewer than two images, or not exactly one label per image.
    """
    if len(categories) != len(labels):
        raise ValueError(f"found {len(categories)} categories for {len(labels)} labels; each image needs one of each")
    if len(labels) < 2:
        raise ValueError(f"categories are matched on one half and judged on the other; found {len(labels)} image(s)")
    wrong = misclassified(categories, labels, category_count, class_count, rng)
    yield share_score("classification_error", REAL, wrong)
    yield _mutual_information(categories, labels, class_count)
    commonest = contingency(categories, labels, category_count, class_count).argmax(dim=1)
    yield share_score("purity", REAL, commonest[categories] == labels)


def _mutual_information(categories: Int64[Tensor, "count"], labels: Int64[Tensor, "count"], class_count: int) -> Score:
    """Normalised mutual information; its variance is that of the jackknife, which repeats itself within a cell."""
    from sklearn.metrics import normalized_mutual_info_score

    def measure(kept: Tensor) -> float:
        return float(normalized_mutual_info_score(labels[kept].numpy(), categories[kept].numpy()))

    everything = torch.ones(len(labels), dtype=torch.bool)
    cells = categories * class_count + labels
    left_out = torch.empty(len(labels)).double()
    for cell in cells.unique():
        of_cell = (cells == cell).nonzero().squeeze(1)
        kept = everything.clone()
        kept[of_cell[0]] = False
        left_out[of_cell] = measure(kept)
    uncertainty = Uncertainty(0.0, jackknife_variance(left_out))
    value = measure(everything)
    return smooth_score("normalised_mutual_information", REAL, len(labels), value, uncertainty, SHARE)


def misclassified(
    categories: Int64[Tensor, "count"],
    labels: Int64[Tensor, "count"],
    category_count: int,
    class_count: int,
    rng: torch.Generator,
) -> Bool[Tensor, "count"]:
    """Whether the category of each image is matched to a class other than its own, or to none.

    A matching chosen on the same images that it judges would make random categories look good. Therefore the images are
    split into two random halves, and each half is judged by the matching found on the other one.
    """
    order = torch.randperm(len(labels), generator=rng)
    first, second = order[: len(order) // 2], order[len(order) // 2 :]
    wrong = torch.empty(len(labels), dtype=torch.bool)
    for judged, other in ((first, second), (second, first)):
        matching = match_categories(categories[other], labels[other], category_count, class_count)
        wrong[judged] = matching[categories[judged]] != labels[judged]
    return wrong


def match_categories(
    categories: Int64[Tensor, "count"], labels: Int64[Tensor, "count"], category_count: int, class_count: int
) -> Int64[Tensor, "category_count"]:
    """The class of each category in the one-to-one matching that fits most images; -1 for a category without a class.

    Found with the Hungarian method (Kuhn 1955). Among equally good matchings the same one is always chosen, and a
    category without images still gets a class if one is free.
    """
    from scipy.optimize import linear_sum_assignment

    counts = contingency(categories, labels, category_count, class_count)
    matched, classes = linear_sum_assignment(counts.numpy(), maximize=True)
    matching = torch.full((category_count,), NO_CLASS)
    matching[torch.from_numpy(matched)] = torch.from_numpy(classes)
    return matching


def contingency(
    categories: Int64[Tensor, "count"], labels: Int64[Tensor, "count"], category_count: int, class_count: int
) -> Int64[Tensor, "category_count class_count"]:
    """How many images have each category and class."""
    cells = torch.bincount(categories * class_count + labels, minlength=category_count * class_count)
    return cells.reshape(category_count, class_count)
