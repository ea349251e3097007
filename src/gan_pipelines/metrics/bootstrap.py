"""How far a score would move with other pictures of the same kind: the bootstrap (Efron 1979), by counts.

A resample of `count` pictures is written as how often each of them is drawn. Every score here is a function of such
counts, so no resample is ever copied out of the data.
"""

import torch
from jaxtyping import Float
from torch import Tensor

CONFIDENCE = 0.95
Counts = Float[Tensor, "resamples count"]


def resample(count: int, resamples: int, rng: torch.Generator) -> Counts:
    """How often each of `count` pictures is drawn in each resample; every row adds up to `count`."""
    counts = torch.zeros(resamples, count)
    for row in counts:
        row += torch.randint(count, (count,), generator=rng).bincount(minlength=count)
    return counts


def interval(
    value: float, resampled: Float[Tensor, "resamples"], lowest: float = -torch.inf, highest: float = torch.inf
) -> tuple[float, float]:
    """The 95 % interval of a score: the resamples' percentiles, moved so that their mean falls on the value.

    Frechet distance and Inception score are biased by the number of different pictures, of which a resample has fewer;
    the move takes that bias out, so the interval tells of chance alone.

    Args:
        value: the score of the pictures themselves.
        resampled: the score of each resample.
        lowest: no such score can be lower.
        highest: nor higher.
    """
    tails = torch.tensor([(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], dtype=torch.float64)
    low, high = (value + resampled.double().quantile(tails) - resampled.double().mean()).tolist()
    return max(min(low, value), lowest), min(max(high, value), highest)


def resampled_mean(values: Float[Tensor, "count"], counts: Counts) -> Float[Tensor, "resamples"]:
    """The mean of one value a picture, in each resample."""
    return weighted_sums(counts, values) / counts.shape[1]


def weighted_sums(counts: Counts, values: Float[Tensor, "count"]) -> Float[Tensor, "resamples"]:
    """The sum of one value a picture in each resample, in float64, of which only a row is held at once."""
    values = values.double()
    return torch.stack([row.double() @ values for row in counts])
