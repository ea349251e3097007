"""Bars on a terminal, one for each stage under way."""

import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import rich.console
    import rich.progress

Clock = Callable[[], float]


class Bars:
    """The bars of all stages that are under way in this process: a terminal has room for one display.

    What is written to stderr meanwhile, such as the log, appears above them.

    Args:
        display: makes the display, whenever there is a first bar.
    """

    def __init__(self, display: "Callable[[], rich.progress.Progress]") -> None:
        self._make, self._lock = display, threading.Lock()
        self._display: rich.progress.Progress | None = None

    def add(self, title: str) -> "rich.progress.TaskID":
        """Draw a bar that does not know yet how far it is."""
        with self._lock:
            if self._display is None:
                self._display = self._make()
                self._display.start()
            return self._display.add_task(title, total=None, news="")

    def update(self, bar: "rich.progress.TaskID", total: int, done: int, news: str) -> None:
        """Redraw a bar."""
        if display := self._display:
            display.update(bar, total=total, completed=done, news=news)

    def remove(self, bar: "rich.progress.TaskID") -> None:
        """Take a bar away; with the last one the display ends."""
        with self._lock:
            if self._display:
                self._display.remove_task(bar)
                if not self._display.tasks:
                    self._display.stop()
                    self._display = None


def make_display(
    console: "rich.console.Console | None" = None, clock: Clock = time.monotonic
) -> "rich.progress.Progress":
    """A display of bars that leaves nothing behind.

    Args:
        console: where it is drawn; stderr if None.
        clock: counts seconds.
    """
    from rich import progress
    from rich.console import Console
    from rich.table import Column

    rest = Column(no_wrap=True, overflow="ellipsis", ratio=1)
    return progress.Progress(
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(bar_width=20),
        progress.TimeElapsedColumn(),
        progress.TextColumn("{task.fields[news]}", markup=False, table_column=rest),
        console=console or Console(stderr=True),
        get_time=clock,
        expand=True,
        transient=True,
        redirect_stdout=sys.stdout.isatty(),
    )
