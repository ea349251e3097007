"""R1: a penalty on D's gradient at real data (Mescheder, Geiger and Nowozin 2018, section 4.1)."""

import torch
from jaxtyping import Float
from torch import Tensor

from gan_pipelines.losses.precision import at_least_float32


def gradient_penalty(real_logits: Float[Tensor, "batch 1"], real: Float[Tensor, "batch *shape"]) -> Float[Tensor, ""]:
    """E[|grad d(h)|^2] / 2 of the logits d at real h; its weight is gamma.

    Args:
        real_logits: D's logits, computed from `real`.
        real: representations that require gradients.
    """
    (gradient,) = torch.autograd.grad(real_logits.sum(), real, create_graph=True)
    return at_least_float32(gradient).square().flatten(1).sum(dim=1).mean() / 2
