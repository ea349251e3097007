"""From a source to checked training and test images."""

from kedro.pipeline import Node, Pipeline

from gan_pipelines.pipelines.data_preparation.nodes import prepare_images


def create_pipeline() -> Pipeline:
    """One node: all of the source is read and checked before any of it is written."""
    return Pipeline(
        [
            Node(
                prepare_images,
                inputs=["params:run", "params:data"],
                outputs=["train_images", "test_images", "data_card"],
                name="prepare_images",
            )
        ]
    )
