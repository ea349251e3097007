"""From a folder of pictures to samples, scored like those of any generator."""

from kedro.pipeline import Node, Pipeline

from gan_pipelines.pipelines import evaluation
from gan_pipelines.pipelines.pictures.nodes import read_folder

PICTURES = "pictures"


def create_pipeline() -> Pipeline:
    """Read the folder, score, draw."""
    inputs, outputs = ["params:evaluation", "train_images"], f"{PICTURES}_samples"
    reading = Node(read_folder, inputs=inputs, outputs=outputs, name="read_folder")
    return evaluation.in_namespace(
        [reading, evaluation.create_scoring(PICTURES), evaluation.create_drawing(PICTURES)], PICTURES
    )
