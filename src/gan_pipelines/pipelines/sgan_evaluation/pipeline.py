"""What is particular to stacks, besides the evaluation that every generator has."""

from collections.abc import Sequence

from kedro.pipeline import Node, Pipeline

from gan_pipelines.parameters import PIXELS
from gan_pipelines.pipelines.sgan_evaluation.nodes import (
    draw_loss_curves,
    draw_noise_variations,
    draw_upper_noise_variations,
    score_stack_levels,
)

SETTINGS = ("params:run", "params:evaluation")


def create_pipeline(levels: Sequence[str], encoder: str = "encoder") -> Pipeline:
    """Score the levels of both stacks; draw noise variations and losses of the joint one.

    Args:
        levels: names of the levels, from the top down to the pixels.
        encoder: the stage that trained it.
    """
    independent = _score_levels("independent_stack", "level", levels)
    stages = (encoder, "judge", "second_judge", *levels, "joint")
    joint = [
        _score_levels("joint_stack", "joint_level", levels),
        Node(
            draw_noise_variations,
            inputs=[*SETTINGS, "joint_stack"],
            outputs="joint_stack_noise_variations",
            name="draw_noise_variations",
        ),
        Node(
            draw_loss_curves,
            inputs=[f"history_{stage}" for stage in stages],
            outputs="loss_curves",
            name="draw_loss_curves",
        ),
    ]
    if len(levels) > 1:
        upper = "joint_stack_upper_noise_variations"
        inputs = [*SETTINGS, "joint_stack"]
        joint.append(
            Node(draw_upper_noise_variations, inputs=inputs, outputs=upper, name="draw_upper_noise_variations")
        )
    return Pipeline(
        [independent], namespace="independent_stack_evaluation", prefix_datasets_with_namespace=False
    ) + Pipeline(joint, namespace="joint_stack_evaluation", prefix_datasets_with_namespace=False)


def _score_levels(stack: str, kind: str, levels: Sequence[str]) -> Node:
    trained = [f"{kind}_{name}" for name in levels]
    encoded = [f"representation_{name}" for name in levels if name != PIXELS]
    return Node(
        score_stack_levels,
        inputs=["params:run", "train_images", *trained, *encoded],
        outputs=f"{stack}_level_scores",
        name="score_levels",
    )
