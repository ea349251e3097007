"""From images to the frozen encoder and the representations of the training set."""

from collections.abc import Collection, Sequence

from kedro.pipeline import Node, Pipeline

from gan_pipelines.parameters import INITIAL, PIXELS
from gan_pipelines.pipelines.classifier.nodes import encode_training_set, train_encoder


def create_pipeline(levels: Sequence[str], initial: Collection[str] = ()) -> Pipeline:
    """Train the encoder, encode.

    Args:
        levels: names of the levels; each but the pixels gets its representation of the training set.
        initial: datasets from which trainings take their first weights; `initial_encoder` may be one.
    """
    start = [name for name in (f"{INITIAL}encoder",) if name in initial]
    node = Node(
        train_encoder,
        inputs=["params:run", "params:classifier", "train_images", "test_images", "checkpoints", *start],
        outputs=["encoder", "history_encoder", "encoder_metrics"],
        name="train_encoder",
    )
    return _in_namespace([node]) + create_encoding(levels)


def create_encoding(levels: Sequence[str]) -> Pipeline:
    """Encode the training set, whichever the encoder."""
    encoded = [f"representation_{name}" for name in levels if name != PIXELS]
    node = Node(
        encode_training_set,
        inputs=["params:run", "params:sgan", "encoder", "train_images"],
        outputs=encoded,
        name="encode_training_set",
    )
    return _in_namespace([node] if encoded else [])


def _in_namespace(nodes: Sequence[Node]) -> Pipeline:
    return Pipeline(nodes, namespace="encoder", prefix_datasets_with_namespace=False)
