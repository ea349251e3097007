"""What the variance of a level over its noise should be."""

import math
from collections.abc import Callable

import pytest
import torch
from torch.testing import assert_close

from gan_pipelines.data.images import Representation
from gan_pipelines.metrics import level_variations, score_levels
from gan_pipelines.metrics.diversity import LevelVariation
from gan_pipelines.models import LevelGAN


def test_what_is_expected_of_a_lower_level_is_what_real_images_leave_open_given_the_real_condition(
    levels: Callable[..., list[LevelGAN]], rng: torch.Generator
) -> None:
    """Given the real `fc`, a pixel is a linear map of it and noise; within a class, `fc` varies too."""
    labels = torch.arange(1200) % 4
    upper = torch.randn(1200, 12, generator=rng) + 3 * torch.eye(4, 12)[labels]
    weights = torch.randn(12, 64, generator=rng) / 12**0.5
    lower = upper @ weights + 0.5 * torch.randn(1200, 64, generator=rng)
    real = {"fc": Representation("fc", upper), "pixels": Representation("pixels", lower.view(-1, 1, 8, 8))}
    found = level_variations(levels(2), real, labels, 4, torch.Generator().manual_seed(1))
    assert found["fc"].expected == 1.0
    exact = 64 * 0.25 / ((weights**2).sum().item() + 64 * 0.25)
    assert 0.97 * exact < found["pixels"].expected < 1.3 * exact


@pytest.mark.parametrize(("tells", "expected"), [("nothing", 1.0), ("the class", 1.0), ("all", 0.0)])
def test_what_is_expected_lies_between_0_and_1(
    levels: Callable[..., list[LevelGAN]], rng: torch.Generator, tells: str, expected: float
) -> None:
    labels = torch.arange(800) % 4
    noise = torch.randn(800, 12, generator=rng)
    means = 0 if tells == "nothing" else 3 * torch.eye(4, 12)[labels]
    upper = torch.randn(800, 12, generator=rng) if tells == "nothing" else means + (noise if tells == "all" else 0)
    lower = (means + noise).repeat(1, 6)[:, :64].reshape(-1, 1, 8, 8)
    real = {"fc": Representation("fc", upper), "pixels": Representation("pixels", lower)}
    found = level_variations(levels(2), real, labels, 4, torch.Generator().manual_seed(1))["pixels"]
    assert_close(found.expected, expected, rtol=0, atol=0.1)


def test_a_level_without_a_condition_should_vary_like_all_images(levels: Callable[..., list[LevelGAN]]) -> None:
    real = {"fc": Representation("fc", torch.rand(40, 12)), "pixels": Representation("pixels", torch.rand(40, 1, 8, 8))}
    labels = torch.arange(40) % 4
    found = level_variations(levels(2, top="none"), real, labels, 4, torch.Generator().manual_seed(1))
    assert found["fc"].expected == 1.0
    assert 0.8 < found["pixels"].expected < 1.3  # `fc` says nothing of the pixels


def test_what_is_expected_of_the_variance_stands_in_its_score() -> None:
    variations = {"fc": LevelVariation(torch.rand(200).double(), torch.zeros(200), 1.0)}
    variations["pixels"] = LevelVariation(torch.zeros(200).double(), torch.ones(200), 0.25)
    found = {(score.score, score.space): score for score in score_levels(variations, 4000)}
    assert [found["noise_variance", level].expected for level in ("fc", "pixels")] == [1.0, 0.25]
    assert all(math.isnan(found["noise_recovery", level].expected) for level in ("fc", "pixels"))
    assert {score.samples for score in found.values()} == {4000}
