"""Read pictures from elsewhere."""

from dataclasses import replace
from pathlib import Path

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.data.sources import read_external_pictures
from gan_pipelines.models.requirements import fewest_scored
from gan_pipelines.parameters import EvaluationParameters, ExperimentError
from gan_pipelines.project import project_folder


def find_folder(evaluation: EvaluationParameters) -> Path:
    """The folder `evaluation.pictures`, which is taken from the project's where it is relative.

    Raises:
        ExperimentError: none is named, or it is not there.
    """
    if evaluation.pictures is None:
        raise ExperimentError(
            "evaluation.pictures: this pipeline scores a folder of pictures, and none is named. "
            "Name one: --params=evaluation.pictures=<folder>."
        )
    folder = project_folder() / evaluation.pictures
    if not folder.is_dir():
        raise ExperimentError(f"evaluation.pictures: there is no folder {folder}.")
    return folder


def read_folder(evaluation: EvaluationParameters, train_images: LabelledImages) -> LabelledImages:
    """The pictures of `evaluation.pictures`, as they are, whoever made them; they stand for their own generator.

    Raises:
        ExperimentError: no folder is named, or it holds nothing to be scored.
    """
    folder = find_folder(evaluation)
    pictures, needed = read_external_pictures(folder, train_images), fewest_scored(train_images.classes)
    if len(pictures) < needed:
        raise ExperimentError(f"evaluation.pictures: {folder}: scores need at least {needed}; found {len(pictures)}.")
    return replace(pictures, made_from={"generator": pictures.digest()})
