"""Draw pictures and figures from a trained generator."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from urllib.parse import quote

import torch
from PIL import Image

from gan_pipelines import progress
from gan_pipelines.data.images import LabelledImages, to_picture
from gan_pipelines.model_file import Model, require_generator
from gan_pipelines.models.sampler import Asked, InfoGANSampler, Sampler, StackSampler, open_sampler, picture_rng
from gan_pipelines.parameters import ExperimentError, RunParameters, SampleParameters
from gan_pipelines.picture_folder import NamedPictures
from gan_pipelines.reporting.latents import category_panels, explain_outside, noise_variations, traversal_panels
from gan_pipelines.reporting.panels import draw_panels
from gan_pipelines.reporting.pictures import interpolations, nearest_images, sample_grid
from gan_pipelines.training.stage import seeded_stage

STAGE = "sample"
SAFE = " ,=+"
"""Letters of class names and codes that stay as they are in names of folders, besides those of words and numbers."""
PICTURES = "pictures"
"""The folder of pictures that have no class and no code that was set."""
COLUMNS = 10
"""Pictures per class, or per line, in the figures."""


@dataclass(frozen=True)
class DrawnPictures:
    """Pictures that are drawn while they are written; the text chunks of each say how to draw it again.

    Attributes:
        run: device and threads.
        sampler: draws them.
        asked: numbers, labels, codes, seed.
        folders: the folder of each label.
    """

    run: RunParameters
    sampler: Sampler
    asked: Asked
    folders: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.asked.labels)

    def __iter__(self) -> Iterator[tuple[PurePosixPath, Image.Image]]:
        texts = {"model": f"sha256:{self.sampler.digest}", "seed": str(self.asked.seed)}
        done = 0
        with seeded_stage(self.run, STAGE):
            for batch in progress.track(self.sampler.batches(self.asked), "drawing", len(self)):
                for pixels in batch:
                    number = self.asked.first + done
                    picture = to_picture(pixels)
                    picture.info.update(texts, number=str(number))
                    yield PurePosixPath(self.folders[int(self.asked.labels[done])], f"{number:06d}.png"), picture
                    done += 1


def draw_pictures(run: RunParameters, sample: SampleParameters, generator: Model) -> NamedPictures:
    """Pictures in a folder per class; those of an InfoGAN in a folder that is named for the codes that were set.

    Raises:
        ExperimentError: the model is no generator, or has no such class or code.
    """
    with seeded_stage(run, STAGE) as stage:
        sampler = _open(sample, generator, stage.device)
    asked = _ask(sampler, sample, sample.count, sample.first)
    set_codes = ",".join(f"{name}={value:g}" for name, value in sample.codes.items())
    folders = [quote(name, safe=SAFE) for name in sampler.classes] or [quote(set_codes, safe=SAFE) or PICTURES]
    return DrawnPictures(run, sampler, asked, tuple(folders))


def draw_figures(
    run: RunParameters,
    sample: SampleParameters,
    generator: Model,
    train_images: LabelledImages | None = None,
    test_images: LabelledImages | None = None,
) -> tuple[Image.Image, ...]:
    """The first pictures, ways from one to another, what noises or codes do, and the nearest training images.

    Args:
        run: threads.
        sample: what is asked.
        generator: a stack or an InfoGAN.
        train_images: among which the nearest ones are looked for; without them that figure is left out.
        test_images: real images to compare with.
    """
    with seeded_stage(run, STAGE):
        sampler = _open(sample, generator)
        pictures = _first_pictures(sample, sampler)
        first, last = sample.first, sample.first + len(pictures) - 1
        said = f"Pictures {first} to {last} of seed {sample.seed}, N = {len(pictures)}, none of them chosen."
        if sample.codes:
            said += f" Codes: {', '.join(f'{name} = {value:g}' for name, value in sample.codes.items())}."
        figures = [
            sample_grid(pictures, COLUMNS, f"{sample.name}: samples", said, test_images),
            _draw_interpolation(sample, sampler),
            _draw_variations(sample, sampler),
        ]
        if train_images is not None:
            title = f"{sample.name}: samples beside their nearest training images"
            figures.append(nearest_images(pictures, train_images, COLUMNS, title, said, test_images))
        return tuple(figures)


def _draw_interpolation(sample: SampleParameters, sampler: Sampler) -> Image.Image:
    """From one picture to another of the same class, a row per class."""
    rows, first = len(sample.classes or sampler.classes) or COLUMNS, sample.first
    start, end = (_ask(sampler, sample, rows, number) for number in (first, first + rows))
    title = f"{sample.name}: from one picture to another"
    said = f"Pictures {first} to {first + rows - 1} and {first + rows} to {first + 2 * rows - 1} of seed {sample.seed}."
    return interpolations(sampler, start, replace(end, labels=start.labels), COLUMNS, title, said)


def _draw_variations(sample: SampleParameters, sampler: StackSampler | InfoGANSampler) -> Image.Image:
    """Of a stack, one level's noise varied alone (SGAN, figures 3c and 3d); of an InfoGAN, one code."""
    rng, said = picture_rng(sample.seed, sample.first), f"Drawn with seed {sample.seed}."
    match sampler:
        case StackSampler(stack=stack):
            return noise_variations(stack, rng, COLUMNS, f"{sample.name}: what the noise of each level changes", said)
        case InfoGANSampler(gan=gan):
            panels = [*category_panels(gan, rng, COLUMNS), *traversal_panels(gan, rng, COLUMNS)]
            said = (
                f"{said} Each row of a category, or from left to right a continuous code, alone. {explain_outside(gan)}"
            )
            return draw_panels(panels, f"{sample.name}: what each code changes", said)


def _first_pictures(sample: SampleParameters, sampler: Sampler) -> LabelledImages:
    """As many as figures show; their classes are those that were asked for."""
    rows = len(set(sample.classes) or sampler.classes) or COLUMNS
    asked = _ask(sampler, sample, min(sample.count, rows * COLUMNS), sample.first)
    pictures = torch.cat(list(sampler.batches(asked)))
    found, labels = asked.labels.unique(return_inverse=True)
    names = tuple(sampler.classes[label] for label in found) if sampler.classes else (PICTURES,)
    return LabelledImages(pictures, labels, names)


def _open(
    sample: SampleParameters, generator: Model, device: torch.device | None = None
) -> StackSampler | InfoGANSampler:
    """Figures are drawn on the CPU, whatever the device of the run."""
    return open_sampler(require_generator(generator, f"sample.model: {sample.model}"), device or torch.device("cpu"))


def _ask(sampler: Sampler, sample: SampleParameters, count: int, first: int) -> Asked:
    try:
        return sampler.ask(count, sample.classes, sample.codes, sample.seed, first)
    except ExperimentError as error:
        raise ExperimentError(f"sample.{error}") from None
