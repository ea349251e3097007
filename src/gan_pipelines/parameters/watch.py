"""Whether a generator is scored while it trains."""

from typing import Annotated, Literal, Protocol, TypeVar

from pydantic import Field

from gan_pipelines.parameters.base import Count, Schema
from gan_pipelines.parameters.training import TrainingParameters


class WatchParameters(Schema):
    """A generator is scored by the judge, on validation images, while it trains.

    Attributes:
        every_steps: steps between two times, a multiple of `report_every_steps`; the last step is always scored.
        samples: drawn each time, from the same noise; in hundreds, each a batch of its batch norms.
        keep: the weights that the training ends with: those of its `last` step, or those of the `best` one, which has
            the least Frechet distance among those that were scored.
    """

    every_steps: Count
    samples: Annotated[Count, Field(multiple_of=100, le=1_000_000)] = 1000
    keep: Literal["last", "best"] = "last"


Watched = Annotated[WatchParameters | None, Field(exclude_if=lambda found: found is None)]
"""None is left out of files and provenances, as in those of earlier versions."""


class _Watched(Protocol):
    @property
    def watch(self) -> WatchParameters | None: ...

    @property
    def training(self) -> TrainingParameters: ...


WatchedTraining = TypeVar("WatchedTraining", bound=_Watched)


def check_watch(parameters: WatchedTraining) -> WatchedTraining:
    """Check that scores come with reports of the losses; a validator of whatever is trained and watched.

    Raises:
        ValueError: they would not.
    """
    watch, report_every_steps = parameters.watch, parameters.training.report_every_steps
    if watch and watch.every_steps % report_every_steps:
        raise ValueError(
            f"watch.every_steps: must be a multiple of training.report_every_steps, {report_every_steps}; found "
            f"{watch.every_steps}"
        )
    return parameters
