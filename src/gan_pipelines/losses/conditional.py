"""L_cond = f(E_i(h^_i), h_{i+1}): a generated representation must encode to its condition (SGAN, section 3.3)."""

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss

from gan_pipelines.losses.precision import at_least_float32


def label_conditional_loss(
    encoded_logits: Float[Tensor, "batch classes"], condition: Float[Tensor, "batch classes"]
) -> Float[Tensor, ""]:
    """Cross-entropy between the encoder's class probabilities and one-hot labels, in nats."""
    return cross_entropy(at_least_float32(encoded_logits), condition)


def feature_conditional_loss(
    encoded: Float[Tensor, "batch *shape"], condition: Float[Tensor, "batch *shape"]
) -> Float[Tensor, ""]:
    """Squared error, averaged over all elements as in the official code."""
    return mse_loss(at_least_float32(encoded), at_least_float32(condition))
