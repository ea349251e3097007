"""Grids of generated and of real pictures. Samples are taken in order, never picked."""

import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid

from gan_pipelines.data.images import LabelledImages, one_hot, to_bytes
from gan_pipelines.models import StackedGenerator

SMALLEST_SIDE_PIXELS = 56
"""Smaller pictures are enlarged by a whole factor, so that a person can look at them."""


def picture_grid(pictures: UInt8[Tensor, "count channels size size"], columns: int) -> Image.Image:
    """Pictures row by row, enlarged without smoothing where they are small."""
    factor = max(1, SMALLEST_SIDE_PIXELS // pictures.shape[-1])
    enlarged = pictures.repeat_interleave(factor, dim=2).repeat_interleave(factor, dim=3)
    grid = make_grid(enlarged, nrow=columns, padding=factor, pad_value=64)
    return Image.fromarray(grid.permute(1, 2, 0).numpy())


def sample_grid(data: LabelledImages, columns: int) -> Image.Image:
    """One row a class: the first `columns` pictures of each; a class with fewer leaves blanks."""
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
    above = list(stack(labels, noise).values())[-2] if len(noise) > 1 else one_hot(labels, classes)
    lower_noise = stack.latents[lowest].sample(columns, rng)
    pictures = stack.generators[lowest](above.repeat_interleave(columns, dim=0), lower_noise.repeat(classes, 1))
    return picture_grid(to_bytes(pictures), columns)
