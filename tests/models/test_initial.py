"""A model from which a training cannot start is refused by the field that differs."""

from collections.abc import Callable
from typing import Any

import pytest

from gan_pipelines.models import EncoderSpec, InfoGANSpec, LevelSpec
from gan_pipelines.models.initial import require_joint_start, require_start
from gan_pipelines.parameters import ExperimentError, JointParameters

WHERE = "sgan.levels.fc.initialise.from"


def refused(found: Any, wanted: Any) -> str:
    with pytest.raises(ExperimentError) as caught:
        require_start(WHERE, found, wanted)
    message = str(caught.value)
    assert message.startswith(f"{WHERE}: ")
    return message


def test_data_losses_and_training_may_differ(level_spec: Callable[..., LevelSpec]) -> None:
    training = {"steps": 9, "batch_size": 2, "ema_decay": 0.9}
    other = level_spec("fc", loss_weights={"entropy": 3.0}, training=training, initialise={"from": "level_fc"})
    require_start(WHERE, other.model_copy(update={"data_digest": "other"}), level_spec("fc"))


@pytest.mark.parametrize(
    ("field", "value"),
    [("target", "block1"), ("target_shape", (13,)), ("condition_shape", (5,)), ("classes", 5)],
)
def test_a_level_of_another_form_is_refused(level_spec: Callable[..., LevelSpec], field: str, value: Any) -> None:
    wanted = level_spec("fc")
    message = refused(wanted.model_copy(update={field: value}), wanted)
    assert f" {field} is " in message
    assert str(list(value) if isinstance(value, tuple) else value).replace(" ", "") in message


def test_a_level_of_other_networks_is_refused(level_spec: Callable[..., LevelSpec]) -> None:
    wanted = level_spec("fc")
    assert "parameters.noise.size is 4, and 3 is needed" in refused(
        level_spec("fc", noise={"distribution": "uniform", "size": 4}), wanted
    )
    assert "parameters.generator.trunk is " in refused(level_spec("fc", batch_norm=False), wanted)


def test_an_encoder_of_another_image_shape_or_other_classes_is_refused(encoder_spec: EncoderSpec) -> None:
    require_start(WHERE, encoder_spec.model_copy(update={"data_digest": "other"}), encoder_spec)
    for field, value in (("image_shape", (3, 8, 8)), ("classes", ("a", "b", "c", "d"))):
        assert f" {field} is " in refused(encoder_spec.model_copy(update={field: value}), encoder_spec)


def test_an_infogan_of_another_image_shape_or_other_codes_is_refused(infogan_spec: Callable[..., InfoGANSpec]) -> None:
    require_start(WHERE, infogan_spec(information_weights={"categorical": 0.5}), infogan_spec())
    assert "image_shape is [3,8,8], and [1,8,8] is needed" in refused(infogan_spec((3, 8, 8)), infogan_spec())
    codes = {"category": {"distribution": "categorical", "classes": 7}}
    assert "parameters.codes.category.classes is 7, and 4 is needed" in refused(
        infogan_spec(codes=codes), infogan_spec()
    )


def test_a_model_of_another_kind_is_refused(encoder_spec: EncoderSpec, level_spec: Callable[..., LevelSpec]) -> None:
    assert "of the kind level; found encoder" in refused(encoder_spec, level_spec("fc"))


def test_a_level_that_got_other_layers_jointly_may_go_on_jointly(level_spec: Callable[..., LevelSpec]) -> None:
    wanted = level_spec("fc")
    ours = wanted.parameters.discriminator.model_dump()
    other = {**ours, "trunk": [*ours["trunk"], {"layer": "dropout", "probability": 0.2}]}
    joint = JointParameters.model_validate({"discriminators": {"fc": other}, "training": {"steps": 1}})
    jointly = level_spec("fc", discriminator=other)
    require_joint_start(WHERE, jointly, wanted, joint)
    require_joint_start(WHERE, wanted, wanted, joint)
    with pytest.raises(ExperimentError, match=r"parameters\.discriminator\.trunk"):
        require_joint_start(WHERE, jointly, wanted, JointParameters.model_validate({"training": {"steps": 1}}))
