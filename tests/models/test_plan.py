"""Networks put together without weights: whether they fit is known before anything trains."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from gan_pipelines.models import EncoderSpec, LevelSpec
from gan_pipelines.models.plan import describe_networks, plan_classifier, plan_levels
from gan_pipelines.parameters import ClassifierParameters, ExperimentError, SGANParameters

TRAINING = {"steps": 1}


@pytest.fixture
def classifier(encoder_spec: EncoderSpec) -> ClassifierParameters:
    return ClassifierParameters.model_validate({"stages": encoder_spec.model_dump()["stages"], "training": TRAINING})


@pytest.fixture
def stack(level_spec: Callable[..., LevelSpec]) -> Callable[..., SGANParameters]:
    """The YAML of a two-level stack, with fields of its lower level replaced."""

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


def test_a_classifier_that_does_not_fit_the_images_is_named_with_its_path(
    classifier: ClassifierParameters, encoder_spec: EncoderSpec
) -> None:
    with pytest.raises(ExperimentError, match=r"^judge\.stages\.block1\.3 \(max_pool\): .*\(4, 1, 1\)"):
        plan_classifier(classifier, (1, 1, 1), encoder_spec.classes, "digest", "judge")


def test_a_level_that_does_not_fit_is_named_with_its_path(
    classifier: ClassifierParameters, stack: Callable[..., SGANParameters], encoder_spec: EncoderSpec
) -> None:
    encoder = plan_classifier(classifier, (1, 8, 8), encoder_spec.classes, "digest", "classifier")
    bad = stack(generator={"trunk": [{"layer": "linear", "features": 5}]})
    with pytest.raises(ExperimentError, match=r"^sgan\.levels\.pixels\.generator\.trunk: .*\(1, 8, 8\).*\(5,\)"):
        plan_levels(bad, encoder)


def test_the_description_counts_every_network(
    classifier: ClassifierParameters, stack: Callable[..., SGANParameters], encoder_spec: EncoderSpec
) -> None:
    encoder = plan_classifier(classifier, (1, 8, 8), encoder_spec.classes, "digest", "classifier")
    rows = {row["network"]: row for row in describe_networks(encoder, encoder, plan_levels(stack(), encoder))}
    assert list(rows) == [
        "encoder", "judge", "fc generator", "fc discriminator", "pixels generator", "pixels discriminator"
    ]  # fmt: skip
    # conv 4 x 9 + 4, batch norm 8; 64 x 12 + 12; 12 x 4 + 4
    assert rows["encoder"] == {"network": "encoder", "output": "4", "parameters": 40 + 8 + 780 + 52}
    # trunk 12 x 16 + 16, adversarial 16 + 1, noise 16 x 3 + 3
    assert rows["fc discriminator"] == {"network": "fc discriminator", "output": "4", "parameters": 208 + 17 + 51}
    assert rows["pixels generator"]["output"] == "1 x 8 x 8"
