"""The record of a run on older models says what made them."""

from collections.abc import Callable
from typing import Any

import pytest

from gan_pipelines.hooks.makers import made_parameters, overridden, stage_parameters
from gan_pipelines.models import Encoder, EncoderSpec, InfoGAN, InfoGANSpec, LevelGAN, assemble_stack
from gan_pipelines.parameters import Experiment
from tests.conftest import CLASSES, PROVENANCE


@pytest.fixture
def asked(smoke_experiment: Experiment) -> dict[str, Any]:
    """What a user asks for: the smoke experiment with another seed and a longer InfoGAN."""
    parameters: dict[str, Any] = smoke_experiment.model_dump(mode="json", exclude={"compare", "registry", "sweep"})
    parameters["run"]["seed"] = 7
    parameters["infogan"]["training"]["steps"] = 999
    return parameters


@pytest.fixture
def infogan(smoke_experiment: Experiment, infogan_spec: Callable[..., InfoGANSpec]) -> InfoGAN:
    """Of seed 0 and 20 steps."""
    spec = infogan_spec()
    parameters = spec.parameters.model_dump(mode="json") | {
        "training": {**spec.parameters.training.model_dump(), "steps": 20}
    }
    provenance = PROVENANCE.model_copy(update={"stage": "infogan", "parameters": parameters, "seed": 0})
    return InfoGAN(spec.model_copy(update={"provenance": provenance}))


@pytest.fixture
def judge(encoder_spec: EncoderSpec) -> Encoder:
    """Of seed 5."""
    parameters = {"seed": 5, "training": {"steps": 60}}
    provenance = PROVENANCE.model_copy(update={"stage": "judge", "parameters": parameters, "seed": 5})
    return Encoder(encoder_spec.model_copy(update={"provenance": provenance}))


def test_the_blocks_of_loaded_models_and_their_seed_replace_those_asked_for(
    asked: dict[str, Any], infogan: InfoGAN, judge: Encoder
) -> None:
    made = made_parameters(asked, {"infogan": infogan, "judge": judge}, trains=False)
    assert made["infogan"]["training"]["steps"] == 20
    assert made["run"] == {**asked["run"], "seed": 0}
    assert made["judge"] == {"seed": 5, "training": {"steps": 60}}
    assert made["sgan"] == asked["sgan"]
    assert made["evaluation"] == asked["evaluation"]
    assert (asked["run"]["seed"], asked["infogan"]["training"]["steps"]) == (7, 999)


def test_what_the_models_decide_otherwise_is_said_in_one_sentence(asked: dict[str, Any], infogan: InfoGAN) -> None:
    sentence = overridden(asked, made_parameters(asked, {"infogan": infogan}, trains=False))
    assert "infogan.training.steps was 20, 999 was asked for" in sentence
    assert "run.seed was 0, 7 was asked for" in sentence
    assert "\n" not in sentence
    assert overridden(asked, made_parameters(asked, {}, trains=True)) == ""


@pytest.mark.parametrize(("trains", "seed"), [(True, "0,7"), (False, 0)])
def test_models_of_several_seeds_are_recorded_with_all_of_them(
    asked: dict[str, Any], infogan: InfoGAN, trains: bool, seed: object
) -> None:
    assert made_parameters(asked, {"infogan": infogan}, trains)["run"]["seed"] == seed


def test_a_joint_stack_says_what_made_its_levels_and_their_joint_training(
    asked: dict[str, Any], levels: Callable[..., list[LevelGAN]]
) -> None:
    trained = levels(2, loss_weights={"entropy": 0.5})
    provenance = PROVENANCE.model_copy(update={"stage": "joint", "parameters": {"upstream_weight": 0.3}, "seed": 4})
    for level in trained:
        level.spec = level.spec.model_copy(update={"provenance": provenance})
    stack = assemble_stack(trained, CLASSES)
    made = made_parameters(asked, {"joint_stack": stack}, trains=False)
    assert made["sgan"]["levels"]["pixels"]["loss_weights"]["entropy"] == 0.5
    assert made["sgan"]["joint"] == {"upstream_weight": 0.3}
    assert made["run"]["seed"] == 4
    assert stage_parameters(stack) == {"seed.joint": "4", "code.joint": "0.1.0+abc", "torch.joint": "2.0"}
