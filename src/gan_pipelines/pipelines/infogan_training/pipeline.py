"""From real pictures to a trained InfoGAN."""

from kedro.pipeline import Node, Pipeline

from gan_pipelines.pipelines.infogan_training.nodes import train_infogan


def create_pipeline() -> Pipeline:
    """One node: G, D and Q train together."""
    node = Node(
        train_infogan,
        inputs=["params:run", "params:infogan", "train_images", "checkpoints"],
        outputs=["infogan", "history_infogan"],
        name="train_infogan",
    )
    return Pipeline([node], namespace="infogan", prefix_datasets_with_namespace=False)
