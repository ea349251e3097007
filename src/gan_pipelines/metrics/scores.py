"""A score, its interval, and what is needed to compare it with that of another generator."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gan_pipelines.metrics.intervals import (
    Strata,
    Uncertainty,
    normal_interval,
    share_interval,
    stratified_variance,
    variance_freedom,
)

SHARE = (0.0, 1.0)
"""The limits of scores that are shares."""
UNBOUNDED = (-math.inf, math.inf)
POSITIVE = (0.0, math.inf)


@dataclass(frozen=True)
class Score:
    """One score of one generator.

    Attributes:
        score: its name in `definitions.SCORES`.
        space: the network, or the representation, in which it is measured.
        samples: number of pictures scored; several scores are biased by it, so only scores of equal counts compare.
        value: the score; NaN if it is missing.
        low: lower end of its 95 % interval; NaN if there is none.
        high: upper end.
        expected: what samples of the real images' law would score, where that is not 0 or 1 at best; NaN if unknown.
        of_class: the class, for the score of a single class; otherwise empty.
        note: why the score or its interval is missing.
        uncertainty: what the interval comes from; None if two generators are not compared by this score.
    """

    score: str
    space: str
    samples: int
    value: float
    low: float = math.nan
    high: float = math.nan
    expected: float = math.nan
    of_class: str = ""
    note: str = ""
    uncertainty: Uncertainty | None = None


def missing_score(score: str, space: str, samples: int, note: str) -> Score:
    """A score that cannot be computed, and why."""
    return Score(score, space, samples, math.nan, note=note)


def smooth_score(
    score: str,
    space: str,
    samples: int,
    value: float,
    uncertainty: Uncertainty,
    limits: tuple[float, float] = POSITIVE,
    expected: float = math.nan,
    units: float | None = None,
) -> Score:
    """A score with the interval of a normal error, or of a share.

    Args:
        score: its name.
        space: the network or representation.
        samples: number of pictures scored.
        value: the score.
        uncertainty: of the value.
        limits: the lowest and the highest possible value.
        expected: what samples of the real images' law would score.
        units: how many independent units a share of 0 or 1 is the share of; None: as many as pictures.
    """
    if limits == SHARE and (uncertainty.variance == 0 or value in SHARE):  # which is no certainty
        ends = share_interval(value, samples if units is None else units)
    elif limits == SHARE:
        ends = share_interval(value, value * (1 - value) / uncertainty.variance, uncertainty.freedom)
    else:
        ends = normal_interval(value, uncertainty.variance, *limits, uncertainty.freedom, uncertainty.skewness)
    return Score(score, space, samples, value, *ends, expected=expected, uncertainty=uncertainty)


def share_score(score: str, space: str, holds: Tensor, expected: float = math.nan) -> Score:
    """The share of pictures for which something holds, with Wilson's interval.

    Args:
        score: its name.
        space: the network or representation.
        holds: whether it holds, one value per picture.
        expected: what samples of the real images' law would score.
    """
    total = len(holds)
    value = int(holds.sum()) / total
    return smooth_score(score, space, total, value, Uncertainty(value * (1 - value) / total), SHARE, expected)


def mean_score(
    score: str, space: str, values: Tensor, limits: tuple[float, float], strata: Strata | None = None
) -> Score:
    """The mean of one value per independent picture.

    Args:
        score: its name.
        space: the network or representation.
        values: one per picture.
        limits: the lowest and the highest possible value.
        strata: in which the pictures were drawn; None if they have none.
    """
    variance = stratified_variance(values, torch.zeros(len(values), dtype=torch.int64) if strata is None else strata)
    uncertainty = Uncertainty(variance, freedom=variance_freedom(values))
    return smooth_score(score, space, len(values), values.double().mean().item(), uncertainty, limits)
