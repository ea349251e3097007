"""Frechet distance, kernel distance, Inception score: closed forms, explicit definitions, real digits."""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor
from torch.nn import functional
from torch.testing import assert_close
from torch_fidelity.metric_isc import isc_features_to_metric

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.metrics import distances
from gan_pipelines.metrics.distances import (
    frechet_distance,
    inception_score,
    kernel_distance,
    precision_and_recall,
    resampled_frechet_distance,
    resampled_inception_score,
    resampled_kernel_distance,
)
from gan_pipelines.metrics.diversity import within_class_diversity
from gan_pipelines.metrics.neighbours import manifold_membership

CLASSES = 4
Draw = Callable[..., Tensor]


@pytest.fixture
def draw(rng: torch.Generator) -> Draw:
    return lambda count, size=6: torch.randn(count, size, generator=rng)


@pytest.fixture
def features(draw: Draw) -> Tensor:
    return draw(400)


@pytest.fixture
def drawn(rng: torch.Generator) -> Callable[[int], tuple[Tensor, Tensor]]:
    """Three resamples of `count` rows: which rows are drawn, and how often each one."""

    def build(count: int) -> tuple[Tensor, Tensor]:
        rows = torch.randint(count, (3, count), generator=rng)
        return rows, torch.stack([row.bincount(minlength=count) for row in rows]).float()

    return build


def ones(rows: Tensor) -> Tensor:
    """The resample that draws every row once."""
    return torch.ones(1, len(rows))


def sure_of(seen: Tensor) -> Tensor:
    return 50 * functional.one_hot(seen, CLASSES).float()


def whitened(count: int, size: int, seed: int) -> Tensor:
    """Rows whose sample mean is exactly 0 and whose sample covariance is exactly the identity."""
    rows = torch.randn(count, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    rows = rows - rows.mean(dim=0)
    return torch.linalg.solve_triangular(torch.linalg.cholesky(torch.cov(rows.T)), rows.T, upper=False).T


def unbiased_discrepancy(ours: Tensor, theirs: Tensor) -> float:
    """Gretton et al. 2012, equation 3, with the kernel of Binkowski et al. 2018, pair by pair."""

    def mean(one: list[list[float]], other: list[list[float]], same: bool) -> float:
        kernels = [
            (sum(a * b for a, b in zip(x, y, strict=True)) / len(x) + 1) ** 3
            for i, x in enumerate(one)
            for j, y in enumerate(other)
            if not (same and i == j)
        ]
        return math.fsum(kernels) / len(kernels)

    x, y = ours.double().tolist(), theirs.double().tolist()
    return mean(x, x, True) + mean(y, y, True) - 2 * mean(x, y, False)


def split_score(logits: Tensor) -> float:
    """Salimans et al. 2016 for one split: exp of the mean divergence of p(y|x) from p(y)."""
    given = logits.double().softmax(dim=1)
    return (given * (given / given.mean(dim=0)).log()).sum(dim=1).mean().exp().item()


def test_the_frechet_distance_of_pictures_to_themselves_is_0(features: Tensor) -> None:
    assert abs(frechet_distance(features, features)) < 1e-9
    assert abs(resampled_frechet_distance(features, features, ones(features), ones(features)).item()) < 1e-9


def test_the_frechet_distance_to_themselves_is_0_in_more_dimensions_than_pictures(draw: Draw) -> None:
    few = draw(20, 64)
    assert abs(frechet_distance(few, few)) < 1e-4
    assert abs(resampled_frechet_distance(few, few, ones(few), ones(few)).item()) < 1e-4


def test_the_frechet_distance_of_a_shift_is_its_squared_length(features: Tensor) -> None:
    shift = torch.tensor([1.0, -2.0, 0.0, 0.5, 0.0, 3.0])
    expected = (shift**2).sum().item()
    assert_close(frechet_distance(features + shift, features), expected, rtol=1e-5, atol=1e-6)


def test_the_frechet_distance_of_two_gaussians_is_its_closed_form() -> None:
    stds, mean = torch.tensor([0.5, 1.0, 2.0, 3.0]).double(), torch.tensor([0.0, 1.0, -1.0, 2.0]).double()
    ours, theirs = whitened(200, 4, 1) * stds + mean, whitened(300, 4, 2)
    expected = ((mean**2).sum() + ((stds - 1) ** 2).sum()).item()
    assert_close(frechet_distance(ours, theirs), expected, rtol=1e-6, atol=1e-6)
    found = resampled_frechet_distance(ours, theirs, ones(ours), ones(theirs)).item()
    assert_close(found, expected, rtol=1e-6, atol=1e-6)


def test_the_frechet_distance_of_correlated_features_is_that_of_the_square_root_of_their_covariances(
    draw: Draw,
) -> None:
    """Heusel et al. 2017, equation 6, with SciPy's matrix square root."""
    ours, theirs = draw(100) @ draw(6) + 1, draw(80) @ draw(6)
    one, other = (torch.cov(rows.double().T) for rows in (ours, theirs))
    root = torch.from_numpy(scipy.linalg.sqrtm((one @ other).numpy()).real)
    shift = (ours.double().mean(dim=0) - theirs.double().mean(dim=0)).square().sum()
    expected = (shift + torch.trace(one + other - 2 * root)).item()
    assert_close(frechet_distance(ours, theirs), expected, rtol=1e-6, atol=0)


def test_the_frechet_distance_is_symmetric(features: Tensor) -> None:
    other = 2 * features.roll(1, dims=1) + 1
    assert_close(frechet_distance(features, other), frechet_distance(other, features), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_the_frechet_distance_of_counts_is_that_of_the_rows_they_draw(
    draw: Draw, drawn: Callable[[int], tuple[Tensor, Tensor]], scale: float
) -> None:
    ours, theirs = scale * draw(90) @ draw(6) + 0.3, draw(70)
    (rows, counts), (real_rows, real_counts) = drawn(90), drawn(70)
    expected = [frechet_distance(ours[row], theirs[other]) for row, other in zip(rows, real_rows, strict=True)]
    found = resampled_frechet_distance(ours, theirs, counts, real_counts)
    assert_close(found.tolist(), expected, rtol=1e-6, atol=1e-8)
    whole = resampled_frechet_distance(ours, theirs, ones(ours), ones(theirs)).item()
    assert_close(whole, frechet_distance(ours, theirs), rtol=1e-6, atol=1e-8)


def test_the_kernel_distance_is_the_unbiased_estimator_pair_by_pair(draw: Draw) -> None:
    """If there are exactly as many pictures as in a subset, every subset is the same."""
    ours, theirs = draw(12, 3) + 0.5, draw(12, 3)
    value, spread = kernel_distance(ours, theirs)
    assert_close(value, unbiased_discrepancy(ours, theirs), rtol=1e-9, atol=1e-9)
    assert abs(spread) < 1e-9


def test_the_kernel_distance_of_two_pairs_of_points_is_computed_by_hand() -> None:
    """The points 1, 1 and -1, -1 in one dimension: within each pair k = 2^3, between the pairs 0."""
    value, _ = kernel_distance(torch.ones(2, 1), -torch.ones(2, 1))
    assert_close(value, 16.0)


def test_the_kernel_distance_of_all_pictures_is_the_unbiased_estimator_pair_by_pair(draw: Draw) -> None:
    ours, theirs = draw(15, 3) + 0.5, draw(11, 3)
    found = resampled_kernel_distance(ours, theirs, ones(ours), ones(theirs)).item()
    assert_close(found, unbiased_discrepancy(ours, theirs), rtol=1e-9, atol=1e-9)


def test_the_kernel_distance_of_counts_leaves_out_pairs_of_a_picture_with_itself(
    draw: Draw, drawn: Callable[[int], tuple[Tensor, Tensor]]
) -> None:
    ours, theirs = draw(12, 3) + 0.5, draw(9, 3)
    (rows, counts), (real_rows, real_counts) = drawn(12), drawn(9)

    def kernels(one: Tensor, other: Tensor) -> Tensor:
        return (one.double() @ other.double().T / 3 + 1) ** 3

    def within(side: Tensor, chosen: Tensor) -> Tensor:
        other_picture = chosen[:, None] != chosen[None]
        return (kernels(side[chosen], side[chosen]) * other_picture).sum() / (len(side) * (len(side) - 1))

    expected = torch.stack(
        [
            within(ours, row) + within(theirs, other) - 2 * kernels(ours[row], theirs[other]).mean()
            for row, other in zip(rows, real_rows, strict=True)
        ]
    )
    assert_close(resampled_kernel_distance(ours, theirs, counts, real_counts), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("block", [1, 50, 1000])
def test_the_kernel_distance_does_not_depend_on_how_many_kernels_are_held_at_once(
    draw: Draw, drawn: Callable[[int], tuple[Tensor, Tensor]], monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    ours, theirs, counts, real_counts = draw(40) + 0.2, draw(30), drawn(40)[1], drawn(30)[1]
    whole = resampled_kernel_distance(ours, theirs, counts, real_counts)
    monkeypatch.setattr(distances, "BLOCK", block)
    assert_close(resampled_kernel_distance(ours, theirs, counts, real_counts), whole, rtol=1e-9, atol=1e-9)


def test_the_kernel_distance_of_equal_distributions_is_0_on_average(draw: Draw) -> None:
    """It is below 0 as often as above, since it is unbiased."""
    found = []
    for _ in range(100):
        ours, theirs = draw(40), draw(30)
        found.append(resampled_kernel_distance(ours, theirs, ones(ours), ones(theirs)).item())
    values = torch.tensor(found)
    assert abs(values.mean()) < 3 * values.std() / math.sqrt(100)
    assert 0.25 < (values > 0).float().mean() < 0.75
    assert values.std() < 0.3


def test_the_kernel_distance_of_subsets_is_that_of_all_pictures_within_their_spread(
    draw: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distances, "SUBSET_IMAGES", 60)
    ours, theirs = draw(300) + 0.3, draw(200)
    value, spread = kernel_distance(ours, theirs)
    whole = resampled_kernel_distance(ours, theirs, ones(ours), ones(theirs)).item()
    assert 0.005 < spread < 0.2
    assert abs(value - whole) < 4 * spread / math.sqrt(distances.SUBSETS)
    assert value == kernel_distance(ours, theirs)[0]


def shuffled_as_torch_fidelity(count: int) -> Tensor:
    """The order in which torch-fidelity splits pictures with its default seed."""
    return torch.from_numpy(np.random.RandomState(2020).permutation(count))


def test_the_inception_score_of_certain_and_balanced_pictures_is_the_number_of_classes() -> None:
    logits = sure_of(torch.arange(400) % CLASSES)
    found = resampled_inception_score(logits, ones(logits)).item()
    assert 3.7 < found <= CLASSES  # the shuffled splits are balanced up to chance
    assert_close(inception_score(logits), found, rtol=0, atol=1e-6)


@pytest.mark.parametrize("logits", [sure_of(torch.zeros(40).long()), torch.zeros(40, CLASSES)], ids=["one", "none"])
def test_the_inception_score_is_1_if_the_network_sees_one_class_or_is_undecided(logits: Tensor) -> None:
    assert_close(inception_score(logits), 1.0, rtol=0, atol=1e-6)
    assert_close(resampled_inception_score(logits, ones(logits)).item(), 1.0, rtol=0, atol=1e-6)


def test_the_inception_score_is_the_mean_over_ten_splits_of_the_exponential_of_the_mean_divergence(draw: Draw) -> None:
    logits = 2 * draw(103, CLASSES)
    bounds = [split * 103 // 10 for split in range(11)]
    mixed = logits[shuffled_as_torch_fidelity(103)]
    expected = sum(split_score(mixed[bounds[i] : bounds[i + 1]]) for i in range(10)) / 10
    assert 1.5 < expected < CLASSES
    assert_close(resampled_inception_score(logits, ones(logits)).item(), expected, rtol=1e-9, atol=0)
    assert_close(inception_score(logits), expected, rtol=1e-6, atol=0)
    by_the_library = isc_features_to_metric(mixed, splits=10, shuffle=False)["inception_score_mean"]
    assert_close(by_the_library, expected, rtol=1e-6, atol=0)


def test_pictures_sorted_by_class_have_the_inception_score_of_shuffled_ones() -> None:
    logits = sure_of(torch.arange(CLASSES).repeat_interleave(100))
    assert 3.7 < resampled_inception_score(logits, ones(logits)).item() <= CLASSES


def test_the_inception_score_of_counts_is_that_of_the_rows_they_draw(
    draw: Draw, drawn: Callable[[int], tuple[Tensor, Tensor]]
) -> None:
    logits, counts = 2 * draw(100, CLASSES), drawn(100)[1]
    expected, order = [], shuffled_as_torch_fidelity(100)
    for row in counts.long():
        splits = zip(logits[order].split(10), row[order].split(10), strict=True)
        expected.append(sum(split_score(part.repeat_interleave(times, dim=0)) for part, times in splits) / 10)
    assert_close(resampled_inception_score(logits, counts).tolist(), expected, rtol=1e-9, atol=0)


@pytest.mark.parametrize("scale", [0.1, 1.0, 10.0])
def test_the_inception_score_lies_between_1_and_the_number_of_classes(
    draw: Draw, drawn: Callable[[int], tuple[Tensor, Tensor]], scale: float
) -> None:
    logits = scale * draw(200, CLASSES)
    assert 1 <= inception_score(logits) <= CLASSES
    resampled = resampled_inception_score(logits, drawn(200)[1])
    assert resampled.min() >= 1
    assert resampled.max() <= CLASSES


def test_the_inception_score_is_finite_if_a_class_has_probability_0() -> None:
    logits = torch.tensor([[2000.0, 0.0, -2000.0, 0.0], [0.0, 2000.0, -2000.0, 0.0]]).repeat(200, 1)
    assert 1.9 < inception_score(logits) <= 2 + 1e-6
    assert 1.9 < resampled_inception_score(logits, ones(logits)).item() <= 2 + 1e-6


def test_the_log_of_the_inception_score_is_the_entropy_of_certain_classes() -> None:
    shares = torch.tensor([4, 2, 1, 1])
    logits = sure_of(torch.repeat_interleave(torch.arange(CLASSES), shares).repeat(1000))
    entropy = -(shares / 8 * (shares / 8).log()).sum().item()
    found = math.log(resampled_inception_score(logits, ones(logits)).item())
    assert_close(found, entropy, rtol=0, atol=0.01)  # splits of 800 pictures have these shares up to chance


def test_the_order_of_pictures_does_not_matter(draw: Draw, rng: torch.Generator) -> None:
    ours, theirs = draw(80) @ draw(6) + 0.3, draw(60)

    def found(one: Tensor, other: Tensor) -> list[float]:
        return [frechet_distance(one, other), kernel_of_all(one, other), *precision_and_recall(one, other)]

    def kernel_of_all(one: Tensor, other: Tensor) -> float:
        return resampled_kernel_distance(one, other, ones(one), ones(other)).item()

    shuffled = [rows[torch.randperm(len(rows), generator=rng)] for rows in (ours, theirs)]
    assert_close(found(*shuffled), found(ours, theirs), rtol=1e-6, atol=1e-9)


def test_resamples_follow_their_pictures_into_another_order(
    draw: Draw, drawn: Callable[[int], tuple[Tensor, Tensor]], rng: torch.Generator
) -> None:
    ours, theirs, counts, real_counts = draw(50), draw(40) + 0.3, drawn(50)[1], drawn(40)[1]
    order, other = torch.randperm(50, generator=rng), torch.randperm(40, generator=rng)
    for resampled in (resampled_frechet_distance, resampled_kernel_distance):
        found = resampled(ours[order], theirs[other], counts[:, order], real_counts[:, other])
        assert_close(found, resampled(ours, theirs, counts, real_counts), rtol=1e-6, atol=1e-9)


def fidelity(digits: Any, pictures: LabelledImages) -> dict[str, float]:
    """Every score of pictures in the features of the digits' judge, without intervals."""
    ours, theirs = digits.extract(pictures), digits.judged_test
    members = manifold_membership(ours.features, theirs.features)
    precision, recall = precision_and_recall(ours.features, theirs.features)
    kernel = resampled_kernel_distance(ours.features, theirs.features, ones(ours.features), ones(theirs.features))
    return {
        "frechet": frechet_distance(ours.features, theirs.features),
        "kernel": kernel.item(),
        "inception": inception_score(ours.logits),
        "precision": precision,
        "recall": recall,
        "density": members.density.mean().item(),
        "coverage": members.covered.double().mean().item(),
        "diversity": within_class_diversity(ours, theirs).item(),
    }


def rises(found: list[dict[str, float]], name: str, by: float) -> bool:
    """Whether each value is higher than the one before by more than `by`."""
    values = [scores[name] for scores in found]
    return all(later > earlier + by for earlier, later in pairwise(values))


def falls(found: list[dict[str, float]], name: str, by: float) -> bool:
    return rises([{name: -scores[name]} for scores in found], name, by)


def test_noise_on_real_digits_increases_every_distance(digits: Any, rng: torch.Generator) -> None:
    fresh, found = digits.fresh, []
    noise = torch.randn(fresh.images.shape, generator=rng)
    for level in (0, 60, 90, 120):
        noisy = (fresh.images + level * noise).clamp(0, 255).to(torch.uint8)
        found.append(fidelity(digits, LabelledImages(noisy, fresh.labels, fresh.classes)))
    assert rises(found, "frechet", by=0.1)
    assert rises(found, "kernel", by=1e-3)
    for name in ("precision", "density", "coverage", "inception", "diversity"):
        assert falls(found, name, by=0.02), name
    assert found[0]["recall"] > found[1]["recall"] + 0.5
    clean = found[0]
    assert abs(clean["kernel"]) < 1e-3
    assert 0 < clean["frechet"] < 0.1
    assert 0.8 < clean["precision"] < 1
    assert 0.8 < clean["recall"] < 1
    assert 0.9 < clean["density"] < 1.1
    assert 0.9 < clean["coverage"] <= 1
    assert 0.9 < clean["diversity"] < 1.1


def test_dropping_classes_increases_distances_and_decreases_recall_coverage_and_inception_score(digits: Any) -> None:
    fresh, found = digits.fresh, []
    for classes in (10, 7, 4, 1):
        kept = fresh.subset((fresh.labels < classes).nonzero().squeeze(1))
        found.append(fidelity(digits, kept))
    assert rises(found, "frechet", by=0.05)
    assert rises(found, "kernel", by=3e-4)
    for name in ("recall", "coverage"):
        assert falls(found, name, by=0.05), name
    assert falls(found, "inception", by=0.5)
    for scores in found:  # the remaining pictures are real
        assert 0.75 < scores["diversity"] < 1.25
        assert scores["precision"] > 0.6


def test_fewer_different_pictures_of_a_class_decrease_diversity_and_coverage_but_hardly_the_inception_score(
    digits: Any,
) -> None:
    fresh, found = digits.fresh, []
    for different in (40, 10, 3, 1):
        shown = fresh.subset(torch.arange(400) % (10 * different))  # the classes alternate
        found.append(fidelity(digits, shown))
    for name in ("diversity", "coverage"):
        assert falls(found, name, by=0.05), name
    assert abs(found[-1]["diversity"]) < 1e-9
    assert rises(found, "frechet", by=0.03)
    assert max(scores["recall"] for scores in found[1:]) < 0.05  # a ball that contains only copies has radius 0
    assert found[2]["inception"] > 0.85 * found[0]["inception"]
