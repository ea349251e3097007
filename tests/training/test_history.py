"""Reports across interruptions: means of whole intervals, and the speed of the steps that were really taken."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gan_pipelines.parameters import CheckpointParameters, TrainingParameters
from gan_pipelines.training import history as history_module
from gan_pipelines.training.checkpoint import CheckpointFolder
from gan_pipelines.training.engine import train
from gan_pipelines.training.players import make_player
from gan_pipelines.training.stage import Stage
from gan_pipelines.training.turns import Turn
from tests.conftest import PROVENANCE

TERMS = {1: 0.1, 2: 0.7, 3: 1e-8, 4: 3e5, 5: -0.3, 6: 1 / 3, 7: 2.5}
"""The term at each step: numbers whose sum depends on the order."""


class PowerCut(Exception):
    pass


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that is set by hand."""
    now = [1000.0]
    monkeypatch.setattr(history_module.time, "perf_counter", lambda: now[0])
    return now


@pytest.fixture
def fit(tmp_path: Path, recorder: Callable) -> Callable[..., Any]:
    """Report every third of 7 steps, keep checkpoints every step; `before` is called at each step."""

    def run(before: Callable[[int], None] = lambda _: None, preview: Callable[[], Tensor] | None = None) -> Any:
        module, observer = nn.Linear(1, 1), recorder()
        training = TrainingParameters(steps=7, batch_size=10, report_every_steps=3)
        stage = Stage("toy", provenance=PROVENANCE)

        def objective(step: int) -> Iterator[Turn]:
            before(step)
            late = {"late": torch.tensor(float(step))} if step in (5, 6) else {}
            values = {"z": 0 * module.weight.sum() + TERMS[step], "a": torch.tensor(1.0)}
            yield Turn("model", lambda: {**late, **values}, measures=lambda _: {"m": torch.tensor(2.0 * step)})

        every = CheckpointParameters(every_seconds=None, every_steps=1)
        with CheckpointFolder(tmp_path).open(PROVENANCE, every) as stage.checkpoints:
            history = train(stage, {"model": make_player(module, training)}, objective, training, observer, preview)
        return history, observer

    return run


def break_off_before(step: int) -> Callable[[int], None]:
    def before(now: int) -> None:
        if now == step:
            raise PowerCut

    return before


def without_speed(rows: list[dict[str, float]]) -> list[list[tuple[str, float]]]:
    return [[(name, value) for name, value in row.items() if name != "images_per_second"] for row in rows]


@pytest.mark.parametrize("step", range(1, 8))
def test_an_interrupted_interval_gives_the_same_row(fit: Callable[..., Any], tmp_path: Path, step: int) -> None:
    with pytest.raises(PowerCut):
        fit(break_off_before(step))
    found, observer = fit()
    for file in tmp_path.rglob("step_*"):
        file.unlink()
    expected, _ = fit()
    assert without_speed(found) == without_speed(expected)  # including the order of the columns
    assert [row["step"] for row in found] == [3, 6, 7]
    assert found[0]["model.z"] == pytest.approx((0.1 + 0.7 + 1e-8) / 3, rel=1e-6)
    assert [row.get("model.late") for row in found] == [None, 5.5, None]
    assert [told for told, _ in observer.reports] == [end for end in (3, 6, 7) if end >= step]


def test_the_speed_counts_only_steps_of_this_process(fit: Callable[..., Any], clock: list[float]) -> None:
    def take_a_second(step: int) -> None:
        clock[0] += 1.0
        break_off_before(6)(step)

    with pytest.raises(PowerCut):
        fit(take_a_second)
    clock[0] += 1e6  # the night in between

    def take_two_seconds(_: int) -> None:
        clock[0] += 2.0

    history, _ = fit(take_two_seconds)
    assert [row["images_per_second"] for row in history] == [10.0, 5.0, 5.0]


def test_previews_and_checkpoints_do_not_count_as_training_time(
    fit: Callable[..., Any], clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    from gan_pipelines.training.checkpoint import StageCheckpoints

    write = StageCheckpoints.write

    def slow_write(self: StageCheckpoints, *arguments: Any) -> None:
        clock[0] += 100.0
        write(self, *arguments)

    def slow_preview() -> Tensor:
        clock[0] += 1000.0
        return torch.zeros(1, 1, 2, 2)

    def take_a_second(_: int) -> None:
        clock[0] += 1.0

    monkeypatch.setattr(StageCheckpoints, "write", slow_write)
    history, observer = fit(take_a_second, slow_preview)
    assert len(observer.shown) == 1 + 7
    assert [row["images_per_second"] for row in history] == [10.0, 10.0, 10.0]
    assert clock[0] == 1000.0 + 1000 + 7 * (1 + 100 + 1000)


def test_a_row_already_reported_keeps_its_speed(fit: Callable[..., Any]) -> None:
    with pytest.raises(PowerCut):
        fit(break_off_before(5))
    _, observer = fit()
    (resumed,) = observer.resumed
    assert [row["step"] for row in resumed.rows[:1]] == [3]
    again, _ = fit()
    assert again[0]["images_per_second"] == resumed.rows[0]["images_per_second"] > 0
