"""How well the categories that Q infers from real pictures withstand a distortion; no label is needed."""

import math
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from gan_pipelines.metrics.scores import SHARE, Score, mean_score, share_score
from gan_pipelines.models.layers import RandomAffine

DISTORTION, SHIFT = 0.2, 1 / 14
"""Of each entry of the 2 x 2 matrix, and as a part of the longer side."""


def distorted(
    images: Float[Tensor, "count channels height width"], rng: torch.Generator
) -> Float[Tensor, "count channels height width"]:
    """Each picture on the CPU, stretched, sheared, turned and shifted at random."""
    distort = RandomAffine(DISTORTION, SHIFT * max(images.shape[2:]))
    with torch.random.fork_rng(devices=[]):  # from whose state the layer draws
        torch.manual_seed(int(torch.randint(2**31, (1,), generator=rng)))
        found: Tensor = distort(images)
    return found


def score_invariance(
    name: str, posterior: Float[Tensor, "count classes"], of_distorted: Float[Tensor, "count classes"]
) -> Iterator[Score]:
    """Score a categorical code by what Q makes of pictures and of their distortions.

    `distortion_agreement` is the share of pictures whose most probable category is that of the distorted picture.

    `invariant_information` is the mutual information of both categories under P = E[q(x) q(x')^T], symmetrised: the
    objective of Invariant Information Clustering (Ji et al. 2019, section 3.1), divided by ln of the number of
    categories. It is 1 if Q is certain, all categories are equally frequent and no distortion changes one, and 0 if Q
    ignores the picture.

    Args:
        name: of the code.
        posterior: Q(c | x) of real pictures.
        of_distorted: the same of their distortions.
    """
    agree = posterior.argmax(dim=1) == of_distorted.argmax(dim=1)
    yield share_score("distortion_agreement", name, agree)
    ours, theirs = posterior.double(), of_distorted.double()
    joint = ours.T @ theirs / len(ours)
    joint = (joint + joint.T) / 2
    smallest = torch.finfo(torch.float64).tiny
    of_one = joint.sum(dim=1).clamp_min(smallest).log()
    pointwise = joint.clamp_min(smallest).log() - of_one[:, None] - of_one  # the derivative by P, up to a constant
    values = ((ours @ pointwise) * theirs).sum(dim=1)  # their mean is the information
    yield mean_score("invariant_information", name, values / math.log(ours.shape[1]), SHARE)
