"""Grids of generated and real pictures, each row with its name.

Samples are shown in the order in which they were drawn, never selected.
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from gan_pipelines.data.images import LabelledImages, to_bytes
from gan_pipelines.metrics.neighbours import nearest_pictures
from gan_pipelines.models import InfoGAN, StackedGenerator
from gan_pipelines.models.sampler import Asked, Sampler
from gan_pipelines.parameters import CategoricalCode, ContinuousCode
from gan_pipelines.reporting.captions import captioned

TRAVERSALS = 5
"""For how many random settings of everything else each continuous code is moved."""

SMALLEST_SIDE_PIXELS = 56
"""Smaller pictures are enlarged by a whole factor to be visible."""


def picture_grid(pictures: UInt8[Tensor, "count channels height width"], columns: int) -> Image.Image:
    """Pictures row by row; small ones are enlarged without smoothing."""
    from torchvision.utils import make_grid

    factor = max(1, SMALLEST_SIDE_PIXELS // max(pictures.shape[2:]))
    enlarged = pictures.repeat_interleave(factor, dim=2).repeat_interleave(factor, dim=3)
    grid = make_grid(enlarged, nrow=columns, padding=factor, pad_value=64)
    return Image.fromarray(grid.permute(1, 2, 0).numpy())


def sample_grid(data: LabelledImages, columns: int, title: str = "") -> Image.Image:
    """One row per class with its first `columns` pictures; missing pictures are black.

    Pictures of a single class fill a square.
    """
    if len(data.classes) == 1:
        return captioned(picture_grid(data.images[: columns**2], columns), title=title)
    rows = []
    for label in range(len(data.classes)):
        of_class = data.images[data.labels == label][:columns]
        blanks = of_class.new_zeros((columns - len(of_class), *data.images.shape[1:]))
        rows.append(torch.cat([of_class, blanks]))
    return captioned(picture_grid(torch.cat(rows), columns), data.classes, title)


def nearest_images(samples: LabelledImages, train_images: LabelledImages, columns: int) -> Image.Image:
    """One row per class: samples, each with the training image nearest to it in pixels on its right (SGAN, figure 3).

    Args:
        samples: the first of each class are shown.
        train_images: whatever a generator could have memorised.
        columns: pictures per row, of which half are samples.
    """
    pairs = max(columns // 2, 1)
    shown = pairs if len(samples.classes) > 1 else pairs * 2 * pairs  # those of a single class fill a square
    firsts = torch.cat([(samples.labels == label).nonzero().squeeze(1)[:shown] for label in samples.labels.unique()])
    chosen = samples.subset(firsts)
    nearest = train_images.images[nearest_pictures(chosen.images, train_images.images)]
    beside = torch.stack([chosen.images, nearest], dim=1).flatten(0, 1)
    pictures = LabelledImages(beside, chosen.labels.repeat_interleave(2), samples.classes)
    return sample_grid(pictures, 2 * pairs, "Right of each sample the training image nearest to it in pixels")


def interpolations(sampler: Sampler, start: Asked, end: Asked, columns: int) -> Image.Image:
    """One row per pair of pictures: the first, then those on the way to the second, through noise and codes.

    Args:
        sampler: draws them.
        start: the pictures on the left; their labels, categories and codes that were asked for hold for whole rows.
        end: those on the right.
        columns: pictures per row, at least 2.
    """
    left, right = sampler.draw(start), sampler.draw(end)
    steps = [sampler.interpolate(left, right, share) for share in torch.linspace(0, 1, columns).tolist()]
    pictures = [sampler.generate(latents, start.labels) for latents in steps]
    names = [sampler.classes[label] for label in start.labels] if sampler.classes else ()
    title = "Each row: from one picture to another, in equal steps through their noise"
    return captioned(picture_grid(torch.stack(pictures, dim=1).flatten(0, 1), columns), names, title)


@torch.no_grad()
def noise_variations(stack: StackedGenerator, rng: torch.Generator, columns: int) -> Image.Image:
    """One row per class: one generated upper representation, many noises of the lowest level (SGAN, figure 4).

    Args:
        stack: on the CPU, in evaluation mode.
        rng: draws the noise; the lowest level's noises are the same in every row.
        columns: noises per row.
    """
    classes, lowest = len(stack.spec.classes), stack.spec.levels[-1].target
    labels = torch.arange(classes)
    noise = stack.sample_noise(classes, rng)
    above = list(stack(labels, noise).values())[-2] if len(noise) > 1 else stack.conditions(labels)
    lower_noise = stack.latents[lowest].sample(columns, rng)
    pictures = stack.generators[lowest](above.repeat_interleave(columns, dim=0), lower_noise.repeat(classes, 1))
    title = f"Each row: one generated condition of {lowest}, {columns} noises of {lowest}"
    return captioned(picture_grid(to_bytes(pictures), columns), _row_names(stack), title)


@torch.no_grad()
def upper_noise_variations(stack: StackedGenerator, rng: torch.Generator, columns: int) -> Image.Image:
    """One row per class: many noises of the upper levels, one noise of the lowest level in all pictures.

    Args:
        stack: of at least two levels, on the CPU, in evaluation mode.
        rng: draws the noise; the upper levels' noises are the same in every row, if rows differ by their class.
        columns: noises per row.
    """
    classes, lowest = len(stack.spec.classes), stack.spec.levels[-1].target
    drawn = 1 if stack.spec.conditional else classes  # rows of noises
    noise = {
        name: latent.sample(drawn * columns, rng).repeat(classes // drawn, 1) for name, latent in stack.latents.items()
    }
    noise[lowest] = noise[lowest][:1].expand(classes * columns, -1)
    generated = stack(torch.arange(classes).repeat_interleave(columns), noise)
    title = f"Each row: {columns} noises of the levels above {lowest}, one noise of {lowest} in all pictures"
    return captioned(picture_grid(to_bytes(generated[lowest]), columns), _row_names(stack), title)


def _row_names(stack: StackedGenerator) -> Sequence[str]:
    """The classes, or nothing for a stack that is not asked for any."""
    return stack.spec.classes if stack.spec.conditional else ()


def category_rows(gan: InfoGAN, rng: torch.Generator, columns: int) -> Image.Image:
    """One row per category; everything else is random and the same in each row. Codes follow each other.

    Args:
        gan: in evaluation mode.
        rng: draws noise and the other codes.
        columns: random settings per row.
    """
    blocks = {
        name: _varied(gan, name, columns, columns, rng).transpose(0, 1)
        for name, code in gan.spec.parameters.single_codes.items()
        if isinstance(code, CategoricalCode)
    }
    if not blocks:
        return _sentence("This InfoGAN has no categorical code.")
    names = {code: [f"{code} = {value}" for value in range(len(block))] for code, block in blocks.items()}
    return _blocks(blocks, names, "Each row: one category; each column: the same noise and other codes")


def traversal_rows(gan: InfoGAN, rng: torch.Generator, columns: int) -> Image.Image:
    """Each row moves one continuous code along its traversal; everything else is fixed. Codes follow each other.

    Args:
        gan: in evaluation mode.
        rng: draws noise and the other codes of each row.
        columns: points of a traversal.
    """
    single = gan.spec.parameters.single_codes
    codes = {name: code for name, code in single.items() if isinstance(code, ContinuousCode)}
    if not codes:
        return _sentence("This InfoGAN has no continuous code.")
    blocks = {name: _varied(gan, name, columns, TRAVERSALS, rng) for name in codes}
    names = {
        name: [f"{name}: {code.traversal[0]:g} to {code.traversal[1]:g}"] * TRAVERSALS for name, code in codes.items()
    }
    return _blocks(blocks, names, "Each row: one code from left to right, with all else fixed")


def _varied(gan: InfoGAN, code: str, points: int, bases: int, rng: torch.Generator) -> Tensor:
    """Pictures as (bases, points, channels, height, width)."""
    pictures = gan.pictures(*gan.vary(code, gan.code_values(code, points), bases, rng))
    varied: Tensor = to_bytes(pictures).unflatten(0, (bases, -1))
    return varied


def _blocks(blocks: Mapping[str, Tensor], names: Mapping[str, Sequence[str]], title: str) -> Image.Image:
    """Blocks of (rows, columns, channels, height, width) with the names of their rows, separated by black rows."""
    rows = torch.cat([row for block in blocks.values() for row in (block, torch.zeros_like(block[:1]))][:-1])
    beside = [name for code in blocks for name in (*names[code], "")][:-1]
    return captioned(picture_grid(rows.flatten(0, 1), rows.shape[1]), beside, title)


def _sentence(text: str) -> Image.Image:
    """A picture that says why there is nothing to show."""
    return captioned(Image.new("RGB", (300, 1), "white"), title=text)
