"""Who is told how a training is going."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from gan_pipelines.models.provenance import Provenance

Row = dict[str, float]
"""One report: `step`, `images_per_second`, and the mean of each loss term and measure by its name."""


@dataclass(frozen=True)
class Resumed:
    """Where a resumed training continues.

    Attributes:
        step: the last completed step.
        version: version of the run that completed it.
        rows: everything reported so far.
    """

    step: int
    version: str
    rows: Sequence[Row]


class Observer(Protocol):
    """Follows a training."""

    def start(
        self, steps: int, batch_size: int, provenance: Provenance | None = None, resumed: Resumed | None = None
    ) -> None:
        """The training starts or resumes.

        Args:
            steps: its length.
            batch_size: images per batch.
            provenance: what decides its result, if known.
            resumed: where it continues, if it does.
        """

    def report(self, step: int, metrics: Mapping[str, float]) -> None:
        """Means of the loss terms and measures since the last report."""

    def show(self, step: int, pictures: Tensor) -> None:
        """Generated pictures in [0, 1], (count, channels, height, width), after a step; 0 is before the first one."""


class Silent(Observer):
    """An observer that ignores everything."""

    def start(self, *_: object, **__: object) -> None:
        """Ignore the start."""

    def report(self, *_: object, **__: object) -> None:
        """Ignore the losses."""

    def show(self, *_: object, **__: object) -> None:
        """Ignore the pictures."""
