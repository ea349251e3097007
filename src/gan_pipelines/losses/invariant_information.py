"""Invariant information of a category: an extension, which InfoGAN's paper does not have.

The objective of Invariant Information Clustering (Ji et al. 2019, section 3.1): what the category of a picture says
about the category of the same picture, distorted.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from gan_pipelines.losses.precision import at_least_float32


def invariant_information(
    logits: Float[Tensor, "batch classes"], of_distorted: Float[Tensor, "batch classes"]
) -> Float[Tensor, ""]:
    """Mutual information of two categories in nats, under P = E[q(x) q(x')^T] over the batch, symmetrised.

    It is at most ln of the number of categories: if Q is certain, all categories are equally frequent, and no
    distortion changes one.

    Args:
        logits: of q(x) = Q(c | x).
        of_distorted: of q(x') in the same order; x' is the same picture under another distortion.
    """
    ours, theirs = (at_least_float32(head).softmax(dim=1) for head in (logits, of_distorted))
    joint = ours.T @ theirs / len(ours)
    joint = ((joint + joint.T) / 2).clamp_min(torch.finfo(joint.dtype).tiny)
    of_one = joint.sum(dim=1).log()
    return (joint * (joint.log() - of_one[:, None] - of_one)).sum()
