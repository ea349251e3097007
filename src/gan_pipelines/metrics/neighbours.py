"""Distances to nearest neighbours, block by block, so that memory does not grow with the number of pictures."""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64, Num, UInt8
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from gan_pipelines.progress import track

BLOCK = 2**24
"""Distances held at once. The system gets blocks of 64 MiB back immediately; smaller ones would fragment the heap."""
PRECISION_NEIGHBOURS = 3
"""k of precision and recall (Kynkaanniemi et al. 2019)."""
COVERAGE_NEIGHBOURS = 5
"""k of density and coverage (Naeem et al. 2020)."""

NEIGHBOURS = 8
"""How many nearest pictures tell what distance is usual around a picture."""
COARSE = 8
"""Fields a side over which pictures are averaged to find candidates for their neighbours."""
FINE = 64
"""Larger pictures are averaged to this many fields a side before they are compared."""
SHIFT = 1
"""By how many pixels a copy may be shifted."""
COMPARED = 2**19
"""Pixels compared at once, so few that they stay in the processor's cache."""

Rows = Num[Tensor, "count dimensions"]
Images = UInt8[Tensor, "count channels height width"]


def nearest_distances(queries: Rows, pool: Rows, neighbours: int = NEIGHBOURS) -> Float[Tensor, "count neighbours"]:
    """Euclidean distances of each query to its nearest rows of the pool, ascending; fewer if the pool is smaller."""
    return _nearest(queries, pool, neighbours)[0]


def _nearest(queries: Rows, pool: Rows, neighbours: int) -> tuple[Tensor, Tensor]:
    pool = pool.float()
    found = [
        torch.cdist(block.float(), pool).topk(min(neighbours, len(pool)), dim=1, largest=False)
        for block in track(queries.split(max(1, BLOCK // len(pool))), "nearest among others", len(queries))
    ]
    return torch.cat([block.values for block in found]), torch.cat([block.indices for block in found])


def picture_distances(queries: Images, pool: Images, neighbours: int = NEIGHBOURS) -> Float[Tensor, "count neighbours"]:
    """Distances in pixels of each picture to its nearest ones of a pool, whichever shift brings them closest.

    Neighbours are those of pictures averaged over 8 x 8 fields, so that the cost does not grow with all pairs times all
    pixels. Each of them is shifted by up to one pixel in all nine ways, and the border that this moves out of sight is
    left out. The distance to an equal picture is exactly 0.

    Args:
        queries: the pictures.
        pool: others of the same shape.
        neighbours: how many distances, at most.

    Returns:
        The distances, ascending; fewer if the pool is smaller.
    """
    return _picture_neighbours(queries, pool, neighbours)[0].sort(dim=1).values


class NearestPictures(NamedTuple):
    """The picture of a pool that is nearest to each of some pictures."""

    indices: Int64[Tensor, "count"]
    """Its place in the pool."""
    distances: Float[Tensor, "count"]
    """How far it is, as `picture_distances` measures."""


def nearest_pictures(queries: Images, pool: Images) -> NearestPictures:
    """The picture of the pool with the smallest of these distances to each picture."""
    distances, candidates = _picture_neighbours(queries, pool, NEIGHBOURS)
    nearest = distances.min(dim=1, keepdim=True)
    return NearestPictures(candidates.gather(1, nearest.indices).squeeze(1), nearest.values.squeeze(1))


def _picture_neighbours(queries: Images, pool: Images, neighbours: int) -> tuple[Tensor, Tensor]:
    """Distances of each picture to some of a pool, and their indices."""
    ours, theirs = (torch.cat([part.flatten(1) for part in _averaged(side, COARSE)]) for side in (queries, pool))
    candidates = _nearest(ours, theirs, neighbours)[1]
    if max(queries.shape[2:]) > FINE:
        # bytes part by part: numbers of all pictures at once would be the peak of an evaluation
        queries, pool = (
            torch.cat([part.round().to(torch.uint8) for part in _averaged(side, FINE)]) for side in (queries, pool)
        )
    height, width = queries.shape[2:]
    borders = [min(SHIFT, (size - 1) // 2) for size in (height, width)]
    rows, columns = height - 2 * borders[0], width - 2 * borders[1]
    shifts = list(itertools.product(*(range(2 * border + 1) for border in borders)))
    distances = torch.full(candidates.shape, torch.inf)
    at_once = max(1, COMPARED // (candidates.shape[1] * queries[0].numel()))
    found_blocks = track(distances.split(at_once), "compared pixel by pixel", len(queries))
    for found, images, chosen in zip(found_blocks, queries.split(at_once), candidates.split(at_once), strict=True):
        ours = images[:, None, :, borders[0] : borders[0] + rows, borders[1] : borders[1] + columns].float()
        theirs = pool[chosen].float()  # (at_once, neighbours, channels, height, width)
        for down, right in shifts:
            apart = (theirs[..., down : down + rows, right : right + columns] - ours).square_().sum(dim=(2, 3, 4))
            torch.minimum(found, apart, out=found)
    return distances.sqrt_(), candidates


def _averaged(images: Images, fields: int) -> Iterator[Float[Tensor, "part channels down across"]]:
    """Means over that many fields a side of each picture, at most one per pixel, of some pictures after others."""
    down, across = (min(fields, size) for size in images.shape[2:])
    for part in images.split(max(1, BLOCK // images[0].numel())):
        yield adaptive_avg_pool2d(part.float(), (down, across))
