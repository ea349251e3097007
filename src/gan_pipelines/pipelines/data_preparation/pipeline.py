"""From a source to checked images, split for training, testing and, if wanted, validation."""

from kedro.pipeline import Node, Pipeline

from gan_pipelines.pipelines.data_preparation.nodes import draw_data_page, list_networks, prepare_images

PICTURE_TABLE = "picture_table"


def create_pipeline(validation: bool, listed: bool) -> Pipeline:
    """Read and check the whole source before any of it is written; then show it, and list networks and memory.

    Args:
        validation: whether some images are set aside for validation.
        listed: whether the dataset `picture_table` lists the images.
    """
    splits = ["train_images", "test_images", *(["validation_images"] if validation else [])]
    nodes = [
        Node(
            prepare_images,
            inputs=["params:data", *([PICTURE_TABLE] if listed else [])],
            outputs=[*splits, "data_card"],
            name="prepare_images",
        ),
        Node(
            draw_data_page,
            inputs=["data_card", "train_images"],
            outputs="data_page",
            name="draw_data_page",
        ),
        Node(
            list_networks,
            inputs=[
                "params:classifier",
                "params:judge",
                "params:second_judge",
                "params:sgan",
                "params:infogan",
                "params:evaluation",
                "train_images",
            ],
            outputs=["network_table", "memory_table"],
            name="list_networks",
        ),
    ]
    return Pipeline(nodes, namespace="data", prefix_datasets_with_namespace=False)
