"""From real images and judges to what every generator is compared with."""

from kedro.pipeline import Node, Pipeline

from gan_pipelines.pipelines.real_evaluation.nodes import extract_real, score_real

SETTINGS = ("params:run", "params:evaluation")
REAL_IMAGES = ("train_images", "test_images")


def create_pipeline() -> Pipeline:
    """Extract the features of the real images once; score the training images like samples."""
    nodes = [
        Node(
            extract_real,
            inputs=[*SETTINGS, "judge", "second_judge", *REAL_IMAGES],
            outputs="real_features",
            name="extract_features",
        ),
        Node(
            score_real,
            inputs=[*SETTINGS, "judge", *REAL_IMAGES, "real_features"],
            outputs="real_scores",
            name="score",
        ),
    ]
    return Pipeline(nodes, namespace="real_evaluation", prefix_datasets_with_namespace=False)
