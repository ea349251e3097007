"""From independent levels to joint ones, and to a stack of each."""

from collections.abc import Sequence

from kedro.pipeline import Node, Pipeline

from gan_pipelines.parameters import PIXELS
from gan_pipelines.pipelines.sgan_joint.nodes import assemble_levels, train_joint_levels

INDEPENDENT, JOINT = "level", "joint_level"
"""How the datasets of levels begin that were trained alone, and end to end."""


def create_pipeline(levels: Sequence[str]) -> Pipeline:
    """Train the levels end to end; assemble the independent ones, and the joint ones.

    Args:
        levels: names of the levels, from the top down to the pixels.
    """
    stacks = [
        create_assembly(levels, INDEPENDENT, "independent_stack"),
        create_assembly(levels, JOINT, "joint_stack"),
    ]
    return create_training(levels) + Pipeline(stacks, namespace="joint", prefix_datasets_with_namespace=False)


def create_training(levels: Sequence[str]) -> Pipeline:
    """Train the levels end to end."""
    independent, joint = ([f"{kind}_{name}" for name in levels] for kind in (INDEPENDENT, JOINT))
    encoded = [f"representation_{name}" for name in levels if name != PIXELS]
    node = Node(
        train_joint_levels,
        inputs=["params:run", "params:sgan", "encoder", "train_images", "checkpoints", *independent, *encoded],
        outputs=[*joint, "history_joint"],
        name="train_joint_levels",
    )
    return Pipeline([node], namespace="joint", prefix_datasets_with_namespace=False)


def create_assembly(levels: Sequence[str], kind: str, stack: str) -> Pipeline:
    """Put trained levels together.

    Args:
        levels: names of the levels, from the top down to the pixels.
        kind: `level` or `joint_level`.
        stack: the dataset to make.
    """
    inputs = ["encoder", *(f"{kind}_{name}" for name in levels)]
    return Pipeline([Node(assemble_levels, inputs=inputs, outputs=stack, name=f"assemble_{stack}")])
