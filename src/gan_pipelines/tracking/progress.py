"""Shows how far a training stage has come: a bar on a terminal, otherwise a line in the log now and then."""

import logging
import multiprocessing
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import rich
import rich.progress
from rich.console import Console
from rich.table import Column

from gan_pipelines.tracking.names import SPEED

logger = logging.getLogger(__name__)

LINE_EVERY_SECONDS = 15.0
"""Time between two lines in the log."""


class Progress(Protocol):
    """A display of one training stage."""

    def start(self, steps: int, batch_size: int, done: int = 0) -> None:
        """A training begins, or resumes after `done` steps; a stage may have several trainings."""

    def report(self, step: int, metrics: Mapping[str, float]) -> None:
        """Steps up to this one are done."""

    def close(self) -> None:
        """The stage is over, finished or not."""


def open_progress(stage: str, console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> Progress:
    """Open a bar where one can be drawn, otherwise a display that writes lines to the log.

    A file gets no bar, even if colours are forced; nor does a worker process, whose bar would overwrite those of
    others.

    Args:
        stage: the display's title.
        console: where a bar would be drawn; rich's own by default.
        clock: counts seconds.
    """
    console = console or rich.get_console()
    drawable = console.is_interactive and console.file.isatty() and multiprocessing.parent_process() is None
    return _Bar(stage, console, clock) if drawable else _Lines(stage, clock)


@dataclass(frozen=True)
class _Pace:
    """The speed of a training.

    Attributes:
        steps: its length.
        batch_size: images per step.
        began: when it began, in the clock's seconds.
        done: steps that were done by then.
    """

    steps: int
    batch_size: int
    began: float
    done: int

    def describe(self, step: int, now: float, metrics: Mapping[str, float], ended: bool = False) -> str:
        """Rate, time left where there is any, and the metrics."""
        elapsed, taken = now - self.began, step - self.done
        over = ended or step == self.steps or not taken
        left = [] if over else [f"{_duration(elapsed / taken * (self.steps - step))} left"]
        values = [f"{name} {value:.3g}" for name, value in metrics.items() if name != SPEED]
        return ", ".join([f"{taken * self.batch_size / max(elapsed, 1e-9):.0f} images/s", *left, *values])


class _Bar:
    """A bar that rich redraws in place."""

    def __init__(self, stage: str, console: Console, clock: Callable[[], float]) -> None:
        self._stage, self._clock = stage, clock
        self._display = rich.progress.Progress(
            rich.progress.TextColumn("{task.description}", markup=False),
            rich.progress.BarColumn(bar_width=30),
            rich.progress.MofNCompleteColumn(),
            rich.progress.TextColumn(
                "{task.fields[news]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)
            ),
            console=console,
            get_time=clock,
            expand=True,
        )

    def start(self, steps: int, batch_size: int, done: int = 0) -> None:
        self._pace = _Pace(steps, batch_size, self._clock(), done)
        self._task = self._display.add_task(self._stage, total=steps, completed=done, news="")
        self._display.start()

    def report(self, step: int, metrics: Mapping[str, float]) -> None:
        self._display.update(self._task, completed=step, news=self._pace.describe(step, self._clock(), metrics))

    def close(self) -> None:
        self._display.stop()


class _Lines:
    """A line when a training begins, one every `LINE_EVERY_SECONDS`, and one when it ends."""

    def __init__(self, stage: str, clock: Callable[[], float]) -> None:
        self._stage, self._clock = stage, clock
        self._pace: _Pace | None = None

    def start(self, steps: int, batch_size: int, done: int = 0) -> None:
        self.close()
        self._said = self._clock()
        self._pace = _Pace(steps, batch_size, self._said, done)
        self._step, self._metrics = done, dict[str, float]()
        logger.info("%s: %d steps of %d images begin", self._stage, steps - done, batch_size)

    def report(self, step: int, metrics: Mapping[str, float]) -> None:
        if self._pace is None:
            return
        self._step, self._metrics = step, dict(metrics)
        now = self._clock()
        if now - self._said >= LINE_EVERY_SECONDS and step < self._pace.steps:
            self._said = now
            news = self._pace.describe(step, now, metrics)
            logger.info("%s: step %d/%d, %s", self._stage, step, self._pace.steps, news)

    def close(self) -> None:
        if self._pace is None:
            return
        now = self._clock()
        end = "done" if self._step == self._pace.steps else f"stopped at step {self._step}/{self._pace.steps}"
        news = self._pace.describe(self._step, now, self._metrics, ended=True)
        logger.info("%s: %s after %s, %s", self._stage, end, _duration(now - self._pace.began), news)
        self._pace = None


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
