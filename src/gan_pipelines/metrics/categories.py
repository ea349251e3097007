"""How well categories found without labels fit the true classes."""

from dataclasses import dataclass

import torch
from jaxtyping import Int64
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import normalized_mutual_info_score
from torch import Tensor

LEFT_OVER = -1
"""What stands for the class of a category that has none."""


@dataclass(frozen=True)
class CategoryScores:
    """The fit of categories to classes; none of the three depends on how the categories are numbered.

    Attributes:
        classification_error: share of images whose category is not matched to their class, in [0, 1]; lower is better.
            Each image is judged by a one-to-one matching in whose choice it took no part, so categories drawn by
            chance err on 1 - 1 / classes of evenly spread images, and on more where categories are left over.
        normalised_mutual_information: of categories and classes, over the mean of their entropies, in [0, 1]; higher
            is better. Categories drawn by chance score a little above 0 where images are few.
        purity: share of images whose class is the most frequent one of their category, in [0, 1]; higher is better.
            Several categories may share a class, so more categories raise it.
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
        categories: what was found, 0 .. category_count - 1.
        labels: the true classes, 0 .. class_count - 1.
        category_count: how many categories there are, found or not.
        class_count: how many classes there are.
        rng: cuts the images into the two halves of the classification error.

    Raises:
        ValueError: fewer than two images, or not one label an image.
    """
    if len(categories) != len(labels):
        raise ValueError(f"found {len(categories)} categories for {len(labels)} labels; each image needs one of both")
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
    """Share of images whose category is matched to another class than theirs, or to none.

    A matching chosen on the images that it judges would flatter chance. So each half of the images, cut at random, is
    judged by the matching found on the other half.
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
    """The class of each category, no class twice, by which most images are right; -1 for a category left over.

    Found by the Hungarian method (Kuhn 1955). Of equally good matchings the same one is always chosen, and a category
    that no image has still takes a class where one is free.
    """
    counts = contingency(categories, labels, category_count, class_count)
    matched, classes = linear_sum_assignment(counts.numpy(), maximize=True)
    matching = torch.full((category_count,), LEFT_OVER)
    matching[torch.from_numpy(matched)] = torch.from_numpy(classes)
    return matching


def contingency(
    categories: Int64[Tensor, "count"], labels: Int64[Tensor, "count"], category_count: int, class_count: int
) -> Int64[Tensor, "category_count class_count"]:
    """How many images have each category and class."""
    cells = torch.bincount(categories * class_count + labels, minlength=category_count * class_count)
    return cells.reshape(category_count, class_count)
