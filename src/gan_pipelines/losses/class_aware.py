"""What a D that is aware of classes minimises besides L_D (official CIFAR-10 code; Salimans et al. 2016, section 5)."""

from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import cross_entropy

from gan_pipelines.losses.precision import at_least_float32


def class_loss(class_logits: Float[Tensor, "batch classes"], labels: Int64[Tensor, "batch"]) -> Float[Tensor, ""]:
    """Cross-entropy of the classes of real examples, in nats."""
    return cross_entropy(at_least_float32(class_logits), labels)
