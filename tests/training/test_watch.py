"""A watched training is the same training, and may end with its best weights, also after interruptions."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gan_pipelines.data.images import LabelledImages, Representation
from gan_pipelines.metrics import QuickScores
from gan_pipelines.models import Encoder, InfoGANSpec, LevelGAN
from gan_pipelines.parameters import JointParameters, RunParameters
from gan_pipelines.tensor_file import read_tensors
from gan_pipelines.training.checkpoint import CheckpointFolder
from gan_pipelines.training.infogan import fit_infogan
from gan_pipelines.training.joint import fit_joint
from gan_pipelines.training.watch import Scoring
from tests.training.test_resume import (
    HEAD,
    Breakdown,
    PowerCut,
    breaking_down,
    broken_off,
    exchange,
    run_parameters,
    same_bits,
    without_speed,
)

pytestmark = pytest.mark.usefixtures("handlers")

TRAINING = {"steps": 12, "batch_size": 24, "learning_rate": 5e-3, "ema_decay": 0.9, "report_every_steps": 2}
DRAWING = [{"layer": "linear", "features": 16}, {"layer": "dropout", "probability": 0.3}, {"layer": "leaky_relu"}]
"""Draws from the global stream in each step."""
PLAYERS = {"infogan": 2, "joint": 4}
"""Optimiser steps in a step."""
DISTANCE = "watch.frechet_distance"
SCORES = {DISTANCE, "watch.within_class_diversity"}
Rows = list[dict[str, float]]
Fit = Callable[..., tuple[list[nn.Module], Rows]]
"""Trains with the block `watch` of the YAML, and returns models and history."""


@dataclass
class Scripted:
    """Says what it was told to say, and draws from every global stream as a careless function would."""

    distances: Sequence[float]
    seen: list[Tensor] = field(default_factory=list)
    made_from: Mapping[str, str] = field(default_factory=lambda: {"judge": "none"})

    def __call__(self, pictures: Tensor, labels: Tensor | None, device: torch.device) -> Mapping[str, float]:
        self.seen.append(pictures)
        torch.rand(5)
        return {"frechet_distance": self.distances[len(self.seen) - 1]}


@pytest.fixture
def scoring(encoder: Encoder, images: LabelledImages) -> Scoring:
    return QuickScores(encoder, "fc", images, labelled=True)


@pytest.fixture
def infogan(infogan_spec: Callable[..., InfoGANSpec], images: LabelledImages, recorder: Callable) -> Fit:
    def fit(
        run: RunParameters,
        folder: CheckpointFolder | None,
        watch: dict[str, Any] | None,
        scoring: Scoring | None,
        observer: Any = None,
    ) -> tuple[list[nn.Module], Rows]:
        discriminator = {"trunk": DRAWING, "adversarial": HEAD, "codes": HEAD}
        spec = infogan_spec(training=TRAINING, watch=watch, discriminator=discriminator)
        found = fit_infogan(run, spec, images.pixels(), observer or recorder(), folder, scoring=scoring)
        return [found[0]], found[1]

    return fit


@pytest.fixture
def joint(levels: Callable[..., list[LevelGAN]], encoder: Encoder, images: LabelledImages, recorder: Callable) -> Fit:
    discriminator = {"trunk": DRAWING, "adversarial": HEAD, "noise": HEAD}
    trained = levels(2, training=TRAINING, discriminator=discriminator)
    with torch.no_grad():
        fc = encoder.representations(images.pixels().batch(torch.arange(64)))["fc"]
    real = {"pixels": images.pixels(), "fc": Representation("fc", fc)}

    def fit(
        run: RunParameters,
        folder: CheckpointFolder | None,
        watch: dict[str, Any] | None,
        scoring: Scoring | None,
        observer: Any = None,
    ) -> tuple[list[nn.Module], Rows]:
        parameters = JointParameters.model_validate({"upstream_weight": 0.3, "watch": watch, "training": TRAINING})
        top, observer = images.one_hot_labels(), observer or recorder()
        return fit_joint(run, parameters, trained, encoder, real, top, observer, folder, scoring)

    return fit


def assert_same_weights(found: Sequence[nn.Module], expected: Sequence[nn.Module]) -> None:
    for ours, theirs in zip(found, expected, strict=True):
        wanted = theirs.state_dict()
        assert ours.state_dict().keys() == wanted.keys()
        assert [name for name, value in ours.state_dict().items() if not same_bits(value, wanted[name])] == []


@pytest.mark.parametrize("name", PLAYERS)
def test_watching_changes_no_bit_of_the_training(
    name: str, request: pytest.FixtureRequest, scoring: Scoring, recorder: Callable
) -> None:
    fit, observer = request.getfixturevalue(name), recorder()
    expected, rows = fit(run_parameters(), None, None, None)
    found, watched = fit(run_parameters(), None, {"every_steps": 4, "samples": 100}, scoring, observer)
    assert_same_weights(found, expected)
    assert [row["step"] for row in watched if DISTANCE in row] == [4, 8, 12]
    assert [step for step, metrics in observer.reports if metrics.keys() >= SCORES] == [4, 8, 12]
    assert all(row[DISTANCE] > 0 for row in watched if DISTANCE in row)
    losses = [{column: value for column, value in row.items() if column not in SCORES} for row in watched]
    assert without_speed(losses) == without_speed(rows)


@pytest.mark.parametrize("name", PLAYERS)
def test_the_same_noise_is_drawn_each_time(name: str, request: pytest.FixtureRequest) -> None:
    fit, frozen = request.getfixturevalue(name), Scripted([1.0] * 6)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TRAINING, "learning_rate", 1e-12)
        fit(run_parameters(), None, {"every_steps": 2, "samples": 100}, frozen)
    assert len(frozen.seen) == 6
    first = frozen.seen[0].int()
    assert first.float().std() > 1
    assert all((pictures.int() - first).abs().max() <= 1 for pictures in frozen.seen)
    moving = Scripted([1.0] * 6)
    fit(run_parameters(), None, {"every_steps": 2, "samples": 100}, moving)
    assert all((pictures.int() - moving.seen[0].int()).abs().max() > 1 for pictures in moving.seen[2:])


@pytest.mark.parametrize("name", PLAYERS)
def test_the_best_step_is_handed_back_with_all_players(
    name: str, request: pytest.FixtureRequest, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fit, scripted = request.getfixturevalue(name), Scripted([5.0, 1.0, 1.0])
    caplog.set_level(logging.INFO)
    watch = {"every_steps": 4, "samples": 100, "keep": "best"}
    models, rows = fit(run_parameters(4), CheckpointFolder(tmp_path), watch, scripted)
    assert [row[DISTANCE] for row in rows if DISTANCE in row] == [5.0, 1.0, 1.0]
    assert "ends with the weights of step 8 of 12, of Frechet distance 1; the last had 1" in caplog.text
    eighth, twelfth = (read_tensors(file)[0] for file in sorted(tmp_path.rglob("step_*.safetensors")))
    for model in models:
        prefix = f"{model.spec.target}." if isinstance(model, LevelGAN) else ""
        parts = {"generator.module": model.generator, "discriminator.module": model.discriminator}
        for part, module in {**parts, "generator.average": model.averaged_generator}.items():
            weights = {key: x for key, x in module.state_dict().items() if name == "joint" or "running" not in key}
            kept = {key: (eighth[f"players.{prefix}{part}.{key}"], value) for key, value in weights.items()}
            recomputed = [key for key in kept if name == "infogan" and "num_batches" in key]
            assert [key for key, pair in kept.items() if not same_bits(*pair) and key not in recomputed] == []
            last = {key: twelfth[f"players.{prefix}{part}.{key}"] for key in weights}
            assert not all(same_bits(last[key], value) for key, value in weights.items())


@pytest.mark.parametrize("name", PLAYERS)
def test_an_interrupted_training_ends_with_the_same_best_weights(
    name: str, request: pytest.FixtureRequest, scoring: Scoring, tmp_path: Path
) -> None:
    fit, watch = request.getfixturevalue(name), {"every_steps": 4, "samples": 100, "keep": "best"}
    expected, rows = fit(run_parameters(), CheckpointFolder(tmp_path / "never" / "checkpoints"), watch, scoring)

    def watched(run: RunParameters, folder: CheckpointFolder | None) -> tuple[list[nn.Module], Rows]:
        return fit(run, folder, watch, scoring)

    every = PLAYERS[name]
    cuts = [Breakdown(5 * every + 1, gently=False), Breakdown(5 * every, gently=True), Breakdown(3, gently=False)]
    found, again = broken_off(watched, tmp_path / "often", 3, cuts)
    assert_same_weights(found, expected)
    assert without_speed(again) == without_speed(rows)
    states = [max((tmp_path / folder).rglob("step_000000012.safetensors")) for folder in ("never", "often")]
    (ours, _), (theirs, _) = (read_tensors(file) for file in states)
    assert any(key.startswith("best.") for key in ours)
    assert ours.keys() == theirs.keys()
    assert [key for key, value in ours.items() if not same_bits(value, theirs[key])] == []
    # a finished training, whose run was killed before its result was saved
    with breaking_down(Breakdown(1, gently=False)):
        found, _ = fit(run_parameters(), CheckpointFolder(tmp_path / "often" / "checkpoints"), watch, scoring)
    assert_same_weights(found, expected)


def test_a_checkpoint_without_the_best_weights_is_passed_over(
    infogan: Fit, scoring: Scoring, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    watch = {"every_steps": 2, "samples": 100, "keep": "best"}
    expected, _ = infogan(run_parameters(), None, watch, scoring)
    folder = CheckpointFolder(tmp_path / "checkpoints")
    with pytest.raises(PowerCut), breaking_down(Breakdown(2 * 9, gently=False)):
        infogan(run_parameters(4), folder, watch, scoring)
    exchange(tmp_path, lambda tensors, _: tensors.pop(next(key for key in tensors if key.startswith("best."))))
    found, _ = infogan(run_parameters(), folder, watch, scoring)
    assert "its best weights are not those of this training" in caplog.text
    assert_same_weights(found, expected)


def test_what_scores_is_part_of_what_made_the_weights(infogan: Fit, scoring: Scoring, encoder: Encoder) -> None:
    watch = {"every_steps": 4, "samples": 100, "keep": "best"}
    (watched,), _ = infogan(run_parameters(), None, watch, scoring)
    (alone,), _ = infogan(run_parameters(), None, None, None)
    assert watched.spec.provenance.inputs["judge"] == encoder.digest()
    assert watched.spec.provenance.parameters["watch"] == watch
    assert "watch" not in alone.spec.model_dump_json()
    assert "judge" not in alone.spec.provenance.inputs


def test_a_watched_training_needs_something_that_scores(infogan: Fit) -> None:
    with pytest.raises(ValueError, match="infogan is to be watched, and there is nothing that scores"):
        infogan(run_parameters(), None, {"every_steps": 4}, None)


@pytest.mark.slow
def test_two_ranks_are_watched_by_the_first_and_all_keep_the_best(
    infogan: Fit, scoring: Scoring, tmp_path: Path
) -> None:
    watch = {"every_steps": 4, "samples": 100, "keep": "best"}
    run = run_parameters(4, workers=2)
    (found,), rows = infogan(run, CheckpointFolder(tmp_path), watch, scoring)
    best = min((row for row in rows if DISTANCE in row), key=lambda row: row[DISTANCE])
    assert [row["step"] for row in rows if DISTANCE in row] == [4, 8, 12]
    tensors, _ = read_tensors(max(tmp_path.rglob("step_000000012.safetensors")))
    kept = found.averaged_generator.state_dict()
    assert all(same_bits(tensors[f"best.generator.average.{key}"], value) for key, value in kept.items())
    is_last = all(same_bits(tensors[f"players.generator.average.{key}"], value) for key, value in kept.items())
    assert is_last == (best["step"] == 12)
