"""A bar on a terminal; elsewhere nothing but lines in the log, at the pace of an injected clock."""

import io
import logging
import multiprocessing
import re

import pytest
from rich.console import Console

from gan_pipelines.tracking.progress import LINE_EVERY_SECONDS, open_progress


class Terminal(io.StringIO):
    """A file that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "gan_pipelines.tracking.progress")
    return caplog


def console(file: io.StringIO, **environment: str) -> Console:
    return Console(file=file, width=160, _environ={"TERM": "xterm", **environment})


def train(clock: Clock, screen: Console, steps: int = 300, until: int = 300) -> None:
    """Ten steps of 64 images a second, reported every second."""
    progress = open_progress("pixels", screen, clock)
    progress.start(steps, batch_size=64)
    for step in range(10, until + 1, 10):
        clock.now += 1
        progress.report(step, {"generator.adversarial": 0.7654, "images_per_second": 1.0})
    progress.close()


def test_lines_come_at_the_start_every_so_often_and_at_the_end(clock: Clock, log: pytest.LogCaptureFixture) -> None:
    train(clock, console(io.StringIO()))
    assert LINE_EVERY_SECONDS == 15
    assert log.messages == [
        "pixels: 300 steps of 64 images begin",
        "pixels: step 150/300, 640 images/s, 15 s left, generator.adversarial 0.765",
        "pixels: done after 30 s, 640 images/s, generator.adversarial 0.765",
    ]


def test_a_training_that_breaks_off_says_where(clock: Clock, log: pytest.LogCaptureFixture) -> None:
    train(clock, console(io.StringIO()), until=120)
    assert log.messages[-1] == ("pixels: stopped at step 120/300 after 12 s, 640 images/s, generator.adversarial 0.765")


def test_a_training_that_breaks_off_at_once_says_so(clock: Clock, log: pytest.LogCaptureFixture) -> None:
    train(clock, console(io.StringIO()), until=0)
    assert log.messages[-1] == "pixels: stopped at step 0/300 after 0 s, 0 images/s"


def test_a_stage_without_training_is_silent(clock: Clock, log: pytest.LogCaptureFixture) -> None:
    open_progress("judge", console(io.StringIO()), clock).close()
    assert log.messages == []


def test_long_times_are_told_in_minutes_and_hours(clock: Clock, log: pytest.LogCaptureFixture) -> None:
    progress = open_progress("pixels", console(io.StringIO()), clock)
    progress.start(10_000, batch_size=64)
    clock.now += 20
    progress.report(10, {})
    clock.now += 180
    progress.report(1000, {})
    assert [message.split(", ")[2] for message in log.messages[1:]] == ["5.5 h left", "30 min left"]


@pytest.mark.parametrize("environment", [{}, {"FORCE_COLOR": "1"}, {"TTY_COMPATIBLE": "1"}])
def test_a_file_gets_no_bar_even_where_colours_are_forced(
    clock: Clock, log: pytest.LogCaptureFixture, environment: dict[str, str]
) -> None:
    file = io.StringIO()
    train(clock, console(file, **environment))
    assert file.getvalue() == ""
    assert len(log.messages) == 3


def test_a_terminal_gets_a_bar_and_the_log_nothing(clock: Clock, log: pytest.LogCaptureFixture) -> None:
    file = Terminal()
    train(clock, console(file), until=120)
    drawn = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", file.getvalue())
    last = drawn.strip().splitlines()[-1]
    assert re.search(r"pixels .*120/300 640 images/s, 18 s left, generator\.adversarial 0\.765", last)
    assert log.messages == []


def _file_after_training(queue: "multiprocessing.Queue[str]") -> None:
    file = Terminal()
    train(Clock(), console(file))
    queue.put(file.getvalue())


@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_a_worker_process_draws_no_bar() -> None:
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    worker = context.Process(target=_file_after_training, args=(queue,))
    worker.start()
    assert queue.get(timeout=30) == ""
    worker.join()
