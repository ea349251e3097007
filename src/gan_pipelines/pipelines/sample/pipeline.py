"""From a trained generator to a folder of pictures, and figures of what it can do."""

from kedro.pipeline import Node, Pipeline

from gan_pipelines.pipelines.sample.nodes import (
    draw_grid,
    draw_interpolation,
    draw_nearest,
    draw_pictures,
    draw_variations,
)

SETTINGS = ("params:run", "params:sample")


def create_pipeline(generator: str, own: bool) -> Pipeline:
    """Draw pictures and figures.

    Args:
        generator: its dataset.
        own: whether it was made in this experiment, whose training images its pictures are compared with.
    """
    figures = {"grid": draw_grid, "interpolation": draw_interpolation, "variations": draw_variations}
    nodes = [
        Node(draw_pictures, inputs=[*SETTINGS, generator], outputs="sampled_pictures", name="draw_pictures"),
        *(
            Node(draw, inputs=[*SETTINGS, generator], outputs=f"sampled_{name}", name=f"draw_{name}")
            for name, draw in figures.items()
        ),
    ]
    if own:
        inputs, outputs = [*SETTINGS, generator, "train_images"], "sampled_nearest_images"
        nodes.append(Node(draw_nearest, inputs=inputs, outputs=outputs, name="draw_nearest"))
    return Pipeline(nodes, namespace="sample", prefix_datasets_with_namespace=False)
