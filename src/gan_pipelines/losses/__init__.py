"""The losses of SGAN as pure functions of tensors (SGAN, section 3)."""

from gan_pipelines.losses.adversarial import ADVERSARIAL_LOSSES, AdversarialLoss
from gan_pipelines.losses.conditional import feature_conditional_loss, label_conditional_loss
from gan_pipelines.losses.entropy import entropy_loss

__all__ = [
    "ADVERSARIAL_LOSSES",
    "AdversarialLoss",
    "entropy_loss",
    "feature_conditional_loss",
    "label_conditional_loss",
]
