"""Ctrl-C and SIGTERM: a training finishes its step, writes a checkpoint and ends; everything else ends at once.

Signals belong to the process, so whether one has come is known here, once a process, to trainings in any thread.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SAY_AGAIN_SECONDS = 0.02
STOPPING = (signal.SIGINT, signal.SIGTERM)


class Interrupted(SystemExit):
    """A training was told to stop; the exit code is 128 + the signal's number, as shells have it."""


class _Signals:
    """The signal that has come, if any, and how many things are under way that must be whole."""

    received = 0
    whole = 0
    report_unraisable: "Callable[[sys.UnraisableHookArgs], Any]" = staticmethod(sys.unraisablehook)
    lock = threading.Lock()


def stop_on_signals() -> None:
    """Let Ctrl-C and SIGTERM stop trainings after their step; only the main thread may say so, in others it is void."""
    _Signals.received = 0
    if threading.current_thread() is threading.main_thread():
        for number in STOPPING:
            signal.signal(number, _stop)
        if sys.unraisablehook is not _say_again:
            _Signals.report_unraisable = sys.unraisablehook
            sys.unraisablehook = _say_again


def stop_requested() -> int:
    """Number of the signal that asks trainings to stop; 0 where there is none."""
    return _Signals.received


@contextmanager
def stoppable() -> Iterator[None]:
    """Around what must not be torn apart: a training, which looks at `stop_requested` after each step; a few words.

    Raises:
        Interrupted: at the end of the outermost one, if a signal came meanwhile that nothing within has heeded.
    """
    known = _Signals.received
    with _Signals.lock:
        _Signals.whole += 1
    try:
        yield
    finally:
        with _Signals.lock:
            _Signals.whole -= 1
    if _Signals.received and not known and not _Signals.whole:
        raise Interrupted(128 + _Signals.received)


def _stop(number: int, _: FrameType | None) -> None:
    """Pass the word on to worker processes, and end what is no training; told twice, do not wait for trainings either.

    A worker may hear of one Ctrl-C from the terminal and from its parent, so it takes no second word.
    """
    again, _Signals.received = _Signals.received, number
    for child in multiprocessing.active_children():
        if again:
            child.kill()
        else:
            child.terminate()
    is_worker = multiprocessing.parent_process() is not None
    if (again and not is_worker) or not (again or _Signals.whole):
        raise Interrupted(128 + number)


def _say_again(lost: "sys.UnraisableHookArgs") -> None:
    """A signal that came where Python lets no exception through, as in a finaliser, comes again a moment later."""
    if not isinstance(lost.exc_value, Interrupted):
        _Signals.report_unraisable(lost)
        return
    number, _Signals.received = _Signals.received, 0
    again = threading.Timer(SAY_AGAIN_SECONDS, os.kill, (os.getpid(), number))
    again.daemon = True
    again.start()
