"""Sources of images, one function per source; every file is checked before it is used.

Each error is one paragraph that names the YAML field and the file, what was found, and what is allowed.
"""

import logging
from pathlib import Path
from typing import assert_never

import pandas as pd
import torch

from gan_pipelines.data.arrays import ALLOWED, read_arrays
from gan_pipelines.data.folders import OUTSIDE, FoundPictures, find_pictures
from gan_pipelines.data.images import LabelledImages, split_by_class
from gan_pipelines.data.packaged import read_mnist_5k
from gan_pipelines.data.pictures import ReadPictures, read_pictures
from gan_pipelines.data.source import SourceData, refusing
from gan_pipelines.data.tables import list_pictures
from gan_pipelines.parameters import (
    ImageFolderSource,
    Mnist5k,
    NpzSource,
    PictureForm,
    Source,
    TableSource,
    TorchvisionSource,
)

TEST_FRACTION = "data.source.test_fraction"
ADVICE = (
    "; pictures are brought to one size, or a smaller one, by data.source.size, such as 32; transparent ones need the "
    "colour behind them, data.source.background, such as white."
)

logger = logging.getLogger(__name__)


def read_source(source: Source, project: Path, rng: torch.Generator, table: pd.DataFrame | None = None) -> SourceData:
    """Read, check and split the images of an experiment.

    Args:
        source: the block `data.source` of the YAML.
        project: the folder that relative paths start from.
        rng: draws the test images of a source without a split of its own.
        table: of a source that is one.

    Raises:
        ExperimentError: files are missing, altered or unreadable, or their form is not allowed.
    """
    match source:
        case Mnist5k():
            return read_mnist_5k(source, rng)
        case TorchvisionSource():
            from gan_pipelines.data.published import read_torchvision  # only here is torchvision waited for

            return read_torchvision(source, project / source.folder)
        case NpzSource():
            return read_npz(source, project / source.path, rng)
        case ImageFolderSource():
            return read_image_folder(source, project / source.path, rng)
        case TableSource():
            return read_table(source, project / source.folder, table, rng)
    assert_never(source)


def read_npz(source: NpzSource, path: Path, rng: torch.Generator) -> SourceData:
    """Arrays of images and, if there are any, labels."""
    with refusing(f"data.source.path: {path}: ", ALLOWED):
        arrays = read_arrays(path, source)
    splits = {split: LabelledImages(*found, arrays.classes) for split, found in arrays.splits.items()}
    reading = {"taken_for": arrays.taken_for}
    if "test" in splits:
        return SourceData(splits["train"], splits["test"], path.name, reading=reading)
    train, test = split_by_class(splits["train"], source.test_fraction, rng, TEST_FRACTION)
    return SourceData(train, test, path.name, reading=reading)


def read_image_folder(source: ImageFolderSource, path: Path, rng: torch.Generator) -> SourceData:
    """Pictures at <path>/<class>/..., or, without classes, at <path>."""
    with refusing(f"data.source.path: {path}: ", ADVICE):
        found = find_pictures(path)
        read = read_pictures(found.files, source)
    images = LabelledImages(read.images, torch.tensor(found.labels), found.classes)
    train, test = split_by_class(images, source.test_fraction, rng, TEST_FRACTION)
    return SourceData(train, test, path.name, reading=_reading(source, read, found.left_out))


def read_table(source: TableSource, folder: Path, table: pd.DataFrame | None, rng: torch.Generator) -> SourceData:
    """Pictures that a table lists, relative to a folder."""
    with refusing("data.source: the dataset picture_table: ", ADVICE):
        if table is None:
            raise ValueError("it was not loaded")
        listed = list_pictures(table, folder)
        read = read_pictures(listed.files, source)
    images = LabelledImages(read.images, torch.tensor(listed.labels), listed.classes)
    reading = _reading(source, read, dict.fromkeys((f"column {name}" for name in listed.unused), 1))
    if listed.in_test is None:
        train, test = split_by_class(images, source.test_fraction, rng, TEST_FRACTION)
    else:
        tested = torch.tensor(listed.in_test)
        train, test = (images.subset(chosen.nonzero().squeeze(1)) for chosen in (~tested, tested))
    return SourceData(train, test, "picture_table", reading=reading)


def _reading(form: PictureForm, read: ReadPictures, left_out: dict[str, int]) -> dict[str, object]:
    mode = "colour" if read.images.shape[1] == 3 else "grey"
    return {
        "mode": mode if form.mode else f"{mode}, as it was found",
        "left_out": left_out,
        "changed": read.changes,
    }


def read_external_pictures(path: Path, like: LabelledImages) -> LabelledImages:
    """External pictures to be scored like samples.

    Args:
        path: a folder of pictures, or of one folder per class, named like the classes of the real images.
        like: the real images, whose size, channels and classes the pictures must match.

    Returns:
        The pictures; those outside class folders all have the class `picture`.

    Raises:
        ExperimentError: the folder is missing or empty; a picture is unreadable, of another size or of no known class.
    """
    channels, height, width = like.image_shape
    allowed = f"; allowed: pictures of {width} x {height} pixels, or folders of them named {', '.join(like.classes)}."
    with refusing(f"evaluation.pictures: {path}: ", allowed):
        found = find_pictures(path)
        if found.labelled and (strangers := sorted(set(found.classes) - set(like.classes))):
            raise ValueError(f"{strangers[0]!r} is not a class of the data")
        if outside := found.left_out.get(OUTSIDE):
            raise ValueError(f"pictures {OUTSIDE}: {outside}")
        read = read_pictures(found.files, PictureForm(mode="grey" if channels == 1 else "colour"))
        images = read.images
        logger.info(
            "evaluation.pictures: left out: %s; changed: %s", found.left_out or "nothing", read.changes or "nothing"
        )
        if tuple(images.shape[2:]) != (height, width):
            raise ValueError(f"the pictures have {images.shape[3]} x {images.shape[2]} pixels")
    if not found.labelled:
        return LabelledImages(images, torch.tensor(found.labels), found.classes)
    return LabelledImages(images, _as_classes_of(like, found), like.classes)


def _as_classes_of(like: LabelledImages, found: FoundPictures) -> torch.Tensor:
    return torch.tensor([like.classes.index(found.classes[label]) for label in found.labels])
