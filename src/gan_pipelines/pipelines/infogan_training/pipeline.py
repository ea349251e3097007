"""From real pictures to a trained InfoGAN."""

from collections.abc import Collection

from kedro.pipeline import Node, Pipeline

from gan_pipelines.parameters import INITIAL
from gan_pipelines.pipelines.infogan_training.nodes import train_infogan, train_watched_infogan
from gan_pipelines.pipelines.watching import SCORING, draw_infogan_watch


def create_pipeline(initial: Collection[str] = (), watched: bool = False) -> Pipeline:
    """One node: G, D and Q train together.

    Args:
        initial: datasets from which trainings take their first weights; `initial_infogan` may be one.
        watched: whether it is scored while it trains, and the scores are drawn.
    """
    start = [name for name in (f"{INITIAL}infogan",) if name in initial]
    scoring = SCORING if watched else ()
    nodes = [
        Node(
            train_watched_infogan if watched else train_infogan,
            inputs=["params:run", "params:infogan", "train_images", "checkpoints", *scoring, *start],
            outputs=["infogan", "history_infogan"],
            name="train_infogan",
        )
    ]
    if watched:
        inputs, curve = ["params:infogan", "history_infogan"], "infogan_watch_curve"
        nodes.append(Node(draw_infogan_watch, inputs=inputs, outputs=curve, name="draw_watch_curve"))
    return Pipeline(nodes, namespace="infogan", prefix_datasets_with_namespace=False)
