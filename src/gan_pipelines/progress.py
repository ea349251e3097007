"""How far a run has come: on a terminal a bar for each stage under way, and everywhere a line for each that has ended.

A stage is a node of the pipeline. Where no bar can be drawn, a stage that takes long writes a line now and then.
"""

import atexit
import logging
import multiprocessing
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sized
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

from gan_pipelines.bars import Bars, Clock, make_display
from gan_pipelines.version import __version__

logger = logging.getLogger(__name__)

FIRST_LINE_SECONDS, LINE_EVERY_SECONDS = 3.0, 15.0
"""When a stage writes its first line where no bar can be drawn, and the time between two further ones."""
STEP = "step"
"""What a training does."""
VERBOSE = "GAN_PIPELINES_VERBOSE"
"""Environment variable: if it is set, all numbers of a training are shown; `kedro run --verbose` sets it."""

Part = TypeVar("Part")


def announce() -> None:
    """Say that a run begins, before packages are imported that take seconds."""
    if multiprocessing.parent_process() is None:
        print(f"gan_pipelines {__version__}: loading PyTorch and the pipelines", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class _Work:
    """What a stage does at the moment.

    Attributes:
        what: of which there are `total`, such as steps.
        total: how many.
        unit: what its speed is counted in.
        each: how many of those one of them is.
        began: when it began, in the clock's seconds.
        done: how many were done by then.
    """

    what: str
    total: int
    unit: str
    each: int
    began: float
    done: int

    @property
    def trains(self) -> bool:
        """Whether it is a training, whose speed is told at its end too."""
        return self.what == STEP

    def speed(self, done: int, now: float) -> str:
        """How many a second."""
        rate = (done - self.done) * self.each / max(now - self.began, 1e-9)
        return f"{rate:{'.0f' if rate >= 10 else '.2g'}} {self.unit}/s"

    def describe(self, done: int, now: float) -> list[str]:
        """How far it is, how fast, and the time left."""
        taken, rest = done - self.done, self.total - done
        left = [f"{_duration((now - self.began) / taken * rest)} left"] if taken and rest else []
        return [f"{self.what} {done}/{self.total}", self.speed(done, now), *left]


class Stage:
    """A stage under way.

    Args:
        title: such as `3 of 8 fc3.train_level`.
        bars: where its bar is drawn; None where none can be.
        clock: counts seconds.
    """

    def __init__(self, title: str, bars: Bars | None = None, clock: Clock = time.monotonic) -> None:
        self._title, self._bars, self._clock = title, bars, clock
        self._began = clock()
        self._next_line = self._began + FIRST_LINE_SECONDS
        self._work: _Work | None = None
        self._done, self._numbers, self._trained = 0, dict[str, float](), list[str]()
        self._bar = bars.add(title) if bars else None
        _under_way.add(self)

    def start(self, what: str, total: int, unit: str, each: int = 1, done: int = 0) -> None:
        """A work begins, or goes on after `done` of `total`; a stage may have several, one after another."""
        self._work, self._done = _Work(what, total, unit, each, self._clock(), done), done
        if self._bars:
            self._show([f"{what} {done}/{total}"])
        elif self._work.trains:
            logger.info("%s: %d steps of %d images begin", self._title, total - done, each)

    def report(self, done: int, numbers: Mapping[str, float] | None = None) -> None:
        """So many are done."""
        self.note(numbers or {})
        self._done = done
        now = self._clock()
        if self._work and self._work.trains:  # what follows it is not its speed
            self._trained = [self._work.speed(done, now)]
        if self._work and (self._bars or now >= self._next_line):
            self._next_line = now + LINE_EVERY_SECONDS
            self._show([*self._work.describe(done, now), *self._told()])

    def note(self, numbers: Mapping[str, float]) -> None:
        """Numbers to be told from now on."""
        self._numbers |= numbers

    def close(self, stopped: bool = False) -> None:
        """It is over, or broken off; another call does nothing."""
        if self not in _under_way:
            return
        _under_way.discard(self)
        if self._bars and self._bar is not None:
            self._bars.remove(self._bar)
        end, now = "done", self._clock()
        if stopped:
            end = f"stopped at {self._work.what} {self._done}/{self._work.total}" if self._work else "stopped"
        news = [f"{end} after {_duration(now - self._began)}", *self._trained, *self._told()]
        logger.info("%s: %s", self._title, ", ".join(news))

    def _show(self, news: list[str]) -> None:
        if self._bars and self._bar is not None and self._work:
            self._bars.update(self._bar, self._work.total, self._done, ", ".join(news))
        else:
            logger.info("%s: %s", self._title, ", ".join(news))

    def _told(self) -> list[str]:
        return [f"{name} {value:.3g}" for name, value in self._numbers.items()]


_under_way: set[Stage] = set()
_stage: ContextVar[Stage | None] = ContextVar("stage under way in this thread", default=None)
_bars = Bars(make_display)


def begin(title: str, clock: Clock = time.monotonic) -> Stage:
    """Begin a stage in this thread; it is the one to which `track` and `under_way` refer.

    A file gets no bar, nor does a worker process, whose bar would overwrite those of others.
    """
    end()
    drawable = multiprocessing.parent_process() is None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    stage = Stage(title, _bars if drawable else None, clock)
    _stage.set(stage)
    return stage


def note(numbers: Mapping[str, float]) -> None:
    """Numbers that the stage of this thread tells at its end, if there is one."""
    if stage := _stage.get():
        stage.note(numbers)


def end(stopped: bool = False) -> None:
    """End the stage of this thread, if there is one."""
    if stage := _stage.get():
        _stage.set(None)
        stage.close(stopped)


@contextmanager
def under_way(title: str, clock: Clock = time.monotonic) -> Iterator[Stage]:
    """The stage of this thread; one of this title if there is none, as outside a run.

    If the block raises, the stage is told to have stopped.
    """
    given = _stage.get()
    stage = given or begin(title, clock)
    try:
        yield stage
    except BaseException:
        end(stopped=True)
        raise
    if given is None:
        end()


def track(parts: Iterable[Part], what: str, total: int, unit: str = "pictures") -> Iterator[Part]:
    """The same parts, while the stage of this thread, if there is one, tells how far they are.

    Args:
        parts: such as batches, which count as many as they have rows; what has no length counts one.
        what: is done with them.
        total: of all parts together.
        unit: what is counted.
    """
    stage, done = _stage.get(), 0
    if stage:
        stage.start(what, total, unit)
    for part in parts:
        yield part
        done += len(part) if isinstance(part, Sized) else 1
        if stage:
            stage.report(done)


@atexit.register
def end_all() -> None:
    """Break off all stages of this process; after Ctrl-C, the terminal gets its cursor back."""
    for stage in list(_under_way):
        stage.close(stopped=True)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
