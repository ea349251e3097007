"""From independent levels to joint ones, and to a stack of each."""

from collections.abc import Collection, Sequence

from kedro.pipeline import Node, Pipeline

from gan_pipelines.parameters import INITIAL, PIXELS
from gan_pipelines.pipelines.sgan_joint.nodes import (
    assemble_levels,
    train_joint_levels,
    train_watched_joint_levels,
)
from gan_pipelines.pipelines.watching import SCORING, draw_joint_watch

INDEPENDENT, JOINT = "level", "joint_level"
"""How the datasets of levels begin that were trained alone, and end to end."""


def create_pipeline(levels: Sequence[str], initial: Collection[str] = (), watched: bool = False) -> Pipeline:
    """Train the levels end to end; assemble the independent ones, and the joint ones.

    Args:
        levels: names of the levels, from the top down to the pixels.
        initial: datasets from which trainings take their first weights.
        watched: whether the stack is scored while it trains, and the scores are drawn.
    """
    stacks = [
        create_assembly(levels, INDEPENDENT, "independent_stack"),
        create_assembly(levels, JOINT, "joint_stack"),
    ]
    training = create_training(levels, initial, watched)
    return training + Pipeline(stacks, namespace="joint", prefix_datasets_with_namespace=False)


def create_training(levels: Sequence[str], initial: Collection[str] = (), watched: bool = False) -> Pipeline:
    """Train the levels end to end.

    Args:
        levels: names of the levels, from the top down to the pixels.
        initial: datasets from which trainings take their first weights; `initial_joint_level_fc3` takes the place of
            `level_fc3`.
        watched: whether the stack is scored while it trains, and the scores are drawn.
    """
    joint = [f"{JOINT}_{name}" for name in levels]
    starts = [f"{INITIAL}{JOINT}_{name}" for name in levels]
    starts = [x if x in initial else f"{INDEPENDENT}_{name}" for x, name in zip(starts, levels, strict=True)]
    encoded = [f"representation_{name}" for name in levels if name != PIXELS]
    scoring = SCORING if watched else ()
    nodes = [
        Node(
            train_watched_joint_levels if watched else train_joint_levels,
            inputs=["params:run", "params:sgan", "encoder", "train_images", "checkpoints", *scoring, *starts, *encoded],
            outputs=[*joint, "history_joint"],
            name="train_joint_levels",
        )
    ]
    if watched:
        inputs, curve = ["params:sgan", "history_joint"], "joint_watch_curve"
        nodes.append(Node(draw_joint_watch, inputs=inputs, outputs=curve, name="draw_watch_curve"))
    return Pipeline(nodes, namespace="joint", prefix_datasets_with_namespace=False)


def create_assembly(levels: Sequence[str], kind: str, stack: str) -> Pipeline:
    """Put trained levels together.

    Args:
        levels: names of the levels, from the top down to the pixels.
        kind: `level` or `joint_level`.
        stack: the dataset to make.
    """
    inputs = ["encoder", *(f"{kind}_{name}" for name in levels)]
    return Pipeline([Node(assemble_levels, inputs=inputs, outputs=stack, name=f"assemble_{stack}")])
