"""A training that starts from trained weights: exactly those, its own random streams, its own checkpoints."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from gan_pipelines.data.images import LabelledImages, Representation
from gan_pipelines.model_file import read_model, write_model
from gan_pipelines.models import Encoder, EncoderSpec, InfoGAN, InfoGANSpec, LevelGAN, LevelSpec
from gan_pipelines.parameters import (
    CheckpointParameters,
    ClassifierParameters,
    JointParameters,
    RunParameters,
)
from gan_pipelines.training.checkpoint import CheckpointFolder
from gan_pipelines.training.classifier import fit_classifier
from gan_pipelines.training.infogan import fit_infogan
from gan_pipelines.training.initial import take_weights
from gan_pipelines.training.joint import fit_joint
from gan_pipelines.training.level import fit_level
from tests.conftest import blocks_of

STANDING_STILL = 1e-30
"""A learning rate by which no weight changes by more than `NOTHING`."""
NOTHING = 1e-25
RUN = RunParameters(seed=0, checkpoints=CheckpointParameters(every_seconds=None, every_steps=2))


class PowerCut(Exception):
    """Ends a training at a report."""


def training(steps: int = 4, rate: float = 1e-2, decay: float = 0.5) -> dict[str, Any]:
    return {"steps": steps, "batch_size": 16, "learning_rate": rate, "ema_decay": decay, "report_every_steps": 3}


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    return dict(model.named_parameters())


def equal(ours: nn.Module, theirs: nn.Module) -> bool:
    return all(
        torch.allclose(value, weights(theirs)[name], rtol=0, atol=NOTHING) for name, value in weights(ours).items()
    )


@pytest.fixture
def level(
    level_spec: Callable[..., LevelSpec], encoder: Encoder, images: LabelledImages, recorder: Callable
) -> Callable[..., LevelGAN]:
    """Trains the level fc, from an initial one if there is one."""
    features = Representation("fc", encoder.representations(images.pixels().batch(torch.arange(64)))["fc"])

    def fit(
        initial: LevelGAN | None = None,
        folder: CheckpointFolder | None = None,
        observer: Any = None,
        data: str = "synthetic",
        **settings: Any,
    ) -> LevelGAN:
        spec = level_spec("fc", training=training(**settings)).model_copy(update={"data_digest": data})
        above = images.one_hot_labels()
        return fit_level(RUN, spec, encoder, features, above, observer or recorder(), folder, initial=initial)[0]

    return fit


def test_a_level_starts_from_exactly_the_trained_weights_and_average(level: Callable[..., LevelGAN]) -> None:
    first = level()
    still = level(first, rate=STANDING_STILL)
    assert not equal(first.generator, first.averaged_generator)  # or the next lines could not fail
    for part in ("generator", "discriminator"):
        assert equal(getattr(still, part), getattr(first, part))
    assert not equal(level(first), first)
    assert not equal(level(rate=STANDING_STILL), first)


def test_averages_are_taken_over_if_both_have_one(level_spec: Callable[..., LevelSpec]) -> None:
    averaged, plain = (
        lambda decay=decay: LevelGAN(level_spec("fc", training=training(decay=decay))) for decay in (0.9, 0)
    )
    first, second, third, without = averaged(), averaged(), averaged(), plain()
    nn.init.ones_(next(first.averaged_generator.parameters()))
    take_weights(second, first)
    assert equal(second.averaged_generator, first.averaged_generator)
    assert equal(second.generator, first.generator)
    take_weights(third, without)
    assert equal(third.averaged_generator, without.generator)
    take_weights(without, first)
    assert without.averaged_generator is None
    assert equal(without.generator, first.generator)


def test_an_infogan_starts_from_exactly_the_trained_weights(
    infogan_spec: Callable[..., InfoGANSpec], images: LabelledImages, recorder: Callable
) -> None:
    def fit(rate: float, initial: InfoGAN | None = None) -> InfoGAN:
        return fit_infogan(RUN, infogan_spec(training=training(rate=rate)), images.pixels(), recorder(), None, initial)[
            0
        ]

    first = fit(1e-2)
    still = fit(STANDING_STILL, first)
    assert equal(still.generator, first.generator)
    assert equal(still.discriminator, first.discriminator)
    assert still.spec.provenance.inputs["initial"] == first.digest()


def test_an_encoder_starts_from_exactly_the_trained_weights(
    encoder_spec: EncoderSpec, images: LabelledImages, recorder: Callable
) -> None:
    def fit(rate: float, initial: Encoder | None = None) -> Encoder:
        parameters = ClassifierParameters.model_validate(
            {"blocks": blocks_of(encoder_spec.model_dump()["blocks"]), "training": training(rate=rate, decay=0)}
        )
        return fit_classifier(RUN, "encoder", parameters, images, images, recorder(), None, initial)[0]

    first = fit(1e-2)
    assert equal(fit(STANDING_STILL, first), first)
    assert not equal(fit(STANDING_STILL), first)


def test_joint_training_starts_from_the_levels_named_and_from_independent_ones(
    levels: Callable[..., list[LevelGAN]], encoder: Encoder, images: LabelledImages, recorder: Callable
) -> None:
    found = encoder.representations(images.pixels().batch(torch.arange(64)))
    targets = {"pixels": images.pixels(), "fc": Representation("fc", found["fc"])}
    chain = levels(2)

    def fit(trained: list[LevelGAN], rate: float, initialise: Any = "independent") -> list[LevelGAN]:
        parameters = JointParameters.model_validate(
            {"initialise": initialise, "training": training(rate=rate, decay=0)}
        )
        return fit_joint(RUN, parameters, trained, encoder, targets, images.one_hot_labels(), recorder())[0]

    first = fit(chain, 1e-2)
    still = fit([first[0], chain[1]], STANDING_STILL, {"from": {"fc": "joint_level_fc"}})
    assert equal(still[0], first[0])
    assert equal(still[1], chain[1])
    assert not equal(first[0], chain[0])
    made = still[0].spec.provenance
    assert made.inputs == {
        "encoder": encoder.digest(),
        "level_pixels": chain[1].digest(),
        "initial_fc": first[0].digest(),
    }
    assert made.initial == {"initial_fc": first[0].spec.provenance}
    assert not made.lengthens  # the pixels are others
    both = {"from": {"fc": "joint_level_fc", "pixels": "joint_level_pixels"}}
    assert fit(first, 1e-2, both)[0].spec.provenance.lengthens
    assert not fit(first, 2e-2, both)[0].spec.provenance.lengthens


def test_a_model_file_keeps_the_whole_ancestry(level: Callable[..., LevelGAN], tmp_path: Path) -> None:
    first = level()
    second = level(first)
    third = level(second, data="other")
    path = tmp_path / "level.safetensors"
    write_model(path, third)
    made = read_model(path).spec.provenance
    assert made.inputs["initial"] == second.digest()
    assert made.initial["initial"].initial["initial"] == first.spec.provenance
    assert '"initial"' not in first.spec.provenance.model_dump_json()
    assert len({model.spec.provenance.digest() for model in (first, second, third)}) == 3


def test_only_a_training_that_adds_steps_says_that_it_lengthens(
    level: Callable[..., LevelGAN], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    first = level()
    assert "fc: " not in caplog.text
    level(first, steps=6)
    assert "fc: lengthens a finished training of 4 steps by 6" in caplog.text
    caplog.clear()
    for other in ({"data": "other"}, {"rate": 1e-3}):
        level(first, **other)
        assert f"fc: starts from the weights of trained models: initial {first.digest()[:12]}" in caplog.text
    assert "lengthens" not in caplog.text


def test_a_longer_training_does_not_see_the_same_noise_again(
    level: Callable[..., LevelGAN], recorder: Callable
) -> None:
    """Batch norm remembers what it has seen, though no weight changes."""
    first = level(rate=STANDING_STILL)
    again = level(first, rate=STANDING_STILL)
    buffers = [dict(model.generator.named_buffers()) for model in (first, again, level(first, rate=STANDING_STILL))]
    means = [next(value for name, value in found.items() if name.endswith("running_mean")) for found in buffers]
    assert torch.equal(means[1], means[2])
    ratio = (means[1] - 0.9**4 * means[0]) / means[0]  # the same four batches again would give this multiple
    assert not torch.allclose(ratio, torch.ones_like(ratio), atol=1e-3)


def test_a_continued_training_resumes_from_its_own_checkpoint_alone(
    level: Callable[..., LevelGAN], recorder: Callable, tmp_path: Path
) -> None:
    folder = CheckpointFolder(tmp_path / "checkpoints", "v1")
    first, other = level(), level(steps=5)
    whole = level(first)

    def cut() -> None:
        raise PowerCut

    with pytest.raises(PowerCut):
        level(first, folder, recorder(cut))
    assert folder.holds(whole.spec.provenance)
    assert not folder.holds(first.spec.provenance)
    stranger = recorder()
    level(other, CheckpointFolder(folder.path, "v2"), stranger)
    assert stranger.resumed == [None]
    own = recorder()
    resumed = level(first, folder, own)
    assert [found.step for found in own.resumed] == [2]
    assert resumed.digest() == whole.digest()
