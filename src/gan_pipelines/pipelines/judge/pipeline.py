"""From images to the classifier that judges every generator, and that none of them ever sees."""

from kedro.pipeline import Node, Pipeline

from gan_pipelines.pipelines.judge.nodes import train_judge


def create_pipeline() -> Pipeline:
    """One node, shared by all evaluations."""
    node = Node(
        train_judge,
        inputs=["params:run", "params:judge", "train_images", "test_images", "checkpoints"],
        outputs=["judge", "history_judge", "judge_metrics"],
        name="train_judge",
    )
    return Pipeline([node], namespace="judge", prefix_datasets_with_namespace=False)
