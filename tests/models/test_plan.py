"""Plans: networks built without weights, so that shape errors appear before training."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.models import Encoder, EncoderSpec, InfoGANSpec, LevelGAN, LevelSpec
from gan_pipelines.models.plan import plan_classifier, plan_infogan, plan_levels
from gan_pipelines.models.requirements import plan_networks
from gan_pipelines.parameters import ClassifierParameters, ExperimentError, SGANParameters
from gan_pipelines.reporting.networks import network_table
from tests.conftest import blocks_of

TRAINING = {"steps": 1}


@pytest.fixture
def classifier(encoder_spec: EncoderSpec) -> ClassifierParameters:
    return ClassifierParameters.model_validate(
        {"blocks": blocks_of(encoder_spec.model_dump()["blocks"]), "training": TRAINING}
    )


@pytest.fixture
def stack(level_spec: Callable[..., LevelSpec]) -> Callable[..., SGANParameters]:
    """The parameters of a two-level stack, with fields of its lower level replaced."""

    def build(**replaced: Any) -> SGANParameters:
        upper, lower = level_spec("fc"), level_spec("pixels", "fc", **replaced)
        levels = {"fc": upper.parameters, "pixels": lower.parameters}
        return SGANParameters.model_validate({"levels": levels, "joint": {"training": TRAINING}})

    return build


def test_a_plan_finds_every_shape_and_draws_nothing(
    classifier: ClassifierParameters, stack: Callable[..., SGANParameters], encoder_spec: EncoderSpec
) -> None:
    before = torch.get_rng_state()
    encoder = plan_classifier(classifier, (1, 8, 8), encoder_spec.classes, "digest", "classifier")
    specs = plan_levels(stack(), encoder)
    assert_close(torch.get_rng_state(), before, rtol=0, atol=0)
    assert {name: (spec.condition_shape, spec.target_shape) for name, spec in specs.items()} == {
        "fc": ((4,), (12,)),
        "pixels": ((12,), (1, 8, 8)),
    }
    assert {spec.data_digest for spec in specs.values()} == {"digest"}


def test_a_first_level_without_a_condition_is_planned_with_an_empty_one(
    classifier: ClassifierParameters, level_spec: Callable[..., LevelSpec], encoder_spec: EncoderSpec
) -> None:
    encoder = plan_classifier(classifier, (1, 8, 8), encoder_spec.classes, "digest", "classifier")
    levels = {"pixels": level_spec("pixels", "none").parameters}
    specs = plan_levels(SGANParameters.model_validate({"levels": levels, "joint": {"training": TRAINING}}), encoder)
    assert (specs["pixels"].condition_shape, specs["pixels"].conditional) == ((0,), False)


def test_a_classifier_that_does_not_fit_the_images_is_named_with_its_path(
    classifier: ClassifierParameters, encoder_spec: EncoderSpec
) -> None:
    with pytest.raises(ExperimentError, match=r"^judge\.blocks\.block1\.3 \(max_pool\): .*\(4, 1, 1\)"):
        plan_classifier(classifier, (1, 1, 1), encoder_spec.classes, "digest", "judge")


def test_a_level_that_does_not_fit_is_named_with_its_path(
    classifier: ClassifierParameters, stack: Callable[..., SGANParameters], encoder_spec: EncoderSpec
) -> None:
    encoder = plan_classifier(classifier, (1, 8, 8), encoder_spec.classes, "digest", "classifier")
    bad = stack(generator={"trunk": [{"layer": "linear", "features": 5}]})
    with pytest.raises(ExperimentError, match=r"^sgan\.levels\.pixels\.generator\.trunk: .*\(1, 8, 8\).*\(5,\)"):
        plan_levels(bad, encoder)


def test_an_infogan_is_planned_for_the_images_and_draws_nothing(infogan_spec: Callable[..., InfoGANSpec]) -> None:
    before = torch.get_rng_state()
    spec = plan_infogan(infogan_spec().parameters, (3, 16, 16), "digest")
    assert_close(torch.get_rng_state(), before, rtol=0, atol=0)
    assert (spec.image_shape, spec.data_digest) == ((3, 16, 16), "digest")
    assert spec.parameters == infogan_spec().parameters


def test_an_infogan_that_does_not_fit_the_images_is_named_with_its_path(
    infogan_spec: Callable[..., InfoGANSpec],
) -> None:
    with pytest.raises(ExperimentError, match=r"^infogan\.generator\.0 \(project\): .*\(1, 9, 9\)"):
        plan_infogan(infogan_spec().parameters, (1, 9, 9), "digest")


def test_the_description_counts_every_network(
    classifier: ClassifierParameters,
    stack: Callable[..., SGANParameters],
    infogan_spec: Callable[..., InfoGANSpec],
    images: LabelledImages,
) -> None:
    plan = plan_networks(classifier, classifier, classifier, stack(), infogan_spec().parameters, images)
    rows = {row["network"]: row for row in network_table(plan).to_dict("records")}
    assert list(rows) == [
        "encoder", "judge", "second judge", "fc generator", "fc discriminator", "pixels generator",
        "pixels discriminator", "infogan generator", "infogan discriminator",
    ]  # fmt: skip
    # conv 4 x 9 + 4, batch norm 8; 64 x 12 + 12; 12 x 4 + 4
    assert rows["encoder"] == {"network": "encoder", "output": "4", "parameters": 40 + 8 + 780 + 52}
    # trunk 12 x 16 + 16, adversarial 16 + 1, noise 16 x 3 + 3
    assert rows["fc discriminator"] == {"network": "fc discriminator", "output": "4", "parameters": 208 + 17 + 51}
    assert rows["pixels generator"]["output"] == "1 x 8 x 8"
    # 10 x 96 + 96 onto 6 maps of 4 x 4, batch norm 12; 6 x 16 + 1
    assert rows["infogan generator"] == {
        "network": "infogan generator", "output": "1 x 8 x 8", "parameters": 1056 + 12 + 97
    }  # fmt: skip
    # trunk 64 x 16 + 16, batch norm 32; adversarial 17; codes 16 x 10 + 10, batch norm 20, 10 x 9 + 9
    assert rows["infogan discriminator"] == {
        "network": "infogan discriminator", "output": "10", "parameters": 1040 + 32 + 17 + 170 + 20 + 99
    }  # fmt: skip


def test_every_spec_of_a_plan_is_of_the_same_images(
    classifier: ClassifierParameters,
    stack: Callable[..., SGANParameters],
    infogan_spec: Callable[..., InfoGANSpec],
    images: LabelledImages,
) -> None:
    plan = plan_networks(classifier, classifier, classifier, stack(), infogan_spec().parameters, images)
    specs = [plan.encoder.spec, plan.judge.spec, plan.second_judge.spec, *plan.levels.values(), plan.infogan]
    assert {spec.data_digest for spec in specs} == {images.digest()}


@pytest.mark.parametrize(
    ("activation", "lowest"), [({"layer": "relu"}, 0.0), ({"layer": "leaky_relu"}, -0.2), (None, -1.0)]
)
def test_a_generator_ends_in_the_activation_of_its_target(
    level_spec: Callable[..., LevelSpec], encoder_spec: EncoderSpec, activation: dict[str, str] | None, lowest: float
) -> None:
    name = "fc"
    layers = [layer for layer in encoder_spec.model_dump()["blocks"][name] if "relu" not in layer["layer"]]
    blocks = {**encoder_spec.model_dump()["blocks"], name: [*layers, activation] if activation else layers}
    encoder = Encoder(EncoderSpec.model_validate({**encoder_spec.model_dump(), "blocks": blocks}))
    trunk = [{"layer": "linear", "features": "target"}, {"layer": "target_activation"}]
    parameters = level_spec(name).parameters.model_dump() | {"generator": {"trunk": trunk}}
    stack = {
        "levels": {name: parameters, "pixels": level_spec("pixels", name).parameters},
        "joint": {"training": TRAINING},
    }
    level = LevelGAN(plan_levels(SGANParameters.model_validate(stack), encoder)[name])
    assert len(level.generator.trunk) == (2 if activation else 1)
    level.generator.trunk[0] = nn.Identity()
    assert level.generator.trunk(torch.tensor([-1.0, 1.0])).tolist() == pytest.approx([lowest, 1.0])


def test_an_activation_of_the_target_is_only_for_what_has_a_target_in_the_encoder(
    classifier: ClassifierParameters, encoder_spec: EncoderSpec
) -> None:
    blocks = [*classifier.model_dump()["blocks"]]
    blocks[0] = {**blocks[0], "layers": [*blocks[0]["layers"], {"layer": "target_activation"}]}
    wrong = ClassifierParameters.model_validate({**classifier.model_dump(), "blocks": blocks})
    with pytest.raises(ExperimentError, match=r"target_activation\): only for the trunk of a level's generator"):
        plan_classifier(wrong, (1, 8, 8), encoder_spec.classes, "digest", "classifier")
