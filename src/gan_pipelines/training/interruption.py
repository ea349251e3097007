"""Ctrl-C and SIGTERM: a training finishes its step, writes a checkpoint and ends; everything else ends at once.

Signals belong to the process, so the state is kept here once per process, for trainings in any thread.
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

RESEND_SECONDS = 0.02
STOPPING = (signal.SIGINT, signal.SIGTERM)


class Interrupted(SystemExit):
    """A training was stopped by a signal; as in shells, the exit code is 128 + the signal's number."""


class _Signals:
    """The signal received, if any, and the number of running sections that must not be torn apart."""

    received = 0
    protected = 0
    report_unraisable: "Callable[[sys.UnraisableHookArgs], Any]" = staticmethod(sys.unraisablehook)
    lock = threading.Lock()


def stop_on_signals() -> None:
    """Let Ctrl-C and SIGTERM stop trainings after their step; has an effect only in the main thread."""
    _Signals.received = 0
    if threading.current_thread() is threading.main_thread():
        for number in STOPPING:
            signal.signal(number, _stop)
        if sys.unraisablehook is not _resend_lost_signal:
            _Signals.report_unraisable = sys.unraisablehook
            sys.unraisablehook = _resend_lost_signal


def stop_requested() -> int:
    """Number of the signal that asks trainings to stop; 0 if there is none."""
    return _Signals.received


def acknowledge(number: int) -> None:
    """Count a signal that another rank received as received here, so that this process's own copy is ignored later.

    Args:
        number: the signal's number.
    """
    _Signals.received = _Signals.received or number


@contextmanager
def stoppable() -> Iterator[None]:
    """Protect a section that must not be torn apart, such as a training, which checks `stop_requested` itself.

    Raises:
        Interrupted: at the end of the outermost section, if a signal arrived that was not handled inside.
    """
    known = _Signals.received
    with _Signals.lock:
        _Signals.protected += 1
    try:
        yield
    finally:
        with _Signals.lock:
            _Signals.protected -= 1
    if _Signals.received and not known and not _Signals.protected:
        raise Interrupted(128 + _Signals.received)


def _stop(number: int, _: FrameType | None) -> None:
    """Forward a signal to worker processes and end whatever is not protected; a second signal ends everything.

    A worker may receive one Ctrl-C twice, from the terminal and from its parent, so it ignores the second.
    """
    again, _Signals.received = _Signals.received, number
    for child in multiprocessing.active_children():
        if again:
            child.kill()
        else:
            child.terminate()
    is_worker = multiprocessing.parent_process() is not None
    if (again and not is_worker) or not (again or _Signals.protected):
        raise Interrupted(128 + number)


def _resend_lost_signal(lost: "sys.UnraisableHookArgs") -> None:
    """Send a signal again that arrived where Python discards exceptions, such as in a finaliser."""
    if not isinstance(lost.exc_value, Interrupted):
        _Signals.report_unraisable(lost)
        return
    number, _Signals.received = _Signals.received, 0
    again = threading.Timer(RESEND_SECONDS, os.kill, (os.getpid(), number))
    again.daemon = True
    again.start()
