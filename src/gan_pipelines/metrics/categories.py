"""How well categories that were found without labels fit the true classes."""

from dataclasses import dataclass

import torch
from jaxtyping import Int64
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import normalized_mutual_info_score
from torch import Tensor

NO_CLASS = -1
"""Marks a category that is matched to no class."""


@dataclass(frozen=True)
class CategoryScores:
    """The fit of categories to classes; none of the three scores depends on how the categories are numbered.

    Attributes:
        classification_error: share of images whose category is not matched to their class, in [0, 1]; lower is better.
            The one-to-one matching that judges an image was chosen without it, so the error of random categories is
            1 - 1 / classes if the images are evenly distributed, and larger if there are more categories than classes.
        normalised_mutual_information: of categories and classes, divided by the mean of their entropies, in [0, 1];
            higher is better. With few images, random categories score slightly above 0.
        purity: share of images whose class is the most frequent one of their category, in [0, 1]; higher is better.
            Several categories may share a class, so more categories increase it.
    """

    classification_error: float
    normalised_mutual_information: float
    purity: float


def score_categories(
    categories: Int64[Tensor, "count"],
    labels: Int64[Tensor, "count"],
    category_count: int,
    class_count: int,
    rng: torch.Generator,
) -> CategoryScores:
    """Score the categories of images against their classes.

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
    return CategoryScores(
        classification_error=classification_error(categories, labels, category_count, class_count, rng),
        normalised_mutual_information=float(normalized_mutual_info_score(labels.numpy(), categories.numpy())),
        purity=contingency(categories, labels, category_count, class_count).amax(dim=1).sum().item() / len(labels),
    )


def classification_error(
    categories: Int64[Tensor, "count"],
    labels: Int64[Tensor, "count"],
    category_count: int,
    class_count: int,
    rng: torch.Generator,
) -> float:
    """Share of images whose category is matched to a class other than theirs, or to none.

    A matching chosen on the same images that it judges would make random categories look good. Therefore the images are
    split into two random halves, and each half is judged by the matching found on the other one.
    """
    order = torch.randperm(len(labels), generator=rng)
    first, second = order[: len(order) // 2], order[len(order) // 2 :]
    errors = 0
    for judged, other in ((first, second), (second, first)):
        matching = match_categories(categories[other], labels[other], category_count, class_count)
        errors += int((matching[categories[judged]] != labels[judged]).sum())
    return errors / len(labels)


def match_categories(
    categories: Int64[Tensor, "count"], labels: Int64[Tensor, "count"], category_count: int, class_count: int
) -> Int64[Tensor, "category_count"]:
    """The class of each category in the one-to-one matching that fits most images; -1 for a category without a class.

    Found with the Hungarian method (Kuhn 1955). Among equally good matchings the same one is always chosen, and a
    category without images still gets a class if one is free.
    """
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
