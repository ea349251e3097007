"""From a trained generator to a folder of pictures, and figures of what it can do."""

from kedro.pipeline import Node, Pipeline

from gan_pipelines.pipelines.sample.nodes import draw_figures, draw_pictures

SETTINGS = ("params:run", "params:sample")
FIGURES = ("sampled_grid", "sampled_interpolation", "sampled_variations")


def create_pipeline(generator: str, own: bool) -> Pipeline:
    """Draw pictures and figures.

    Args:
        generator: its dataset.
        own: whether it was made in this experiment, with whose images its pictures are compared.
    """
    beside, nearest = (["train_images", "test_images"], ["sampled_nearest_images"]) if own else ([], [])
    asked = [*SETTINGS, generator]
    nodes = [
        Node(draw_pictures, inputs=asked, outputs="sampled_pictures", name="draw_pictures"),
        Node(draw_figures, inputs=[*asked, *beside], outputs=[*FIGURES, *nearest], name="draw_figures"),
    ]
    return Pipeline(nodes, namespace="sample", prefix_datasets_with_namespace=False)
