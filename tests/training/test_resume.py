"""A resumed training equals an uninterrupted one, bit for bit.

Power fails between any two optimiser steps, that is between players too; a signal lets the step end first.
"""

import itertools
import json
import logging
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_pre_hook

from gan_pipelines.data.images import LabelledImages, Representation
from gan_pipelines.model_file import write_model
from gan_pipelines.models import Encoder, EncoderSpec, InfoGANSpec, LevelGAN, LevelSpec
from gan_pipelines.parameters import CheckpointParameters, ClassifierParameters, JointParameters, RunParameters
from gan_pipelines.tensor_file import read_tensors, write_tensors
from gan_pipelines.training.checkpoint import CheckpointFolder
from gan_pipelines.training.classifier import fit_classifier
from gan_pipelines.training.infogan import fit_infogan
from gan_pipelines.training.interruption import Interrupted, stop_on_signals
from gan_pipelines.training.joint import fit_joint
from gan_pipelines.training.level import fit_level
from tests.conftest import blocks_of

pytestmark = pytest.mark.usefixtures("handlers")

STEPS = 12
TRAINING = {
    "steps": STEPS,
    "batch_size": 24,  # of 64 images, so that epochs do not end with a batch
    "learning_rate": 5e-3,
    "final_learning_rate_fraction": 0.1,
    "ema_decay": 0.9,
    "report_every_steps": 5,
}
CONVOLUTIONS = [
    {"layer": "random_affine", "distortion": 0.2, "shift_pixels": 1},
    {"layer": "conv", "channels": 5, "kernel": 3, "stride": 2, "padding": 1},
    {"layer": "batch_norm"},
    {"layer": "leaky_relu"},
    {"layer": "dropout", "probability": 0.3},
    {"layer": "conv", "channels": 6, "kernel": 3, "stride": 2, "padding": 1},
    {"layer": "leaky_relu"},
    {"layer": "linear", "features": 12},
]
"""Two convolutions, whose weights and moments have channels last in memory, and two layers that draw."""
HEAD = [{"layer": "linear", "features": "target"}]

Rows = list[dict[str, float]]
Fit = Callable[..., tuple[list[Any], Rows]]
"""Trains, and returns models and history."""


class PowerCut(Exception):
    """Stands for anything that ends a process."""


@dataclass(frozen=True)
class Breakdown:
    """How a training is interrupted, and at which optimiser step of the run."""

    optimiser_step: int
    gently: bool


@contextmanager
def breaking_down(how: Breakdown | None) -> Iterator[None]:
    """Interrupt a training by a power failure or a signal."""
    taken = itertools.count(1)

    def before_step(*_: object) -> None:
        if how is not None and next(taken) == how.optimiser_step:
            if not how.gently:
                raise PowerCut
            signal.raise_signal(signal.SIGTERM)

    handle = register_optimizer_step_pre_hook(before_step)
    stop_on_signals()
    try:
        yield
    finally:
        handle.remove()


@pytest.fixture
def classifier_parameters(encoder_spec: EncoderSpec) -> ClassifierParameters:
    stages = encoder_spec.model_dump()["blocks"]
    stages["fc"] = [*stages["fc"], {"layer": "dropout", "probability": 0.3}]
    return ClassifierParameters.model_validate(
        {
            "blocks": blocks_of(stages),
            "training": {**TRAINING, "ema_decay": 0},
            "augmentation_pixels": 1,
            "weight_decay": 0.1,
        }
    )


@pytest.fixture
def classifier(images: LabelledImages, classifier_parameters: ClassifierParameters, recorder: Callable) -> Fit:
    def fit(
        run: RunParameters,
        folder: CheckpointFolder | None,
        data: LabelledImages = images,
        parameters: ClassifierParameters = classifier_parameters,
        name: str = "encoder",
    ) -> tuple[list[Any], Rows]:
        model, history, _ = fit_classifier(run, name, parameters, data, data, recorder(), folder)
        return [model], history

    return fit


@pytest.fixture
def real(encoder: Encoder, images: LabelledImages) -> dict[str, Representation]:
    found = encoder.representations(images.pixels().batch(torch.arange(64)))
    return {"pixels": images.pixels(), "fc": Representation("fc", found["fc"]), "labels": images.one_hot_labels()}


@pytest.fixture
def convolutional(level_spec: Callable[..., LevelSpec]) -> LevelSpec:
    discriminator = {"trunk": CONVOLUTIONS, "adversarial": HEAD, "noise": HEAD}
    return level_spec("pixels", "fc", training=TRAINING, discriminator=discriminator, condition_noise=0.1)


@pytest.fixture
def level(convolutional: LevelSpec, encoder: Encoder, real: dict[str, Representation], recorder: Callable) -> Fit:
    def fit(run: RunParameters, folder: CheckpointFolder | None) -> tuple[list[Any], Rows]:
        model, history = fit_level(run, convolutional, encoder, real["pixels"], real["fc"], recorder(), folder)
        return [model], history

    return fit


@pytest.fixture
def joint(
    convolutional: LevelSpec,
    level_spec: Callable[..., LevelSpec],
    encoder: Encoder,
    real: dict[str, Representation],
    recorder: Callable,
) -> Fit:
    trained = [LevelGAN(level_spec("fc", training=TRAINING)), LevelGAN(convolutional)]
    parameters = JointParameters.model_validate({"upstream_weight": 0.3, "training": TRAINING})

    def fit(run: RunParameters, folder: CheckpointFolder | None) -> tuple[list[Any], Rows]:
        return fit_joint(run, parameters, trained, encoder, real, real["labels"], recorder(), folder)

    return fit


@pytest.fixture
def infogan(infogan_spec: Callable[..., InfoGANSpec], images: LabelledImages, recorder: Callable) -> Fit:
    spec = infogan_spec(training=TRAINING, discriminator={"trunk": CONVOLUTIONS, "adversarial": HEAD, "codes": HEAD})

    def fit(run: RunParameters, folder: CheckpointFolder | None) -> tuple[list[Any], Rows]:
        model, history = fit_infogan(run, spec, images.pixels(), recorder(), folder)
        return [model], history

    return fit


def run_parameters(every_steps: int | None = None, **others: Any) -> RunParameters:
    return RunParameters(
        seed=3, threads=1, checkpoints=CheckpointParameters(every_seconds=None, every_steps=every_steps), **others
    )


def same_bits(found: Tensor, expected: Tensor) -> bool:
    """Bit for bit, so that a NaN equals itself and -0 differs from 0."""
    alike = (found.dtype, found.shape) == (expected.dtype, expected.shape)
    return alike and found.detach().numpy().tobytes() == expected.detach().numpy().tobytes()


def without_speed(rows: Sequence[dict[str, float]]) -> str:
    """As text, which shows the order of the columns and in which NaN equals itself."""
    return json.dumps([{name: value for name, value in row.items() if name != "images_per_second"} for row in rows])


def assert_same_end(folder: Path, expected: Path, results: Sequence[tuple[list[Any], Rows]]) -> None:
    """Model files byte for byte; all tensors of the last checkpoints, and the rows without the speed."""
    (models, history), (other_models, other_history) = results
    assert without_speed(history) == without_speed(other_history)
    assert [row["step"] for row in history] == [5, 10, 12]
    for model, other in zip(models, other_models, strict=True):
        write_model(folder / "model", model)
        write_model(expected / "model", other)
        assert (folder / "model").read_bytes() == (expected / "model").read_bytes()
    (ours, described), (theirs, other_described) = (last_state(path) for path in (folder, expected))
    assert set(ours) == set(theirs)
    different = [name for name, value in theirs.items() if not same_bits(ours[name], value)]
    assert different == []
    assert without_speed(described["values"]["rows"]) == without_speed(other_described["values"]["rows"])
    parts = {name.split(".")[0] for name in theirs}
    assert parts == {"players", "random", "batches"}  # no sums: the last interval is complete


def last_state(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The checkpoint after the last step, which is kept until the whole run is complete."""
    files = sorted(folder.glob("checkpoints/*/0/*/step_*.safetensors"))
    assert int(files[-1].stem.removeprefix("step_")) == STEPS
    return read_tensors(files[-1])


def broken_off(
    fit: Fit, folder: Path, every_steps: int | None, breakdowns: Sequence[Breakdown]
) -> tuple[list[Any], Rows]:
    """Train with interruptions; every attempt is a new run in the same folder."""
    for number, how in enumerate([*breakdowns, None]):
        try:
            with breaking_down(how):
                return fit(run_parameters(every_steps), CheckpointFolder(folder / "checkpoints", f"run {number}"))
        except (PowerCut, Interrupted):
            continue
    raise AssertionError("the last attempt is not broken off")


PLAYERS = {"classifier": 1, "level": 2, "joint": 4, "infogan": 2}
FREQUENCIES = st.one_of(st.none(), st.integers(1, 5))


@pytest.mark.slow
@pytest.mark.parametrize("name", PLAYERS)
def test_a_resumed_training_equals_an_uninterrupted_one(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    fit: Fit = request.getfixturevalue(name)
    expected = fit(run_parameters(), CheckpointFolder(tmp_path / "checkpoints"))
    assert without_speed(fit(run_parameters(), None)[1]) == without_speed(expected[1])
    breakdown = st.builds(Breakdown, st.integers(1, PLAYERS[name] * STEPS), st.booleans())

    @settings(max_examples=8, deadline=None, derandomize=True, database=None)
    @given(every_steps=FREQUENCIES, breakdowns=st.lists(breakdown, min_size=1, max_size=3))
    def check(every_steps: int | None, breakdowns: list[Breakdown]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            found = broken_off(fit, Path(folder), every_steps, breakdowns)
            assert_same_end(Path(folder), tmp_path, [found, expected])

    check()


@pytest.mark.parametrize("name", PLAYERS)
def test_a_training_can_be_interrupted_at_every_step(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    fit: Fit = request.getfixturevalue(name)
    expected = fit(run_parameters(), CheckpointFolder(tmp_path / "never" / "checkpoints"))
    every_step = [Breakdown(PLAYERS[name], gently=True)] * (STEPS - 1)
    found = broken_off(fit, tmp_path / "always", None, every_step)
    assert_same_end(tmp_path / "always", tmp_path / "never", [found, expected])


def test_restored_moments_have_the_memory_layout_of_their_weights(level: Fit, tmp_path: Path) -> None:
    """Fused kernels rely on it: a moment in another layout would be read in the wrong order."""
    seen: list[tuple[tuple[int, ...], tuple[int, ...]]] = []

    def look(optimiser: torch.optim.Optimizer, *_: object) -> None:
        for weight, state in optimiser.state.items():
            seen.extend((weight.stride(), state[name].stride()) for name in ("exp_avg", "exp_avg_sq"))

    with pytest.raises(PowerCut), breaking_down(Breakdown(5, gently=False)):
        level(run_parameters(1), CheckpointFolder(tmp_path))
    handle = register_optimizer_step_pre_hook(look)
    try:
        level(run_parameters(), CheckpointFolder(tmp_path))
    finally:
        handle.remove()
    assert any(len(stride) == 4 and stride[1] == 1 for stride, _ in seen)
    assert [pair for pair in seen if pair[0] != pair[1]] == []


def spoil(folder: Path, how: str) -> None:
    newest = max(folder.rglob("step_*.safetensors"))
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 4
    newest.write_bytes(content[: len(content) // 3] if how == "cut" else bytes(content))


@pytest.mark.parametrize("how", ["cut", "altered"])
def test_a_broken_checkpoint_repeats_steps_but_changes_nothing(
    infogan: Fit, tmp_path: Path, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    expected = infogan(run_parameters(), CheckpointFolder(tmp_path / "never" / "checkpoints"))
    with pytest.raises(PowerCut), breaking_down(Breakdown(2 * 9, gently=False)):
        infogan(run_parameters(3), CheckpointFolder(tmp_path / "broken" / "checkpoints"))
    spoil(tmp_path / "broken", how)
    caplog.set_level(logging.INFO)
    found = infogan(run_parameters(), CheckpointFolder(tmp_path / "broken" / "checkpoints"))
    assert "a broken checkpoint is skipped" in caplog.text
    assert "infogan: resumes from the checkpoint of step 3 of 12" in caplog.text
    assert_same_end(tmp_path / "broken", tmp_path / "never", [found, expected])


def exchange(folder: Path, change: Callable[[dict[str, Tensor], dict[str, Any]], None]) -> None:
    """Give the newest checkpoint other contents, and the digest that belongs to them."""
    newest = max(folder.rglob("step_*.safetensors"))
    tensors, description = read_tensors(newest)
    change(tensors, description)
    write_tensors(newest, tensors, description)


def other_shape(tensors: dict[str, Tensor], description: dict[str, Any]) -> None:
    name = next(name for name in reversed(tensors) if name.startswith("players.discriminator.module."))
    tensors[name] = torch.zeros(3, 3, 3)


WRONG: dict[str, Callable[[dict[str, Tensor], dict[str, Any]], Any]] = {
    "no weights": lambda tensors, description: tensors.pop(
        next(name for name in reversed(tensors) if "discriminator.module" in name)
    ),
    "another shape": other_shape,
    "no moment": lambda tensors, description: tensors.update({"players.generator.optimiser.99.exp_avg": torch.ones(1)}),
    "no random state": lambda tensors, description: tensors.pop("random.stage"),
    "a random state of another kind": lambda tensors, description: tensors.update({"random.cpu.0": torch.ones(3)}),
    "no position": lambda tensors, description: tensors.pop("batches.position"),
    "no sum": lambda tensors, description: tensors.pop(next(name for name in tensors if name.startswith("sums."))),
    "a step that is text": lambda tensors, description: description.update(step="six"),
    "no step": lambda tensors, description: description.pop("step"),
    "rows that are none": lambda tensors, description: description["values"].update(rows=[5]),
    "no rows": lambda tensors, description: description.update(values={}),
    "values that are a list": lambda tensors, description: description.update(values=[]),
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_an_intact_checkpoint_of_another_state_is_passed_over(
    infogan: Fit,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    change: Callable[[dict[str, Tensor], dict[str, Any]], None],
) -> None:
    expected = infogan(run_parameters(), CheckpointFolder(tmp_path / "never" / "checkpoints"))
    with pytest.raises(PowerCut), breaking_down(Breakdown(2 * 9, gently=False)):
        infogan(run_parameters(4), CheckpointFolder(tmp_path / "broken" / "checkpoints"))
    exchange(tmp_path / "broken", change)
    caplog.set_level(logging.INFO)
    found = infogan(run_parameters(), CheckpointFolder(tmp_path / "broken" / "checkpoints"))
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert "a broken checkpoint is skipped" in warning
    assert "step_000000008.safetensors" in warning
    assert "\n" not in warning
    assert "infogan: resumes from the checkpoint of step 4 of 12" in caplog.text
    assert_same_end(tmp_path / "broken", tmp_path / "never", [found, expected])


def test_a_training_without_an_intact_checkpoint_starts_from_scratch(
    classifier: Fit, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    expected = classifier(run_parameters(), CheckpointFolder(tmp_path / "never" / "checkpoints"))
    with pytest.raises(PowerCut), breaking_down(Breakdown(4, gently=False)):
        classifier(run_parameters(3), CheckpointFolder(tmp_path / "broken" / "checkpoints"))
    spoil(tmp_path / "broken", "cut")
    caplog.set_level(logging.INFO)
    found = classifier(run_parameters(), CheckpointFolder(tmp_path / "broken" / "checkpoints"))
    assert "resumes" not in caplog.text
    assert_same_end(tmp_path / "broken", tmp_path / "never", [found, expected])


def break_off(fit: Fit, folder: CheckpointFolder, **arguments: Any) -> None:
    with pytest.raises(PowerCut), breaking_down(Breakdown(6, gently=False)):
        fit(run_parameters(5), folder, **arguments)


def test_resuming_is_logged_and_the_observer_gets_the_earlier_reports(
    images: LabelledImages,
    classifier: Fit,
    classifier_parameters: ClassifierParameters,
    tmp_path: Path,
    recorder: Callable,
    caplog: pytest.LogCaptureFixture,
) -> None:
    break_off(classifier, CheckpointFolder(tmp_path, "first"))
    caplog.set_level(logging.INFO)
    observer, folder = recorder(), CheckpointFolder(tmp_path, "second")
    _, history, _ = fit_classifier(run_parameters(), "encoder", classifier_parameters, images, images, observer, folder)
    assert "encoder: resumes from the checkpoint of step 5 of 12" in caplog.text
    assert observer.started == [(12, 24)]
    (resumed,) = observer.resumed
    assert (resumed.step, resumed.version) == (5, "first")
    assert [row["step"] for row in resumed.rows][:1] == [5]
    assert [step for step, _ in observer.reports] == [10, 12]
    assert [row["step"] for row in history] == [5, 10, 12]


def test_a_finished_training_is_not_repeated(
    images: LabelledImages,
    classifier: Fit,
    classifier_parameters: ClassifierParameters,
    tmp_path: Path,
    recorder: Callable,
) -> None:
    models, history = classifier(run_parameters(), CheckpointFolder(tmp_path, "first"))
    observer = recorder()
    with breaking_down(Breakdown(1, gently=False)):  # at its first optimiser step, which never happens
        model, again, _ = fit_classifier(
            run_parameters(),
            "encoder",
            classifier_parameters,
            images,
            images,
            observer,
            CheckpointFolder(tmp_path, "second"),
        )
    assert again == history
    assert observer.reports == []
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())
    write_model(tmp_path / "first", models[0])
    write_model(tmp_path / "second", model)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


@pytest.mark.parametrize("steps", [5, STEPS])
def test_a_successful_run_removes_the_checkpoints_it_resumed(classifier: Fit, tmp_path: Path, steps: int) -> None:
    """Even if the training was complete and the earlier run was interrupted afterwards."""
    first, second = (CheckpointFolder(tmp_path, name) for name in ("first", "second"))
    if steps == STEPS:
        classifier(run_parameters(5), first)
    else:
        break_off(classifier, first)
    classifier(run_parameters(), second)
    second.clear()
    assert list(tmp_path.rglob("step_*")) == []


OTHERS: dict[str, dict[str, Any]] = {
    "another frequency of checkpoints": {"checkpoints": CheckpointParameters(every_seconds=0.5, every_steps=7)},
    "no frequency at all": {"checkpoints": CheckpointParameters(every_seconds=None)},
}


@pytest.mark.parametrize("changed", OTHERS.values(), ids=OTHERS)
def test_the_frequency_of_checkpoints_is_not_part_of_the_provenance(
    classifier: Fit, tmp_path: Path, caplog: pytest.LogCaptureFixture, changed: dict[str, Any]
) -> None:
    break_off(classifier, CheckpointFolder(tmp_path))
    caplog.set_level(logging.INFO)
    classifier(run_parameters().model_copy(update=changed), CheckpointFolder(tmp_path))
    assert "encoder: resumes from the checkpoint of step 5 of 12" in caplog.text


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [("seed", 4, "seed was 3, is 4"), ("threads", 2, "threads was 1, is 2"), ("deterministic", True, "deterministic")],
)
def test_another_run_starts_from_scratch_and_says_why(
    classifier: Fit, tmp_path: Path, caplog: pytest.LogCaptureFixture, field: str, value: Any, said: str
) -> None:
    expected = classifier(run_parameters().model_copy(update={field: value}), None)
    break_off(classifier, CheckpointFolder(tmp_path))
    caplog.set_level(logging.INFO)
    found = classifier(run_parameters().model_copy(update={field: value}), CheckpointFolder(tmp_path))
    assert "resumes" not in caplog.text
    assert "encoder: starts from scratch" in caplog.text
    assert said in caplog.text
    assert without_speed(found[1]) == without_speed(expected[1])


def test_changed_parameters_start_from_scratch_and_are_named(
    classifier: Fit, classifier_parameters: ClassifierParameters, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    raw = classifier_parameters.model_dump()
    changed = ClassifierParameters.model_validate({**raw, "training": {**raw["training"], "beta2": 0.9}})
    expected = classifier(run_parameters(), None, parameters=changed)
    break_off(classifier, CheckpointFolder(tmp_path))
    caplog.set_level(logging.INFO)
    found = classifier(run_parameters(), CheckpointFolder(tmp_path), parameters=changed)
    assert "resumes" not in caplog.text
    assert "(parameters.training.beta2 was 0.999, is 0.9)" in caplog.text
    assert without_speed(found[1]) == without_speed(expected[1])


def test_changed_data_start_from_scratch_and_are_named(
    images: LabelledImages, classifier: Fit, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pixels = images.images.clone()
    pixels[63, 0, 7, 7] ^= 1
    changed = LabelledImages(pixels, images.labels, images.classes)
    break_off(classifier, CheckpointFolder(tmp_path))
    caplog.set_level(logging.INFO)
    found = classifier(run_parameters(), CheckpointFolder(tmp_path), data=changed)
    assert "resumes" not in caplog.text
    assert f"(inputs.images was {images.digest()}, is {changed.digest()})" in caplog.text
    assert without_speed(found[1]) == without_speed(classifier(run_parameters(), None, data=changed)[1])


def test_changed_code_starts_from_scratch_and_is_named(
    classifier: Fit, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gan_pipelines.training import machine

    break_off(classifier, CheckpointFolder(tmp_path))
    was = machine.code_version()
    monkeypatch.setattr(machine, "code_version", lambda: "0.1.0+other")
    caplog.set_level(logging.INFO)
    classifier(run_parameters(), CheckpointFolder(tmp_path))
    assert "resumes" not in caplog.text
    assert f"(code was {was}, is 0.1.0+other)" in caplog.text


def test_another_stage_with_the_same_parameters_starts_from_scratch(
    classifier: Fit, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    break_off(classifier, CheckpointFolder(tmp_path))
    caplog.set_level(logging.INFO)
    classifier(run_parameters(), CheckpointFolder(tmp_path), name="judge")
    assert "resumes" not in caplog.text


def test_another_encoder_or_lower_level_starts_from_scratch(
    level_spec: Callable[..., LevelSpec],
    encoder_spec: EncoderSpec,
    encoder: Encoder,
    real: dict[str, Representation],
    tmp_path: Path,
    recorder: Callable,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """In joint training, whose parameters do not say which levels it starts from."""
    trained = [LevelGAN(level_spec("fc")), LevelGAN(level_spec("pixels", "fc"))]
    parameters = JointParameters.model_validate({"training": TRAINING})
    other = [trained[0], LevelGAN(level_spec("pixels", "fc"))]
    another_encoder = Encoder(encoder_spec).freeze()

    def fit(run: RunParameters, folder: CheckpointFolder, levels: Any = trained, of: Encoder = encoder) -> Any:
        return fit_joint(run, parameters, levels, of, real, real["labels"], recorder(), folder)

    with pytest.raises(PowerCut), breaking_down(Breakdown(4 * 6, gently=False)):
        fit(run_parameters(5), CheckpointFolder(tmp_path))
    caplog.set_level(logging.INFO)
    fit(run_parameters(), CheckpointFolder(tmp_path), levels=other)
    fit(run_parameters(), CheckpointFolder(tmp_path), of=another_encoder)
    assert "resumes" not in caplog.text
    assert "inputs.level_pixels was " in caplog.text
    assert f"inputs.encoder was {encoder.digest()}, is {another_encoder.digest()}" in caplog.text
    fit(run_parameters(), CheckpointFolder(tmp_path))
    assert "joint: resumes from the checkpoint of step 5 of 12" in caplog.text
