"""The encoder, its segments, and freezing."""

import json
from copy import deepcopy
from itertools import combinations, pairwise
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from gan_pipelines.data.images import LabelledImages, to_unit_range
from gan_pipelines.model_file import read_model, write_model
from gan_pipelines.models import Encoder, EncoderSpec
from gan_pipelines.models.encoder import encode, report_dead_features, set_units
from gan_pipelines.parameters import ExperimentError
from gan_pipelines.tensor_file import digest_tensors

NAMES = ["pixels", "block1", "fc", "labels"]


@pytest.fixture
def pictures(images: LabelledImages) -> torch.Tensor:
    return to_unit_range(images.images[:6])


def with_blocks(spec: EncoderSpec, blocks: dict[str, list[dict[str, object]]]) -> EncoderSpec:
    return EncoderSpec.model_validate({**spec.model_dump(), "blocks": blocks})


def test_the_shapes_are_those_of_the_representations(encoder: Encoder, pictures: torch.Tensor) -> None:
    found = {name: tuple(value.shape[1:]) for name, value in encoder.representations(pictures).items()}
    assert found == encoder.shapes == {"pixels": (1, 8, 8), "block1": (4, 4, 4), "fc": (12,), "labels": (4,)}


def test_representations_begin_with_the_images_and_end_with_the_logits(
    encoder: Encoder, pictures: torch.Tensor
) -> None:
    found = encoder.representations(pictures)
    assert list(found) == NAMES
    assert_close(found["pixels"], pictures, rtol=0, atol=0)
    assert_close(found["labels"], encoder(pictures), rtol=0, atol=0)
    assert found["labels"].min() < 0  # logits, not probabilities


@pytest.mark.parametrize(("lower", "upper"), [(a, b) for a in NAMES for b in NAMES if NAMES.index(a) < NAMES.index(b)])
def test_a_segment_takes_its_lower_representation_to_its_upper_one(
    encoder: Encoder, pictures: torch.Tensor, lower: str, upper: str
) -> None:
    found = encoder.representations(pictures)
    assert_close(encoder.segment(lower, upper)(found[lower]), found[upper], rtol=0, atol=0)


def test_the_segments_one_after_the_other_are_the_encoder(encoder: Encoder, pictures: torch.Tensor) -> None:
    value = pictures
    for lower, upper in pairwise(NAMES):
        value = encoder.segment(lower, upper)(value)
    assert_close(value, encoder(pictures), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("lower", "upper"), [("fc", "block1"), ("fc", "fc"), ("fc9", "labels"), ("pixels", "fc9"), ("labels", "pixels")]
)
def test_a_segment_that_does_not_exist_is_refused_with_the_names_that_do(
    encoder: Encoder, lower: str, upper: str
) -> None:
    with pytest.raises(ValueError, match=f"from '{lower}' to '{upper}'.*'pixels', 'block1', 'fc', 'labels'"):
        encoder.segment(lower, upper)


def test_a_frozen_encoder_takes_no_gradient_and_passes_it_on(encoder: Encoder, pictures: torch.Tensor) -> None:
    pictures.requires_grad_(True)
    encoder(pictures).square().sum().backward()
    assert pictures.grad is not None
    assert (pictures.grad.flatten(1).abs().sum(dim=1) > 0).all()
    assert all(parameter.grad is None for parameter in encoder.parameters())


def test_a_frozen_encoder_does_not_drift_through_its_batch_norm(encoder: Encoder, pictures: torch.Tensor) -> None:
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    encoder(pictures)
    encoder.representations(pictures)
    encoder.segment("pixels", "fc")(pictures)
    for name, value in encoder.state_dict().items():
        assert_close(value, before[name], rtol=0, atol=0)


def test_a_frozen_encoder_encodes_an_image_independently_of_its_batch(encoder: Encoder, pictures: torch.Tensor) -> None:
    assert_close(encoder(pictures)[:1], encoder(pictures[:1]))


def test_an_encoder_in_training_mode_does_drift(encoder_spec: EncoderSpec, pictures: torch.Tensor) -> None:
    encoder = Encoder(encoder_spec)
    before = encoder.state_dict()["blocks.block1.1.running_mean"].clone()
    encoder(pictures)
    assert not torch.isclose(encoder.state_dict()["blocks.block1.1.running_mean"], before).any()


def test_blocks_that_do_not_end_in_the_classes_are_refused(encoder_spec: EncoderSpec) -> None:
    blocks = {"fc": [{"layer": "linear", "features": 3}], "labels": [{"layer": "linear", "features": 5}]}
    with pytest.raises(ExperimentError, match=r"^blocks\.labels: .*\(4,\).*found \(5,\)"):
        Encoder(with_blocks(encoder_spec, blocks))


def test_a_block_that_does_not_fit_the_images_is_named(encoder_spec: EncoderSpec) -> None:
    blocks = {"block1": [{"layer": "relu"}, {"layer": "conv", "channels": 2, "kernel": 9}], "labels": []}
    with pytest.raises(ExperimentError, match=r"^blocks\.block1\.1 \(conv\): "):
        Encoder(with_blocks(encoder_spec, blocks))


def test_the_initialisation_of_the_spec_is_used(encoder_spec: EncoderSpec) -> None:
    normal = EncoderSpec.model_validate({**encoder_spec.model_dump(), "initialisation": {"name": "normal", "std": 0.5}})
    convolution = next(part for part in Encoder(normal).modules() if isinstance(part, nn.Conv2d))
    assert not convolution.bias.any()
    assert 0.3 < convolution.weight.std() < 0.7


def test_a_block_cannot_have_the_name_of_a_method(encoder_spec: EncoderSpec) -> None:
    blocks = {"values": [{"layer": "linear", "features": 3}], "labels": [{"layer": "linear", "features": "target"}]}
    with pytest.raises(ExperimentError, match=r"blocks\.values: .* choose another"):
        Encoder(with_blocks(encoder_spec, blocks))


@pytest.mark.parametrize("batch_size", [1, 5, 64, 500])
def test_encoding_in_batches_equals_encoding_all_at_once(
    encoder: Encoder, images: LabelledImages, batch_size: int
) -> None:
    wanted = encoder.representations(to_unit_range(images.images))
    for found in encode(encoder, images.pixels(), ["fc", "block1"], batch_size):
        assert_close(found.values, wanted[found.name])
        assert not found.values.requires_grad
        assert found.encoder_digest == encoder.digest()


def test_the_digest_covers_weights_blocks_and_data(encoder: Encoder) -> None:
    digests = {encoder.digest()}
    other_data = Encoder(encoder.spec.model_copy(update={"data_digest": "other"}))
    other_data.load_state_dict(encoder.state_dict())
    digests.add(other_data.digest())
    moved = Encoder(encoder.spec)
    moved.load_state_dict(encoder.state_dict())
    assert moved.digest() in digests
    with torch.no_grad():
        moved.get_parameter("blocks.labels.0.bias")[0] += 1e-6
    digests.add(moved.digest())
    assert len(digests) == 3


@pytest.fixture
def standardised(encoder: Encoder, images: LabelledImages) -> Encoder:
    copy = deepcopy(encoder)
    set_units(copy, images.pixels())
    return copy


def test_standardised_representations_have_a_mean_square_of_1_and_the_same_answers(
    encoder: Encoder, standardised: Encoder, images: LabelledImages
) -> None:
    assert set(standardised.spec.units) == {"block1", "fc"}
    block1, fc = encode(standardised, images.pixels(), ["block1", "fc"])
    for found in (block1, fc):
        assert abs(found.values.square().mean().item() - 1) < 1e-3
    pictures = to_unit_range(images.images)
    assert_close(standardised(pictures), encoder(pictures), rtol=0, atol=0)
    plain = encoder.representations(pictures)["fc"]
    assert_close(fc.values * standardised.spec.units["fc"], plain, rtol=1e-5, atol=1e-6)


def test_segments_between_standardised_representations_fit_together(
    standardised: Encoder, pictures: torch.Tensor
) -> None:
    found = standardised.representations(pictures)
    for lower, upper in combinations(NAMES, 2):
        assert_close(standardised.segment(lower, upper)(found[lower]), found[upper], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("factor", [0.1, 10.0])
def test_a_unit_undoes_the_scale_of_the_weights(
    encoder: Encoder, standardised: Encoder, images: LabelledImages, factor: float
) -> None:
    """fc, and what follows from it, are the same after its weights were multiplied, and those above divided."""
    scaled = deepcopy(encoder if factor < 1 else standardised)  # units that were set before change nothing
    with torch.no_grad():
        for value in scaled.blocks["fc"].parameters():
            value *= factor
        scaled.blocks["labels"][0].weight /= factor
    set_units(scaled, images.pixels())
    assert scaled.spec.units["fc"] == pytest.approx(factor * standardised.spec.units["fc"], rel=1e-3)
    ours, theirs = (encode(of, images.pixels(), ["fc"])[0].values for of in (scaled, standardised))
    assert_close(ours, theirs, rtol=2e-3, atol=1e-4)
    assert_close(
        scaled.segment("fc", "labels")(ours), standardised.segment("fc", "labels")(theirs), rtol=2e-3, atol=1e-3
    )


def test_dead_features_are_counted_and_a_dead_representation_is_refused(
    encoder: Encoder, images: LabelledImages, caplog: pytest.LogCaptureFixture
) -> None:
    linear = encoder.blocks["fc"][1]
    with torch.no_grad():
        linear.weight[:5] = 0
        linear.bias[:5] = -1
        linear.bias[5:] = 1
    with caplog.at_level("WARNING"):
        for found in encode(encoder, images.pixels(), ["block1", "fc"]):
            report_dead_features(found)
    assert "classifier.blocks.fc: 5 of its 12 features are the same in all training images" in caplog.messages
    with torch.no_grad():
        linear.weight[:] = 0
        linear.bias[:] = -1
    with pytest.raises(ExperimentError, match=r"classifier\.blocks\.fc: all its features are 0"):
        set_units(encoder, images.pixels())


def test_the_units_survive_a_file_and_are_part_of_the_digest(
    encoder: Encoder, standardised: Encoder, tmp_path: Path
) -> None:
    write_model(tmp_path / "encoder.safetensors", standardised)
    again = read_model(tmp_path / "encoder.safetensors")
    assert again.spec.units == standardised.spec.units
    assert again.digest() == standardised.digest() != encoder.digest()


def test_an_encoder_without_units_has_the_digest_of_versions_that_knew_none(encoder: Encoder) -> None:
    spec = encoder.spec.model_dump(mode="json", exclude={"units"})
    written = json.dumps(spec, separators=(",", ":"))
    assert encoder.digest() == digest_tensors(encoder.state_dict(), written)
