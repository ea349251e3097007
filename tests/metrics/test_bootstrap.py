"""Resamples as counts, and the intervals that come of them."""

import math

import pytest
import torch
from torch.testing import assert_close

from gan_pipelines.metrics.bootstrap import interval, resample, resampled_mean


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("count", [1, 7, 300])
def test_the_counts_of_a_resample_are_whole_and_sum_to_the_number_of_pictures(count: int, rng: torch.Generator) -> None:
    counts = resample(count, 20, rng)
    assert counts.shape == (20, count)
    assert_close(counts.sum(dim=1), torch.full((20,), float(count)), rtol=0, atol=0)
    assert_close(counts, counts.round(), rtol=0, atol=0)
    assert counts.min() >= 0


def test_pictures_are_drawn_equally_often_and_independently(rng: torch.Generator) -> None:
    """The counts are multinomial: of mean 1 and variance 1 - 1 / n; 1 / e of the pictures is not drawn."""
    counts = resample(50, 2000, rng)
    assert_close(counts.mean(dim=0), torch.ones(50), rtol=0, atol=0.1)
    assert_close(counts.var(dim=0).mean().item(), 1 - 1 / 50, rtol=0.03, atol=0)
    assert_close((counts == 0).float().mean().item(), (1 - 1 / 50) ** 50, rtol=0.03, atol=0)
    covariance = torch.cov(counts.T).masked_fill(torch.eye(50, dtype=torch.bool), 0).sum() / (50 * 49)
    assert_close(covariance.item(), -1 / 50, rtol=0.1, atol=0)


def test_resamples_depend_only_on_their_seed() -> None:
    found = []
    for state, seed in ((1, 3), (2, 3), (2, 4)):
        torch.manual_seed(state)
        found.append(resample(40, 5, seeded(seed)))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[1], found[2])
    assert len(found[0].unique(dim=0)) == 5


def test_the_mean_of_each_resample_is_that_of_the_pictures_drawn(rng: torch.Generator) -> None:
    values, drawn = torch.randn(30, generator=rng), torch.randint(30, (4, 30), generator=rng)
    counts = torch.stack([row.bincount(minlength=30) for row in drawn]).float()
    assert_close(resampled_mean(values, counts), values[drawn].double().mean(dim=1))
    assert_close(resampled_mean(values, torch.ones(1, 30)), values.double().mean()[None])
    assert_close(resampled_mean(values > 0, counts), (values[drawn] > 0).double().mean(dim=1))


def test_an_interval_is_the_percentiles_shifted_so_that_the_mean_is_the_value() -> None:
    resampled = torch.arange(1001).double() + 300  # percentiles 325 and 1275, mean 800
    assert_close(interval(10.0, resampled), (10.0 - 475, 10.0 + 475))


@pytest.mark.parametrize("bias", [-5.0, 0.0, 5.0])
def test_an_interval_contains_its_value_even_if_the_resamples_are_biased(bias: float, rng: torch.Generator) -> None:
    low, high = interval(2.0, 2.0 + bias + torch.randn(500, generator=rng))
    assert 1.7 < 2.0 - low < 2.2
    assert 1.7 < high - 2.0 < 2.2


def test_an_interval_of_very_skewed_resamples_contains_its_value() -> None:
    resampled = torch.zeros(1000)
    resampled[:10] = 1000.0  # a mean of 10, and both percentiles 0
    assert interval(3.0, resampled) == (-7.0, 3.0)
    assert interval(3.0, -resampled) == (3.0, 13.0)


def test_an_interval_ends_at_the_limits_of_the_score() -> None:
    resampled = torch.linspace(-1, 1, 101)
    assert interval(0.5, resampled, 0.0, 1.0) == (0.0, 1.0)
    assert_close(interval(0.5, resampled, lowest=0.0), (0.0, 1.45))
    assert_close(interval(0.5, resampled, highest=1.0), (-0.45, 1.0))
    assert interval(1.0, torch.ones(100), 0.0, 1.0) == (1.0, 1.0)


def test_the_interval_of_a_mean_agrees_with_normal_theory(rng: torch.Generator) -> None:
    values = torch.randn(400, generator=rng).exp()
    low, high = interval(values.mean().item(), resampled_mean(values, resample(400, 2000, rng)))
    half = 1.96 * values.std().item() / math.sqrt(400)
    assert_close((high - low) / 2, half, rtol=0.1, atol=0)
    assert abs((low + high) / 2 - values.mean().item()) < 0.15 * half


def test_the_interval_of_a_mean_contains_the_truth_in_about_95_percent_of_cases() -> None:
    drawn, held = seeded(5), 0
    for _ in range(400):
        values = 3 + 2 * torch.randn(60, generator=drawn, dtype=torch.float64)
        low, high = interval(values.mean().item(), resampled_mean(values, resample(60, 100, drawn)))
        held += low <= 3 <= high
    assert 0.90 <= held / 400 <= 0.98
