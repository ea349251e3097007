"""The losses of SGAN (section 3) and InfoGAN (section 5) as pure functions of tensors."""

from gan_pipelines.losses.adversarial import ADVERSARIAL_LOSSES, AdversarialLoss
from gan_pipelines.losses.class_aware import class_loss
from gan_pipelines.losses.conditional import feature_conditional_loss, label_conditional_loss
from gan_pipelines.losses.entropy import entropy_loss
from gan_pipelines.losses.gradient_penalty import gradient_penalty
from gan_pipelines.losses.invariant_information import invariant_information
from gan_pipelines.losses.mutual_information import information_bound

__all__ = [
    "ADVERSARIAL_LOSSES",
    "AdversarialLoss",
    "class_loss",
    "entropy_loss",
    "feature_conditional_loss",
    "gradient_penalty",
    "information_bound",
    "invariant_information",
    "label_conditional_loss",
]
