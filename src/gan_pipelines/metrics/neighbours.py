"""Distances to nearest neighbours, block by block, so that memory does not grow with the number of pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Num
from torch import Tensor

BLOCK = 2**24
"""Distances held at once. The system gets blocks of 64 MiB back immediately; smaller ones would fragment the heap."""
PRECISION_NEIGHBOURS = 3
"""k of precision and recall (Kynkaanniemi et al. 2019)."""
COVERAGE_NEIGHBOURS = 5
"""k of density and coverage (Naeem et al. 2020)."""

Rows = Num[Tensor, "count dimensions"]


def nearest_distances(queries: Rows, pool: Rows) -> Float[Tensor, "count"]:
    """Euclidean distance of each query to its nearest neighbour in the pool."""
    pool = pool.float()
    return torch.cat([torch.cdist(block.float(), pool).amin(dim=1) for block in _blocks(queries, pool)])


def neighbour_radii(rows: Rows, neighbour: int) -> Float[Tensor, "count"]:
    """Distance of each row to its k-th nearest other row."""
    pool = rows.float()
    radii = torch.empty(len(rows))
    for block, found in zip(_blocks(rows, rows), _blocks(radii, rows), strict=True):
        found.copy_(torch.cdist(block.float(), pool).kthvalue(neighbour + 1, dim=1).values)
    return radii


@dataclass(frozen=True)
class Membership:
    """What precision, recall, density and coverage are means of, one value per picture.

    The ball of a picture reaches to its k-th nearest neighbour of the same kind.

    Attributes:
        precise: whether a sample lies in the ball of some real image, k = 3.
        recalled: whether a real image lies in the ball of some sample, k = 3.
        density: number of balls of real images that contain the sample, divided by k = 5.
        covered: whether the ball of a real image contains a sample, k = 5.
    """

    precise: Bool[Tensor, "samples"]
    recalled: Bool[Tensor, "reals"]
    density: Float[Tensor, "samples"]
    covered: Bool[Tensor, "reals"]


def manifold_membership(samples: Rows, real: Rows) -> Membership:
    """Which pictures lie in which neighbourhoods.

    Args:
        samples: features of more than three generated pictures.
        real: features of more than five real images.
    """
    sample_radii = neighbour_radii(samples, PRECISION_NEIGHBOURS)
    real_radii, wide_radii = (neighbour_radii(real, k) for k in (PRECISION_NEIGHBOURS, COVERAGE_NEIGHBOURS))
    precise, density = [], []
    recalled = covered = torch.zeros(len(real), dtype=torch.bool)
    for block, radii in zip(_blocks(samples, real), _blocks(sample_radii, real), strict=True):
        distances = torch.cdist(block, real)
        precise.append((distances <= real_radii).any(dim=1))
        density.append((distances <= wide_radii).sum(dim=1) / COVERAGE_NEIGHBOURS)
        recalled = recalled | (distances <= radii[:, None]).any(dim=0)
        covered = covered | (distances <= wide_radii).any(dim=0)
    return Membership(torch.cat(precise), recalled, torch.cat(density), covered)


def _blocks(rows: Tensor, others: Tensor) -> Sequence[Tensor]:
    blocks: Sequence[Tensor] = rows.split(max(1, BLOCK // len(others)))
    return blocks
