"""Read a source, check it, split it, say what it is and which networks its images make."""

import logging
from collections.abc import Mapping
from typing import Any

import pandas as pd
import torch

from gan_pipelines.data.images import LabelledImages, split_by_class
from gan_pipelines.data.source import SourceData
from gan_pipelines.data.sources import read_source
from gan_pipelines.models.memory import plan_memory
from gan_pipelines.models.requirements import plan_networks
from gan_pipelines.parameters import (
    DataParameters,
    EncoderParameters,
    EvaluationParameters,
    ExperimentError,
    InfoGANParameters,
    JudgeParameters,
    SGANParameters,
)
from gan_pipelines.parameters.experiment import batch_sizes, watched
from gan_pipelines.project import project_folder
from gan_pipelines.reporting.data_page import data_page
from gan_pipelines.reporting.networks import memory_table, network_table
from gan_pipelines.training.stage import stage_seed

logger = logging.getLogger(__name__)


def prepare_images(
    data: DataParameters, picture_table: pd.DataFrame | None = None
) -> list[LabelledImages | dict[str, Any]]:
    """Read the source named in YAML, checked and split.

    Args:
        data: the source, and how it is split.
        picture_table: lists the images of a source that is a table.

    Returns:
        Training images, test images, validation images if a fraction is set aside for them, data card.

    Raises:
        ExperimentError: data that are missing, cut, altered, of unequal sizes, or too few of a class for the split.
    """
    source = read_source(data.source, project_folder(), _random(data, "data"), picture_table)
    splits = {"train": source.train, "test": source.test}
    if data.validation_fraction:
        splits["train"], splits["validation"] = split_by_class(
            source.train, data.validation_fraction, _random(data, "validation"), "data.validation_fraction"
        )
    card = describe_data(data.source.name, source, splits)
    _require_information(card)
    if source.reading:
        logger.info("%s: %s", data.source.name, _in_words(source))
    if repeated := card["duplicates"]["train"]:
        logger.warning("%d of %d train images repeat an earlier one.", repeated, len(splits["train"]))
    for split, images in splits.items():
        if split != "train" and (known := card["duplicates"][split]):
            logger.warning(
                "%d of %d %s images are also training images; scores against them reward copies.",
                known,
                len(images),
                split,
            )
    return [*splits.values(), card]


def _require_information(card: Mapping[str, Any]) -> None:
    """Refuse images of which nothing can be learned, or with which nothing can be measured.

    Raises:
        ExperimentError: all training images are equal, or all test images are also training images.
    """
    known, images = card["duplicates"], {split: card[split]["images"] for split in card["duplicates"]}
    if images["train"] > 1 and known["train"] == images["train"] - 1:
        raise ExperimentError(f"data.source: all {images['train']} training images are equal; nothing can be learned.")
    for split in images:
        if split != "train" and known[split] == images[split]:
            raise ExperimentError(
                f"data.source: all {images[split]} {split} images are also training images, so they cannot tell a "
                f"generator that copies from one that has learned; bring other {split} images."
            )


def _in_words(source: SourceData) -> str:
    """What was read, left out, changed and taken for granted, as one line."""
    count = len(source.train) + len(source.test)
    classes = len(source.train.classes)
    words = [f"{count} pictures in {classes} {'classes' if classes > 1 else 'class'}"]
    for what, found in source.reading.items():
        entries = ", ".join(f"{key}: {value}" for key, value in found.items()) if isinstance(found, Mapping) else found
        words.append(f"{what.replace('_', ' ')}: {entries or 'nothing'}")
    return "; ".join(words)


def _random(data: DataParameters, name: str) -> torch.Generator:
    return torch.Generator().manual_seed(stage_seed(data.seed, name))


def draw_data_page(data_card: dict[str, Any], train_images: LabelledImages) -> str:
    """The data card as an HTML page with pictures."""
    return data_page(data_card, train_images)


def list_networks(
    classifier: EncoderParameters,
    judge: JudgeParameters,
    second_judge: JudgeParameters,
    sgan: SGANParameters,
    infogan: InfoGANParameters,
    evaluation: EvaluationParameters,
    train_images: LabelledImages,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The networks of the experiment, and the memory that it takes.

    Returns:
        One row per network: the shape of its output and its number of weights. One row per need of memory, in MiB.
    """
    blocks = (classifier, judge, second_judge, sgan, infogan)
    plan = plan_networks(*blocks, train_images)
    needs = plan_memory(plan, batch_sizes(*blocks), watched(sgan, infogan), evaluation, len(train_images))
    return network_table(plan), memory_table(needs)


def describe_data(name: str, source: SourceData, splits: Mapping[str, LabelledImages]) -> dict[str, Any]:
    """The data card: where the images come from, how many there are, what they look like in numbers.

    `duplicates` says how many training images repeat an earlier one, pixel by pixel, and how many images of the other
    splits are also training images.
    """
    return {
        "source": name,
        "origin": source.origin,
        "licence": source.licence,
        "reading": dict(source.reading),
        "image_shape": list(source.train.image_shape),
        "classes": list(source.train.classes),
        **{split: _describe_split(images) for split, images in splits.items()},
        "duplicates": _count_duplicates(splits),
    }


def _describe_split(data: LabelledImages) -> dict[str, Any]:
    counts = torch.bincount(data.labels, minlength=len(data.classes)).tolist()
    total = int(data.images.numpy().sum(dtype="int64"))  # torch would first make eight bytes of each
    return {
        "images": len(data),
        "images_by_class": dict(zip(data.classes, counts, strict=True)),
        "mean_pixel": round(total / data.images.numel() / 255, 6),
        "sha256": data.digest(),
    }


def _count_duplicates(splits: Mapping[str, LabelledImages]) -> dict[str, int]:
    digests = {split: images.image_digests() for split, images in splits.items()}
    known = set(digests["train"])
    repeated = {split: sum(digest in known for digest in found) for split, found in digests.items()}
    return {**repeated, "train": len(digests["train"]) - len(known)}
