"""From a source to checked training and test images."""

from kedro.pipeline import Node, Pipeline

from gan_pipelines.pipelines.data_preparation.nodes import list_networks, prepare_images


def create_pipeline() -> Pipeline:
    """Read and check the whole source before any of it is written; then list the networks."""
    nodes = [
        Node(
            prepare_images,
            inputs="params:data",
            outputs=["train_images", "test_images", "data_card"],
            name="prepare_images",
        ),
        Node(
            list_networks,
            inputs=["params:classifier", "params:judge", "params:sgan", "params:infogan", "train_images"],
            outputs="network_table",
            name="list_networks",
        ),
    ]
    return Pipeline(nodes, namespace="data", prefix_datasets_with_namespace=False)
