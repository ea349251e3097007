"""Frechet distance, kernel distance, Inception score: closed forms, explicit definitions, simulations, real digits."""

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
from torch_fidelity.metric_kid import kid_features_to_metric

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.metrics import distances
from gan_pipelines.metrics.distances import (
    FrechetDistances,
    frechet_distance,
    frechet_distances,
    inception_influence,
    inception_score,
    kernel_distance,
)
from gan_pipelines.metrics.diversity import within_class_diversity
from gan_pipelines.metrics.intervals import Uncertainty, first_order, jackknife_variance, normal_interval
from gan_pipelines.metrics.manifolds import manifold_scores, precision_and_recall

CLASSES = 4
Draw = Callable[..., Tensor]


@pytest.fixture
def draw(rng: torch.Generator) -> Draw:
    return lambda count, size=6: torch.randn(count, size, generator=rng)


@pytest.fixture
def features(draw: Draw) -> Tensor:
    return draw(400)


def one_stratum(rows: Tensor) -> Tensor:
    return torch.zeros(len(rows)).long()


def frechet_of(ours: Tensor, theirs: Tensor, seed: int = 1) -> FrechetDistances:
    rng = torch.Generator().manual_seed(seed)
    return frechet_distances(ours, theirs, one_stratum(ours), one_stratum(theirs), rng)


def kernel_of(ours: Tensor, theirs: Tensor) -> tuple[float, Uncertainty]:
    return kernel_distance(ours, theirs, one_stratum(ours), one_stratum(theirs))


def held_share(found: list[tuple[float, Uncertainty]], truth: float) -> float:
    """Share of 95 % intervals that hold the truth."""
    ends = [normal_interval(value, of.variance, skewness=of.skewness) for value, of in found]
    return sum(low <= truth <= high for low, high in ends) / len(ends)


def deviation_ratio(found: list[tuple[float, Uncertainty]]) -> float:
    """The standard deviation that variances promise, relative to that of the values."""
    values, variances = torch.tensor([(value, of.variance) for value, of in found]).double().T
    return (variances.mean().sqrt() / values.std()).item()


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
    found = frechet_of(features, features)
    assert found.uncertainty.samples + found.uncertainty.real < 1e-18


def test_the_frechet_distance_to_themselves_is_0_in_more_dimensions_than_pictures(draw: Draw) -> None:
    few = draw(20, 64)
    assert abs(frechet_distance(few, few)) < 1e-4


def test_the_frechet_distance_of_a_shift_is_its_squared_length(features: Tensor) -> None:
    shift = torch.tensor([1.0, -2.0, 0.0, 0.5, 0.0, 3.0])
    expected = (shift**2).sum().item()
    assert_close(frechet_distance(features + shift, features), expected, rtol=1e-5, atol=1e-6)


def test_the_frechet_distance_of_two_gaussians_is_its_closed_form() -> None:
    stds, mean = torch.tensor([0.5, 1.0, 2.0, 3.0]).double(), torch.tensor([0.0, 1.0, -1.0, 2.0]).double()
    ours, theirs = whitened(200, 4, 1) * stds + mean, whitened(300, 4, 2)
    expected = ((mean**2).sum() + ((stds - 1) ** 2).sum()).item()
    assert_close(frechet_distance(ours, theirs), expected, rtol=1e-6, atol=1e-6)


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


def weighted_frechet(ours: Tensor, theirs: Tensor, our_weights: Tensor, their_weights: Tensor) -> Tensor:
    """Of pictures with weights; tr (C W)^(1/2) is the sum of the singular values of the product of two roots."""
    sides = []
    for rows, weights in ((ours, our_weights), (theirs, their_weights)):
        mean = weights @ rows / weights.sum()
        sides.append((mean, (weights / weights.sum()).sqrt()[:, None] * (rows - mean)))
    (mean, root), (other_mean, other_root) = sides
    products = torch.linalg.svdvals(root @ other_root.T).sum()
    return ((mean - other_mean) ** 2).sum() + (root**2).sum() + (other_root**2).sum() - 2 * products


@pytest.mark.parametrize("collapsed", [False, True])
def test_the_influences_on_the_frechet_distance_are_its_derivatives_by_the_weights_of_pictures(
    draw: Draw, collapsed: bool
) -> None:
    """Also if the samples are five pictures only, whose covariance has no rank in some directions."""
    ours = (draw(60, 6) @ draw(6) + 0.4).double()
    ours = ours[torch.arange(60) % 5] if collapsed else ours
    theirs = (draw(60, 6) @ draw(6)).double()
    found = distances._frechet(ours, theirs)
    for place, influence in enumerate((found.of_samples, found.of_real)):
        slopes = []
        for picture in range(60):
            ends = []
            for step in (1e-4, -1e-4):
                weights = torch.ones(2, 60).double()
                weights[place, picture] += step
                ends.append(weighted_frechet(ours, theirs, *weights).item())
            slopes.append(60 * (ends[0] - ends[1]) / 2e-4)
        expected = torch.tensor(slopes).double()
        assert_close(influence - influence.mean(), expected - expected.mean(), rtol=1e-4, atol=1e-4)
        assert influence.std() > 1


@pytest.mark.parametrize(("shift", "scale"), [(1.0, 1.0), (0.0, 2.0), (0.5, 0.6)])
def test_the_variance_of_the_frechet_distance_is_that_of_the_delta_method_for_gaussians(
    draw: Draw, shift: float, scale: float
) -> None:
    """Rippl, Munk and Sturm 2016: of (m - w)^2 + (s - t)^2, where the variances of m and s are s^2 / n and s^2 / 2n."""
    ours, theirs = scale * draw(100_000, 1) + shift, draw(50_000, 1)
    slope = 4 * shift**2 + 2 * (scale - 1) ** 2
    found = distances._frechet(ours, theirs)
    uncertainty = first_order(found.of_samples, one_stratum(ours), found.of_real, one_stratum(theirs))
    assert_close(uncertainty.samples, slope * scale**2 / 100_000, rtol=0.05, atol=0)
    assert_close(uncertainty.real, slope / 50_000, rtol=0.05, atol=0)


@pytest.mark.parametrize("shift", [0.0, 0.3], ids=["equal laws", "shifted"])
def test_the_frechet_distance_at_infinity_is_unbiased_and_its_interval_holds_the_truth(
    draw: Draw, shift: float
) -> None:
    truth, raw, found = 6 * shift**2, [], []
    for trial in range(64):
        distance = frechet_of(draw(200) + shift, draw(150), trial)
        raw.append(distance.value)
        found.append((distance.at_infinity, distance.uncertainty))
    values = torch.tensor([value for value, _ in found])
    error = values.std().item() / 8
    assert abs(values.mean().item() - truth) < 3 * error
    assert sum(raw) / 64 > truth + 6 * error  # the bias of the raw value
    assert 0.9 <= held_share(found, truth) <= 0.99
    assert 0.85 < deviation_ratio(found) < 1.15


def test_second_order_halves_the_variance_at_equal_laws_and_vanishes_for_distant_ones(draw: Draw) -> None:
    near, far = frechet_of(draw(400), draw(300)).uncertainty, frechet_of(draw(400) + 3, draw(300)).uncertainty
    assert 0.35 < near.degenerate / (near.samples + near.real) <= 0.5
    assert 0 <= far.degenerate / (far.samples + far.real) < 0.05


def test_the_value_of_both_frechet_distances_is_the_plain_one_and_halves_depend_on_the_generator(draw: Draw) -> None:
    ours, theirs = draw(100) + 0.3, draw(80)
    found, again, other = (frechet_of(ours, theirs, seed) for seed in (1, 1, 2))
    assert found.value == other.value == frechet_distance(ours, theirs)
    assert found.at_infinity == again.at_infinity != other.at_infinity
    assert found.at_infinity < found.value


def test_features_that_never_vary_change_nothing_but_by_their_distance(draw: Draw) -> None:
    ours, theirs = draw(100) + 0.3, draw(80)
    alive = frechet_of(ours, theirs)
    dead, apart = (
        frechet_of(torch.cat([ours, torch.full((100, 3), 0.1)], 1), torch.cat([theirs, torch.full((80, 3), other)], 1))
        for other in (0.1, 1.1)
    )
    for found, distance in ((dead, 0), (apart, 3)):
        values = (found.value, found.at_infinity, found.uncertainty.variance, found.uncertainty.real)
        expected = (alive.value, alive.at_infinity, alive.uncertainty.variance, alive.uncertainty.real)
        assert_close(values, (expected[0] + distance, expected[1] + distance, *expected[2:]), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("different", [1, 3])
def test_the_frechet_distance_of_collapsed_samples_has_a_finite_interval(draw: Draw, different: int) -> None:
    theirs = draw(150)
    ours = (theirs[:different] + 0.1)[torch.arange(120) % different]
    found = frechet_of(ours, theirs)
    assert_close(found.value, frechet_distance(ours, theirs), rtol=1e-4, atol=0)
    assert abs(found.at_infinity - found.value) < 0.15 * found.value
    assert 0.05 < math.sqrt(found.uncertainty.variance) < 0.3 * found.value
    assert (found.uncertainty.samples < 1e-12) == (different == 1)


def test_samples_that_fill_their_strata_are_known_better_than_others(draw: Draw) -> None:
    """Of samples whose classes are far apart, much of the variance lies between classes, whose shares are fixed."""
    strata, rng = torch.arange(200) % 4, torch.Generator().manual_seed(1)
    ours, theirs = draw(200) + 2 * strata[:, None], draw(150)
    within = frechet_distances(ours, theirs, strata, one_stratum(theirs), rng).uncertainty
    total = frechet_of(ours, theirs).uncertainty
    assert within.samples < 0.5 * total.samples
    assert_close(within.real, total.real)


def test_the_kernel_distance_is_the_unbiased_estimator_pair_by_pair(draw: Draw) -> None:
    ours, theirs = draw(15, 3) + 0.5, draw(11, 3)
    value, _ = kernel_of(ours, theirs)
    assert_close(value, unbiased_discrepancy(ours, theirs), rtol=1e-6, atol=1e-6)


def test_the_kernel_distance_of_two_pairs_of_points_is_computed_by_hand() -> None:
    """The points 1, 1 and -1, -1 in one dimension: within each pair k = 2^3, between the pairs 0."""
    value, uncertainty = kernel_of(torch.ones(2, 1), -torch.ones(2, 1))
    assert_close(value, 16.0)
    assert uncertainty.variance == 0


def test_the_kernel_distance_agrees_with_torch_fidelity(draw: Draw) -> None:
    ours, theirs = draw(300, 40) + 0.3, draw(300, 40)
    settings = {"kid_subsets": 1, "kid_subset_size": 300, "verbose": False}
    expected = kid_features_to_metric(ours.double(), theirs.double(), **settings)["kernel_inception_distance_mean"]
    assert expected > 0.1
    assert_close(kernel_of(ours, theirs)[0], float(expected), rtol=1e-3, atol=0)


@pytest.mark.parametrize("block", [1, 50, 1000])
def test_the_kernel_distance_does_not_depend_on_how_many_kernels_are_held_at_once(
    draw: Draw, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    ours, theirs = draw(40) + 0.2, draw(30)
    whole, uncertainty = kernel_of(ours, theirs)
    monkeypatch.setattr(distances, "BLOCK", block)
    value, again = kernel_of(ours, theirs)
    assert_close(value, whole, rtol=1e-5, atol=1e-7)
    assert_close(again.variance, uncertainty.variance, rtol=1e-5, atol=0)
    assert_close(again.groups, uncertainty.groups, rtol=1e-5, atol=1e-7)


def test_the_variance_of_the_kernel_distance_is_that_of_the_jackknife(draw: Draw) -> None:
    """Of either side, leaving out one picture after another; they differ by 1 / n."""
    ours, theirs = draw(60) + 0.5, draw(50)
    _, found = kernel_of(ours, theirs)
    everyone = [~torch.eye(count, dtype=torch.bool) for count in (60, 50)]
    without_ours = torch.tensor([kernel_of(ours[kept], theirs)[0] for kept in everyone[0]])
    without_theirs = torch.tensor([kernel_of(ours, theirs[kept])[0] for kept in everyone[1]])
    assert_close(found.samples, jackknife_variance(without_ours), rtol=0.06, atol=0)
    assert_close(found.real, jackknife_variance(without_theirs), rtol=0.06, atol=0)


@pytest.mark.slow
def test_the_second_order_of_the_kernel_distance_has_the_moments_of_a_quadratic_form() -> None:
    """In one dimension (xy + 1)^3, around its means 3 xy + 3 (x^2 - 1)(y^2 - 1) + (xy)^3, of a normal law.

    As an operator it has the eigenvalue 6 for x^2 - 1 and, on x and x^3, two with the sum 18 and the product 18:
    squares sum to 324, cubes to 5076.
    """
    rng, found = torch.Generator().manual_seed(1), []
    for _ in range(20):
        uncertainty = kernel_of(torch.randn(1000, 1, generator=rng), torch.randn(500, 1, generator=rng))[1]
        found.append((uncertainty.degenerate, uncertainty.third_moment))
    variance, third = torch.tensor(found).double().mean(dim=0)
    inverse = 1 / 1000 + 1 / 500
    assert_close(variance.item(), 2 * 324 * inverse**2, rtol=0.15, atol=0)
    assert_close(third.item(), 8 * 5076 * inverse**3, rtol=0.25, atol=0)


@pytest.mark.parametrize("shift", [0.0, 0.2], ids=["equal laws", "shifted"])
def test_the_interval_of_the_kernel_distance_holds_the_truth(draw: Draw, shift: float) -> None:
    """Of normal laws apart by s: 3 |s|^2 / d + 3 |s|^4 / d^2 + the square of the difference of third moments / d^3."""
    square = 12 * shift**2
    truth = 3 * square / 12 + 3 * square**2 / 12**2 + (square**3 + 6 * square**2 + 3 * 14 * square) / 12**3
    found = []
    for _ in range(150):
        value, uncertainty = kernel_of(draw(150, 12) + shift, draw(120, 12))
        found.append((value, uncertainty))
    values = torch.tensor([value for value, _ in found])
    assert abs(values.mean().item() - truth) < 3 * values.std().item() / math.sqrt(150)
    assert 0.9 <= held_share(found, truth) <= 0.99
    assert 0.85 < deviation_ratio(found) < 1.3


def shuffled_as_torch_fidelity(count: int) -> Tensor:
    """The order in which torch-fidelity splits pictures with its default seed."""
    return torch.from_numpy(np.random.RandomState(2020).permutation(count))


def test_the_inception_score_of_certain_and_balanced_pictures_is_the_number_of_classes() -> None:
    logits = sure_of(torch.arange(400) % CLASSES)
    assert 3.7 < inception_score(logits) <= CLASSES + 1e-6  # the shuffled splits are balanced up to chance


@pytest.mark.parametrize("logits", [sure_of(torch.zeros(40).long()), torch.zeros(40, CLASSES)], ids=["one", "none"])
def test_the_inception_score_is_1_if_the_network_sees_one_class_or_is_undecided(logits: Tensor) -> None:
    assert_close(inception_score(logits), 1.0, rtol=0, atol=1e-6)
    assert inception_influence(logits).abs().max() < 1e-6


def test_the_inception_score_is_the_mean_over_ten_splits_of_the_exponential_of_the_mean_divergence(draw: Draw) -> None:
    logits = 2 * draw(103, CLASSES)
    bounds = [split * 103 // 10 for split in range(11)]
    mixed = logits[shuffled_as_torch_fidelity(103)]
    expected = sum(split_score(mixed[bounds[i] : bounds[i + 1]]) for i in range(10)) / 10
    assert 1.5 < expected < CLASSES
    assert_close(inception_score(logits), expected, rtol=1e-6, atol=0)
    by_the_library = isc_features_to_metric(mixed, splits=10, shuffle=False)["inception_score_mean"]
    assert_close(by_the_library, expected, rtol=1e-6, atol=0)


def test_the_influences_on_the_inception_score_are_its_derivatives_by_the_weights_of_pictures(draw: Draw) -> None:
    logits = 2 * draw(103, CLASSES).double()
    order, bounds = shuffled_as_torch_fidelity(103), [split * 103 // 10 for split in range(11)]

    def weighted(weights: Tensor) -> float:
        scores = []
        for start, end in pairwise(bounds):
            part = order[start:end]
            given, shares = logits[part].softmax(dim=1), weights[part] / weights[part].sum()
            scores.append((shares @ (given * (given / (shares @ given)).log()).sum(dim=1)).exp().item())
        return sum(scores) / 10

    slopes = []
    for picture in range(103):
        step = 1e-5 * functional.one_hot(torch.tensor(picture), 103)
        slopes.append(103 * (weighted(torch.ones(103).double() + step) - weighted(1 - step.double())) / 2e-5)
    assert_close(inception_influence(logits), torch.tensor(slopes).double(), rtol=1e-5, atol=1e-6)


def test_the_interval_of_the_inception_score_has_the_width_of_repeated_draws(draw: Draw) -> None:
    found = []
    for _ in range(200):
        logits = 2 * draw(400, CLASSES)
        found.append((inception_score(logits), first_order(inception_influence(logits), one_stratum(logits))))
    assert 0.9 < deviation_ratio(found) < 1.1


def test_pictures_sorted_by_class_have_the_inception_score_of_shuffled_ones() -> None:
    assert 3.7 < inception_score(sure_of(torch.arange(CLASSES).repeat_interleave(100))) <= CLASSES + 1e-6


@pytest.mark.parametrize("scale", [0.1, 1.0, 10.0])
def test_the_inception_score_lies_between_1_and_the_number_of_classes(draw: Draw, scale: float) -> None:
    assert 1 <= inception_score(scale * draw(200, CLASSES)) <= CLASSES


def test_the_inception_score_is_finite_if_a_class_has_probability_0() -> None:
    logits = torch.tensor([[2000.0, 0.0, -2000.0, 0.0], [0.0, 2000.0, -2000.0, 0.0]]).repeat(200, 1)
    assert 1.9 < inception_score(logits) <= 2 + 1e-6
    assert torch.isfinite(inception_influence(logits)).all()


def test_the_log_of_the_inception_score_is_the_entropy_of_certain_classes() -> None:
    shares = torch.tensor([4, 2, 1, 1])
    logits = sure_of(torch.repeat_interleave(torch.arange(CLASSES), shares).repeat(1000))
    entropy = -(shares / 8 * (shares / 8).log()).sum().item()
    assert_close(math.log(inception_score(logits)), entropy, rtol=0, atol=0.01)  # splits have these shares up to chance


def test_the_order_of_pictures_does_not_matter(draw: Draw, rng: torch.Generator) -> None:
    ours, theirs = draw(80) @ draw(6) + 0.3, draw(60)

    def found(one: Tensor, other: Tensor) -> list[float]:
        kernel, uncertainty = kernel_of(one, other)
        return [frechet_distance(one, other), kernel, uncertainty.samples, *precision_and_recall(one, other)]

    shuffled = [rows[torch.randperm(len(rows), generator=rng)] for rows in (ours, theirs)]
    assert_close(found(*shuffled), found(ours, theirs), rtol=1e-5, atol=1e-6)


def fidelity(digits: Any, pictures: LabelledImages) -> dict[str, float]:
    """Every score of pictures in the features of the digits' judge, without intervals."""
    ours, theirs = digits.extract(pictures), digits.judged_test
    rng = torch.Generator().manual_seed(1)
    members = manifold_scores(ours.features, theirs.features, ours.labels, theirs.labels, rng)
    return {
        "frechet": frechet_distance(ours.features, theirs.features),
        "kernel": kernel_distance(ours.features, theirs.features, ours.labels, theirs.labels)[0],
        "inception": inception_score(ours.logits),
        **members.values,
        "diversity": within_class_diversity(ours, theirs).mean,
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
    assert falls(found, "recall", by=0.05)
    assert falls(found[:3], "coverage", by=0.05)  # neighbourhoods among the 40 pictures of one class are far wider
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
