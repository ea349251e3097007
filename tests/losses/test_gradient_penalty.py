"""R1 against gradients that are known."""

import torch
from torch.testing import assert_close

from gan_pipelines.losses import gradient_penalty


def test_the_penalty_of_a_linear_d_is_half_the_square_of_its_weights(rng: torch.Generator) -> None:
    weights = torch.randn(6, 1, generator=rng)
    real = torch.randn(9, 6, generator=rng).requires_grad_()
    assert_close(gradient_penalty(real @ weights + 3, real), weights.square().sum() / 2)


def test_the_penalty_is_the_mean_over_examples_and_has_a_gradient_on_the_weights(rng: torch.Generator) -> None:
    """d(h) = a |h|^2 / 2 on maps has the gradient a h."""
    factor = torch.tensor(1.5, requires_grad=True)
    real = torch.randn(5, 2, 3, 3, generator=rng).requires_grad_()
    penalty = gradient_penalty(factor * real.square().sum(dim=(1, 2, 3))[:, None] / 2, real)
    square = real.detach().square().sum() / 5
    assert_close(penalty, 1.5**2 * square / 2)
    penalty.backward()
    assert_close(factor.grad, 1.5 * square)
