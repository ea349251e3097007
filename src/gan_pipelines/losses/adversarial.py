"""L_adv by name (Goodfellow et al. 2014; SGAN, section 3.3). All take logits: log D = -softplus(-logit)."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

from gan_pipelines.losses.precision import at_least_float32


class AdversarialLoss(NamedTuple):
    """One form of the adversarial loss."""

    discriminator: Callable[[Tensor, Tensor], Tensor]
    """From the logits of real and of generated examples to L_D."""
    generator: Callable[[Tensor], Tensor]
    """From the logits of generated examples to L_G."""


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
