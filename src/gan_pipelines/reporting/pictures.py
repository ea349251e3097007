"""Grids of generated and of real pictures. Samples are taken in order, never picked."""

from collections.abc import Sequence

import torch
from jaxtyping import UInt8
from PIL import Image, ImageDraw
from torch import Tensor
from torchvision.utils import make_grid

from gan_pipelines.data.images import LabelledImages, to_bytes
from gan_pipelines.models import InfoGAN, StackedGenerator
from gan_pipelines.parameters import CategoricalCode, ContinuousCode

TRAVERSALS = 5
"""Random settings of everything else for which each continuous code is moved."""

SMALLEST_SIDE_PIXELS = 56
"""Smaller pictures are enlarged by a whole factor, so that a person can look at them."""


def picture_grid(pictures: UInt8[Tensor, "count channels size size"], columns: int) -> Image.Image:
    """Pictures row by row, enlarged without smoothing where they are small."""
    factor = max(1, SMALLEST_SIDE_PIXELS // pictures.shape[-1])
    enlarged = pictures.repeat_interleave(factor, dim=2).repeat_interleave(factor, dim=3)
    grid = make_grid(enlarged, nrow=columns, padding=factor, pad_value=64)
    return Image.fromarray(grid.permute(1, 2, 0).numpy())


def sample_grid(data: LabelledImages, columns: int) -> Image.Image:
    """One row a class: the first `columns` pictures of each; a class with fewer leaves blanks.

    Pictures of a single class fill a square.
    """
    if len(data.classes) == 1:
        return picture_grid(data.images[: columns**2], columns)
    rows = []
    for label in range(len(data.classes)):
        of_class = data.images[data.labels == label][:columns]
        blanks = of_class.new_zeros((columns - len(of_class), *data.images.shape[1:]))
        rows.append(torch.cat([of_class, blanks]))
    return picture_grid(torch.cat(rows), columns)


@torch.no_grad()
def noise_variations(stack: StackedGenerator, rng: torch.Generator, columns: int) -> Image.Image:
    """One row a class: one generated upper representation, many noises of the lowest level (SGAN, figure 4).

    Args:
        stack: on the CPU, in evaluation mode.
        rng: draws the noise; the lowest level's noises are the same in every row.
        columns: noises a row.
    """
    classes, lowest = len(stack.spec.classes), stack.spec.levels[-1].target
    labels = torch.arange(classes)
    noise = stack.sample_noise(classes, rng)
    above = list(stack(labels, noise).values())[-2] if len(noise) > 1 else stack.conditions(labels)
    lower_noise = stack.latents[lowest].sample(columns, rng)
    pictures = stack.generators[lowest](above.repeat_interleave(columns, dim=0), lower_noise.repeat(classes, 1))
    return picture_grid(to_bytes(pictures), columns)


def category_rows(gan: InfoGAN, rng: torch.Generator, columns: int) -> Image.Image:
    """One row a category: everything else is random, and the same in each row; codes one below the other.

    Args:
        gan: in evaluation mode.
        rng: draws noise and the other codes.
        columns: random settings a row.
    """
    blocks = [
        _varied(gan, name, columns, columns, rng).transpose(0, 1)
        for name, code in gan.spec.parameters.single_codes.items()
        if isinstance(code, CategoricalCode)
    ]
    return _blocks(blocks, columns, "This latent has no categorical code.")


def traversal_rows(gan: InfoGAN, rng: torch.Generator, columns: int) -> Image.Image:
    """Each row moves one continuous code along its traversal, everything else fixed; codes one below the other.

    Args:
        gan: in evaluation mode.
        rng: draws noise and the other codes, anew for each row.
        columns: points of a traversal.
    """
    blocks = [
        _varied(gan, name, columns, TRAVERSALS, rng)
        for name, code in gan.spec.parameters.single_codes.items()
        if isinstance(code, ContinuousCode)
    ]
    return _blocks(blocks, columns, "This latent has no continuous code.")


def _varied(gan: InfoGAN, code: str, points: int, bases: int, rng: torch.Generator) -> Tensor:
    """Pictures as (bases, points, channels, height, width)."""
    pictures = gan.pictures(*gan.vary(code, gan.code_values(code, points), bases, rng))
    varied: Tensor = to_bytes(pictures).unflatten(0, (bases, -1))
    return varied


def _blocks(blocks: Sequence[Tensor], columns: int, otherwise: str) -> Image.Image:
    """Blocks of (rows, columns, channels, height, width) with an empty row between two; words where there is none."""
    if not blocks:
        words = Image.new("RGB", (300, 40))
        ImageDraw.Draw(words).text((10, 12), otherwise)
        return words
    gap = torch.zeros_like(blocks[0][:1])
    rows = [row for block in blocks for row in (block, gap)][:-1]
    return picture_grid(torch.cat(rows).flatten(0, 1), columns)
