"""Priors and the posterior that reads them back."""

import math

import pytest
import torch
from torch.testing import assert_close

from gan_pipelines.models import Latent
from gan_pipelines.parameters import GaussianNoise, UniformNoise

UNIFORM = UniformNoise(distribution="uniform", size=4, low=-1.0, high=3.0)
GAUSSIAN = GaussianNoise(distribution="gaussian", size=3)


def test_uniform_noise_fills_its_range_and_nothing_else(rng: torch.Generator) -> None:
    drawn = Latent({"z": UNIFORM}).sample(5000, rng)
    assert -1 <= drawn.min() < -0.99
    assert 2.99 < drawn.max() < 3


def test_uniform_noise_has_the_moments_of_the_uniform_distribution(rng: torch.Generator) -> None:
    drawn = Latent({"z": UNIFORM}).sample(20_000, rng)
    assert_close(drawn.mean(dim=0), torch.ones(4), rtol=0, atol=0.05)
    assert_close(drawn.var(dim=0), torch.full((4,), 16 / 12), rtol=0, atol=0.05)


def test_gaussian_noise_has_the_moments_of_the_standard_normal(rng: torch.Generator) -> None:
    drawn = Latent({"z": GAUSSIAN}).sample(20_000, rng)
    assert_close(drawn.mean(dim=0), torch.zeros(3), rtol=0, atol=0.04)
    assert_close((drawn**2).mean(dim=0), torch.ones(3), rtol=0, atol=0.06)
    assert_close((drawn**4).mean(dim=0), torch.full((3,), 3.0), rtol=0, atol=0.4)


def test_the_entries_of_a_vector_are_drawn_independently(rng: torch.Generator) -> None:
    drawn = Latent({"a": UNIFORM, "b": GAUSSIAN}).sample(20_000, rng)
    assert_close(torch.corrcoef(drawn.T), torch.eye(7), rtol=0, atol=0.04)


@pytest.mark.parametrize("part", [UNIFORM, GAUSSIAN], ids=["uniform", "gaussian"])
def test_the_same_seed_draws_the_same_and_another_seed_does_not(part: UniformNoise | GaussianNoise) -> None:
    latent = Latent({"z": part})
    first, again, other = (latent.sample(6, torch.Generator().manual_seed(seed)) for seed in (5, 5, 6))
    assert_close(first, again, rtol=0, atol=0)
    assert not torch.isclose(first, other).any()


def test_parts_stand_side_by_side_in_their_order() -> None:
    far = UniformNoise(distribution="uniform", size=2, low=100.0, high=101.0)
    near = UniformNoise(distribution="uniform", size=3, low=0.0, high=1.0)
    latent = Latent({"far": far, "near": near})
    drawn = latent.sample(50, torch.Generator().manual_seed(0))
    assert latent.size == 5
    assert drawn.shape == (50, 5)
    assert drawn[:, :2].min() >= 100
    assert drawn[:, 2:].max() < 1


def test_log_prob_gives_each_part_its_own_entries_and_its_own_width(rng: torch.Generator) -> None:
    latent = Latent(
        {
            "wide": UniformNoise(distribution="uniform", size=2, posterior_std=2.0),
            "narrow": GaussianNoise(distribution="gaussian", size=3, posterior_std=0.5),
        }
    )
    value, head = torch.randn(6, 5, generator=rng), torch.randn(6, 5, generator=rng)
    found = latent.log_prob(value, head)
    assert list(found) == ["wide", "narrow"]
    assert_close(found["wide"], torch.distributions.Normal(head[:, :2], 2.0).log_prob(value[:, :2]))
    assert_close(found["narrow"], torch.distributions.Normal(head[:, 2:], 0.5).log_prob(value[:, 2:]))


def test_the_default_posterior_has_variance_one_half() -> None:
    latent = Latent({"z": UniformNoise(distribution="uniform", size=1)})
    found = latent.log_prob(torch.ones(1, 1), torch.zeros(1, 1))["z"]
    assert_close(found, torch.tensor([[-1 - 0.5 * math.log(math.pi)]]))
