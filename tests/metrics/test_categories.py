"""The fit of categories found without labels to the true classes: matchings, closed forms, chance."""

import math

import pytest
import torch
from torch.testing import assert_close

from gan_pipelines.metrics.categories import (
    CategoryScores,
    classification_error,
    contingency,
    match_categories,
    score_categories,
)

CLASSES = 4


def spread(table: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Categories and labels of images that have this table of counts, a row for each category."""
    counts = torch.tensor(table)
    cells = torch.repeat_interleave(torch.arange(counts.numel()), counts.flatten())
    return cells // counts.shape[1], cells % counts.shape[1]


def scored(table: list[list[int]]) -> CategoryScores:
    categories, labels = spread(table)
    return score_categories(categories, labels, len(table), len(table[0]), torch.Generator().manual_seed(1))


def halves(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The two halves into which the fixture `rng` cuts so many images."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(1))
    return order[: count // 2], order[count // 2 :]


@pytest.fixture
def labels() -> torch.Tensor:
    return torch.randint(CLASSES, (400,), generator=torch.Generator().manual_seed(5))


def test_the_contingency_table_counts_each_pair() -> None:
    table = [[3, 0, 1], [0, 2, 5]]
    assert_close(contingency(*spread(table), 2, 3), torch.tensor(table))


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 1, 0, 2], [1, 2, 3, 0]])
def test_renumbered_classes_are_a_perfect_fit(labels: torch.Tensor, rng: torch.Generator, order: list[int]) -> None:
    found = score_categories(torch.tensor(order)[labels], labels, CLASSES, CLASSES, rng)
    assert found.classification_error == 0
    assert found.purity == 1
    assert_close(found.normalised_mutual_information, 1.0, rtol=0, atol=1e-9)


def test_images_sorted_by_class_fit_as_well_since_they_are_shuffled(labels: torch.Tensor, rng: torch.Generator) -> None:
    ordered = labels.sort().values
    assert classification_error(ordered, ordered, CLASSES, CLASSES, rng) == 0


def test_categories_are_matched_to_fit_most_images_in_total() -> None:
    # One by one, category 0 would take class 0 and leave 1 + 0 to category 1; together 5 + 6 are more than 8 + 1.
    assert match_categories(*spread([[8, 5], [6, 1]]), 2, 2).tolist() == [1, 0]


def test_a_surplus_category_has_no_class() -> None:
    assert match_categories(*spread([[5, 0], [4, 1], [0, 3]]), 3, 2).tolist() == [0, -1, 1]


def test_a_surplus_class_has_no_category() -> None:
    assert match_categories(*spread([[5, 0, 2], [4, 1, 6]]), 2, 3).tolist() == [0, 2]


def test_a_category_without_images_gets_a_free_class() -> None:
    assert match_categories(*spread([[0, 0, 4], [0, 0, 0], [3, 0, 0]]), 3, 3).tolist() == [2, 1, 0]


def test_among_equally_good_matchings_the_same_one_is_always_chosen(rng: torch.Generator) -> None:
    categories, labels = spread([[2, 2, 2], [2, 2, 2], [2, 2, 2]])
    orders = [torch.randperm(18, generator=rng) for _ in range(10)]
    assert len({tuple(match_categories(categories[order], labels[order], 3, 3).tolist()) for order in orders}) == 1


def test_each_half_is_judged_by_the_matching_found_on_the_other(rng: torch.Generator) -> None:
    labels = torch.arange(40) % CLASSES
    first, second = halves(40)
    categories = labels.clone()
    categories[second] = (labels[second] + 1) % CLASSES  # a perfect fit within each half, and none across
    for half in (first, second):
        matching = match_categories(categories[half], labels[half], CLASSES, CLASSES)
        assert_close(matching[categories[half]], labels[half], rtol=0, atol=0)
    assert classification_error(categories, labels, CLASSES, CLASSES, rng) == 1


def test_every_image_counts_once_if_the_halves_are_unequal(rng: torch.Generator) -> None:
    first, second = halves(5)
    categories, labels = torch.zeros(2, 5, dtype=torch.int64)
    categories[second], labels[second] = torch.tensor([0, 1, 0]), torch.tensor([0, 1, 1])
    assert len(first) == 2
    assert_close(classification_error(categories, labels, 2, 2, rng), 1 / 5)


def test_two_images_are_enough_and_each_is_judged_by_the_other(rng: torch.Generator) -> None:
    same, different = torch.tensor([1, 1]), torch.tensor([0, 1])
    assert score_categories(same, same, 2, 2, rng).classification_error == 0
    assert score_categories(same, different, 2, 2, rng).classification_error == 1


def test_the_error_of_a_noisy_fit_is_the_share_of_the_noise() -> None:
    found = scored([[0, 95, 5], [90, 5, 5], [10, 0, 90]])
    assert_close(found.classification_error, 25 / 300)


def test_images_of_a_category_without_a_class_are_errors() -> None:
    assert_close(scored([[50, 0], [30, 0], [0, 40]]).classification_error, 30 / 120)


def test_images_of_a_class_without_a_category_are_errors() -> None:
    assert_close(scored([[50, 0, 0], [0, 60, 10]]).classification_error, 10 / 120)


def test_random_categories_have_the_error_of_chance_even_with_few_images() -> None:
    """A matching judged on the images that it was chosen on would get more than a quarter of 20 images right."""
    draw = torch.Generator().manual_seed(3)
    errors, flattered = [], []
    for _ in range(400):
        categories, labels = torch.randint(CLASSES, (2, 20), generator=draw)
        errors.append(classification_error(categories, labels, CLASSES, CLASSES, draw))
        matching = match_categories(categories, labels, CLASSES, CLASSES)
        flattered.append((matching[categories] != labels).double().mean().item())
    assert 0.73 < sum(errors) / 400 < 0.77
    assert 0.4 < sum(flattered) / 400 < 0.6


def test_purity_is_the_share_of_each_category_s_most_frequent_class() -> None:
    assert_close(scored([[6, 1, 1], [2, 7, 3]]).purity, (6 + 7) / 20)


def test_categories_that_share_a_class_are_pure_although_one_of_them_is_an_error() -> None:
    found = scored([[50, 0], [30, 0], [0, 40]])
    assert found.purity == 1
    assert found.classification_error > 0.2


def test_the_mutual_information_is_its_closed_form_over_the_mean_entropy() -> None:
    """Of 4, 2 and 2 images: H(categories) = 1 bit, H(classes) = 3/2 bits, which give the category away."""
    found = scored([[4, 0, 0], [0, 2, 2]])
    assert_close(found.normalised_mutual_information, 1 / ((1 + 1.5) / 2), rtol=1e-9, atol=0)


def test_the_mutual_information_of_a_noisy_pair_is_its_closed_form() -> None:
    """Both halves of one bit; an eighth of the images are on the wrong side."""
    left = -(0.125 * math.log2(0.125) + 0.875 * math.log2(0.875))
    found = scored([[7, 1], [1, 7]])
    assert_close(found.normalised_mutual_information, 1 - left, rtol=1e-9, atol=0)


def test_a_single_category_for_all_images_has_no_information(labels: torch.Tensor, rng: torch.Generator) -> None:
    found = score_categories(torch.full((400,), 2), labels, CLASSES, CLASSES, rng)
    most = labels.bincount().max().item() / 400
    assert_close(found.normalised_mutual_information, 0.0, rtol=0, atol=1e-12)
    assert_close(found.purity, most)
    assert 1 - most <= found.classification_error < 0.85


def test_random_categories_score_as_chance(labels: torch.Tensor, rng: torch.Generator) -> None:
    found = score_categories(torch.randint(CLASSES, (400,), generator=rng), labels, CLASSES, CLASSES, rng)
    assert 0.65 < found.classification_error < 0.85
    assert 0 <= found.normalised_mutual_information < 0.03
    assert 0.25 < found.purity < 0.4


def test_scores_do_not_depend_on_how_the_categories_are_numbered(labels: torch.Tensor) -> None:
    noisy = torch.where(torch.arange(400) % 3 == 0, torch.arange(400) % CLASSES, labels)

    def found(categories: torch.Tensor) -> dict[str, float]:
        return vars(score_categories(categories, labels, CLASSES, CLASSES, torch.Generator().manual_seed(1)))

    assert 0.1 < found(noisy)["classification_error"] < 0.4
    assert_close(found(torch.tensor([2, 0, 3, 1])[noisy]), found(noisy), rtol=0, atol=1e-12)


def test_the_split_into_halves_depends_only_on_the_given_generator() -> None:
    draw = torch.Generator().manual_seed(3)
    categories, labels = torch.randint(CLASSES, (2, 40), generator=draw)

    def found(seed: int, state: int) -> float:
        torch.manual_seed(state)
        return classification_error(categories, labels, CLASSES, CLASSES, torch.Generator().manual_seed(seed))

    assert found(1, state=1) == found(1, state=2)
    assert len({found(seed, state=1) for seed in range(10)}) > 1


def test_a_single_image_is_refused(rng: torch.Generator) -> None:
    with pytest.raises(ValueError, match=r"judged on the other; found 1 image"):
        score_categories(torch.tensor([0]), torch.tensor([0]), 2, 2, rng)


def test_categories_and_labels_of_different_length_are_refused(rng: torch.Generator) -> None:
    with pytest.raises(ValueError, match="found 3 categories for 2 labels"):
        score_categories(torch.tensor([0, 1, 0]), torch.tensor([0, 1]), 2, 2, rng)
