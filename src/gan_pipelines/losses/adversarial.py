"""L_adv by name (Goodfellow et al. 2014; SGAN, section 3.3). Losses take logits: log D = -softplus(-logit)."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

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


ADVERSARIAL_LOSSES: Mapping[str, AdversarialLoss] = {
    "non_saturating": AdversarialLoss(binary_discriminator_loss, non_saturating_generator_loss),
}
