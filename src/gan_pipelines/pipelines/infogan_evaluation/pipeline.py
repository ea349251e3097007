"""What is particular to an InfoGAN, besides the evaluation that every generator has."""

from kedro.pipeline import Node, Pipeline

from gan_pipelines.pipelines.infogan_evaluation.nodes import (
    draw_categories,
    draw_infogan_curves,
    draw_traversals,
    read_codes,
)

SETTINGS = ("params:run", "params:evaluation")


def create_pipeline() -> Pipeline:
    """Read the codes, draw."""
    return Pipeline(
        [
            Node(
                read_codes,
                inputs=[*SETTINGS, "judge", "infogan", "test_images"],
                outputs="code_scores",
                name="read_codes",
            ),
            Node(draw_categories, inputs=[*SETTINGS, "infogan"], outputs="infogan_categories", name="draw_categories"),
            Node(draw_traversals, inputs=[*SETTINGS, "infogan"], outputs="infogan_traversals", name="draw_traversals"),
            Node(
                draw_infogan_curves,
                inputs=["infogan", "history_infogan"],
                outputs=["information_curve", "infogan_loss_curves"],
                name="draw_infogan_curves",
            ),
        ]
    )
