"""How far a classifier's confidence can be believed (Guo et al. 2017), on images that it has not seen."""

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import cross_entropy

BINS = 15
TEMPERATURES = (0.01, 100.0)
"""Within which the best one is looked for; for a classifier without errors, lower is always better."""


def expected_calibration_error(logits: Float[Tensor, "count classes"], labels: Int64[Tensor, "count"]) -> float:
    """ECE = sum_b n_b / n |accuracy_b - confidence_b| over 15 bins of equal width (Guo et al. 2017, equation 3)."""
    confidence, seen = logits.double().softmax(dim=1).max(dim=1)
    bins = (confidence * BINS).ceil().long().clamp(1, BINS) - 1
    excess = (seen == labels).double() - confidence
    return (torch.zeros(BINS).double().index_add(0, bins, excess).abs().sum() / len(labels)).item()


def best_temperature(logits: Float[Tensor, "count classes"], labels: Int64[Tensor, "count"]) -> float:
    """The temperature T for which softmax(logits / T) has the least negative log likelihood (Guo et al. 2017, 4.2).

    Above 1, the classifier is more certain than its accuracy justifies. The likelihood is concave in 1 / T, so there is
    no other minimum.
    """
    from scipy.optimize import minimize_scalar

    logits = logits.double()

    def objective(log_temperature: float) -> float:
        return cross_entropy(logits / math.exp(log_temperature), labels).item()

    bounds = [math.log(end) for end in TEMPERATURES]
    return math.exp(minimize_scalar(objective, bounds=bounds, method="bounded").x)
