"""From independent levels to joint ones, and to a stack of each."""

from collections.abc import Sequence

from kedro.pipeline import Node, Pipeline

from gan_pipelines.parameters import PIXELS
from gan_pipelines.stages import assemble_levels, train_joint_levels


def create_pipeline(levels: Sequence[str]) -> Pipeline:
    """Train the levels end to end; assemble the independent ones, and the joint ones.

    Args:
        levels: names of the levels, from the top down to the pixels.
    """
    independent, joint = ([f"{prefix}_{name}" for name in levels] for prefix in ("level", "joint_level"))
    encoded = [f"representation_{name}" for name in levels if name != PIXELS]
    training = Node(
        train_joint_levels,
        inputs=["params:run", "params:sgan", "encoder", "train_images", "checkpoints", *independent, *encoded],
        outputs=[*joint, "history_joint"],
        name="train_joint_stack",
    )
    return Pipeline([training, _assembly("independent", independent), _assembly("joint", joint)])


def _assembly(which: str, levels: Sequence[str]) -> Node:
    return Node(assemble_levels, inputs=["encoder", *levels], outputs=f"{which}_stack", name=f"assemble_{which}_stack")
