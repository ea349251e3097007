"""L_cond for labels and for features."""

import math

import torch
from torch.testing import assert_close

from gan_pipelines.losses import feature_conditional_loss, label_conditional_loss


def test_the_label_loss_of_equal_logits_is_the_log_of_the_number_of_classes() -> None:
    assert_close(label_conditional_loss(torch.zeros(3, 10), torch.eye(10)[:3]), torch.tensor(math.log(10)))


def test_the_label_loss_is_the_mean_of_minus_log_of_the_probability_of_the_right_class() -> None:
    probabilities = torch.tensor([[0.7, 0.2, 0.1], [0.3, 0.3, 0.4]])
    expected = torch.tensor(-(math.log(0.2) + math.log(0.4)) / 2)
    assert_close(label_conditional_loss(probabilities.log(), torch.eye(3)[[1, 2]]), expected)


def test_the_feature_loss_is_the_mean_of_the_squares_over_all_elements() -> None:
    encoded = torch.zeros(2, 3, 2, 2)
    condition = torch.zeros(2, 3, 2, 2)
    condition[0, 0, 0, 0], condition[1, 2, 1, 0] = 3.0, -1.0
    assert_close(feature_conditional_loss(encoded, condition), torch.tensor((9.0 + 1.0) / 24))


def test_the_feature_loss_sends_opposite_gradients_to_both_sides() -> None:
    encoded = torch.tensor([[1.0, 5.0]], requires_grad=True)
    condition = torch.tensor([[2.0, 2.0]], requires_grad=True)
    feature_conditional_loss(encoded, condition).backward()
    assert_close(encoded.grad, torch.tensor([[-1.0, 3.0]]))
    assert_close(condition.grad, torch.tensor([[1.0, -3.0]]))
