"""An early alarm: generated representations that hardly vary."""

import logging

from gan_pipelines.training.observer import Row
from gan_pipelines.training.stage import Stage

logger = logging.getLogger(__name__)

VARIANCE_RATIO = "variance_ratio"
"""How the names of measures end that are the variance of generated over that of real representations."""
COLLAPSED = 0.1
"""Below this share of the real variance, hardly anything but collapse can be."""
BEGUN, FEWEST_STEPS = 0.1, 100
"""A generator may still be anywhere in this share of the steps, and in so many of them."""


class CollapseAlarm:
    """Warns once, on the first rank, of each generator whose outputs hardly vary after the start of its training.

    Args:
        stage: the training's stage.
        steps: how long it is.
    """

    def __init__(self, stage: Stage, steps: int) -> None:
        self._stage, self._begun = stage, max(BEGUN * steps, FEWEST_STEPS)
        self._warned = set[str]()

    def watch(self, row: Row) -> None:
        """Look at one report."""
        for name, value in row.items():
            low = name.endswith(VARIANCE_RATIO) and value < COLLAPSED
            if low and self._stage.ranks.is_first and row["step"] > self._begun and name not in self._warned:
                self._warned.add(name)
                generated = name.removesuffix(VARIANCE_RATIO).removesuffix(".") or self._stage.name
                logger.warning(
                    "%s: at step %d the generated %s vary %.3f times as much as real ones: the generator may have "
                    "collapsed",
                    *(self._stage.name, row["step"], generated, value),
                )
