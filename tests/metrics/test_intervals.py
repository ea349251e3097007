"""Variances of stratified means, parts of pictures, and intervals, in closed form, by definition and by simulation."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor
from torch.testing import assert_close

from gan_pipelines.metrics.intervals import (
    GROUPS,
    Uncertainty,
    equal_parts,
    first_order,
    group_influence,
    group_variance,
    jackknife_variance,
    normal_interval,
    random_parts,
    share_interval,
    stratified_groups,
    stratified_variance,
    variance_freedom,
)

STRATA = torch.tensor([0] * 37 + [1] * 41 + [2] * 3 + [5])[
    torch.randperm(82, generator=torch.Generator().manual_seed(7))
]
"""Four strata in random order, of which one holds fewer pictures than there are groups, and one a single picture."""


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def values(rng: torch.Generator) -> Tensor:
    return torch.randn(len(STRATA), generator=rng, dtype=torch.float64) + 100 * STRATA


def test_the_variance_of_a_mean_of_one_stratum_is_that_of_the_values_over_their_number(values: Tensor) -> None:
    found = stratified_variance(values, torch.zeros(len(values)).long())
    assert_close(found, (values.var() / len(values)).item(), rtol=1e-12, atol=0)


def test_the_variance_of_a_stratified_mean_is_computed_by_hand() -> None:
    """(2 x 2 + 3 x 4) / 5^2; the single picture of the last stratum counts in the mean, but adds no variance."""
    influence, strata = torch.tensor([0.0, 10, 2, 12, 14, 77]), torch.tensor([0, 1, 0, 1, 1, 2])
    assert_close(stratified_variance(influence, strata), (2 * 2 + 3 * 4) / 36)


def test_the_variance_of_a_stratified_mean_is_that_of_means_drawn_in_strata() -> None:
    draw, strata = seeded(3), torch.tensor([0, 1]).repeat_interleave(torch.tensor([10, 30]))
    spread, means, variances = torch.where(strata == 0, 2.0, 0.5), [], []
    for _ in range(2000):
        drawn = 50 * strata + spread * torch.randn(40, generator=draw)
        means.append(drawn.mean().item())
        variances.append(stratified_variance(drawn, strata))
    expected = (10 * 4 + 30 * 0.25) / 40**2
    assert_close(sum(variances) / 2000, expected, rtol=0.03, atol=0)
    assert_close(float(np.var(means)), expected, rtol=0.1, atol=0)


def counts(parts: Tensor, strata: Tensor, number: int) -> Tensor:
    """How many pictures of each stratum are in each part, as (strata, parts)."""
    return torch.stack([parts[strata == stratum].bincount(minlength=number) for stratum in strata.unique()])


@pytest.mark.parametrize("number", [2, 5, GROUPS, 100])
def test_groups_hold_each_stratum_in_equal_numbers(number: int) -> None:
    found = counts(stratified_groups(STRATA, number), STRATA, number)
    for held in (*found, found.sum(dim=0)):
        assert held.max() - held.min() <= 1
    assert found.sum() == len(STRATA)
    assert torch.equal(stratified_groups(STRATA, number), stratified_groups(STRATA.clone(), number))


def test_pictures_are_dealt_in_their_order() -> None:
    assert stratified_groups(torch.zeros(7).long(), 3).tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert stratified_groups(torch.tensor([0, 1, 0, 1, 0, 1]), 2).tolist() == [0, 1, 1, 0, 0, 1]


@pytest.mark.parametrize("number", [2, 7])
def test_random_parts_hold_each_stratum_in_equal_numbers_and_depend_on_the_generator(number: int) -> None:
    found, again, other = (random_parts(STRATA, number, seeded(seed)) for seed in (1, 1, 2))
    held = counts(found, STRATA, number)
    assert (held.amax(dim=1) - held.amin(dim=1)).max() <= 1
    assert torch.equal(found, again)
    assert not torch.equal(found, other)


def test_random_parts_are_drawn_equally_often() -> None:
    draw = seeded(1)
    firsts = torch.stack([random_parts(STRATA, 2, draw) == 0 for _ in range(1000)]).double().mean(dim=0)
    assert firsts[(STRATA == 0) | (STRATA == 1)].min() > 0.42
    assert firsts[(STRATA == 0) | (STRATA == 1)].max() < 0.58


@pytest.mark.parametrize("size", [7, 20, 41, 50, 82])
def test_equal_parts_are_as_many_as_fit_and_share_no_picture(size: int) -> None:
    found, again = (equal_parts(STRATA, size, seeded(1)) for _ in range(2))
    assert [len(part) for part in found] == [size] * (len(STRATA) // size)
    assert len(torch.cat(found).unique()) == len(found) * size
    assert all(map(torch.equal, found, again))
    for stratum in STRATA.unique():
        share = (stratum == STRATA).double().mean().item() * size
        held = [int((STRATA[part] == stratum).sum()) for part in found]
        assert max(held) - min(held) <= 1
        assert max(abs(number - share) for number in held) < 2


def test_equal_parts_leave_out_each_picture_of_a_stratum_equally_often() -> None:
    draw = seeded(1)
    chosen = torch.cat([part for _ in range(1000) for part in equal_parts(STRATA, 50, draw)]).bincount(minlength=82)
    expected = 1000 * 50 / 82
    assert (chosen[(STRATA == 0) | (STRATA == 1)] - expected).abs().max() < 0.12 * expected


def test_the_influence_of_groups_is_that_of_their_pictures_around_their_strata(values: Tensor) -> None:
    found = group_influence(values, STRATA)
    assert found.shape == (GROUPS,)
    assert_close(found.sum().item(), 0.0, rtol=0, atol=1e-12)
    assert_close(group_influence(values + 7 * STRATA, STRATA), found)


@pytest.mark.parametrize("sizes", [(400,), (100, 37, 250), (25, 8, 3, 2, 1)], ids=["one", "few", "small"])
def test_the_variance_from_groups_is_that_of_the_stratified_mean(sizes: tuple[int, ...]) -> None:
    """On average over the order of the pictures, which decides their groups."""
    draw, strata = seeded(1), torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    influence = torch.randn(len(strata), generator=draw, dtype=torch.float64).exp() * (1 + strata)
    found = []
    for _ in range(1000):
        order = torch.randperm(len(strata), generator=draw)
        found.append(group_variance(group_influence(influence[order], strata[order])))
    assert_close(sum(found) / 1000, stratified_variance(influence, strata), rtol=0.025, atol=0)


def test_the_variance_from_groups_is_that_of_a_jackknife_over_them(rng: torch.Generator) -> None:
    """Of a mean of equal groups: what remains without a group is computed anew."""
    values, groups = torch.randn(200, generator=rng, dtype=torch.float64), torch.arange(200) % GROUPS
    without = torch.stack([values[groups != group].mean() for group in range(GROUPS)])
    moved = (GROUPS - 1) / GROUPS * (values.mean() - without)
    assert_close(group_variance(moved), jackknife_variance(without), rtol=1e-9, atol=0)
    assert_close(group_variance(group_influence(values, torch.zeros(200).long())), jackknife_variance(without))


def test_fewer_than_two_groups_have_no_variance() -> None:
    assert group_variance(torch.empty(0)) == group_variance(torch.ones(1)) == 0


def test_the_uncertainty_of_a_score_of_two_sides_is_the_sum_of_theirs(values: Tensor) -> None:
    ours, theirs = values[:40], 2 * values
    found = first_order(ours, STRATA[:40], theirs, STRATA)
    parts = stratified_variance(ours, STRATA[:40]), stratified_variance(theirs, STRATA)
    assert (found.samples, found.real) == parts
    assert_close(found.variance, sum(parts))
    assert_close(found.groups, group_influence(theirs, STRATA))
    alone = first_order(ours, STRATA[:40])
    assert (alone.samples, alone.real, alone.variance, len(alone.groups)) == (parts[0], 0, parts[0], 0)


def test_a_variance_is_at_least_that_of_second_order() -> None:
    """Which remains at equal laws; the estimate of first order holds it twice, but may happen to be less."""
    assert Uncertainty(0.5, 0.3, degenerate=0.3).variance == pytest.approx(0.5)
    assert Uncertainty(0.2, 0.2, degenerate=0.3).variance == 0.3
    assert Uncertainty(0.1, 0.1, degenerate=0.3).variance == 0.3


def test_a_normal_interval_is_1_96_standard_deviations_wide_on_either_side() -> None:
    assert_close(normal_interval(3.0, 4.0), (3 - 1.959964 * 2, 3 + 1.959964 * 2), rtol=1e-6, atol=0)
    assert normal_interval(3.0, 0.0) == (3.0, 3.0)


@pytest.mark.parametrize(("freedom", "quantile"), [(1, 12.7062), (4, 2.7764), (19, 2.0930), (1000, 1.9623)])
def test_an_interval_with_few_degrees_of_freedom_has_the_tabulated_quantiles_of_student(
    freedom: int, quantile: float
) -> None:
    low, high = normal_interval(-1.0, 0.25, freedom=freedom)
    assert_close((-1 - low, high + 1), (quantile / 2, quantile / 2), rtol=1e-4, atol=0)


def test_the_interval_of_a_skewed_error_has_the_quantiles_of_its_law() -> None:
    """Of chi-square laws around their mean, which are of Pearson's type III; a high score is nearer to the truth."""
    for freedom in (2, 8):
        error = stats.chi2(freedom, loc=-freedom)
        low, high = normal_interval(1.0, 2 * freedom, skewness=math.sqrt(8 / freedom))
        assert_close((1 - low, high - 1), (error.ppf(0.975), -error.ppf(0.025)), rtol=1e-6, atol=0)
        assert 1 - low > high - 1
        flipped = normal_interval(1.0, 2 * freedom, skewness=-math.sqrt(8 / freedom))
        assert_close((flipped[1] - 1, 1 - flipped[0]), (1 - low, high - 1), rtol=1e-6, atol=0)


def test_the_skewness_of_the_second_order_fades_as_the_first_takes_over() -> None:
    alone = Uncertainty(1.0, 1.0, degenerate=1.0, third_moment=1.5)
    assert alone.skewness == 1.5
    assert Uncertainty(3.0, 2.0, degenerate=1.0, third_moment=1.5).skewness == pytest.approx(1.5 / 8)
    assert Uncertainty(1.0).skewness == 0


def test_an_interval_ends_at_the_limits_of_the_score_and_contains_it() -> None:
    assert normal_interval(0.5, 1.0, 0.0, 1.0) == (0.0, 1.0)
    low, high = normal_interval(0.5, 0.25, lowest=0.0)
    assert (low, high) == (0.0, pytest.approx(1.48, abs=1e-3))
    assert normal_interval(-0.1, 0.0025, lowest=0.0) == (-0.1, pytest.approx(-0.002, abs=1e-3))


def test_the_interval_of_a_mean_agrees_with_the_bootstrap(rng: torch.Generator) -> None:
    values = torch.randn(1000, generator=rng, dtype=torch.float64)
    variance = stratified_variance(values, torch.zeros(1000).long())
    found = normal_interval(values.mean().item(), variance)
    resampled = stats.bootstrap(
        (values.numpy(),), np.mean, n_resamples=50_000, batch=1000, method="percentile", rng=np.random.default_rng(1)
    )
    assert_close(found, tuple(map(float, resampled.confidence_interval)), rtol=0, atol=1e-3)


@pytest.mark.parametrize("count", [0, 1, 13, 200])
def test_the_interval_of_a_share_is_the_closed_form_of_wilson(count: int) -> None:
    total, z = 200, stats.norm.ppf(0.975)
    share = count / total
    middle = (share + z**2 / (2 * total)) / (1 + z**2 / total)
    half = z / (1 + z**2 / total) * math.sqrt(share * (1 - share) / total + z**2 / (4 * total**2))
    assert_close(share_interval(count / total, total), (middle - half, middle + half), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_interval_of_a_share_reaches_the_share_whatever_the_rounding(share: float) -> None:
    for total in range(1, 1000):
        low, high = share_interval(share, total)
        assert low <= share <= high


@pytest.mark.parametrize("share", [0.02, 0.3, 0.95])
def test_the_interval_of_a_share_contains_it_in_about_95_percent_of_cases(share: float) -> None:
    held = [low <= share <= high for low, high in (share_interval(count / 100, 100) for count in range(101))]
    coverage = float(np.dot(stats.binom.pmf(np.arange(101), 100, share), held))  # exact, not drawn
    assert 0.92 < coverage < 0.99


def test_the_jackknife_of_a_mean_is_its_variance(values: Tensor) -> None:
    left_out = (values.sum() - values) / (len(values) - 1)
    assert_close(jackknife_variance(left_out), (values.var() / len(values)).item(), rtol=1e-9, atol=0)


@pytest.mark.parametrize("stratified", [True, False])
def test_the_interval_of_a_mean_contains_the_truth_in_about_95_percent_of_cases(stratified: bool) -> None:
    """Pictures drawn in strata of different means; without the strata, the interval would be far too wide."""
    draw, held = seeded(5), 0
    labels = torch.arange(100) % 4
    strata = labels if stratified else torch.zeros(100).long()
    for _ in range(1000):
        values = 3 * (labels.double() - 1.5) + torch.randn(100, generator=draw, dtype=torch.float64)
        low, high = normal_interval(values.mean().item(), stratified_variance(values, strata))
        held += low <= 0 <= high
    assert 0.93 <= held / 1000 <= 0.965 if stratified else held == 1000


def test_the_variance_of_normal_values_has_full_freedom_and_that_of_rare_ones_little(rng: torch.Generator) -> None:
    """The kurtosis of a share p of ones is 1 / (p (1 - p)) - 3."""
    assert 0.7 < variance_freedom(torch.randn(2000, generator=rng)) / 1999 < 1.3
    rare = torch.zeros(1000)
    rare[:5] = 1
    kurtosis = 1 / (0.005 * 0.995) - 3
    assert_close(variance_freedom(rare), 2000 / (kurtosis - 1 + 2 / 999), rtol=1e-6, atol=0)
    assert variance_freedom(torch.ones(10)) == math.inf
    assert variance_freedom(torch.tensor([0.0, 1.0])) == 1


@pytest.mark.parametrize("factor", [-3.0, 0.25])
def test_an_uncertainty_scales_as_its_score_does(values: Tensor, factor: float) -> None:
    """The deviation by the factor, so every variance by its square; the mean of scaled values has the same."""
    real = values.flip(0)
    found, expected = (
        first_order(values, STRATA, real, STRATA),
        first_order(factor * values, STRATA, factor * real, STRATA),
    )
    found = replace(found, degenerate=0.01, third_moment=1e-3).scaled(factor)
    expected = replace(expected, degenerate=0.01 * factor**2, third_moment=1e-3 * factor**3)
    for part in ("samples", "real", "degenerate", "variance", "freedom", "skewness"):
        assert_close(getattr(found, part), getattr(expected, part), rtol=1e-9, atol=0)
    assert_close(found.groups, expected.groups)
    assert math.copysign(1, found.skewness) == math.copysign(1, factor)
