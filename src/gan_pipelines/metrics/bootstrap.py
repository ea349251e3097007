"""How much a score would vary with other pictures of the same kind: the bootstrap (Efron 1979), by counts.

A resample is stored as how often each picture is drawn. All scores are computed from such counts, so the data of a
resample are never copied.
"""

import torch
from jaxtyping import Float
from torch import Tensor

CONFIDENCE = 0.95
Counts = Float[Tensor, "resamples count"]


def resample(count: int, resamples: int, rng: torch.Generator) -> Counts:
    """How often each of `count` pictures is drawn in each resample; every row sums to `count`."""
    counts = torch.zeros(resamples, count)
    for row in counts:
        row += torch.randint(count, (count,), generator=rng).bincount(minlength=count)
    return counts


def interval(
    value: float, resampled: Float[Tensor, "resamples"], lowest: float = -torch.inf, highest: float = torch.inf
) -> tuple[float, float]:
    """The 95 % interval of a score: the resamples' percentiles, shifted so that the resamples' mean is the value.

    Frechet distance and Inception score are biased by the number of different pictures, which is smaller in a resample.
    The shift removes that bias, so the interval shows only the random variation.

    Args:
        value: the score of the pictures themselves.
        resampled: the score of each resample.
        lowest: the lowest possible score.
        highest: the highest possible score.
    """
    tails = torch.tensor([(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], dtype=torch.float64)
    low, high = (value + resampled.double().quantile(tails) - resampled.double().mean()).tolist()
    return max(min(low, value), lowest), min(max(high, value), highest)


def resampled_mean(values: Float[Tensor, "count"], counts: Counts) -> Float[Tensor, "resamples"]:
    """The mean of one value per picture, in each resample."""
    return weighted_sums(counts, values) / counts.shape[1]


def weighted_sums(counts: Counts, values: Float[Tensor, "count"]) -> Float[Tensor, "resamples"]:
    """The sum of one value per picture in each resample, in float64; only one row at a time is converted to float64."""
    values = values.double()
    return torch.stack([row.double() @ values for row in counts])
