"""L_I: closed forms, and its upper limit for any Q."""

import math

import pytest
import torch
from torch.testing import assert_close

from gan_pipelines.losses import information_bound
from gan_pipelines.models import Latent
from gan_pipelines.parameters import CategoricalCode, ContinuousCode

CLASSES = 5
CATEGORICAL = Latent({"c": CategoricalCode(distribution="categorical", classes=CLASSES)})


def continuous(low: float = -1.0, high: float = 1.0, variance: str = "learned") -> Latent:
    traversal = (min(low, -2), max(high, 2))
    code = ContinuousCode(distribution="uniform", low=low, high=high, variance=variance, traversal=traversal)
    return Latent({"c": code})


def bound(latent: Latent, value: torch.Tensor, head: torch.Tensor) -> float:
    """L_I of the one code of a latent."""
    return information_bound(latent.log_prob(value, head)["c"], latent.prior_entropy()["c"]).item()


def confused(p: float, count: int = 1000) -> tuple[torch.Tensor, torch.Tensor]:
    """Categories drawn uniformly, and categories seen, a fraction p of which are replaced by another, uniformly."""
    drawn = torch.arange(CLASSES).repeat_interleave(count)
    shift = torch.zeros(count, dtype=torch.int64)
    wrong = round(p * count)
    shift[:wrong] = torch.arange(wrong) % (CLASSES - 1) + 1
    return drawn, (drawn + shift.repeat(CLASSES)) % CLASSES


def sure(seen: torch.Tensor, p: float) -> torch.Tensor:
    """Logits of a Q that assigns 1 - p to the category seen and p to all others together."""
    probs = torch.full((len(seen), CLASSES), p / (CLASSES - 1))
    return probs.scatter(1, seen[:, None], 1 - p).log()


def spread(size: int, low: float = -1.0, high: float = 1.0) -> torch.Tensor:
    """Values spread evenly over a range, so that their moments are those of the uniform distribution."""
    return ((torch.arange(size, dtype=torch.float64) + 0.5) / size * (high - low) + low)[:, None]


def residuals(size: int) -> torch.Tensor:
    """Residuals of mean 0 and variance 1, exactly."""
    drawn = torch.randn(size, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return (drawn - drawn.mean()) / drawn.std(correction=0)


def gaussian(mean: torch.Tensor, std: float) -> torch.Tensor:
    """Q's head for a Gaussian of learned variance."""
    return torch.cat([mean, torch.full_like(mean, math.log(std))], dim=1)


def test_it_is_the_mean_over_pictures_of_the_sum_over_entries_plus_the_entropy() -> None:
    log_posterior = torch.tensor([[-1.0, -2.0], [-3.0, -6.0], [0.0, 0.0]])
    assert_close(information_bound(log_posterior, 7.0), torch.tensor(-12 / 3 + 7.0))


def test_a_q_that_is_always_right_and_certain_has_the_full_entropy() -> None:
    category = torch.eye(CLASSES)
    assert_close(bound(CATEGORICAL, category, 100 * category), math.log(CLASSES))


def test_a_q_that_guesses_has_no_information() -> None:
    assert_close(bound(CATEGORICAL, torch.eye(CLASSES), torch.full((CLASSES, CLASSES), 3.0)), 0.0, rtol=0, atol=1e-6)


@pytest.mark.parametrize("p", [0.004, 0.2, 0.5, 0.8])
def test_the_posterior_of_a_symmetric_channel_has_the_channels_information(p: float) -> None:
    drawn, seen = confused(p)
    found = bound(CATEGORICAL, torch.eye(CLASSES)[drawn], sure(seen, p))
    expected = math.log(CLASSES) + (1 - p) * math.log(1 - p) + p * math.log(p / (CLASSES - 1))
    assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("claimed", [0.001, 0.1, 0.19, 0.21, 0.3, 0.79, 0.99])
def test_a_q_other_than_the_posterior_has_less_information(claimed: float) -> None:
    drawn, seen = confused(0.2)
    category = torch.eye(CLASSES)[drawn]
    gap = 0.2 * math.log(0.2 / claimed) + 0.8 * math.log(0.8 / (1 - claimed))  # KL divergence
    assert gap > 0
    found = [bound(CATEGORICAL, category, sure(seen, p)) for p in (0.2, claimed)]
    assert_close(found[0] - found[1], gap, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("scale", [0.1, 3.0, 100.0])
def test_a_category_never_has_more_than_its_entropy_on_any_batch(scale: float, rng: torch.Generator) -> None:
    found = [
        bound(CATEGORICAL, CATEGORICAL.sample(3, rng), scale * torch.randn(3, CLASSES, generator=rng))
        for _ in range(300)
    ]
    assert max(found) <= math.log(CLASSES) + 1e-6
    assert max(found) > -0.2  # close to the limit, so the comparison is meaningful


@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (0.0, 0.5), (-2.0, 5.0)])
@pytest.mark.parametrize("residual", [0.001, 0.1, 2.0])
def test_a_gaussian_as_wide_as_its_residuals_has_the_logarithm_of_the_range_over_their_spread(
    low: float, high: float, residual: float
) -> None:
    value = spread(2000, low, high)
    found = bound(continuous(low, high), value, gaussian(value + residual * residuals(2000), residual))
    assert_close(found, math.log(high - low) - 0.5 * math.log(2 * math.pi * math.e * residual**2))


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.1, 2.0])
def test_a_gaussian_of_another_width_than_its_residuals_has_less(factor: float) -> None:
    value = spread(2000)
    mean = value + 0.3 * residuals(2000)
    best, other = (bound(continuous(), value, gaussian(mean, std)) for std in (0.3, 0.3 * factor))
    assert_close(best - other, math.log(factor) + (1 / factor**2 - 1) / 2, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("residual", "learned", "fixed"), [(3**-0.5, -0.1765, -0.3925), (0.1, 1.577, -0.2308), (0.0, None, -0.2258)]
)
def test_the_documented_values_for_codes_from_minus_1_to_1_are_right(
    residual: float, learned: float | None, fixed: float
) -> None:
    value = spread(2000)
    mean = torch.zeros_like(value) if residual > 0.5 else value + residual * residuals(2000)
    assert_close(bound(continuous(variance="fixed"), value, mean), fixed, rtol=0, atol=6e-5)
    if learned is not None:
        assert_close(bound(continuous(), value, gaussian(mean, residual)), learned, rtol=0, atol=6e-4)


def test_a_continuous_code_gains_one_nat_per_factor_e_of_accuracy_without_limit() -> None:
    value = spread(10)
    found = [bound(continuous(), value, gaussian(value, math.exp(-accuracy))) for accuracy in (1, 2, 8)]
    assert_close([found[1] - found[0], found[2] - found[1]], [1.0, 6.0])
    assert found[2] > continuous().prior_entropy()["c"]


def test_its_gradient_pulls_the_probabilities_towards_the_category_drawn(rng: torch.Generator) -> None:
    value, head = CATEGORICAL.sample(6, rng), torch.randn(6, CLASSES, generator=rng, requires_grad=True)
    information_bound(CATEGORICAL.log_prob(value, head)["c"], 1.0).backward()
    assert_close(head.grad, (value - head.detach().softmax(dim=1)) / 6)
