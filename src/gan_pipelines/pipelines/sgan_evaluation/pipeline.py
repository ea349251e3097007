"""What is particular to stacks, besides the evaluation that every generator has."""

from collections.abc import Sequence

from kedro.pipeline import Node, Pipeline

from gan_pipelines.parameters import PIXELS
from gan_pipelines.pipelines.sgan_evaluation.nodes import (
    draw_loss_curves,
    draw_noise_variations,
    score_stack_levels,
)


def create_pipeline(levels: Sequence[str]) -> Pipeline:
    """Score the levels of both stacks, draw variations and losses.

    Args:
        levels: names of the levels, from the top down to the pixels.
    """
    encoded = [f"representation_{name}" for name in levels if name != PIXELS]
    by_stack = {
        "independent_stack": [f"level_{name}" for name in levels],
        "joint_stack": [f"joint_level_{name}" for name in levels],
    }
    scoring = [
        Node(
            score_stack_levels,
            inputs=["params:run", "params:evaluation", "train_images", *trained, *encoded],
            outputs=f"{stack}_level_scores",
            name=f"score_{stack}_levels",
        )
        for stack, trained in by_stack.items()
    ]
    return Pipeline(
        [
            *scoring,
            Node(
                draw_noise_variations,
                inputs=["params:run", "params:evaluation", "joint_stack"],
                outputs="joint_noise_variations",
                name="draw_noise_variations",
            ),
            Node(
                draw_loss_curves,
                inputs=[f"history_{stage}" for stage in ("encoder", "judge", *levels, "joint")],
                outputs="loss_curves",
                name="draw_loss_curves",
            ),
        ]
    )
