"""From a source to checked images, split for training, testing and, if wanted, validation."""

from kedro.pipeline import Node, Pipeline

from gan_pipelines.pipelines.data_preparation.nodes import list_networks, prepare_images


def create_pipeline(validation: bool) -> Pipeline:
    """Read and check the whole source before any of it is written; then list the networks.

    Args:
        validation: whether some images are set aside for validation.
    """
    splits = ["train_images", "test_images", *(["validation_images"] if validation else [])]
    nodes = [
        Node(
            prepare_images,
            inputs="params:data",
            outputs=[*splits, "data_card"],
            name="prepare_images",
        ),
        Node(
            list_networks,
            inputs=[
                "params:classifier",
                "params:judge",
                "params:second_judge",
                "params:sgan",
                "params:infogan",
                "train_images",
            ],
            outputs="network_table",
            name="list_networks",
        ),
    ]
    return Pipeline(nodes, namespace="data", prefix_datasets_with_namespace=False)
