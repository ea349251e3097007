"""One namespace a level; no edge between levels, so they may run at once, or each on its own machine."""

from collections.abc import Sequence
from itertools import pairwise

from kedro.pipeline import Node, Pipeline

from gan_pipelines.parameters import LABELS, PIXELS
from gan_pipelines.stages import train_level


def create_pipeline(levels: Sequence[str]) -> Pipeline:
    """A training node a level.

    Args:
        levels: names of the levels, from the labels down to the pixels.
    """
    return sum((_level_pipeline(above, name) for above, name in pairwise([LABELS, *levels])), Pipeline([]))


def _level_pipeline(above: str, name: str) -> Pipeline:
    target = "train_images" if name == PIXELS else f"representation_{name}"
    condition = "train_images" if above == LABELS else f"representation_{above}"
    node = Node(
        train_level,
        inputs=["params:run", "params:sgan", "encoder", target, condition, "checkpoints"],
        outputs=[f"level_{name}", f"history_{name}"],
        name="train_level",
    )
    return Pipeline(
        [node],
        namespace=name,
        inputs={"encoder", target, condition, "checkpoints"},
        outputs={f"level_{name}", f"history_{name}"},
        parameters={"params:run", "params:sgan"},
    )
