"""From real pictures to a trained InfoGAN."""

from collections.abc import Collection

from kedro.pipeline import Node, Pipeline

from gan_pipelines.parameters import INITIAL
from gan_pipelines.pipelines.infogan_training.nodes import train_infogan


def create_pipeline(initial: Collection[str] = ()) -> Pipeline:
    """One node: G, D and Q train together.

    Args:
        initial: datasets from which trainings take their first weights; `initial_infogan` may be one.
    """
    start = [name for name in (f"{INITIAL}infogan",) if name in initial]
    node = Node(
        train_infogan,
        inputs=["params:run", "params:infogan", "train_images", "checkpoints", *start],
        outputs=["infogan", "history_infogan"],
        name="train_infogan",
    )
    return Pipeline([node], namespace="infogan", prefix_datasets_with_namespace=False)
