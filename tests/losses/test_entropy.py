"""L_ent is the Gaussian negative log-likelihood of the noise, and so an L2 reconstruction of it."""

import math

import pytest
import torch
from torch.testing import assert_close

from gan_pipelines.losses import entropy_loss
from gan_pipelines.models.latent import gaussian_log_prob

STDS = (0.1, 0.5**0.5, 1.0, 3.0)


@pytest.fixture
def noise(rng: torch.Generator) -> torch.Tensor:
    return torch.rand(7, 5, generator=rng, dtype=torch.float64)


@pytest.fixture
def mean(rng: torch.Generator) -> torch.Tensor:
    return torch.randn(7, 5, generator=rng, dtype=torch.float64).requires_grad_(True)


@pytest.mark.parametrize("std", STDS)
def test_it_equals_the_negative_log_likelihood_of_a_gaussian(
    noise: torch.Tensor, mean: torch.Tensor, std: float
) -> None:
    expected = -torch.distributions.Normal(mean, std).log_prob(noise).mean()
    assert_close(entropy_loss(gaussian_log_prob(noise, mean, std)), expected, rtol=0, atol=1e-12)


def test_a_variance_of_one_half_gives_the_squared_error_of_the_official_code_plus_a_constant(
    noise: torch.Tensor, mean: torch.Tensor
) -> None:
    expected = ((noise - mean) ** 2).mean() + 0.5 * math.log(math.pi)
    assert_close(entropy_loss(gaussian_log_prob(noise, mean, 0.5**0.5)), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("std", STDS)
def test_its_gradient_is_that_of_the_l2_reconstruction_over_twice_the_variance(
    noise: torch.Tensor, mean: torch.Tensor, std: float
) -> None:
    (found,) = torch.autograd.grad(entropy_loss(gaussian_log_prob(noise, mean, std)), mean)
    (expected,) = torch.autograd.grad(((noise - mean) ** 2).mean() / (2 * std**2), mean)
    assert_close(found, expected)


def test_a_perfect_posterior_still_costs_the_entropy_of_its_fixed_width(noise: torch.Tensor) -> None:
    expected = torch.tensor(math.log(0.2 * math.sqrt(2 * math.pi)), dtype=torch.float64)
    assert_close(entropy_loss(gaussian_log_prob(noise, noise, 0.2)), expected)
