"""One namespace per level; no edge between levels, so they may run at once, or each on its own machine."""

from collections.abc import Collection, Sequence
from itertools import pairwise

from kedro.pipeline import Node, Pipeline

from gan_pipelines.parameters import INITIAL, LABELS, PIXELS
from gan_pipelines.pipelines.sgan_levels.nodes import train_level


def create_pipeline(levels: Sequence[str], initial: Collection[str] = ()) -> Pipeline:
    """Train each level alone.

    Args:
        levels: their names, from the top down to the pixels.
        initial: datasets from which trainings take their first weights, such as `initial_level_fc3`.
    """
    return sum((create_level(above, name, initial) for above, name in pairwise([LABELS, *levels])), Pipeline([]))


def create_level(above: str, name: str, initial: Collection[str] = ()) -> Pipeline:
    """Train one level alone.

    Args:
        above: the level above it, or `labels`; then it is conditioned on the labels of the images, or on nothing.
        name: the representation that it generates.
        initial: datasets from which trainings take their first weights.
    """
    start = [dataset for dataset in (f"{INITIAL}level_{name}",) if dataset in initial]
    target = "train_images" if name == PIXELS else f"representation_{name}"
    condition = "train_images" if above == LABELS else f"representation_{above}"
    node = Node(
        train_level,
        inputs=["params:run", "params:sgan", "encoder", "train_images", target, condition, "checkpoints", *start],
        outputs=[f"level_{name}", f"history_{name}"],
        name="train_level",
    )
    return Pipeline([node], namespace=name, prefix_datasets_with_namespace=False)
