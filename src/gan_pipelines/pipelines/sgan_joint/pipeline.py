"""From independent levels to the stack."""

from collections.abc import Sequence

from kedro.pipeline import Node, Pipeline

from gan_pipelines.parameters import PIXELS
from gan_pipelines.pipelines.sgan_joint.nodes import assemble_independent_stack, train_joint_stack


def create_pipeline(levels: Sequence[str]) -> Pipeline:
    """Assemble the independent stack; train the joint one.

    Args:
        levels: names of the levels, from the labels down to the pixels.
    """
    trained = [f"level_{name}" for name in levels]
    encoded = [f"representation_{name}" for name in levels if name != PIXELS]
    return Pipeline(
        [
            Node(
                assemble_independent_stack,
                inputs=["encoder", *trained],
                outputs="independent_stack",
                name="assemble_independent_stack",
            ),
            Node(
                train_joint_stack,
                inputs=["params:run", "params:sgan", "encoder", "train_images", "checkpoints", *trained, *encoded],
                outputs=["joint_stack", "history_joint"],
                name="train_joint_stack",
            ),
        ]
    )
