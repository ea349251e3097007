"""From a trained generator, and what is known of it, to a folder that can be published."""

from kedro.pipeline import Node, Pipeline

from gan_pipelines.pipelines.export.nodes import collect_files, draw_samples, export_program, write_card


def create_pipeline(generator: str, own: bool) -> Pipeline:
    """Write a model card, draw samples, export the program, collect all of them in one folder.

    Args:
        generator: its dataset.
        own: whether it was made in this experiment, which then knows its data and its scores.
    """
    known = ["experiment_name", "data_card", f"{generator}_scores", "real_scores"] if own else []
    if own and generator == "infogan":
        known.append("code_scores")
    parts = ("exported_card", "exported_grid", "exported_programs")
    nodes = [
        Node(write_card, inputs=["params:export", generator, *known], outputs=parts[0], name="write_card"),
        Node(draw_samples, inputs=["params:run", "params:export", generator], outputs=parts[1], name="draw_samples"),
        Node(
            export_program, inputs=["params:run", "params:export", generator], outputs=parts[2], name="export_program"
        ),
        Node(collect_files, inputs=[generator, *parts], outputs="exported_folder", name="collect_files"),
    ]
    return Pipeline(nodes, namespace="export", prefix_datasets_with_namespace=False)
