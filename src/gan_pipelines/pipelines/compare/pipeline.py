"""From the record of runs to a report that sets them side by side."""

from kedro.pipeline import Node, Pipeline

from gan_pipelines.pipelines.compare.nodes import (
    compare_scores,
    compare_seeds,
    comparison_page,
    differences,
    draw_curves,
    find_runs,
    not_averaged,
    read_histories,
    read_parameters,
    read_pictures,
)
from gan_pipelines.pipelines.unrecorded import READS_THE_RECORD

RECORD = ("tracking_uri", "compared_runs")


def create_pipeline() -> Pipeline:
    """Find, read, compare, draw, write."""
    nodes = [
        Node(
            find_runs,
            inputs=["tracking_uri", "params:compare"],
            outputs=["compared_runs", "compared_left_out"],
            name="find_runs",
        ),
        Node(compare_scores, inputs=[*RECORD], outputs="compared_scores", name="compare_scores"),
        Node(read_parameters, inputs=[*RECORD], outputs="compared_parameters", name="read_parameters"),
        Node(differences, inputs="compared_parameters", outputs="compared_differences", name="find_differences"),
        Node(
            compare_seeds,
            inputs=["compared_runs", "compared_scores", "compared_parameters"],
            outputs="compared_seeds",
            name="compare_seeds",
        ),
        Node(not_averaged, inputs="compared_parameters", outputs="compared_not_averaged", name="find_not_averaged"),
        Node(read_histories, inputs=[*RECORD], outputs="compared_histories", name="read_histories"),
        Node(
            draw_curves, inputs=["compared_runs", "compared_histories"], outputs="compared_curves", name="draw_curves"
        ),
        Node(read_pictures, inputs=[*RECORD], outputs="pictures_side_by_side", name="read_pictures"),
        Node(
            comparison_page,
            inputs=[
                "compared_runs",
                "compared_left_out",
                "compared_scores",
                "compared_seeds",
                "compared_not_averaged",
                "compared_differences",
                "compared_histories",
                "pictures_side_by_side",
            ],
            outputs="comparison_report",
            name="write_report",
        ),
    ]
    return Pipeline(nodes, tags=READS_THE_RECORD, namespace="comparison", prefix_datasets_with_namespace=False)
