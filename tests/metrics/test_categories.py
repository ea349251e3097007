"""The fit of categories found without labels to the true classes: matchings, closed forms, chance."""

import math

import pytest
import torch
from sklearn.metrics import normalized_mutual_info_score
from torch.testing import assert_close

from gan_pipelines.metrics.categories import contingency, match_categories, misclassified, score_categories
from gan_pipelines.metrics.intervals import share_interval
from gan_pipelines.metrics.scores import Score

CLASSES = 4
NAMES = ("classification_error", "normalised_mutual_information", "purity")


def spread(table: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Categories and labels of images that have this table of counts, a row for each category."""
    counts = torch.tensor(table)
    cells = torch.repeat_interleave(torch.arange(counts.numel()), counts.flatten())
    return cells // counts.shape[1], cells % counts.shape[1]


def rows(
    categories: torch.Tensor, labels: torch.Tensor, category_count: int, class_count: int, rng: torch.Generator
) -> dict[str, Score]:
    """The scores of real images, by name."""
    found = list(score_categories(categories, labels, category_count, class_count, rng))
    assert [row.score for row in found] == list(NAMES)
    assert {(row.space, row.samples) for row in found} == {("real", len(labels))}
    return {row.score: row for row in found}


def scored(table: list[list[int]], seed: int = 1) -> dict[str, Score]:
    return rows(*spread(table), len(table), len(table[0]), torch.Generator().manual_seed(seed))


def error(
    categories: torch.Tensor, labels: torch.Tensor, category_count: int, class_count: int, rng: torch.Generator
) -> float:
    return misclassified(categories, labels, category_count, class_count, rng).double().mean().item()


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
    found = rows(torch.tensor(order)[labels], labels, CLASSES, CLASSES, rng)
    assert found["classification_error"].value == 0
    assert found["purity"].value == 1
    assert_close(found["normalised_mutual_information"].value, 1.0, rtol=0, atol=1e-9)


def test_images_sorted_by_class_fit_as_well_since_they_are_shuffled(labels: torch.Tensor, rng: torch.Generator) -> None:
    ordered = labels.sort().values
    assert error(ordered, ordered, CLASSES, CLASSES, rng) == 0


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
    assert error(categories, labels, CLASSES, CLASSES, rng) == 1


def test_every_image_counts_once_if_the_halves_are_unequal(rng: torch.Generator) -> None:
    first, second = halves(5)
    categories, labels = torch.zeros(2, 5, dtype=torch.int64)
    categories[second], labels[second] = torch.tensor([0, 1, 0]), torch.tensor([0, 1, 1])
    assert len(first) == 2
    assert_close(error(categories, labels, 2, 2, rng), 1 / 5)


def test_two_images_are_enough_and_each_is_judged_by_the_other(rng: torch.Generator) -> None:
    same, different = torch.tensor([1, 1]), torch.tensor([0, 1])
    assert rows(same, same, 2, 2, rng)["classification_error"].value == 0
    assert rows(same, different, 2, 2, rng)["classification_error"].value == 1


def test_the_error_of_a_noisy_fit_is_the_share_of_the_noise() -> None:
    found = scored([[0, 95, 5], [90, 5, 5], [10, 0, 90]])
    assert_close(found["classification_error"].value, 25 / 300)


def test_images_of_a_category_without_a_class_are_errors() -> None:
    assert_close(scored([[50, 0], [30, 0], [0, 40]])["classification_error"].value, 30 / 120)


def test_images_of_a_class_without_a_category_are_errors() -> None:
    assert_close(scored([[50, 0, 0], [0, 60, 10]])["classification_error"].value, 10 / 120)


def test_random_categories_have_the_error_of_chance_even_with_few_images() -> None:
    """A matching judged on the images that it was chosen on would get more than a quarter of 20 images right."""
    draw = torch.Generator().manual_seed(3)
    errors, flattered = [], []
    for _ in range(400):
        categories, labels = torch.randint(CLASSES, (2, 20), generator=draw)
        errors.append(error(categories, labels, CLASSES, CLASSES, draw))
        matching = match_categories(categories, labels, CLASSES, CLASSES)
        flattered.append((matching[categories] != labels).double().mean().item())
    assert 0.73 < sum(errors) / 400 < 0.77
    assert 0.4 < sum(flattered) / 400 < 0.6


def test_purity_is_the_share_of_each_category_s_most_frequent_class() -> None:
    assert_close(scored([[6, 1, 1], [2, 7, 3]])["purity"].value, (6 + 7) / 20)


def test_categories_that_share_a_class_are_pure_although_one_of_them_is_an_error() -> None:
    found = scored([[50, 0], [30, 0], [0, 40]])
    assert found["purity"].value == 1
    assert found["classification_error"].value > 0.2


def test_the_mutual_information_is_its_closed_form_over_the_mean_entropy() -> None:
    """Of 4, 2 and 2 images: H(categories) = 1 bit, H(classes) = 3/2 bits, which give the category away."""
    found = scored([[4, 0, 0], [0, 2, 2]])
    assert_close(found["normalised_mutual_information"].value, 1 / ((1 + 1.5) / 2), rtol=1e-9, atol=0)


def test_the_mutual_information_of_a_noisy_pair_is_its_closed_form() -> None:
    """Both halves of one bit; an eighth of the images are on the wrong side."""
    left = -(0.125 * math.log2(0.125) + 0.875 * math.log2(0.875))
    found = scored([[7, 1], [1, 7]])
    assert_close(found["normalised_mutual_information"].value, 1 - left, rtol=1e-9, atol=0)


def test_a_single_category_for_all_images_has_no_information(labels: torch.Tensor, rng: torch.Generator) -> None:
    found = rows(torch.full((400,), 2), labels, CLASSES, CLASSES, rng)
    most = labels.bincount().max().item() / 400
    assert_close(found["normalised_mutual_information"].value, 0.0, rtol=0, atol=1e-12)
    assert_close(found["purity"].value, most)
    assert 1 - most <= found["classification_error"].value < 0.85


def test_random_categories_score_as_chance(labels: torch.Tensor, rng: torch.Generator) -> None:
    found = rows(torch.randint(CLASSES, (400,), generator=rng), labels, CLASSES, CLASSES, rng)
    assert 0.65 < found["classification_error"].value < 0.85
    assert 0 <= found["normalised_mutual_information"].value < 0.03
    assert 0.25 < found["purity"].value < 0.4


def test_scores_do_not_depend_on_how_the_categories_are_numbered(labels: torch.Tensor) -> None:
    noisy = torch.where(torch.arange(400) % 3 == 0, torch.arange(400) % CLASSES, labels)

    def found(categories: torch.Tensor) -> dict[str, float]:
        found = rows(categories, labels, CLASSES, CLASSES, torch.Generator().manual_seed(1))
        return {name: row.value for name, row in found.items()}

    assert 0.1 < found(noisy)["classification_error"] < 0.4
    assert_close(found(torch.tensor([2, 0, 3, 1])[noisy]), found(noisy), rtol=0, atol=1e-12)


def test_the_split_into_halves_depends_only_on_the_given_generator() -> None:
    draw = torch.Generator().manual_seed(3)
    categories, labels = torch.randint(CLASSES, (2, 40), generator=draw)

    def found(seed: int, state: int) -> float:
        torch.manual_seed(state)
        return error(categories, labels, CLASSES, CLASSES, torch.Generator().manual_seed(seed))

    assert found(1, state=1) == found(1, state=2)
    assert len({found(seed, state=1) for seed in range(10)}) > 1


def test_a_single_image_is_refused(rng: torch.Generator) -> None:
    with pytest.raises(ValueError, match=r"judged on the other; found 1 image"):
        rows(torch.tensor([0]), torch.tensor([0]), 2, 2, rng)


def test_categories_and_labels_of_different_length_are_refused(rng: torch.Generator) -> None:
    with pytest.raises(ValueError, match="found 3 categories for 2 labels"):
        rows(torch.tensor([0, 1, 0]), torch.tensor([0, 1]), 2, 2, rng)


def test_shares_of_images_have_the_interval_of_wilson() -> None:
    found = scored([[0, 95, 5], [90, 5, 5], [10, 0, 90]])
    for name, count in {"classification_error": 25, "purity": 275}.items():
        assert (found[name].low, found[name].high) == pytest.approx(share_interval(count / 300, 300))


def test_the_interval_of_the_mutual_information_is_that_of_a_jackknife_over_images() -> None:
    """Of 60 images, each of which is left out in turn."""
    table = [[12, 3, 1], [2, 14, 4], [5, 2, 17]]
    found = scored(table)["normalised_mutual_information"]
    categories, labels = spread(table)
    left_out = []
    for image in range(60):
        kept = torch.arange(60) != image
        left_out.append(normalized_mutual_info_score(labels[kept].numpy(), categories[kept].numpy()))
    values = torch.tensor(left_out).double()
    variance = 59 / 60 * ((values - values.mean()) ** 2).sum().item()
    assert found.uncertainty is not None
    assert found.uncertainty.variance == pytest.approx(variance)
    pictures = found.value * (1 - found.value) / variance  # of which a share would have this variance
    assert (found.low, found.high) == pytest.approx(share_interval(found.value, pictures))


def test_the_interval_of_the_mutual_information_has_the_width_of_repeated_draws() -> None:
    draw, values, halves = torch.Generator().manual_seed(3), [], []
    law = torch.tensor([[12.0, 3, 1], [2, 14, 4], [5, 2, 17]]).flatten()
    for _ in range(60):
        cells = torch.multinomial(law, 200, replacement=True, generator=draw)
        found = rows(cells // 3, cells % 3, 3, 3, draw)["normalised_mutual_information"]
        values.append(found.value)
        halves.append((found.high - found.low) / 2)
    assert 0.8 < sum(halves) / 60 / (1.96 * torch.tensor(values).std().item()) < 1.25


def test_a_perfect_fit_is_the_end_of_its_intervals() -> None:
    found = scored([[20, 0], [0, 20]])
    for name in ("normalised_mutual_information", "purity"):  # of 40 images, which do not make certain
        assert found[name].high == 1
        assert 0.85 < found[name].low < 1
    assert (found["classification_error"].low, found["classification_error"].high < 0.15) == (0, True)
