"""What is particular to an InfoGAN, besides the evaluation that every generator has."""

from kedro.pipeline import Node, Pipeline

from gan_pipelines.pipelines.infogan_evaluation.nodes import (
    draw_categories,
    draw_infogan_curves,
    draw_traversals,
    score_infogan_codes,
)

SETTINGS = ("params:run", "params:evaluation")


def create_pipeline() -> Pipeline:
    """Score the codes, draw."""
    drawn = [*SETTINGS, "infogan", "code_scores"]
    nodes = [
        Node(
            score_infogan_codes,
            inputs=[*SETTINGS, "judge", "infogan", "test_images"],
            outputs="code_scores",
            name="score_codes",
        ),
        Node(draw_categories, inputs=drawn, outputs="infogan_categories", name="draw_categories"),
        Node(draw_traversals, inputs=drawn, outputs="infogan_traversals", name="draw_traversals"),
        Node(
            draw_infogan_curves,
            inputs=["infogan", "history_infogan"],
            outputs=["information_curve", "infogan_loss_curves"],
            name="draw_curves",
        ),
    ]
    return Pipeline(nodes, namespace="infogan_evaluation", prefix_datasets_with_namespace=False)
