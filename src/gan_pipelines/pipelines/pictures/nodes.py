"""Read pictures from elsewhere."""

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.data.sources import read_pictures
from gan_pipelines.parameters import EvaluationParameters, ExperimentError
from gan_pipelines.project import project_folder


def read_folder(evaluation: EvaluationParameters, train_images: LabelledImages) -> LabelledImages:
    """The pictures of `evaluation.pictures`, as they are: any number of them, whoever made them.

    Raises:
        ExperimentError: no folder is named, or it holds nothing to be scored.
    """
    if evaluation.pictures is None:
        raise ExperimentError(
            "evaluation.pictures: this pipeline scores a folder of pictures, and none is named. "
            "Name one: --params=evaluation.pictures=<folder>."
        )
    return read_pictures(project_folder() / evaluation.pictures, train_images)
