"""From the journal of a sweep to a report; also while `kedro sweep` is under way."""

from kedro.pipeline import Node, Pipeline

from gan_pipelines.pipelines.sweep_report.nodes import list_trials, rate_parameters, sweep_figure, sweep_page
from gan_pipelines.pipelines.unrecorded import READS_THE_RECORD

SWEEP = "params:sweep"


def create_pipeline() -> Pipeline:
    """List the trials, rate the parameters, draw, write."""
    nodes = [
        Node(list_trials, inputs=[SWEEP, "sweep_study"], outputs="sweep_trials", name="list_trials"),
        Node(
            rate_parameters,
            inputs=[SWEEP, "sweep_trials", "sweep_study"],
            outputs="sweep_importance",
            name="rate_parameters",
        ),
        Node(sweep_figure, inputs=[SWEEP, "sweep_trials", "sweep_importance"], outputs="sweep_figure", name="draw"),
        Node(
            sweep_page,
            inputs=["experiment_name", SWEEP, "sweep_trials", "sweep_importance", "sweep_figure"],
            outputs="sweep_page",
            name="write_page",
        ),
    ]
    return Pipeline(nodes, tags=READS_THE_RECORD, namespace="sweep", prefix_datasets_with_namespace=False)
