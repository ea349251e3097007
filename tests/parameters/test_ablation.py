"""The rows of SGAN's table 1 as settings: which networks, which conditions, which losses, which seeds."""

from itertools import product

import pytest

from gan_pipelines.parameters import (
    AblationParameters,
    Experiment,
    LossWeights,
    SGANParameters,
    WatchParameters,
)
from gan_pipelines.parameters.ablation import ROWS, row_settings, row_stack

SEEDS = AblationParameters(seeds=(4, 0), updates_fraction=0.5)
WEIGHTS = {"adversarial": 0.5, "conditional": 3.0, "entropy": 7.0}


@pytest.fixture
def sgan(smoke_experiment: Experiment) -> SGANParameters:
    raw = smoke_experiment.sgan.model_dump()
    raw["levels"]["pixels"] |= {"loss_weights": WEIGHTS, "condition_noise": 0.3}
    raw["levels"]["fc3"] |= {"loss_weights": {**WEIGHTS, "conditional": 2.0}, "condition_noise": 0.2}
    return SGANParameters.model_validate(raw)


def test_every_row_has_settings_for_each_seed(smoke_experiment: Experiment, sgan: SGANParameters) -> None:
    assert ROWS == ("adv", "adv_ent", "adv_cond", "adv_cond_ent", "independent", "joint", "no_entropy")
    settings = row_settings(smoke_experiment.run, sgan, SEEDS)
    for row, seed in product(ROWS, SEEDS.seeds):
        place = f"{row}.seed_{seed}"
        assert settings.pop(f"{place}.run") == smoke_experiment.run.model_copy(update={"seed": seed})
        assert settings.pop(f"{place}.sgan") == row_stack(row, sgan, SEEDS.updates_fraction)
    assert not settings


@pytest.mark.parametrize(
    ("row", "condition", "off"),
    [
        ("adv", "none", {"conditional": 0.0, "entropy": 0.0}),
        ("adv_ent", "none", {"conditional": 0.0}),
        ("adv_cond", "labels", {"entropy": 0.0}),
        ("adv_cond_ent", "labels", {}),
    ],
)
def test_a_row_of_one_level_differs_from_the_pixels_in_condition_losses_and_updates_alone(
    sgan: SGANParameters, row: str, condition: str, off: dict[str, float]
) -> None:
    found = row_stack(row, sgan)
    level, original = found.levels["pixels"], sgan.levels["pixels"]
    assert list(found.levels) == ["pixels"]
    assert level.condition == condition
    assert level.loss_weights == LossWeights.model_validate({**WEIGHTS, "conditional": 2.0, **off})
    assert level.condition_noise == 0.2  # both as the first level's, whose condition is labels too
    same = {name: getattr(original, name) for name in ("condition", "loss_weights", "condition_noise", "training")}
    assert level.model_copy(update=same) == original


def test_the_joint_row_is_the_experiments_stack_and_one_more_has_no_entropy_loss(sgan: SGANParameters) -> None:
    assert row_stack("joint", sgan) == sgan
    found = row_stack("no_entropy", sgan)
    assert found != sgan
    for name, level in found.levels.items():
        weights = sgan.levels[name].loss_weights
        assert level.loss_weights == weights.model_copy(update={"entropy": 0.0})
        assert level.model_copy(update={"loss_weights": weights}) == sgan.levels[name]


@pytest.mark.parametrize("fraction", [1.0, 0.5, 1e-9])
@pytest.mark.parametrize("initialise", ["independent", "scratch"])
def test_each_level_gets_as_many_updates_in_every_row(sgan: SGANParameters, initialise: str, fraction: float) -> None:
    sgan = sgan.model_copy(update={"joint": sgan.joint.model_copy(update={"initialise": initialise})})
    of_levels: dict[str, set[int]] = {}
    for row in ROWS:
        stack = row_stack(row, sgan, fraction)
        for name, level in stack.levels.items():
            jointly = row in ("joint", "no_entropy")
            alone = level.training.steps if initialise == "independent" or not jointly else 0
            assert level.training.steps == 1 or alone
            of_levels.setdefault(name, set()).add(alone + stack.joint.training.steps * jointly)
    joint, alone = sgan.joint.training.steps, initialise == "independent"
    for name, level in sgan.levels.items():
        expected = max(1, round(fraction * joint)) + alone * max(1, round(fraction * level.training.steps))
        assert of_levels[name] == {expected}


def test_no_row_is_watched(sgan: SGANParameters) -> None:
    watch = WatchParameters(every_steps=sgan.joint.training.report_every_steps, keep="best")
    watched = sgan.model_copy(update={"joint": sgan.joint.model_copy(update={"watch": watch})})
    assert {row_stack(row, watched) == row_stack(row, sgan) for row in ROWS} == {True}


def test_without_labels_there_is_no_branch_for_a_condition(smoke_experiment: Experiment) -> None:
    raw = smoke_experiment.sgan.model_dump()
    raw["levels"]["pixels"]["generator"]["condition"] = [{"layer": "linear", "features": 7}]
    sgan = SGANParameters.model_validate(raw)
    lengths = {row: len(row_stack(row, sgan).levels["pixels"].generator.condition) for row in ROWS}
    assert lengths == {row: 0 if row in ("adv", "adv_ent") else 1 for row in ROWS}


def test_a_stack_of_one_level_has_all_rows(sgan: SGANParameters) -> None:
    single = SGANParameters.model_validate(
        {"levels": {"pixels": {**sgan.levels["pixels"].model_dump(), "condition": "labels"}}, "joint": sgan.joint}
    )
    assert [list(row_stack(row, single).levels) for row in ROWS] == [["pixels"]] * 7
