"""From a folder to samples, which are then scored like those of any generator."""

from kedro.pipeline import Node, Pipeline

from gan_pipelines.pipelines.pictures.nodes import read_folder


def create_pipeline() -> Pipeline:
    """Read the folder."""
    return Pipeline(
        [
            Node(
                read_folder,
                inputs=["params:evaluation", "train_images"],
                outputs="pictures_samples",
                name="read_folder",
            )
        ]
    )
