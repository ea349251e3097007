"""What is not finite stops a training: what is said, and what is never saved."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gan_pipelines.parameters import CheckpointParameters, TrainingParameters
from gan_pipelines.tensor_file import read_tensors
from gan_pipelines.training.checkpoint import CheckpointFolder
from gan_pipelines.training.divergence import TrainingDiverged
from gan_pipelines.training.engine import train
from gan_pipelines.training.players import Player
from gan_pipelines.training.stage import Stage
from gan_pipelines.training.turns import Turn
from tests.conftest import PROVENANCE


class Scalar(nn.Module):
    """One weight."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(value))


Losses = Callable[[int, Tensor], dict[str, Tensor]]


@pytest.fixture
def diverge(tmp_path: Path, recorder: Callable) -> Callable[..., str]:
    """Train one weight by gradient descent until it diverges; returns the message."""

    def run(losses: Losses, every_steps: int | None = None, rate: float = 0.1, keep: bool = True, **given: Any) -> str:
        model = Scalar(1.0)
        average = Scalar(1.0) if given.get("ema_decay") else None
        players = {"generator": Player(model, torch.optim.SGD(model.parameters(), lr=rate), average)}
        training = TrainingParameters(steps=20, batch_size=10, report_every_steps=10, **given)
        stage = Stage("pixels", provenance=PROVENANCE)

        def objective(step: int) -> Iterator[Turn]:
            yield Turn("generator", lambda: losses(step, model.weight))

        every = CheckpointParameters(every_seconds=None, every_steps=every_steps)
        with CheckpointFolder(tmp_path).open(PROVENANCE, every) as opened, pytest.raises(TrainingDiverged) as error:
            stage.checkpoints = opened if keep else None
            train(stage, players, objective, training, recorder())
        message = str(error.value)
        assert "\n" not in message
        assert message.startswith("Training of pixels diverged ")
        assert "A lower learning_rate or other loss weights may help." in message
        return message

    return run


def bad_term_at(bad_step: int, bad: float = float("nan")) -> Losses:
    def losses(step: int, weight: Tensor) -> dict[str, Tensor]:
        return {"adversarial": weight * 0 + step, "entropy": weight * 0 + (bad if step == bad_step else step / 100)}

    return losses


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_a_bad_term_is_named_with_its_step_its_value_and_those_of_the_steps_before(
    diverge: Callable[..., str], bad: float
) -> None:
    message = diverge(bad_term_at(9, bad))
    assert "at step 9: the term entropy of the generator is not finite" in message
    assert f"(adversarial = 9, entropy = {bad:g})" in message
    expected = "; ".join(f"step {step}: adversarial = {step}, entropy = {step / 100:g}" for step in range(4, 9))
    assert f"Before it {expected}. " in message
    assert "step 3:" not in message


def test_at_the_first_step_there_is_nothing_before(diverge: Callable[..., str]) -> None:
    assert "at step 1: " in diverge(bad_term_at(1))
    assert "there was no step. There is no checkpoint yet." in diverge(bad_term_at(1))


def test_two_bad_terms_are_both_named(diverge: Callable[..., str]) -> None:
    nan = float("nan")
    message = diverge(lambda _, weight: {"adversarial": nan * weight, "entropy": nan * weight, "other": weight})
    assert "the term adversarial, entropy of the generator is not finite" in message


@pytest.mark.parametrize("function", [torch.sqrt, lambda x: x.abs() ** 0.5], ids=["sqrt", "power"])
def test_a_gradient_that_is_not_finite_stops_it_though_the_loss_is(
    diverge: Callable[..., str], tmp_path: Path, function: Callable[[Tensor], Tensor]
) -> None:
    """The loss is 0, its slope is not."""

    def losses(step: int, weight: Tensor) -> dict[str, Tensor]:
        return {"distance": function(weight - weight.detach()) if step == 7 else 0 * weight}

    message = diverge(losses, every_steps=1)
    assert "at step 7: the gradient (norm " in message
    assert "of the generator is not finite (distance = 0)" in message
    assert_good_checkpoints(tmp_path, [5, 6])


def assert_good_checkpoints(folder: Path, steps: list[int]) -> None:
    files = sorted(folder.rglob("step_*"))
    assert [int(file.stem.removeprefix("step_")) for file in files] == steps
    for file in files:
        for name, value in read_tensors(file)[0].items():
            assert torch.isfinite(value).all(), name


def test_the_last_good_checkpoint_is_named_and_holds_no_bad_weights(
    diverge: Callable[..., str], tmp_path: Path
) -> None:
    message = diverge(bad_term_at(9), every_steps=4)
    assert_good_checkpoints(tmp_path, [4, 8])
    assert f"The last good checkpoint is {max(tmp_path.rglob('step_*'))}." in message
    assert "No model was saved." in message


def test_it_says_that_there_is_no_checkpoint(diverge: Callable[..., str]) -> None:
    assert "There is no checkpoint yet." in diverge(bad_term_at(9))
    assert "No checkpoints are kept." in diverge(bad_term_at(9), keep=False)


@pytest.mark.parametrize(("every_steps", "found_at", "good"), [(1, 3, [1, 2]), (4, 4, []), (None, 20, [])])
def test_weights_that_overflow_are_never_saved_though_losses_and_gradients_stay_finite(
    diverge: Callable[..., str], tmp_path: Path, every_steps: int | None, found_at: int, good: list[int]
) -> None:
    """Seen at the next checkpoint, and at the end at the latest."""

    def losses(step: int, weight: Tensor) -> dict[str, Tensor]:
        return {"adversarial": (1e38 if step == 3 else 0.0) * weight.nan_to_num(0, 0, 0)}

    message = diverge(losses, every_steps=every_steps, rate=1e3, ema_decay=0.5)
    assert f"by step {found_at}: weights of the generator are not finite" in message
    assert_good_checkpoints(tmp_path, good)
    if good:
        assert f"The last good checkpoint is {max(tmp_path.rglob('step_*'))}." in message
    else:
        assert "There is no checkpoint yet." in message
    assert "adversarial = 0" in message  # of the last steps


def test_a_training_that_went_on_does_not_say_that_it_had_just_begun(diverge: Callable[..., str]) -> None:
    first = diverge(bad_term_at(9), every_steps=4)
    again = diverge(bad_term_at(9), every_steps=4)  # from step 8
    assert first.split("Before it")[0] == again.split("Before it")[0]
    assert first.split(". ")[-3:] == again.split(". ")[-3:]
    assert "Before it there was no step." not in again
