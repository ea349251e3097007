"""Supervised training, augmentation by shifts, and the accuracy."""

from collections.abc import Callable

import pytest
import torch
from torch.testing import assert_close

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.models import Encoder, EncoderSpec
from gan_pipelines.parameters import ClassifierParameters
from gan_pipelines.training.classifier import accuracy, shift, train_classifier
from gan_pipelines.training.stage import Stage
from tests.conftest import blocks_of


@pytest.fixture
def parameters(encoder_spec: EncoderSpec) -> Callable[..., ClassifierParameters]:
    def build(steps: int, **others: object) -> ClassifierParameters:
        training = {"steps": steps, "batch_size": 16, "learning_rate": 5e-3, "beta1": 0.9, "report_every_steps": 10}
        return ClassifierParameters.model_validate(
            {"blocks": blocks_of(encoder_spec.model_dump()["blocks"]), "training": training, **others}
        )

    return build


def constant_encoder(spec: EncoderSpec, label: int) -> Encoder:
    """A classifier that always predicts the same class."""
    encoder = Encoder(spec).freeze()
    with torch.no_grad():
        for parameter in encoder.blocks["labels"].parameters():
            parameter.zero_()
        encoder.blocks["labels"][0].bias[label] = 1
    return encoder


def test_a_classifier_learns_where_the_bright_quarter_is(
    encoder_spec: EncoderSpec,
    images: LabelledImages,
    parameters: Callable[..., ClassifierParameters],
    stage: Callable[..., Stage],
    recorder: Callable,
) -> None:
    encoder = Encoder(encoder_spec)
    history = train_classifier(encoder, images, parameters(60), stage(), recorder())
    assert [row["step"] for row in history] == [10, 20, 30, 40, 50, 60]
    assert 0 <= history[-1]["classifier.cross_entropy"] < 0.1 < history[0]["classifier.cross_entropy"] < 2
    assert accuracy(encoder, images, torch.device("cpu")) == 1


def test_a_trained_classifier_is_frozen(
    encoder_spec: EncoderSpec,
    images: LabelledImages,
    parameters: Callable[..., ClassifierParameters],
    stage: Callable[..., Stage],
    recorder: Callable,
) -> None:
    encoder = Encoder(encoder_spec)
    train_classifier(encoder, images, parameters(1), stage(), recorder())
    assert not any(module.training for module in encoder.modules())
    assert not any(parameter.requires_grad for parameter in encoder.parameters())


@pytest.mark.parametrize("augmentation_pixels", [0, 2])
def test_training_is_the_same_for_a_seed_and_not_for_another(
    encoder_spec: EncoderSpec,
    images: LabelledImages,
    parameters: Callable[..., ClassifierParameters],
    stage: Callable[..., Stage],
    recorder: Callable,
    augmentation_pixels: int,
) -> None:
    found = []
    for seed in (3, 3, 4):
        torch.manual_seed(0)
        encoder = Encoder(encoder_spec)
        settings = parameters(3, augmentation_pixels=augmentation_pixels)
        train_classifier(encoder, images, settings, stage(seed), recorder())
        found.append(encoder.blocks["fc"][1].weight.detach())
    assert_close(found[0], found[1], rtol=0, atol=0)
    assert not torch.allclose(found[0], found[2], rtol=0, atol=1e-4)


def test_weight_decay_reaches_the_optimiser(
    encoder_spec: EncoderSpec,
    images: LabelledImages,
    parameters: Callable[..., ClassifierParameters],
    stage: Callable[..., Stage],
    recorder: Callable,
) -> None:
    found = []
    for decay in (0.0, 20.0):
        torch.manual_seed(0)
        encoder = Encoder(encoder_spec)
        start = encoder.blocks["fc"][1].weight.detach().clone()
        train_classifier(encoder, images, parameters(1, weight_decay=decay), stage(), recorder())
        found.append(encoder.blocks["fc"][1].weight.detach())
    assert_close(found[1] - found[0], -20 * 5e-3 * start, rtol=1e-3, atol=1e-5)


def test_the_accuracy_is_the_fraction_of_correct_answers(encoder_spec: EncoderSpec, images: LabelledImages) -> None:
    chosen = images.subset((images.labels <= 1).nonzero().squeeze(1)[:25])
    expected = (chosen.labels == 1).double().mean().item()
    assert 0 < expected < 1
    assert accuracy(constant_encoder(encoder_spec, 1), chosen, torch.device("cpu")) == expected
    assert accuracy(constant_encoder(encoder_spec, 3), chosen, torch.device("cpu")) == 0


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_the_accuracy_does_not_depend_on_the_batch_size(
    encoder: Encoder, images: LabelledImages, batch_size: int
) -> None:
    found = accuracy(encoder, images, torch.device("cpu"), batch_size)
    assert found == accuracy(encoder, images, torch.device("cpu"))


def test_no_shift_returns_the_images_and_draws_nothing(rng: torch.Generator) -> None:
    before, pictures = rng.get_state(), torch.rand(2, 1, 5, 5)
    assert_close(shift(pictures, 0, rng), pictures, rtol=0, atol=0)
    assert_close(rng.get_state(), before, rtol=0, atol=0)


def test_a_shift_moves_the_whole_batch_by_one_offset_and_fills_with_black() -> None:
    pictures = torch.rand(3, 2, 6, 6, generator=torch.Generator().manual_seed(4)) + 1
    for seed in range(20):
        moved = shift(pictures, 2, torch.Generator().manual_seed(seed))
        assert moved.shape == pictures.shape
        matches = []
        for down in range(-2, 3):
            for right in range(-2, 3):
                expected = torch.zeros_like(pictures)
                to_rows, from_rows = slice(max(down, 0), 6 + min(down, 0)), slice(max(-down, 0), 6 + min(-down, 0))
                to_columns = slice(max(right, 0), 6 + min(right, 0))
                from_columns = slice(max(-right, 0), 6 + min(-right, 0))
                expected[..., to_rows, to_columns] = pictures[..., from_rows, from_columns]
                matches.append(torch.equal(moved, expected))
        assert sum(matches) == 1


def test_shifts_reach_every_offset_about_equally_often(rng: torch.Generator) -> None:
    picture, found = torch.zeros(1, 1, 5, 5), []
    picture[0, 0, 2, 2] = 1
    for _ in range(1800):
        moved = shift(picture, 1, rng)
        found.append(int(moved.flatten().argmax()))
    counts = torch.bincount(torch.tensor(found), minlength=25).reshape(5, 5)
    assert int(counts[1:4, 1:4].sum()) == 1800
    assert counts[1:4, 1:4].min() > 140
    assert counts[1:4, 1:4].max() < 260
