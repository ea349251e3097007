"""Scores of categories without labels, against their closed forms."""

import math

import pytest
import torch
from torch import Tensor

from gan_pipelines.metrics.definitions import SCORES
from gan_pipelines.metrics.invariance import distorted, score_invariance

CLASSES = 4


def one_hot(categories: Tensor) -> Tensor:
    return torch.eye(CLASSES)[categories]


def information(posterior: Tensor, of_distorted: Tensor) -> float:
    return {score.score: score for score in score_invariance("c", posterior, of_distorted)}[
        "invariant_information"
    ].value


def test_certain_balanced_categories_that_withstand_everything_score_one() -> None:
    posterior = one_hot(torch.arange(200) % CLASSES)
    for score in score_invariance("category", posterior, posterior):
        assert score.value == pytest.approx(1, abs=1e-12)
        assert score.space == "category"
        assert score.score in SCORES
        assert score.low < 1
        assert score.high == 1


def test_q_that_ignores_the_picture_scores_no_information_however_much_it_agrees() -> None:
    constant = torch.tensor([0.4, 0.3, 0.2, 0.1]).expand(200, -1)
    agreement, found = score_invariance("category", constant, constant)
    assert agreement.value == 1
    assert found.value == pytest.approx(0, abs=1e-6)


def test_categories_that_a_distortion_draws_anew_score_no_information() -> None:
    rng = torch.Generator().manual_seed(0)
    before, after = (torch.randint(CLASSES, (100_000,), generator=rng) for _ in range(2))
    assert information(one_hot(before), one_hot(after)) == pytest.approx(0, abs=1e-3)


def test_categories_that_change_with_a_probability_have_the_information_of_that_channel() -> None:
    """ln K - H(error) - error ln(K - 1), over ln K, for a symmetric channel."""
    before = torch.arange(4_000) % CLASSES
    after = before.clone()
    for category in range(CLASSES):  # 300 of 1,000 change, evenly to the three others
        of_category = (before == category).nonzero().squeeze(1)[:300]
        after[of_category] = (category + 1 + torch.arange(300) % 3) % CLASSES
    error = 0.3
    entropy = -error * math.log(error) - (1 - error) * math.log(1 - error)
    expected = (math.log(CLASSES) - entropy - error * math.log(CLASSES - 1)) / math.log(CLASSES)
    assert information(one_hot(before), one_hot(after)) == pytest.approx(expected, abs=1e-9)
    agreement, _ = score_invariance("category", one_hot(before), one_hot(after))
    assert agreement.value == pytest.approx(0.7)


def test_categories_without_pictures_cost_information() -> None:
    halves = one_hot(torch.arange(200) % 2)
    assert information(halves, halves) == pytest.approx(math.log(2) / math.log(CLASSES), abs=1e-12)


def test_doubt_costs_information() -> None:
    certain = one_hot(torch.arange(200) % CLASSES)
    doubtful = 0.5 * certain + 0.5 / CLASSES
    assert information(doubtful, doubtful) < 0.5 * information(certain, certain)


def test_the_interval_is_that_of_a_bootstrap_over_pictures() -> None:
    rng = torch.Generator().manual_seed(1)
    logits = 2 * torch.randn(2_000, CLASSES, generator=rng) + torch.tensor([1.0, 0.5, 0, 0])
    moved = logits + torch.randn(2_000, CLASSES, generator=rng)
    before, after = logits.softmax(dim=1), moved.softmax(dim=1)
    _, score = score_invariance("category", before, after)
    draws = (torch.randint(2_000, (2_000,), generator=rng) for _ in range(300))
    spread = torch.tensor([information(before[drawn], after[drawn]) for drawn in draws]).std().item()
    assert (score.high - score.low) / 3.92 == pytest.approx(spread, rel=0.15)


def test_a_distortion_moves_a_picture_a_little_and_differs_from_picture_to_picture() -> None:
    pictures = torch.zeros(50, 1, 28, 28)
    pictures[:, :, 12:16, 12:16] = 1
    found = distorted(pictures, torch.Generator().manual_seed(0))
    assert found.shape == pictures.shape
    middles = (found.sum(dim=(1, 2)) @ torch.arange(28.0)) / found.sum(dim=(1, 2, 3))
    assert (middles - 13.5).abs().max() < 2 + 1
    assert middles.std() > 0.5
