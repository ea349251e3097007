"""Invariant information of a category: closed forms, its limits, and the score of the same name."""

import math

import pytest
import torch
from torch.testing import assert_close

from gan_pipelines.losses import invariant_information
from gan_pipelines.metrics.invariance import score_invariance

CLASSES = 5


def sure(categories: torch.Tensor) -> torch.Tensor:
    """Logits of a Q that is certain."""
    return 100 * torch.nn.functional.one_hot(categories, CLASSES).float()


@pytest.mark.parametrize("used", [1, 2, 5])
def test_certain_answers_that_do_not_change_carry_the_entropy_of_their_frequencies(used: int) -> None:
    logits = sure(torch.arange(100) % used)
    assert_close(invariant_information(logits, logits).item(), math.log(used), rtol=0, atol=1e-5)


def test_answers_that_ignore_the_picture_carry_nothing() -> None:
    logits = torch.tensor([0.3, -1.0, 2.0, 0.0, 0.7]).expand(64, -1)
    assert_close(invariant_information(logits, logits).item(), 0.0, rtol=0, atol=1e-6)


def test_answers_of_which_some_change_carry_less_by_the_entropy_of_the_change() -> None:
    categories = torch.arange(100) % 2
    changed = torch.where(torch.arange(100) % 20 < 2, 1 - categories, categories)  # a tenth of each
    kept, lost = 0.9, 0.1
    expected = math.log(2) + kept * math.log(kept) + lost * math.log(lost)
    assert_close(invariant_information(sure(categories), sure(changed)).item(), expected, rtol=0, atol=1e-5)


def test_it_is_the_score_of_the_same_name_and_takes_both_views_alike() -> None:
    ours, theirs = torch.randn(2, 300, CLASSES, generator=torch.Generator().manual_seed(0)).mul(2)
    theirs = ours + 0.5 * theirs
    found = invariant_information(ours, theirs).item()
    scores = {score.score: score for score in score_invariance("c", ours.softmax(dim=1), theirs.softmax(dim=1))}
    assert_close(found / math.log(CLASSES), scores["invariant_information"].value, rtol=1e-4, atol=0)
    assert_close(invariant_information(theirs, ours).item(), found)


def test_its_gradient_makes_an_unsure_answer_surer_and_is_exact() -> None:
    logits = torch.randn(12, CLASSES, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert torch.autograd.gradcheck(invariant_information, (logits.requires_grad_(), (logits + 0.1).detach()))
    unsure = sure(torch.arange(10) % CLASSES).div(100).requires_grad_()
    (gradient,) = torch.autograd.grad(invariant_information(unsure, unsure), unsure)
    assert (gradient.argmax(dim=1) == unsure.argmax(dim=1)).all()


def test_heads_in_bfloat16_are_reduced_in_float32() -> None:
    logits = torch.randn(64, CLASSES, generator=torch.Generator().manual_seed(2)).bfloat16()
    found = invariant_information(logits, logits)
    assert found.dtype == torch.float32
    assert_close(found, invariant_information(logits.float(), logits.float()))
