"""The cross-entropy of a D that is aware of classes."""

import math

import torch
from torch.testing import assert_close

from gan_pipelines.losses import class_loss


def test_the_loss_is_logsumexp_minus_the_logit_of_the_class(rng: torch.Generator) -> None:
    logits, labels = torch.randn(7, 4, generator=rng), torch.arange(7) % 4
    expected = logits.exp().sum(dim=1).log() - logits[torch.arange(7), labels]
    assert_close(class_loss(logits, labels), expected.mean())


def test_equal_logits_lose_the_log_of_the_number_of_classes() -> None:
    assert_close(class_loss(torch.full((3, 10), -2.0), torch.tensor([0, 5, 9])), torch.tensor(math.log(10)))


def test_the_loss_does_not_change_if_all_logits_do(rng: torch.Generator) -> None:
    logits, labels = torch.randn(7, 4, generator=rng), torch.arange(7) % 4
    assert_close(class_loss(logits + 5, labels), class_loss(logits, labels))
