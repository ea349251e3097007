"""A bar on a terminal; everywhere a line for each stage that has ended, at the pace of an injected clock."""

import io
import logging
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from rich.console import Console

from gan_pipelines import progress
from gan_pipelines.bars import Bars, make_display
from gan_pipelines.progress import FIRST_LINE_SECONDS, LINE_EVERY_SECONDS, Stage


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
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    caplog.set_level(logging.INFO, "gan_pipelines.progress")
    yield caplog
    progress.end()


def train(stage: Stage, clock: Clock, until: int = 300) -> None:
    """Ten steps of 64 images a second, reported every second."""
    stage.start("step", 300, "images", 64)
    for step in range(10, until + 1, 10):
        clock.now += 1
        stage.report(step, {"D adversarial": 0.7654})


def test_a_long_stage_writes_a_line_soon_then_now_and_then_and_at_its_end(
    clock: Clock, log: pytest.LogCaptureFixture
) -> None:
    assert (FIRST_LINE_SECONDS, LINE_EVERY_SECONDS) == (3, 15)
    stage = Stage("3 of 8 pixels", clock=clock)
    train(stage, clock)
    stage.note({"test accuracy": 0.5})
    stage.close()
    stage.close()
    assert log.messages == [
        "3 of 8 pixels: 300 steps of 64 images begin",
        "3 of 8 pixels: step 30/300, 640 images/s, 27 s left, D adversarial 0.765",
        "3 of 8 pixels: step 180/300, 640 images/s, 12 s left, D adversarial 0.765",
        "3 of 8 pixels: done after 30 s, 640 images/s, D adversarial 0.765, test accuracy 0.5",
    ]


def test_a_resumed_training_is_as_fast_as_it_was_since_then(clock: Clock, log: pytest.LogCaptureFixture) -> None:
    stage = Stage("pixels", clock=clock)
    stage.start("step", 300, "images", 64, done=200)
    clock.now += 5
    stage.report(250)
    stage.close()
    assert log.messages == [
        "pixels: 100 steps of 64 images begin",
        "pixels: step 250/300, 640 images/s, 5 s left",
        "pixels: done after 5 s, 640 images/s",
    ]


@pytest.mark.parametrize(("until", "where"), [(20, "20/300 after 2 s, 640 images/s, D"), (0, "0/300 after 0 s")])
def test_a_training_that_breaks_off_says_where(
    until: int, where: str, clock: Clock, log: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ZeroDivisionError), progress.under_way("pixels", clock) as stage:
        train(stage, clock, until)
        raise ZeroDivisionError
    _, message = log.messages
    assert message.startswith(f"pixels: stopped at step {where}")


def test_long_times_are_told_in_minutes_and_hours(clock: Clock, log: pytest.LogCaptureFixture) -> None:
    stage = Stage("pixels", clock=clock)
    stage.start("step", 10_000, "images", 64)
    for seconds, step in ((20, 10), (180, 1000)):
        clock.now += seconds
        stage.report(step)
    stage.close()
    assert [message.split(", ")[2] for message in log.messages[1:3]] == ["5.5 h left", "30 min left"]


def test_batches_are_followed_in_the_stage_of_their_thread_and_are_what_they_were(
    log: pytest.LogCaptureFixture,
) -> None:
    started = threading.Barrier(2)

    def read(name: str) -> None:
        batches, clock = [[1, 2, 3], [4, 5, 6], [7]], Clock()
        progress.begin(name, clock)
        started.wait(10)
        found = []
        for batch in progress.track(iter(batches), "read", 7):
            found.append(batch)
            clock.now += 2
        assert found == batches
        progress.end()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(read, ["1 of 2 a", "2 of 2 b"]))
    told = ["read 6/7, 1.5 pictures/s, 1 s left", "done after 6 s"]
    assert sorted(log.messages) == sorted(f"{name}: {news}" for name in ("1 of 2 a", "2 of 2 b") for news in told)


def test_without_a_stage_nothing_is_told(log: pytest.LogCaptureFixture) -> None:
    assert [*progress.track(range(3), "halved", 3)] == [0, 1, 2]
    progress.note({"accuracy": 1.0})
    progress.end()
    assert log.messages == []


def test_a_file_gets_no_bar_even_where_colours_are_forced(
    clock: Clock, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    train(progress.begin("pixels", clock), clock)
    progress.end()
    assert "\x1b" not in "".join(capfd.readouterr())
    assert len(log.messages) == 4


def test_a_terminal_gets_bars_that_leave_nothing_behind_but_the_last_lines(
    clock: Clock, log: pytest.LogCaptureFixture
) -> None:
    file = io.StringIO()
    console = Console(file=file, width=120, force_terminal=True, _environ={"TERM": "xterm"})
    bars = Bars(lambda: make_display(console, clock))
    stages = [Stage(f"{place} of 2 pixels", bars, clock) for place in (1, 2)]
    for stage in stages:
        train(stage, clock, until=120)
        bars._display.refresh()
    drawn = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", file.getvalue())
    assert re.search(r"1 of 2 pixels .*0:00:12 step 120/300, 640 images/s, 18 s left, D adversarial 0\.765", drawn)
    assert log.messages == []
    for stage in stages:
        stage.close()
    assert bars._display is None
    assert file.getvalue().rstrip("\r").endswith("\x1b[2K\x1b[?25h")  # erased, and the cursor is back
    assert [message.split(":")[0] for message in log.messages] == ["1 of 2 pixels", "2 of 2 pixels"]
