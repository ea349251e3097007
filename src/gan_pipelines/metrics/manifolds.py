"""Precision, recall, density and coverage: which pictures lie among the nearest neighbours of which."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor

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
from gan_pipelines.progress import track

MANIFOLD_IMAGES = 1000
"""How many pictures of each side make a manifold, at most; its scores depend on that number."""
CANDIDATES = 4 * COVERAGE_NEIGHBOURS
"""Nearest neighbours that are kept of each picture, so that the k-th is still among them after a group is left out."""

SPLITS, PIECES = 20, 4
"""How often both sides are split to find the variance, and into how many pieces; two of them are a half."""

FREEDOM = 10
"""Degrees of freedom of the variance; its relative deviation is the square root of 2 / 10."""

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

    The variance comes from that between independent pieces of both sides, halves and quarters. It falls a little less
    than their number of pictures grows, since neighbourhoods become smaller: what the variance times that number gains
    from quarters to halves, it is thought to gain again from halves to all pictures. It is known as well as from eleven
    values: it varies by 0.3 to 0.5 of itself.

    How much of it comes from either side, and from each group of real images, is found with the jackknife (Tukey 1958):
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
    ours = _cut(samples, sample_strata, pictures, rng)
    theirs = _cut(real, real_strata, pictures, rng)
    enough = pictures >= PIECES * (COVERAGE_NEIGHBOURS + 1)
    fidelity, found, pieces = [], [], []
    pairs = max(len(ours), len(theirs))
    for pair in track(range(pairs), "manifold", pairs, "manifolds"):
        side, other = ours[pair % len(ours)], theirs[pair % len(theirs)]
        distances = torch.cdist(side.rows, other.rows)
        fidelity.append(precision_and_recall(side.rows, other.rows))
        found.append(_jackknife(distances, side, other))
        if enough:
            pieces.append(_of_pieces(distances, side, other))
    precision, recall = torch.tensor(fidelity).double().mean(dim=0).tolist()
    values, without_ours, without_theirs = (torch.stack(of).mean(dim=0) for of in zip(*found, strict=True))
    moved = [(GROUPS - 1) / GROUPS * (values - without) for without in (without_ours, without_theirs)]
    scales = _scales(moved, torch.stack(pieces).mean(dim=0)) if enough else [1.0] * len(MANIFOLD_SCORES)
    uncertainties = {}
    for place, name in enumerate(MANIFOLD_SCORES):
        of_samples, of_real = (groups[:, place] for groups in moved)
        jackknife = Uncertainty(group_variance(of_samples), group_variance(of_real), of_real, freedom=FREEDOM)
        uncertainties[name] = jackknife.scaled(scales[place])
    density, coverage = values[2:].tolist()
    measured = dict(zip(MANIFOLD_SCORES, (precision, recall, density, coverage), strict=True))
    return ManifoldScores(pictures, measured, uncertainties)


def precision_and_recall(samples: Rows, real: Rows) -> tuple[float, float]:
    """Improved precision and recall, k = 3 (Kynkaanniemi et al. 2019)."""
    from torch_fidelity.metric_prc import prc_features_to_metric

    settings = {"prc_neighborhood": PRECISION_NEIGHBOURS, "save_cpu_ram": True, "verbose": False}
    found = prc_features_to_metric(samples, real, prc_batch_size=len(real), **settings)
    return found["precision"], found["recall"]


def expected_coverage(pictures: int) -> float:
    """Coverage if both sides have the same law, and equally many pictures (Naeem et al. 2020, section 3.3)."""
    uncovered = 1.0
    for neighbour in range(1, COVERAGE_NEIGHBOURS + 1):
        uncovered *= (pictures - neighbour) / (2 * pictures - neighbour)
    return 1 - uncovered


def _scales(moved: Sequence[Float[Tensor, "groups scores"]], pieces: Float[Tensor, "splits six scores"]) -> list[float]:
    """By what factor the jackknife overstates the deviation of each score.

    Neighbourhoods of five pictures around a sixth are counted at most about six times.

    Args:
        moved: how far each group moves the scores, by side.
        pieces: the scores of two halves and of four quarters, in each split.
    """
    halves, quarters = (part.var(dim=1).mean(dim=0) / part.shape[1] for part in (pieces[:, :2], pieces[:, 2:]))
    scales = []
    for place, extrapolated in enumerate(torch.maximum(2 * halves - quarters, halves)):
        jackknife = sum(group_variance(groups[:, place]) for groups in moved)
        share = extrapolated.item() / jackknife if jackknife > 0 else 1.0
        scales.append(math.sqrt(min(max(share, 1 / (COVERAGE_NEIGHBOURS + 1)), 1.0)))
    return scales


class _Part:
    """Pictures of one side: their groups, their pieces, and the nearest other pictures of each.

    What is kept is written into tensors made beforehand: between small pieces, the memory of a part's distances would
    not be used again for the next part.
    """

    def __init__(self, rows: Rows, groups: Int64[Tensor, "count"], splits: Int64[Tensor, "splits count"]) -> None:
        self.rows, self.groups, self.splits = rows, groups, splits
        self.radii_within = torch.empty(2, len(splits), len(rows), 2)  # halves and quarters, k of either kind
        candidates = min(CANDIDATES, len(rows) - 1)
        self._distances, self._groups_around = torch.empty(len(rows), candidates), groups.repeat(candidates, 1).T
        distances = torch.cdist(rows, rows)
        for split in range(len(splits)):
            for size, piece in self.pieces(split):
                count = min(COVERAGE_NEIGHBOURS + 1, len(piece))  # the nearest picture to each is itself
                nearest = distances[piece[:, None], piece].topk(count, dim=1, largest=False).values
                for place, neighbour in enumerate((PRECISION_NEIGHBOURS, COVERAGE_NEIGHBOURS)):
                    self.radii_within[size, split, piece, place] = nearest[:, min(neighbour, count - 1)]
        found = distances.fill_diagonal_(torch.inf).topk(candidates, dim=1, largest=False)
        self._distances[:], self._groups_around[:] = found.values, groups[found.indices]

    def pieces(self, split: int) -> Iterator[tuple[int, Int64[Tensor, "piece"]]]:
        """The pictures of two halves, which are numbered 0, then of four quarters, numbered 1."""
        for size, numbers in enumerate((self.splits[split] // 2, self.splits[split])):
            for number in range(PIECES // 2 if size == 0 else PIECES):
                yield size, (numbers == number).nonzero().squeeze(1)

    def radii(self, neighbour: int, without: int = NOBODY) -> Float[Tensor, "count"]:
        """Distance of each picture to its k-th nearest other one outside a group; -1 for the group's own."""
        kept = self._groups_around != without
        place = ((kept.cumsum(dim=1) >= neighbour) & kept).int().argmax(dim=1)
        enough = kept.sum(dim=1) >= neighbour
        place = place.where(enough, self._distances.shape[1] - 1)
        radii = self._distances.gather(1, place[:, None]).squeeze(1)
        return radii.where(self.groups != without, -1.0)


def _cut(rows: Rows, strata: Strata, size: int, rng: torch.Generator) -> list[_Part]:
    """Cut one side into parts."""
    groups = stratified_groups(strata)
    return [
        _Part(rows[part], groups[part], torch.stack([random_parts(strata[part], PIECES, rng) for _ in range(SPLITS)]))
        for part in equal_parts(strata, size, rng)
    ]


def _of_pieces(
    distances: Float[Tensor, "samples reals"], samples: _Part, real: _Part
) -> Float[Tensor, "splits six scores"]:
    """The four scores of two halves and of four quarters of both sides, in each split."""
    found = []
    for split in range(len(samples.splits)):
        for (size, ours), (_, theirs) in zip(samples.pieces(split), real.pieces(split), strict=True):
            kept = distances[ours[:, None], theirs]
            (narrow, wide), own = real.radii_within[size, split, theirs].T, samples.radii_within[size, split, ours, 0]
            precise, recalled = (kept <= narrow).any(dim=1), (kept <= own[:, None]).any(dim=0)
            found.append(_values(precise.double(), recalled.double(), (kept <= wide).sum(dim=0)))
    return torch.stack(found).view(len(samples.splits), -1, len(MANIFOLD_SCORES))


def _jackknife(
    distances: Float[Tensor, "samples reals"], samples: _Part, real: _Part
) -> tuple[Values, Float[Tensor, "groups scores"], Float[Tensor, "groups scores"]]:
    """The four scores, and what they are without each group of samples, and without each group of real images."""
    sample_radii = samples.radii(PRECISION_NEIGHBOURS)
    precise = (distances <= real.radii(PRECISION_NEIGHBOURS)).any(dim=1).double()
    recalled = (distances <= sample_radii[:, None]).any(dim=0).double()
    contained = (distances <= real.radii(COVERAGE_NEIGHBOURS)).int()
    by_group = torch.zeros(GROUPS, len(real.rows), dtype=torch.int32).index_add(0, samples.groups, contained)
    containing = by_group.sum(dim=0)
    without_ours, without_theirs = [], []
    for group in range(GROUPS):
        recalled_without = (distances <= samples.radii(PRECISION_NEIGHBOURS, group)[:, None]).any(dim=0).double()
        kept = samples.groups != group
        without_ours.append(_values(precise[kept], recalled_without, containing - by_group[group]))
        precise_without = (distances <= real.radii(PRECISION_NEIGHBOURS, group)).any(dim=1).double()
        containing_without = (distances <= real.radii(COVERAGE_NEIGHBOURS, group)).sum(dim=0)
        kept = real.groups != group
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
