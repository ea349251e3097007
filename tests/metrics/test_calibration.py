"""Calibration: the error of a classifier's confidence, and the temperature that mends it."""

import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from gan_pipelines.metrics import best_temperature, expected_calibration_error


def certain(confidences: list[float], classes: int = 2) -> torch.Tensor:
    """Logits of a classifier that sees class 0 with these probabilities, the others being equally likely."""
    first = torch.tensor(confidences).double()
    others = ((1 - first) / (classes - 1))[:, None].expand(-1, classes - 1)
    return torch.cat([first[:, None], others], dim=1).log()


def test_the_error_is_that_of_each_bin_weighted_by_its_pictures() -> None:
    """Bins are 1/15 wide: 0.81 and 0.85 share the bin up to 13/15, 0.9 lies in the next one."""
    logits, labels = certain([0.81, 0.85, 0.9, 0.9]), torch.tensor([0, 1, 0, 0])
    expected = (abs(1 - 0.81 - 0.85) + abs(2 - 0.9 - 0.9)) / 4
    assert expected_calibration_error(logits, labels) == pytest.approx(expected)


@pytest.mark.parametrize("right", [0, 10])
def test_certainty_that_is_always_right_has_no_error_and_that_is_always_wrong_the_greatest(right: int) -> None:
    logits, labels = 1000 * torch.eye(2)[torch.zeros(10).long()], torch.ones(10).long()
    labels[:right] = 0
    assert expected_calibration_error(logits, labels) == pytest.approx(1 - right / 10)


def test_the_error_of_confidence_that_is_as_often_right_as_it_says_vanishes_with_many_pictures() -> None:
    rng = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(100_000, 10, generator=rng)
    labels = torch.multinomial(logits.softmax(dim=1), 1, generator=rng).squeeze(1)
    assert expected_calibration_error(logits, labels) < 0.01
    assert 0.05 < expected_calibration_error(2 * logits, labels) < 0.5


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_the_temperature_is_found_by_which_true_logits_were_multiplied(temperature: float) -> None:
    rng = torch.Generator().manual_seed(1)
    logits = 2 * torch.randn(50_000, 10, generator=rng)
    labels = torch.multinomial(logits.softmax(dim=1), 1, generator=rng).squeeze(1)
    found = best_temperature(temperature * logits, labels)
    assert found == pytest.approx(temperature, rel=0.02)
    losses = [
        cross_entropy(temperature * logits.double() / t, labels).item() for t in (found, 0.97 * found, found / 0.97)
    ]
    assert losses[0] == min(losses)


def test_two_certainties_have_the_temperature_of_the_closed_form() -> None:
    """Of ten pictures with odds e^2, seven are right: their odds should be 7/3, so T = 2 / log(7/3)."""
    logits, labels = torch.tensor([[2.0, 0.0]]).expand(10, 2), torch.tensor([0] * 7 + [1] * 3)
    assert best_temperature(logits, labels) == pytest.approx(2 / math.log(7 / 3), rel=1e-4)


def test_a_classifier_without_errors_has_a_temperature_near_the_lowest() -> None:
    assert 0.01 <= best_temperature(torch.eye(3), torch.arange(3)) < 0.05
