"""How far a score would move with other pictures: its 95 % interval, from what each picture contributes to it.

A score is a function of pictures on two sides, samples and real test images. Its *influence* at a picture is how far
the score moves, to first order, as that picture gets more weight (Hampel 1974; the infinitesimal jackknife of Jaeckel
1972). The variance of a score is that of the mean influence, taken within the strata in which pictures were drawn:
labels are asked for in fixed proportions, and the split of the data keeps the proportions of the classes.
"""

import math
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float, Int64
from torch import Tensor

CONFIDENCE = 0.95
GROUPS = 20
"""Groups of test images; each holds every class in proportion. Scores of neighbourhoods are jackknifed over them."""

Influence = Float[Tensor, "pictures"]
Strata = Int64[Tensor, "pictures"]


@dataclass(frozen=True)
class Uncertainty:
    """Why a score would be another one with other pictures.

    Attributes:
        samples: variance of the score that comes from the samples.
        real: variance that comes from the test images.
        groups: how far each group of test images moves the score; what two generators share of it cancels when they are
            compared. Empty if the test images do not matter.
        degenerate: variance of second order, which remains if both sides have the same law; it is counted twice in the
            estimate of first order.
        third_moment: of the second order, in which squares of errors are summed: scores at equal laws are skewed.
        freedom: degrees of freedom of the variance.
    """

    samples: float
    real: float = 0.0
    groups: Float[Tensor, "groups"] = field(default_factory=lambda: torch.empty(0), compare=False)
    degenerate: float = 0.0
    third_moment: float = 0.0
    freedom: float = math.inf

    @property
    def variance(self) -> float:
        """Of the score; at least that of second order, since the estimate of first order may happen to be small."""
        return max(self.samples + self.real - self.degenerate, self.degenerate)

    @property
    def skewness(self) -> float:
        """Of the score; that of the second order fades as the first takes over."""
        return float(self.third_moment / self.variance**1.5) if self.third_moment else 0.0

    def scaled(self, factor: float) -> "Uncertainty":
        """That of the score times a factor."""
        square = factor**2
        return replace(
            self,
            samples=self.samples * square,
            real=self.real * square,
            groups=self.groups * factor,
            degenerate=self.degenerate * square,
            third_moment=self.third_moment * factor**3,
        )


def stratified_variance(influence: Influence, strata: Strata) -> float:
    """Variance of the mean of one value per picture, if the number of pictures in each stratum is fixed.

    A stratum with a single picture adds nothing, since nothing is known of its variance.
    """
    total = 0.0
    for stratum in strata.unique():
        values = influence[strata == stratum].double()
        if len(values) > 1:
            total += len(values) * values.var().item()
    return total / len(strata) ** 2


def stratified_groups(strata: Strata, groups: int = GROUPS) -> Strata:
    """Deal the pictures of each stratum in turn to groups, whose sizes differ by at most one.

    Pictures are dealt in their order, so that the same images always form the same groups, whoever is scored.
    """
    order = strata.argsort(stable=True)
    dealt = torch.empty_like(strata)
    dealt[order] = torch.arange(len(strata)) % groups
    return dealt


def random_parts(strata: Strata, parts: int, rng: torch.Generator) -> Strata:
    """Split pictures at random into parts that hold each stratum in proportion."""
    shuffled = torch.randperm(len(strata), generator=rng)
    dealt = torch.empty_like(strata)
    dealt[shuffled] = stratified_groups(strata[shuffled], parts)
    return dealt


def equal_parts(strata: Strata, size: int, rng: torch.Generator) -> list[Int64[Tensor, "size"]]:
    """Cut pictures at random into as many parts of one size as there can be; each holds every stratum in proportion.

    Args:
        strata: of the pictures.
        size: of a part, at most as many as there are pictures; some pictures may be left over.
        rng: shuffles the pictures.

    Returns:
        The indices of the pictures of each part.
    """
    parts = len(strata) // size
    shuffled = torch.randperm(len(strata), generator=rng)
    order = shuffled[strata[shuffled].argsort(stable=True)]
    chosen = order[torch.arange(parts * size) * len(strata) // (parts * size)]
    return [chosen[part::parts] for part in range(parts)]


def first_order(
    samples: Influence,
    sample_strata: Strata,
    real: Influence | None = None,
    real_strata: Strata | None = None,
) -> Uncertainty:
    """The uncertainty of a score from its influences at samples and, if they matter, at test images."""
    variance = stratified_variance(samples, sample_strata)
    if real is None or real_strata is None:
        return Uncertainty(variance)
    groups = group_influence(real, real_strata)
    return Uncertainty(variance, stratified_variance(real, real_strata), groups)


def group_influence(influence: Influence, strata: Strata) -> Float[Tensor, "groups"]:
    """How far each group of pictures moves the score: the sum of its influences around the mean of their strata.

    They are scaled so that `group_variance` estimates the variance of the score without bias, also from strata whose
    pictures are too few for all groups.
    """
    dealt, centred = stratified_groups(strata), influence.double().clone()
    for stratum in strata.unique():
        chosen = strata == stratum
        count, sizes = int(chosen.sum()), dealt[chosen].bincount(minlength=GROUPS).double()
        centred[chosen] -= centred[chosen].mean()
        if count > 1:
            centred[chosen] *= math.sqrt((1 - 1 / GROUPS) / (1 - (sizes.square().sum().item() / count**2)))
    return torch.zeros(GROUPS).double().index_add(0, dealt, centred) / len(strata)


def group_variance(parts: Float[Tensor, "groups"]) -> float:
    """Variance of a score from how far each group of pictures moves it."""
    return (((parts - parts.mean()) ** 2).sum() * len(parts) / (len(parts) - 1)).item() if len(parts) > 1 else 0.0


def normal_interval(
    value: float,
    variance: float,
    lowest: float = -math.inf,
    highest: float = math.inf,
    freedom: float = math.inf,
    skewness: float = 0.0,
) -> tuple[float, float]:
    """The 95 % interval of a score whose error is nearly normal.

    Its quantiles are Student's if the variance is an estimate from few parts, and those of a shifted gamma law
    (Pearson's type III) if the error is skewed.

    Args:
        value: the score.
        variance: of the score.
        lowest: the lowest possible score.
        highest: the highest possible score.
        freedom: degrees of freedom of the variance.
        skewness: of the error.
    """
    from scipy import stats

    law, deviation = stats.pearson3(skewness) if skewness else stats.t(freedom), math.sqrt(variance)
    below, above = (float(law.ppf(tail)) * deviation for tail in ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2))
    return min(max(value - above, lowest), value), max(min(value - below, highest), value)


def share_interval(share: float, pictures: float, freedom: float = math.inf) -> tuple[float, float]:
    """Wilson's 95 % interval of a share (Wilson 1927), which also holds for shares near 0 and 1.

    Args:
        share: in [0, 1].
        pictures: how many independent pictures it is the share of; of any other estimate of a share with the variance
            v, the effective number share (1 - share) / v (Korn and Graubard 1998).
        freedom: degrees of freedom of that variance.
    """
    from scipy import stats

    quantile = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom)) ** 2
    centre = (share + quantile / (2 * pictures)) / (1 + quantile / pictures)
    half = math.sqrt(quantile * (share * (1 - share) / pictures + quantile / (4 * pictures**2)))
    half /= 1 + quantile / pictures
    return max(min(centre - half, share), 0.0), min(max(centre + half, share), 1.0)  # up to rounding


def variance_freedom(values: Float[Tensor, "units"]) -> float:
    """Degrees of freedom of the variance of values: few if it hangs on few of them (Satterthwaite 1946).

    The relative variance of an estimated variance is (kurtosis - 1) / n + 2 / (n (n - 1)), and 2 divided by that is as
    many degrees of freedom as n - 1 for normal values.
    """
    count, squares = len(values), (values.double() - values.double().mean()) ** 2
    spread = squares.mean()
    if count < 2 or spread == 0:
        return math.inf
    kurtosis = ((squares**2).mean() / spread**2).item()
    return min(max(2 * count / (kurtosis - 1 + 2 / (count - 1)), 1.0), count - 1.0)


def jackknife_variance(left_out: Float[Tensor, "units"]) -> float:
    """Variance of a score from its values with one unit left out at a time (Tukey 1958)."""
    return (len(left_out) - 1) * left_out.double().var(correction=0).item()
