"""What is particular to stacks, besides the evaluation that every generator has."""

from collections.abc import Sequence

from kedro.pipeline import Node, Pipeline

from gan_pipelines.parameters import PIXELS
from gan_pipelines.pipelines.sgan_evaluation.nodes import (
    draw_loss_curves,
    draw_noise_variations,
    score_stack_levels,
)

SETTINGS = ("params:run", "params:evaluation")


def create_pipeline(levels: Sequence[str], encoder: str = "encoder") -> Pipeline:
    """Score the levels of both stacks and draw what their noise changes; draw the losses of the joint one.

    Args:
        levels: names of the levels, from the top down to the pixels.
        encoder: the stage that trained it.
    """
    stages = (encoder, "judge", "second_judge", *levels, "joint")
    losses = Node(
        draw_loss_curves,
        inputs=["joint_stack", *(f"history_{stage}" for stage in stages)],
        outputs="loss_curves",
        name="draw_loss_curves",
    )
    independent = _look_at_levels("independent_stack", "level", levels)
    joint = [*_look_at_levels("joint_stack", "joint_level", levels), losses]
    return Pipeline(
        independent, namespace="independent_stack_evaluation", prefix_datasets_with_namespace=False
    ) + Pipeline(joint, namespace="joint_stack_evaluation", prefix_datasets_with_namespace=False)


def _look_at_levels(stack: str, kind: str, levels: Sequence[str]) -> list[Node]:
    scores = _score_levels(stack, kind, levels)
    variations = Node(
        draw_noise_variations,
        inputs=[*SETTINGS, stack, f"{stack}_level_scores"],
        outputs=f"{stack}_noise_variations",
        name="draw_noise_variations",
    )
    return [scores, variations]


def _score_levels(stack: str, kind: str, levels: Sequence[str]) -> Node:
    trained = [f"{kind}_{name}" for name in levels]
    encoded = [f"representation_{name}" for name in levels if name != PIXELS]
    return Node(
        score_stack_levels,
        inputs=["params:run", "train_images", *trained, *encoded],
        outputs=f"{stack}_level_scores",
        name="score_levels",
    )
