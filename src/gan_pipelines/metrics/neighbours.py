"""Distances to nearest neighbours, block by block, so that memory does not grow with the number of pictures."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Num
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


def _blocks(rows: Tensor, others: Tensor) -> Sequence[Tensor]:
    blocks: Sequence[Tensor] = rows.split(max(1, BLOCK // len(others)))
    return blocks
