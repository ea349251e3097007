"""Read a source, check it, split it, say what it is and which networks its images make."""

from typing import Any

import pandas as pd
import torch

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.data.sources import SourceData, read_source
from gan_pipelines.models.requirements import plan_networks
from gan_pipelines.parameters import (
    ClassifierParameters,
    DataParameters,
    InfoGANParameters,
    JudgeParameters,
    SGANParameters,
)
from gan_pipelines.project import project_folder
from gan_pipelines.reporting.networks import network_table
from gan_pipelines.training.stage import stage_seed


def prepare_images(data: DataParameters) -> tuple[LabelledImages, LabelledImages, dict[str, Any]]:
    """Read the source named in YAML, checked and split.

    Args:
        data: the source, and the seed that draws the split where the source has none.

    Returns:
        Training images, test images, data card.

    Raises:
        ExperimentError: data that are missing, cut, altered, or of unequal sizes.
    """
    rng = torch.Generator().manual_seed(stage_seed(data.seed, "data"))
    source = read_source(data.source, project_folder(), rng)
    return source.train, source.test, describe_data(data.source.name, source)


def list_networks(
    classifier: ClassifierParameters,
    judge: JudgeParameters,
    sgan: SGANParameters,
    infogan: InfoGANParameters,
    train_images: LabelledImages,
) -> pd.DataFrame:
    """One row per network of the experiment: the shape of its output and its number of weights."""
    return network_table(plan_networks(classifier, judge, sgan, infogan, train_images))


def describe_data(name: str, source: SourceData) -> dict[str, Any]:
    """The data card: where the images come from, how many there are, what they look like in numbers."""
    return {
        "source": name,
        "origin": source.origin,
        "licence": source.licence,
        "image_shape": list(source.train.image_shape),
        "classes": list(source.train.classes),
        "train": _describe_split(source.train),
        "test": _describe_split(source.test),
    }


def _describe_split(data: LabelledImages) -> dict[str, Any]:
    counts = torch.bincount(data.labels, minlength=len(data.classes)).tolist()
    return {
        "images": len(data),
        "images_by_class": dict(zip(data.classes, counts, strict=True)),
        "mean_pixel": round(data.images.sum(dtype=torch.int64).item() / data.images.numel() / 255, 6),
        "sha256": data.digest(),
    }
