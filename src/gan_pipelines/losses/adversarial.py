"""L_adv by name. Losses take logits: log D = -softplus(-logit), log(1 - D) = -softplus(logit).

`non_saturating` is the paper's (Goodfellow et al. 2014, section 3; SGAN, section 3.3), `saturating` that of the
official CIFAR-10 code; both have the same D. `hinge` is that of Lim and Ye 2017.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import relu, softplus

from gan_pipelines.losses.precision import at_least_float32


class AdversarialLoss(NamedTuple):
    """One form of the adversarial loss: a loss for D and one for G."""

    discriminator: Callable[[Tensor, Tensor], Tensor]
    """L_D from the logits of real and of generated examples."""
    generator: Callable[[Tensor], Tensor]
    """L_G from the logits of generated examples."""


def binary_discriminator_loss(
    real_logits: Float[Tensor, "batch 1"], generated_logits: Float[Tensor, "batch 1"]
) -> Float[Tensor, ""]:
    """L_D = E[-log D(h)] + E[-log(1 - D(h^))], in nats."""
    return softplus(-at_least_float32(real_logits)).mean() + softplus(at_least_float32(generated_logits)).mean()


def non_saturating_generator_loss(generated_logits: Float[Tensor, "batch 1"]) -> Float[Tensor, ""]:
    """L_G = E[-log D(h^)], in nats."""
    return softplus(-at_least_float32(generated_logits)).mean()


def saturating_generator_loss(generated_logits: Float[Tensor, "batch 1"]) -> Float[Tensor, ""]:
    """L_G = E[log(1 - D(h^))], in nats; its gradient vanishes where D is certain."""
    return -softplus(at_least_float32(generated_logits)).mean()


def hinge_discriminator_loss(
    real_logits: Float[Tensor, "batch 1"], generated_logits: Float[Tensor, "batch 1"]
) -> Float[Tensor, ""]:
    """L_D = E[max(0, 1 - d(h))] + E[max(0, 1 + d(h^))] of the logits d."""
    return relu(1 - at_least_float32(real_logits)).mean() + relu(1 + at_least_float32(generated_logits)).mean()


def linear_generator_loss(generated_logits: Float[Tensor, "batch 1"]) -> Float[Tensor, ""]:
    """L_G = -E[d(h^)] of the logits d."""
    return -at_least_float32(generated_logits).mean()


ADVERSARIAL_LOSSES: Mapping[str, AdversarialLoss] = {
    "non_saturating": AdversarialLoss(binary_discriminator_loss, non_saturating_generator_loss),
    "saturating": AdversarialLoss(binary_discriminator_loss, saturating_generator_loss),
    "hinge": AdversarialLoss(hinge_discriminator_loss, linear_generator_loss),
}
