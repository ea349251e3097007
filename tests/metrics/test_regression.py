"""The conditional variance of data for which it is known."""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from gan_pipelines.data.images import Representation
from gan_pipelines.metrics.regression import MOST_IMAGES, conditional_variance, left_out_errors


def estimate(condition: Tensor, target: Tensor, groups: Tensor | None = None, seed: int = 1) -> float:
    groups = torch.zeros(len(target), dtype=torch.int64) if groups is None else groups
    sides = Representation("upper", condition), Representation("lower", target)
    return conditional_variance(*sides, groups, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("noise", [0.3, 1.0])
def test_of_linear_gaussian_data_it_is_that_of_the_noise_and_a_little_more(rng: torch.Generator, noise: float) -> None:
    """The regression on n images adds about d / n of it to each output, d being the entries of the condition."""
    condition = 3 + 2 * torch.randn(1200, 5, generator=rng)
    target = condition @ torch.randn(5, 8, generator=rng) + noise * torch.randn(1200, 8, generator=rng)
    found, exact = estimate(condition, target), 8 * noise**2
    assert 0.97 * exact < found < 1.15 * exact
    assert found < 0.3 * target.var(dim=0).sum()


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_the_scale_of_the_condition_does_not_matter(rng: torch.Generator, scale: float) -> None:
    condition = torch.randn(200, 5, generator=rng)
    target = condition.sin() + 0.1 * torch.randn(200, 5, generator=rng)
    assert_close(estimate(scale * condition, target), estimate(condition, target), rtol=1e-5, atol=0)


def test_of_a_smooth_function_of_the_condition_it_is_about_0(rng: torch.Generator) -> None:
    condition = torch.rand(1200, 2, generator=rng)
    target = torch.stack([condition.sum(dim=1) ** 2, (3 * condition[:, 0]).sin()], dim=1)
    found = estimate(condition, target)
    assert 0 < found < 1e-3 * target.var(dim=0).sum()


def test_of_an_independent_target_it_is_its_variance(rng: torch.Generator) -> None:
    condition, target = torch.randn(1200, 20, generator=rng), 5 + torch.randn(1200, 3, generator=rng)
    assert_close(estimate(condition, target), 3.0, rtol=0.1, atol=0)


def test_of_a_constant_condition_it_is_the_variance_of_the_target(rng: torch.Generator) -> None:
    target = torch.randn(400, 3, generator=rng)
    assert_close(estimate(torch.ones(400, 4), target), 3.0, rtol=0.15, atol=0)


def test_a_condition_that_tells_only_the_class_leaves_the_variance_within_classes(rng: torch.Generator) -> None:
    """Mean over classes, however many images each has: 2 x (0.5^2 + 1 + 2^2) / 3."""
    labels = torch.tensor([0, 1, 2]).repeat_interleave(torch.tensor([900, 300, 300]))
    deviations = torch.tensor([0.5, 1.0, 2.0])[labels][:, None]
    target = 10 * labels[:, None] + deviations * torch.randn(1500, 2, generator=rng)
    found = estimate(torch.eye(3)[labels], target, labels)
    assert_close(found, 2 * (0.25 + 1 + 4) / 3, rtol=0.12, atol=0)


def test_maps_of_bytes_are_measured_as_networks_see_them(rng: torch.Generator) -> None:
    pixels = torch.randint(0, 256, (400, 1, 4, 4), generator=rng).to(torch.uint8)
    maps = torch.randn(400, 2, 3, 3, generator=rng)
    assert_close(estimate(maps, pixels), 16 * (256**2 - 1) / 12 / 255**2, rtol=0.12, atol=0)


def test_the_images_are_drawn_and_no_more_than_so_many(rng: torch.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    condition = torch.randn(300, 2, generator=rng)
    target = condition + torch.randn(300, 2, generator=rng)
    assert estimate(condition, target) == estimate(condition, target) != estimate(condition, target, seed=2)
    monkeypatch.setattr("gan_pipelines.metrics.regression.MOST_IMAGES", 100)
    order = torch.randperm(300, generator=torch.Generator().manual_seed(1))
    seen = order[:100].sort().values
    groups = torch.full((300,), -1)
    groups[seen] = 0  # the class -1 would have a mean of its own
    assert estimate(condition, target, groups) == estimate(condition, target)
    assert MOST_IMAGES >= 2000


def test_errors_are_those_of_regressions_without_the_example(rng: torch.Generator) -> None:
    """On centred targets, solved once for each example that is left out."""
    condition = torch.randn(12, 3, generator=rng).double()
    target = torch.randn(12, 2, generator=rng).double()
    target -= target.mean(dim=0)
    squared = ((condition[:, None] - condition) ** 2).sum(dim=2)
    kernel = torch.exp(-squared / (2 * squared.mean()))
    expected = []
    for left in range(12):
        others = [index for index in range(12) if index != left]
        weights = torch.linalg.solve(kernel[others][:, others] + 0.1 * torch.eye(11).double(), target[others])
        expected.append(((target[left] - kernel[left, others] @ weights) ** 2).sum())
    assert_close(left_out_errors(squared, target @ target.T, 2.0, 0.1), torch.stack(expected))
