"""Precision, recall, density and coverage: which pictures lie among the nearest neighbours of which."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor
from torch_fidelity.metric_prc import prc_features_to_metric

from gan_pipelines.metrics.distances import Rows
from gan_pipelines.metrics.intervals import (
    GROUPS,
    Strata,
    Uncertainty,
    equal_parts,
    group_variance,
    random_parts,
    stratified_groups,
)
from gan_pipelines.metrics.neighbours import COVERAGE_NEIGHBOURS, PRECISION_NEIGHBOURS

MANIFOLD_IMAGES = 1000
"""How many pictures of each side make a manifold, at most; its scores depend on that number."""
CANDIDATES = 4 * COVERAGE_NEIGHBOURS
"""Nearest neighbours that are kept of each picture, so that the k-th is still among them after a group is left out."""

HALVINGS = 20
"""How often both sides are halved to find the variance."""

NOBODY = -1
"""No group at all."""

MANIFOLD_SCORES = ("precision", "recall", "density", "coverage")
Values = Float[Tensor, "scores"]


@dataclass(frozen=True)
class ManifoldScores:
    """Precision and recall (k = 3), density and coverage (k = 5).

    Attributes:
        pictures: how many of each side make a manifold.
        values: by score.
        uncertainties: by score.
    """

    pictures: int
    values: Mapping[str, float]
    uncertainties: Mapping[str, Uncertainty]


def manifold_scores(
    samples: Rows, real: Rows, sample_strata: Strata, real_strata: Strata, rng: torch.Generator
) -> ManifoldScores:
    """Precision, recall, density and coverage, as means over parts of equally many samples and real images.

    All four depend on the counts: with ten times as many samples as real images, nearly any generator covers all real
    images. Therefore both sides are cut at random into parts of equal size, at most `MANIFOLD_IMAGES`.

    The variance is that between independent halves of both sides, which is twice as large as that of all pictures. How
    much of it comes from either side, and from each group of real images, is found with the jackknife (Tukey 1958):
    each of 20 groups is left out in turn, of samples and of real images, and neighbourhoods are found anew, because a
    picture also decides those of others. The jackknife alone would count k times what k pictures do together (Efron and
    Stein 1981), and find a variance two to five times too large.

    Args:
        samples: features of more than five generated pictures.
        real: features of more than five real images.
        sample_strata: the strata that samples were drawn in.
        real_strata: the same for real images.
        rng: cuts the parts.
    """
    pictures = min(MANIFOLD_IMAGES, len(samples), len(real))
    parts, theirs = (equal_parts(strata, pictures, rng) for strata in (sample_strata, real_strata))
    groups, real_groups = stratified_groups(sample_strata), stratified_groups(real_strata)
    pairs = max(len(parts), len(theirs))
    halves, real_halves = (
        torch.stack([torch.stack([random_parts(strata[part], 2, rng) for _ in range(HALVINGS)]) for part in cut])
        for strata, cut in ((sample_strata, parts), (real_strata, theirs))
    )
    fidelity, found, apart = [], [], []
    for pair in range(pairs):
        ours, others = parts[pair % len(parts)], theirs[pair % len(theirs)]
        fidelity.append(precision_and_recall(samples[ours], real[others]))
        found.append(_jackknife(samples[ours], real[others], groups[ours], real_groups[others]))
        both = halves[pair % len(parts)], real_halves[pair % len(theirs)]
        apart.append(_between_halves(samples[ours], real[others], *both))
    precision, recall = torch.tensor(fidelity).double().mean(dim=0).tolist()
    values, without_ours, without_theirs = (torch.stack(of).mean(dim=0) for of in zip(*found, strict=True))
    moved = [(GROUPS - 1) / GROUPS * (values - without) for without in (without_ours, without_theirs)]
    scales = _scales(moved, torch.stack(apart).mean(dim=0))
    uncertainties = {
        name: Uncertainty(
            samples=group_variance(moved[0][:, place]) * scales[place] ** 2,
            real=group_variance(moved[1][:, place]) * scales[place] ** 2,
            groups=moved[1][:, place] * scales[place],
            freedom=GROUPS - 1,
        )
        for place, name in enumerate(MANIFOLD_SCORES)
    }
    density, coverage = values[2:].tolist()
    measured = dict(zip(MANIFOLD_SCORES, (precision, recall, density, coverage), strict=True))
    return ManifoldScores(pictures, measured, uncertainties)


def precision_and_recall(samples: Rows, real: Rows) -> tuple[float, float]:
    """Improved precision and recall, k = 3 (Kynkaanniemi et al. 2019)."""
    settings = {"prc_neighborhood": PRECISION_NEIGHBOURS, "save_cpu_ram": True, "verbose": False}
    found = prc_features_to_metric(samples, real, prc_batch_size=len(real), **settings)
    return found["precision"], found["recall"]


def expected_coverage(pictures: int) -> float:
    """Coverage if both sides have the same law, and equally many pictures (Naeem et al. 2020, section 3.3)."""
    uncovered = 1.0
    for neighbour in range(1, COVERAGE_NEIGHBOURS + 1):
        uncovered *= (pictures - neighbour) / (2 * pictures - neighbour)
    return 1 - uncovered


def _scales(moved: Sequence[Float[Tensor, "groups scores"]], apart: Float[Tensor, "halvings scores"]) -> list[float]:
    """By what factor the jackknife overstates the deviation of each score, from its differences between halves.

    Neighbourhoods of five pictures around a sixth are counted at most about six times.
    """
    scales = []
    for place, of_halves in enumerate((apart**2).mean(dim=0) / 4):
        jackknife = sum(group_variance(groups[:, place]) for groups in moved)
        share = of_halves.item() / jackknife if jackknife > 0 else 1.0
        scales.append(math.sqrt(min(max(share, 1 / (COVERAGE_NEIGHBOURS + 1)), 1.0)))
    return scales


def _between_halves(
    samples: Rows, real: Rows, halves: Int64[Tensor, "halvings samples"], real_halves: Int64[Tensor, "halvings reals"]
) -> Float[Tensor, "halvings scores"]:
    """Differences of the four scores between two halves of both sides; infinite if halves are too small for them."""
    if min(len(samples), len(real)) < 2 * (COVERAGE_NEIGHBOURS + 1):
        return torch.full((len(halves), len(MANIFOLD_SCORES)), torch.inf).double()
    distances, ours, theirs = torch.cdist(samples, real), torch.cdist(samples, samples), torch.cdist(real, real)
    found = []
    for half, real_half in zip(halves, real_halves, strict=True):
        values = []
        for number in (0, 1):
            chosen, others = (side == number for side in (half, real_half))
            kept, own = distances[chosen][:, others], ours[chosen][:, chosen]
            nearest = theirs[others][:, others].topk(COVERAGE_NEIGHBOURS + 1, dim=1, largest=False).values
            radii = own.kthvalue(PRECISION_NEIGHBOURS + 1, dim=1).values
            precise = (kept <= nearest[:, PRECISION_NEIGHBOURS]).any(dim=1).double()
            recalled = (kept <= radii[:, None]).any(dim=0).double()
            values.append(_values(precise, recalled, (kept <= nearest[:, COVERAGE_NEIGHBOURS]).sum(dim=0)))
        found.append(values[0] - values[1])
    return torch.stack(found)


class _Neighbours:
    """The nearest other pictures of each picture, some of which can be left out."""

    def __init__(self, rows: Rows, groups: Int64[Tensor, "count"]) -> None:
        distances = torch.cdist(rows, rows).fill_diagonal_(torch.inf)
        found = distances.topk(min(CANDIDATES, len(rows) - 1), dim=1, largest=False)
        self.distances, self.groups, self.own = found.values, groups[found.indices], groups

    def radii(self, neighbour: int, without: int = NOBODY) -> Float[Tensor, "count"]:
        """Distance of each picture to its k-th nearest other one outside a group; -1 for the group's own."""
        kept = self.groups != without
        place = ((kept.cumsum(dim=1) >= neighbour) & kept).int().argmax(dim=1)
        enough = kept.sum(dim=1) >= neighbour
        place = place.where(enough, self.distances.shape[1] - 1)
        radii = self.distances.gather(1, place[:, None]).squeeze(1)
        return radii.where(self.own != without, -1.0)


def _jackknife(
    samples: Rows, real: Rows, groups: Int64[Tensor, "count"], real_groups: Int64[Tensor, "count"]
) -> tuple[Values, Float[Tensor, "groups scores"], Float[Tensor, "groups scores"]]:
    """The four scores, and what they are without each group of samples, and without each group of real images."""
    distances = torch.cdist(samples, real)
    ours, theirs = _Neighbours(samples, groups), _Neighbours(real, real_groups)
    sample_radii = ours.radii(PRECISION_NEIGHBOURS)
    precise = (distances <= theirs.radii(PRECISION_NEIGHBOURS)).any(dim=1).double()
    recalled = (distances <= sample_radii[:, None]).any(dim=0).double()
    contained = (distances <= theirs.radii(COVERAGE_NEIGHBOURS)).int()
    by_group = torch.zeros(GROUPS, len(real), dtype=torch.int32).index_add(0, groups, contained)
    containing = by_group.sum(dim=0)
    without_ours, without_theirs = [], []
    for group in range(GROUPS):
        recalled_without = (distances <= ours.radii(PRECISION_NEIGHBOURS, group)[:, None]).any(dim=0).double()
        without_ours.append(_values(precise[groups != group], recalled_without, containing - by_group[group]))
        precise_without = (distances <= theirs.radii(PRECISION_NEIGHBOURS, group)).any(dim=1).double()
        containing_without = (distances <= theirs.radii(COVERAGE_NEIGHBOURS, group)).sum(dim=0)
        kept = real_groups != group
        without_theirs.append(_values(precise_without, recalled[kept], containing_without[kept]))
    return _values(precise, recalled, containing), torch.stack(without_ours), torch.stack(without_theirs)


def _values(
    precise: Float[Tensor, "samples"], recalled: Float[Tensor, "reals"], containing: Int[Tensor, "reals"]
) -> Values:
    """The four scores.

    Args:
        precise: whether each sample lies within the manifold of real images.
        recalled: whether each real image lies within the manifold of samples.
        containing: how many samples each real neighbourhood contains.
    """
    density = containing.sum() / (len(precise) * COVERAGE_NEIGHBOURS)
    return torch.stack([precise.mean(), recalled.mean(), density.double(), (containing > 0).double().mean()])
