"""Ctrl-C and SIGTERM: how a training reacts, and how everything else does."""

import logging
import multiprocessing.process
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from gan_pipelines.parameters import CheckpointParameters, TrainingParameters
from gan_pipelines.training.checkpoint import CheckpointFolder
from gan_pipelines.training.engine import train
from gan_pipelines.training.interruption import (
    Interrupted,
    stop_on_signals,
    stop_requested,
    stoppable,
)
from gan_pipelines.training.players import make_player
from gan_pipelines.training.ranks import Ranks
from gan_pipelines.training.stage import Stage
from gan_pipelines.training.turns import Turn
from tests.conftest import PROVENANCE

pytestmark = pytest.mark.usefixtures("handlers")

CODES = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
NEVER = CheckpointParameters(every_seconds=None)


@pytest.fixture
def folder(tmp_path: Path) -> CheckpointFolder:
    return CheckpointFolder(tmp_path)


@pytest.fixture
def fit(folder: CheckpointFolder, recorder: Callable) -> Callable[..., Any]:
    """Train a weight for 5 steps; `events` says what happens during a step."""

    def run(events: dict[int, Callable[[], None]], keep: bool = True) -> Any:
        module, observer = nn.Linear(1, 1), recorder()
        training = TrainingParameters(steps=5, batch_size=2, report_every_steps=1)
        stage = Stage("toy", provenance=PROVENANCE)

        def objective(step: int) -> Iterator[Turn]:
            events.get(step, lambda: None)()
            yield Turn("model", lambda: {"loss": module(torch.ones(2, 1)).square().mean()})

        with folder.open(PROVENANCE, NEVER) as opened:
            stage.checkpoints = opened if keep else None
            train(stage, {"model": make_player(module, training)}, objective, training, observer)
        return observer

    return run


def send(number: int) -> Callable[[], None]:
    return lambda: signal.raise_signal(number)


def kept(folder: CheckpointFolder) -> list[int]:
    return sorted(int(file.stem.removeprefix("step_")) for file in folder.path.rglob("step_*"))


@pytest.mark.parametrize(("number", "code"), CODES)
def test_a_training_finishes_its_step_and_leaves_one_checkpoint(
    fit: Callable[..., Any], folder: CheckpointFolder, caplog: pytest.LogCaptureFixture, number: int, code: int
) -> None:
    with pytest.raises(Interrupted) as ended:
        fit({3: send(number)})
    assert ended.value.code == code
    assert kept(folder) == [3]
    (file,) = folder.path.rglob("step_*")
    assert f"toy: stops because of signal {number}. The last good checkpoint is {file}." in caplog.text
    stop_on_signals()
    observer = fit({})
    assert observer.resumed[0].step == 3
    assert [step for step, _ in observer.reports] == [4, 5]


def test_a_signal_to_another_rank_counts_as_received(fit: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ranks, "maximum", lambda _, value: signal.SIGTERM)
    with pytest.raises(Interrupted) as ended:
        fit({})
    assert ended.value.code == 128 + signal.SIGTERM
    assert stop_requested() == signal.SIGTERM


def test_a_training_without_checkpoints_stops_too(
    fit: Callable[..., Any], folder: CheckpointFolder, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(Interrupted):
        fit({3: send(signal.SIGTERM)}, keep=False)
    assert "No checkpoints are kept." in caplog.text
    assert kept(folder) == []


def test_a_signal_in_the_last_step_still_ends_the_run_and_the_training_is_done(
    fit: Callable[..., Any], folder: CheckpointFolder
) -> None:
    """Code after the training does not have to check for signals."""
    with pytest.raises(Interrupted) as ended:
        fit({5: send(signal.SIGTERM)})
    assert ended.value.code == 143
    assert kept(folder) == [5]
    stop_on_signals()
    assert fit({}).resumed[0].step == 5


def test_a_training_that_starts_after_the_signal_takes_no_step(
    fit: Callable[..., Any], folder: CheckpointFolder
) -> None:
    """Such as a training that waits in another thread for the one that was stopped."""
    with pytest.raises(Interrupted):
        signal.raise_signal(signal.SIGTERM)
    with pytest.raises(Interrupted) as ended:
        fit({1: lambda: pytest.fail("a step was taken")})
    assert ended.value.code == 143
    assert kept(folder) == []


def test_a_signal_after_the_last_check_of_a_training_is_not_lost() -> None:
    with pytest.raises(Interrupted) as ended, stoppable():
        signal.raise_signal(signal.SIGTERM)
    assert ended.value.code == 143


def test_a_failing_training_reports_its_error_even_after_a_signal() -> None:
    with pytest.raises(ZeroDivisionError), stoppable():
        signal.raise_signal(signal.SIGTERM)
        raise ZeroDivisionError


@pytest.mark.parametrize(("number", "code"), CODES)
def test_everything_but_a_training_ends_at_once(number: int, code: int) -> None:
    with pytest.raises(Interrupted) as ended:
        signal.raise_signal(number)
    assert ended.value.code == code
    assert stop_requested() == number


class Finalised:
    """Receives a signal where Python discards exceptions."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGTERM)


def test_a_signal_in_a_finaliser_is_not_lost() -> None:
    with pytest.raises(Interrupted) as ended:
        Finalised()
        time.sleep(30)
    assert ended.value.code == 143


def test_after_a_training_signals_end_the_process_at_once(fit: Callable[..., Any]) -> None:
    fit({})
    with pytest.raises(Interrupted):
        signal.raise_signal(signal.SIGINT)


def test_a_second_signal_does_not_wait_for_the_step(fit: Callable[..., Any], folder: CheckpointFolder) -> None:
    def twice() -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("the second signal was not heeded")

    with pytest.raises(Interrupted) as ended:
        fit({3: twice})
    assert ended.value.code == 130
    assert kept(folder) == []


def test_a_new_run_ignores_an_old_signal(fit: Callable[..., Any]) -> None:
    with pytest.raises(Interrupted):
        signal.raise_signal(signal.SIGTERM)
    assert stop_requested() == signal.SIGTERM
    stop_on_signals()
    assert stop_requested() == 0
    assert len(fit({}).reports) == 5


def test_handlers_are_not_installed_in_a_thread() -> None:
    handler = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    thread = threading.Thread(target=stop_on_signals)
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    signal.signal(signal.SIGTERM, handler)


def test_a_signal_to_the_process_stops_a_training_in_a_thread(
    fit: Callable[..., Any], folder: CheckpointFolder, caplog: pytest.LogCaptureFixture
) -> None:
    ended: list[BaseException] = []
    in_training, told = threading.Event(), threading.Event()

    def work() -> None:
        try:
            fit({2: in_training.set, 3: lambda: told.wait(60)})
        except Interrupted as error:
            ended.append(error)

    caplog.set_level(logging.CRITICAL)
    thread = threading.Thread(target=work)
    thread.start()
    assert in_training.wait(60)
    signal.raise_signal(signal.SIGTERM)  # the main thread keeps waiting for the other one
    told.set()
    thread.join()
    assert [error.code for error in ended] == [143]
    assert kept(folder) in ([2], [3])


@contextmanager
def killed_in_the_end(*workers: multiprocessing.process.BaseProcess) -> Iterator[None]:
    """Workers of a failing test must not block other tests."""
    try:
        yield
    finally:
        for worker in workers:
            if worker.pid is not None:
                worker.kill()
                worker.join()


def _work(fit: Callable[..., Any], ready: Any, code: Any) -> None:
    """A worker that gets two signals within a step, from the terminal and from its parent, still finishes the step."""

    def wait_for_two_signals() -> None:
        ready.set()
        while not stop_requested():
            time.sleep(0.001)
        signal.raise_signal(signal.SIGTERM)

    try:
        fit({2: wait_for_two_signals})
    except Interrupted as ended:
        code.value = ended.code


def _idle(ready: Any, code: Any) -> None:
    try:
        ready.set()
        time.sleep(600)
    except Interrupted as ended:
        code.value = ended.code


@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_a_signal_is_forwarded_to_workers_whose_trainings_end_cleanly(
    fit: Callable[..., Any], folder: CheckpointFolder
) -> None:
    context = multiprocessing.get_context("fork")
    events, codes = [context.Event() for _ in range(2)], [context.Value("i", 0) for _ in range(2)]
    training = context.Process(target=_work, args=(fit, events[0], codes[0]))
    idle = context.Process(target=_idle, args=(events[1], codes[1]))
    with killed_in_the_end(training, idle):
        for worker, ready in zip((training, idle), events, strict=True):
            worker.start()
            assert ready.wait(60)
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGTERM)  # only to the parent
        for worker in (training, idle):
            worker.join(30)
            assert not worker.is_alive()
    assert [code.value for code in codes] == [143, 143]
    assert kept(folder) == [2]


def _refuse(ready: Any) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ready.set()
    time.sleep(600)


@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_a_second_signal_kills_workers_that_do_not_react() -> None:
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    worker = context.Process(target=_refuse, args=(ready,))
    with killed_in_the_end(worker):
        worker.start()
        assert ready.wait(60)
        for _ in range(2):
            with pytest.raises(Interrupted):
                signal.raise_signal(signal.SIGTERM)
        worker.join(30)
        assert worker.exitcode == -signal.SIGKILL
