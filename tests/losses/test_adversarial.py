"""L_adv: closed forms and numerical range."""

import math

import pytest
import torch
from torch.nn.functional import logsigmoid
from torch.testing import assert_close

from gan_pipelines.losses import ADVERSARIAL_LOSSES

LOSS = ADVERSARIAL_LOSSES["non_saturating"]


def test_an_undecided_discriminator_loses_2_log_2() -> None:
    assert_close(LOSS.discriminator(torch.zeros(5, 1), torch.zeros(5, 1)), torch.tensor(2 * math.log(2)))


def test_a_generator_before_an_undecided_discriminator_loses_log_2() -> None:
    assert_close(LOSS.generator(torch.zeros(5, 1)), torch.tensor(math.log(2)))


def test_the_discriminator_loss_is_the_mean_of_minus_log_d_and_minus_log_1_minus_d() -> None:
    real, generated = torch.tensor([[0.9], [0.6]]), torch.tensor([[0.2], [0.5], [0.1]])
    expected = -real.log().mean() - (1 - generated).log().mean()
    assert_close(LOSS.discriminator(real.logit(), generated.logit()), expected)


def test_the_generator_loss_is_the_mean_of_minus_log_d() -> None:
    generated = torch.tensor([[0.2], [0.5], [0.1]])
    assert_close(LOSS.generator(generated.logit()), -generated.log().mean())


def test_the_softplus_form_equals_minus_log_sigmoid_at_moderate_logits() -> None:
    real, generated = torch.linspace(-8, 8, 33)[:, None], torch.linspace(-5, 9, 33)[:, None]
    assert_close(
        LOSS.discriminator(real, generated),
        -logsigmoid(real).mean() - torch.sigmoid(-generated).log().mean(),
    )
    assert_close(LOSS.generator(generated), -torch.sigmoid(generated).log().mean())


@pytest.mark.parametrize("logit", [-1e4, 1e4])
def test_the_losses_are_exact_where_the_sigmoid_saturates(logit: float) -> None:
    certain, zero = torch.tensor([[logit]]), torch.tensor([[-1e4]])
    assert_close(LOSS.generator(certain), torch.tensor(max(0.0, -logit)))
    assert_close(LOSS.discriminator(certain, zero), torch.tensor(max(0.0, -logit)))
    assert_close(LOSS.discriminator(-zero, certain), torch.tensor(max(0.0, logit)))


def test_the_generators_gradient_does_not_vanish_when_the_discriminator_wins() -> None:
    logits = torch.tensor([[-1e4]], requires_grad=True)
    LOSS.generator(logits).backward()
    assert_close(logits.grad, torch.tensor([[-1.0]]))


def test_the_saturating_loss_is_the_mean_of_log_1_minus_d_and_has_no_gradient_when_the_discriminator_wins() -> None:
    loss = ADVERSARIAL_LOSSES["saturating"]
    generated = torch.tensor([[0.2], [0.5], [0.1]])
    assert_close(loss.generator(generated.logit()), (1 - generated).log().mean())
    logits = torch.tensor([[-1e4]], requires_grad=True)
    loss.generator(logits).backward()
    assert_close(logits.grad, torch.tensor([[0.0]]))


def test_saturating_and_non_saturating_generators_face_the_same_discriminator_and_agree_in_direction() -> None:
    saturating, other = ADVERSARIAL_LOSSES["saturating"], LOSS
    assert saturating.discriminator is other.discriminator
    logits = torch.linspace(-3, 3, 7)[:, None].requires_grad_()
    slopes = [torch.autograd.grad(loss.generator(logits), logits)[0] for loss in (saturating, other)]
    ratio = slopes[0] / slopes[1]
    assert_close(ratio, torch.exp(logits.detach()))  # D / (1 - D)


def test_the_hinge_loss_stops_at_the_margin_and_its_generator_is_linear() -> None:
    loss = ADVERSARIAL_LOSSES["hinge"]
    real, generated = torch.tensor([[2.0], [0.5], [-1.0]]), torch.tensor([[-3.0], [0.0]])
    assert_close(loss.discriminator(real, generated), torch.tensor((0 + 0.5 + 2) / 3 + (0 + 1) / 2))
    assert_close(loss.generator(generated), torch.tensor(1.5))
