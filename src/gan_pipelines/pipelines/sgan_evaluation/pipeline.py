"""From stacks to scores and pictures."""

from collections.abc import Sequence

from kedro.pipeline import Node, Pipeline

from gan_pipelines.pipelines.sgan_evaluation.nodes import (
    draw_loss_curves,
    draw_noise_variations,
    draw_samples,
    score_stacks,
)
from gan_pipelines.stages import sample_stack

STACKS = ("independent", "joint")


def create_pipeline(levels: Sequence[str]) -> Pipeline:
    """Sample, score, draw.

    Args:
        levels: names of the levels; each has its loss curve.
    """
    nodes = [
        Node(
            score_stacks,
            inputs=[
                "params:run",
                "params:evaluation",
                "judge",
                "train_images",
                "test_images",
                *(f"{stack}_stack" for stack in STACKS),
                *(f"{stack}_samples" for stack in STACKS),
            ],
            outputs="scores",
            name="score_stacks",
        ),
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
    return Pipeline([*nodes, *(node for stack in STACKS for node in _stack_nodes(stack))])


def _stack_nodes(stack: str) -> list[Node]:
    return [
        Node(
            sample_stack,
            inputs=["params:run", "params:evaluation", f"{stack}_stack"],
            outputs=f"{stack}_samples",
            name=f"sample_{stack}_stack",
        ),
        Node(
            draw_samples,
            inputs=["params:evaluation", f"{stack}_samples"],
            outputs=f"{stack}_sample_grid",
            name=f"draw_{stack}_samples",
        ),
    ]
