"""Checkpoints that were changed: a training resumes from them or passes them over, and ends as it should."""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from torch import Tensor

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.parameters import CheckpointParameters, ClassifierParameters, RunParameters
from gan_pipelines.tensor_file import read_tensors, write_tensors
from gan_pipelines.training.checkpoint import CheckpointFolder, Described
from gan_pipelines.training.classifier import fit_classifier
from gan_pipelines.training.observer import Silent
from tests.fuzzing.outcome import accepted, cases
from tests.fuzzing.schemas import JSON_BROKEN, Changed, Fields
from tests.fuzzing.tensors import altered

RUN = RunParameters(threads=1, checkpoints=CheckpointParameters(every_seconds=None, every_steps=2))
CLASSIFIER = ClassifierParameters.model_validate(
    {
        "blocks": [
            {"name": "fc", "layers": [{"layer": "linear", "features": 3}, {"layer": "batch_norm"}]},
            {"name": "labels", "layers": [{"layer": "linear", "features": "target"}]},
        ],
        "training": {"steps": 5, "batch_size": 4, "report_every_steps": 3},
    }
)
IMAGES = LabelledImages(torch.zeros(10, 1, 2, 2, dtype=torch.uint8), torch.arange(10) % 2, ("a", "b"))


def train(folder: Path) -> list[dict[str, float]]:
    """The history of a training, resumed if the folder has a checkpoint of it."""
    return fit_classifier(RUN, "encoder", CLASSIFIER, IMAGES, IMAGES, Silent(), CheckpointFolder(folder, "run"))[1]


def checkpoints(folder: Path) -> list[Path]:
    return sorted(folder.rglob("step_*.safetensors"))


def interrupted() -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The state of a training after its fourth step, one after its first report."""
    with tempfile.TemporaryDirectory() as folder:
        train(Path(folder))
        return read_tensors(checkpoints(Path(folder))[0])


TENSORS, DESCRIPTION = interrupted()
FIELDS = Fields(Described, JSON_BROKEN)
OBSTACLES: Mapping[str, Callable[[Path], object]] = {
    "empty file": lambda path: path.write_bytes(b""),
    "cut file": lambda path: path.write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00{}"),
    "folder": lambda path: path.mkdir(),
    "full folder": lambda path: (path / "inner").mkdir(parents=True),
    "link to nowhere": lambda path: path.symlink_to("nowhere"),
    "link to a folder": lambda path: path.symlink_to("/proc/self"),
    "link to itself": lambda path: path.symlink_to(path),
}


@st.composite
def states(draw: DrawFn) -> tuple[dict[str, Tensor], Changed]:
    """Tensors and description of a checkpoint, one of them changed."""
    if draw(st.booleans()):
        return TENSORS, draw(FIELDS.changed(DESCRIPTION))
    return draw(altered(TENSORS)), Changed((), DESCRIPTION)


@pytest.fixture(scope="module")
def last_step() -> float:
    """Of a whole training."""
    with tempfile.TemporaryDirectory() as folder:
        return train(Path(folder))[-1]["step"]


def check(last_step: float, spoil: Callable[[Path], object]) -> None:
    """Spoil the newest checkpoint of a training, and train to the end."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        train(folder)
        first, last = checkpoints(folder)
        first.unlink()
        last.unlink()
        spoil(first)
        rows = accepted(lambda: train(folder), "encoder diverged")
        assert rows is None or rows[-1]["step"] == last_step


@cases(0.08)
@given(state=states())
def test_a_training_goes_on_from_a_changed_checkpoint_or_without_it(
    last_step: float, state: tuple[dict[str, Tensor], Changed]
) -> None:
    tensors, changed = state
    check(last_step, lambda path: write_tensors(path, tensors, changed.data))


LAST = "players.classifier.optimiser.0."
STRANGE_STATES: Mapping[str, Mapping[str, Tensor]] = {
    "a moment less": {name: value for name, value in TENSORS.items() if name != f"{LAST}exp_avg"},
    "a moment of complex numbers": TENSORS | {f"{LAST}exp_avg": TENSORS[f"{LAST}exp_avg"].to(torch.complex64)},
    "steps of no number": TENSORS | {f"{LAST}step": torch.empty(0)},
    "weights that are not finite": TENSORS
    | {"players.classifier.module.blocks.fc.1.bias": torch.full((3,), torch.nan)},
    "batches of one example": TENSORS | {"batches.order": torch.zeros(10, dtype=torch.int64)},
    "a position behind the end": TENSORS | {"batches.position": torch.tensor(11)},
}


@pytest.mark.parametrize("tensors", STRANGE_STATES.values(), ids=STRANGE_STATES)
def test_a_state_that_is_none_of_this_training_is_passed_over_with_a_warning(
    last_step: float, tensors: Mapping[str, Tensor], caplog: pytest.LogCaptureFixture
) -> None:
    check(last_step, lambda path: write_tensors(path, tensors, DESCRIPTION))
    assert "does not hold the state of this training" in caplog.text


@pytest.mark.parametrize("obstacle", OBSTACLES.values(), ids=OBSTACLES)
def test_a_training_starts_although_something_is_in_the_place_of_its_checkpoint(
    last_step: float, obstacle: Callable[[Path], object]
) -> None:
    check(last_step, obstacle)
