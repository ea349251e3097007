"""Frechet distance, kernel distance, Inception score, precision and recall, and the scores of bootstrap resamples.

The values come from torch-fidelity, which cannot weight pictures; the scores of resamples are computed here.
"""

from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric

from gan_pipelines.metrics.bootstrap import Counts, weighted_sums
from gan_pipelines.metrics.neighbours import BLOCK, PRECISION_NEIGHBOURS

SPLITS = 10
"""How many splits the Inception score is averaged over (Salimans et al. 2016)."""
SHUFFLE_SEED = 2020
"""Seed of the order in which torch-fidelity splits pictures, which may be sorted by class."""
SUBSETS, SUBSET_IMAGES = 100, 1000
"""How many subsets of how many pictures the kernel distance is averaged over (Binkowski et al. 2018)."""
ROWS = 1000
"""How many rows of features are converted to float64 at once, except within torch-fidelity."""
SMALLEST_LOGIT = -100.0
"""Relative to the largest one; a class of probability 0 in a whole split would produce 0 x infinity."""

Rows = Float[Tensor, "count features"]
Logits = Float[Tensor, "count classes"]


def frechet_distance(samples: Rows, real: Rows) -> float:
    """Frechet distance between Gaussians fitted to the features (Heusel et al. 2017)."""
    statistics = [fid_features_to_statistics(side.double()) for side in (samples, real)]
    return float(fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"])


def resampled_frechet_distance(
    samples: Rows, real: Rows, sample_counts: Counts, real_counts: Counts
) -> Float[Tensor, "resamples"]:
    """The Frechet distance in each resample of both sides."""
    found = []
    for ours, theirs in zip(sample_counts, real_counts, strict=True):
        (mean, covariance), (real_mean, real_covariance) = _moments(samples, ours), _moments(real, theirs)
        values, vectors = torch.linalg.eigh(real_covariance)
        root = vectors * values.clamp(min=0).sqrt() @ vectors.T
        cross = torch.linalg.eigvalsh(root @ covariance @ root).clamp(min=0).sqrt().sum()
        found.append(((mean - real_mean) ** 2).sum() + covariance.trace() + real_covariance.trace() - 2 * cross)
    return torch.stack(found)


def _moments(features: Rows, counts: Float[Tensor, "count"]) -> tuple[Tensor, Tensor]:
    """Mean and covariance of a resample; one block of features at a time is converted to float64."""
    sums, squares = torch.zeros(()).double(), torch.zeros(()).double()
    for rows, weights in zip(features.split(ROWS), counts.split(ROWS), strict=True):
        block, weights = rows.double(), weights.double()
        sums = sums + weights @ block
        squares = squares + (block * weights[:, None]).T @ block
    mean = sums / len(features)
    return mean, (squares - len(features) * torch.outer(mean, mean)) / (len(features) - 1)


def kernel_distance(samples: Rows, real: Rows) -> tuple[float, float]:
    """Squared maximum mean discrepancy with the kernel (x y / d + 1)^3 (Binkowski et al. 2018), and its spread.

    Returns:
        Mean and standard deviation over 100 subsets of 1,000 pictures of each kind, or of as many as there are.
    """
    size = min(SUBSET_IMAGES, len(samples), len(real))
    settings = {"kid_subsets": SUBSETS, "kid_subset_size": size, "verbose": False}
    found = kid_features_to_metric(samples.double(), real.double(), **settings)
    return found["kernel_inception_distance_mean"], found["kernel_inception_distance_std"]


def resampled_kernel_distance(
    samples: Rows, real: Rows, sample_counts: Counts, real_counts: Counts
) -> Float[Tensor, "resamples"]:
    """The unbiased squared maximum mean discrepancy of all pictures, in each resample of both sides."""
    within = [
        (_kernel_sums(rows, rows, counts, counts) - _own_kernels(rows, counts)) / (len(rows) * (len(rows) - 1))
        for rows, counts in ((samples, sample_counts), (real, real_counts))
    ]
    across = _kernel_sums(samples, real, sample_counts, real_counts) / (len(samples) * len(real))
    return within[0] + within[1] - 2 * across


def _kernel_sums(ours: Rows, theirs: Rows, our_counts: Counts, their_counts: Counts) -> Tensor:
    """Sum of the kernel over all pairs, in each resample."""
    sums, theirs, their_counts = torch.zeros(len(our_counts)).double(), theirs.double(), their_counts.double()
    size = max(1, BLOCK // (2 * len(theirs)))  # of float64
    for start in range(0, len(ours), size):
        block, counts = ours[start : start + size].double(), our_counts[:, start : start + size].double()
        kernel = (block @ theirs.T / theirs.shape[1] + 1) ** 3
        sums += ((counts @ kernel) * their_counts).sum(dim=1)
    return sums


def _own_kernels(rows: Rows, counts: Counts) -> Tensor:
    """Sum of the kernel over the pairs of a picture with itself, which the unbiased estimate leaves out."""
    kernels = torch.cat([(block.double() ** 2).mean(dim=1) for block in rows.split(ROWS)])
    return weighted_sums(counts**2, (kernels + 1) ** 3)


def inception_score(logits: Logits) -> float:
    """The Inception score exp E KL(p(y|x) || p(y)) (Salimans et al. 2016), as the mean over ten splits."""
    return float(isc_features_to_metric(_bounded(logits), splits=SPLITS, rng_seed=SHUFFLE_SEED)["inception_score_mean"])


def resampled_inception_score(logits: Logits, counts: Counts) -> Float[Tensor, "resamples"]:
    """The Inception score in each resample: the mean over torch-fidelity's ten splits of the shuffled pictures."""
    log_probs = _bounded(logits).log_softmax(dim=1)
    probs = log_probs.exp()
    negative_entropy, scores = (probs * log_probs).sum(dim=1), []
    bounds = [split * len(logits) // SPLITS for split in range(SPLITS + 1)]
    order = torch.from_numpy(np.random.RandomState(SHUFFLE_SEED).permutation(len(logits)))
    for start, end in pairwise(bounds):
        part = order[start:end]
        weights = counts[:, part].double()
        weights = weights / weights.sum(dim=1, keepdim=True).clamp(min=1)
        marginal = weights @ probs[part]
        scores.append((weights @ negative_entropy[part] - torch.xlogy(marginal, marginal).sum(dim=1)).exp())
    return torch.stack(scores).mean(dim=0)


def _bounded(logits: Logits) -> Float[Tensor, "count classes"]:
    return (logits.double() - logits.double().amax(dim=1, keepdim=True)).clamp(min=SMALLEST_LOGIT)


def precision_and_recall(samples: Rows, real: Rows) -> tuple[float, float]:
    """Improved precision and recall, k = 3 (Kynkaanniemi et al. 2019)."""
    settings = {"prc_neighborhood": PRECISION_NEIGHBOURS, "save_cpu_ram": True, "verbose": False}
    size = max(1, BLOCK // max(len(samples), len(real)))
    found = prc_features_to_metric(samples, real, prc_batch_size=size, **settings)
    return found["precision"], found["recall"]
