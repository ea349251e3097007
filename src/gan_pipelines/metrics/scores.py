"""A score and its interval."""

from dataclasses import dataclass

import torch
from torch import Tensor

from gan_pipelines.metrics.bootstrap import Counts, interval, resampled_mean

SHARE = (0.0, 1.0)
"""The limits of scores that are shares."""


@dataclass(frozen=True)
class Score:
    """One score of one generator.

    Attributes:
        score: its name in `definitions.SCORES`.
        space: the network, or the representation, in which it is measured.
        samples: number of pictures scored; several scores are biased by it, so only scores of equal counts compare.
        value: the score; NaN if it is missing.
        low: lower end of its 95 % bootstrap interval.
        high: upper end.
        spread: standard deviation over the subsets of the kernel distance; NaN for other scores.
        of_class: the class, for the score of a single class; otherwise empty.
        note: why the score is missing.
    """

    score: str
    space: str
    samples: int
    value: float
    low: float
    high: float
    spread: float = float("nan")
    of_class: str = ""
    note: str = ""


def missing_score(score: str, space: str, samples: int, note: str) -> Score:
    """A score that cannot be computed, and why."""
    nan = float("nan")
    return Score(score, space, samples, nan, nan, nan, note=note)


@dataclass(frozen=True)
class Resamples:
    """Bootstrap resamples of the scored pictures and of the real test images; they give values their intervals.

    Attributes:
        counts: how often each picture is drawn in each resample.
        real_counts: the same for the test images.
    """

    counts: Counts
    real_counts: Counts

    @property
    def samples(self) -> int:
        """How many pictures are scored."""
        return self.counts.shape[1]

    def score(
        self,
        name: str,
        space: str,
        value: float,
        resampled: Tensor,
        limits: tuple[float, float] = (0.0, torch.inf),
    ) -> Score:
        """A score with its interval.

        Args:
            name: of the score.
            space: the network or representation.
            value: the score of the pictures themselves.
            resampled: the score of each resample.
            limits: the lowest and the highest possible value.
        """
        return Score(name, space, self.samples, value, *interval(value, resampled, *limits))

    def mean(self, name: str, space: str, values: Tensor, highest: float = 1.0) -> Score:
        """A score that is the mean of one value per picture, each in [0, highest]."""
        value = values.double().mean().item()
        return self.score(name, space, value, resampled_mean(values, self.counts), (0.0, highest))

    def share_of_some(self, name: str, space: str, holds: Tensor, chosen: Tensor) -> Score:
        """A score that is the share of chosen pictures for which something holds.

        Args:
            name: of the score.
            space: the network or representation.
            holds: whether it holds, one value per chosen picture.
            chosen: the pictures, as indices or as a mask.
        """
        counts, value = self.counts[:, chosen].double(), holds.double().mean().item()
        resampled = counts @ holds.double() / counts.sum(dim=1).clamp(min=1)
        return Score(name, space, len(holds), value, *interval(value, resampled, *SHARE))
