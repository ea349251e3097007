"""Frechet distance, kernel distance and Inception score, and how far each picture moves them.

Frechet distance and Inception score come from torch-fidelity; the rest is computed here.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from gan_pipelines.metrics.intervals import Influence, Strata, Uncertainty, first_order, random_parts
from gan_pipelines.metrics.neighbours import BLOCK
from gan_pipelines.progress import track

SPLITS = 10
"""How many splits the Inception score is averaged over (Salimans et al. 2016)."""
SHUFFLE_SEED = 2020
"""Seed of the order in which torch-fidelity splits pictures, which may be sorted by class."""
CENTRED_IMAGES = 1000
"""From how many pictures of each side the second order of the kernel distance is estimated, at most."""
ROWS = 1000
"""How many rows of features are converted to float64 at once, except within torch-fidelity."""
SMALLEST_LOGIT = -100.0
"""Relative to the largest one; a class of probability 0 in a whole split would produce 0 x infinity."""

HALVINGS = 8
"""How often pictures are halved at random to extrapolate the Frechet distance."""
SMALLEST_EIGENVALUE = 1e-12
"""Relative to the largest one; directions of less variance are those in which features do not vary at all."""

Rows = Float[Tensor, "count features"]
Logits = Float[Tensor, "count classes"]


def frechet_distance(samples: Rows, real: Rows) -> float:
    """Frechet distance between Gaussians fitted to the features (Heusel et al. 2017)."""
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    statistics = [fid_features_to_statistics(side.double()) for side in (samples, real)]
    return float(fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"])


@dataclass(frozen=True)
class FrechetDistances:
    """The Frechet distance at the counts at hand and at infinite ones, with what their intervals come from.

    Attributes:
        value: of these pictures; biased upwards, the more the fewer there are.
        at_infinity: extrapolated to infinitely many pictures on both sides; may be slightly negative at equal laws.
        uncertainty: of both.
    """

    value: float
    at_infinity: float
    uncertainty: Uncertainty


def frechet_distances(
    samples: Rows, real: Rows, sample_strata: Strata, real_strata: Strata, rng: torch.Generator
) -> FrechetDistances:
    """The Frechet distance, extrapolated to infinitely many pictures (after Chong and Forsyth 2020).

    The bias is a / N + b / M to first order, so it doubles when both sides are halved: the distance at infinity is
    twice that of all pictures minus that of halves, on average over random halves. Chong and Forsyth halve, and fit a
    line through, the samples alone; here the real side has few pictures too.

    The variance is that of the delta method for Gaussians (Rippl, Munk and Sturm 2016). Its estimate is too large if
    the laws are nearly equal, where the distance is a quadratic form of the errors of mean and covariance, and the
    first order vanishes: the part that quadruples in halves, of which only half is variance, is found there as well.

    Args:
        samples: more than twice as many as features.
        real: likewise.
        sample_strata: the strata that samples were drawn in.
        real_strata: the same for real images.
        rng: draws the halves.
    """
    whole = _frechet(samples, real)
    uncertainty = first_order(whole.of_samples, sample_strata, whole.of_real, real_strata)
    distances, variances = [], []
    for _ in track(range(HALVINGS), "distance of halves", HALVINGS, "halvings"):
        halves = (random_parts(sample_strata, 2, rng), random_parts(real_strata, 2, rng))
        for part in (0, 1):
            ours, theirs = (half == part for half in halves)
            found = _frechet(samples[ours], real[theirs])
            distances.append(found.distance)
            strata = sample_strata[ours], real_strata[theirs]
            variances.append(first_order(found.of_samples, strata[0], found.of_real, strata[1]).variance)
    of_halves = sum(variances) / len(variances)
    second_order = min(max(of_halves / 2 - uncertainty.variance, 0.0), uncertainty.variance)
    value = frechet_distance(samples, real)
    return FrechetDistances(
        value, 2 * value - sum(distances) / len(distances), replace(uncertainty, degenerate=second_order / 2)
    )


class _Frechet(NamedTuple):
    distance: float
    of_samples: Influence
    of_real: Influence


def _frechet(samples: Rows, real: Rows) -> _Frechet:
    """The Frechet distance |m - w|^2 + tr(C + W - 2 (C W)^(1/2)), and its influence at each picture.

    Its derivatives are 2 (m - w) for the mean and 1 - T for the covariance, T the optimal map from one Gaussian to the
    other.
    """
    (mean, covariance), (real_mean, real_covariance) = _moments(samples), _moments(real)
    root, inverse_root = _powers(real_covariance, 0.5, -0.5)
    cross, inverse_cross = _powers(root @ covariance @ root, 0.5, -0.5)
    towards_real, towards_samples = root @ inverse_cross @ root, inverse_root @ cross @ inverse_root
    apart = mean - real_mean
    distance = (apart @ apart + covariance.trace() + real_covariance.trace() - 2 * cross.trace()).item()
    return _Frechet(
        distance, _influence(samples, mean, apart, towards_real), _influence(real, real_mean, -apart, towards_samples)
    )


def _influence(features: Rows, mean: Tensor, apart: Tensor, optimal_map: Tensor) -> Influence:
    """2 (m - w) (x - m) + (x - m) (1 - T) (x - m) for each row x."""
    found = []
    for rows in features.split(ROWS):
        centred = rows.double() - mean
        found.append(2 * centred @ apart + ((centred - centred @ optimal_map) * centred).sum(dim=1))
    return torch.cat(found)


def _powers(matrix: Tensor, *exponents: float) -> list[Tensor]:
    """Powers of a symmetric matrix on its range; features that never vary have no direction there."""
    values, vectors = torch.linalg.eigh(matrix)
    within = values > values.max().clamp(min=0) * SMALLEST_EIGENVALUE
    return [
        vectors * torch.where(within, values.clamp(min=1e-300) ** exponent, 0.0) @ vectors.T for exponent in exponents
    ]


def _moments(features: Rows) -> tuple[Tensor, Tensor]:
    """Mean and covariance; one block of features at a time is converted to float64."""
    mean = features.mean(dim=0, dtype=torch.float64)
    squares = torch.zeros(len(mean), len(mean)).double()
    for rows in features.split(ROWS):
        centred = rows.double() - mean
        squares += centred.T @ centred
    return mean, squares / (len(features) - 1)


def kernel_distance(samples: Rows, real: Rows, sample_strata: Strata, real_strata: Strata) -> tuple[float, Uncertainty]:
    """Squared maximum mean discrepancy with the kernel (x y / d + 1)^3, unbiased (Binkowski et al. 2018).

    It is computed from all pictures at once; torch-fidelity's mean over random subsets adds noise to the same value.
    Where pictures were drawn in strata, each pair within a stratum of n pictures weighs n / (n - 1), because a picture
    is no pair with itself; with a single stratum that is the usual U-statistic.

    Its uncertainty is of first order (Gretton et al. 2012). That vanishes at equal laws, where its estimate is twice
    the variance of the degenerate second order. What it overstates, and how skewed the second order is, are computed
    from the kernel, centred within strata.

    Args:
        samples: features of the samples.
        real: features of the real images.
        sample_strata: the strata that samples were drawn in.
        real_strata: the same for real images.
    """
    within, real_within = _mean_kernel_within(samples, sample_strata), _mean_kernel_within(real, real_strata)
    across, real_across = _mean_kernel(samples, real), _mean_kernel(real, samples)
    value = (within.mean() + real_within.mean() - 2 * across.mean()).item()
    influences = 2 * (within - across), 2 * (real_within - real_across)
    uncertainty = first_order(influences[0], sample_strata, influences[1], real_strata)
    degenerate, third_moment = _second_order(samples, real, sample_strata, real_strata)
    return value, replace(uncertainty, degenerate=degenerate, third_moment=third_moment)


def _mean_kernel(ours: Rows, theirs: Rows) -> Float[Tensor, "ours"]:
    """Mean of the kernel between each of our pictures and all of theirs."""
    found, theirs = [], theirs.float().T / theirs.shape[1]
    for block in track(ours.float().split(max(1, BLOCK // theirs.shape[1])), "compared by the kernel", len(ours)):
        roots = (block @ theirs).add_(1)
        found.append((roots * roots).mul_(roots).mean(dim=1, dtype=torch.float64))
    return torch.cat(found)


def _mean_kernel_within(rows: Rows, strata: Strata) -> Float[Tensor, "count"]:
    """Mean of the kernel between each picture and all others, in which its own stratum has its full weight."""
    sums = _mean_kernel(rows, rows) * len(rows)
    own = _own_kernels(rows)
    for stratum in strata.unique():
        chosen = strata == stratum
        count = int(chosen.sum())
        others = _mean_kernel(rows[chosen], rows[chosen]) * count - own[chosen]
        sums[chosen] += others / max(count - 1, 1) - own[chosen]
    return sums / len(rows)


def _own_kernels(rows: Rows) -> Float[Tensor, "count"]:
    """The kernel of each picture with itself, which the unbiased estimate leaves out."""
    return torch.cat([((block.double() ** 2).mean(dim=1) + 1) ** 3 for block in rows.split(ROWS)])


def _second_order(samples: Rows, real: Rows, sample_strata: Strata, real_strata: Strata) -> tuple[float, float]:
    """Variance and third central moment of the second order of the kernel distance, from some pictures of each side.

    It is the sum of w_i w_j k(x_i, x_j) over all pairs of pictures, with the weight 1 / count on either side (and a
    sign), of the kernel centred within strata: a quadratic form, whose cumulants are 2 tr(A^2) and 8 tr(A^3) of the
    matrix A_ij = w_i k_ij w_j. Sums over all pictures are estimated from those that are chosen.
    """
    rng = torch.Generator().manual_seed(SHUFFLE_SEED)
    rows, strata, weights = [], [], []
    for side, (of_side, its_strata) in enumerate(((samples, sample_strata), (real, real_strata))):
        chosen = torch.randperm(len(of_side), generator=rng)[:CENTRED_IMAGES]
        rows.append(of_side[chosen].double())
        strata.append(2 * its_strata[chosen] + side)
        weights.append(torch.full((len(chosen),), (len(of_side) * len(chosen)) ** -0.5).double())
    form = _centred_kernel(torch.cat(rows), torch.cat(strata)) * torch.cat(weights) * torch.cat(weights)[:, None]
    square = form @ form
    return 2 * square.trace().item(), 8 * (square * form).sum().item()


def _centred_kernel(rows: Rows, strata: Strata) -> Float[Tensor, "count count"]:
    """The kernel between pictures, centred within the strata of both; 0 between a picture and itself."""
    kernel = ((rows @ rows.T / rows.shape[1] + 1) ** 3).fill_diagonal_(torch.nan)
    of_strata = [strata == stratum for stratum in strata.unique()]
    for chosen in of_strata:
        kernel[chosen] -= kernel[chosen].nanmean(dim=0)
    for chosen in of_strata:
        kernel[:, chosen] -= kernel[:, chosen].nanmean(dim=1, keepdim=True)
    return kernel.fill_diagonal_(0)


def inception_score(logits: Logits) -> float:
    """The Inception score exp E KL(p(y|x) || p(y)) (Salimans et al. 2016), as the mean over ten splits."""
    from torch_fidelity.metric_isc import isc_features_to_metric

    return float(isc_features_to_metric(_bounded(logits), splits=SPLITS, rng_seed=SHUFFLE_SEED)["inception_score_mean"])


def inception_influence(logits: Logits) -> Influence:
    """How far each picture moves the Inception score: by how much its KL(p(y|x) || p(y)) exceeds the mean."""
    log_probs = _bounded(logits).log_softmax(dim=1)
    influence = torch.empty(len(logits)).double()
    order = torch.from_numpy(np.random.RandomState(SHUFFLE_SEED).permutation(len(logits)))
    for part in order.tensor_split([split * len(logits) // SPLITS for split in range(1, SPLITS)]):
        probs = log_probs[part].exp()
        marginal = probs.mean(dim=0)
        divergence = (probs * (log_probs[part] - marginal.clamp(min=1e-300).log())).sum(dim=1)
        mean = divergence.mean()
        influence[part] = mean.exp() * (divergence - mean) * len(logits) / (SPLITS * len(part))
    return influence


def _bounded(logits: Logits) -> Float[Tensor, "count classes"]:
    return (logits.double() - logits.double().amax(dim=1, keepdim=True)).clamp(min=SMALLEST_LOGIT)
