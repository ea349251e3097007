"""One namespace per level; no edge between levels, so they may run at once, or each on its own machine."""

from collections.abc import Sequence
from itertools import pairwise

from kedro.pipeline import Node, Pipeline

from gan_pipelines.parameters import LABELS, PIXELS
from gan_pipelines.pipelines.sgan_levels.nodes import train_level


def create_pipeline(levels: Sequence[str]) -> Pipeline:
    """Train each level alone.

    Args:
        levels: their names, from the top down to the pixels.
    """
    return sum((create_level(above, name) for above, name in pairwise([LABELS, *levels])), Pipeline([]))


def create_level(above: str, name: str) -> Pipeline:
    """Train one level alone.

    Args:
        above: the level above it, or `labels`; then it is conditioned on the labels of the images, or on nothing.
        name: the representation that it generates.
    """
    target = "train_images" if name == PIXELS else f"representation_{name}"
    condition = "train_images" if above == LABELS else f"representation_{above}"
    node = Node(
        train_level,
        inputs=["params:run", "params:sgan", "encoder", "train_images", target, condition, "checkpoints"],
        outputs=[f"level_{name}", f"history_{name}"],
        name="train_level",
    )
    return Pipeline([node], namespace=name, prefix_datasets_with_namespace=False)
