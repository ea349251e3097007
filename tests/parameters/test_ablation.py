"""The rows of SGAN's table 1 as settings: which networks, which conditions, which losses, which seeds."""

from typing import Any

import pytest

from gan_pipelines.parameters import AblationParameters, Experiment, LossWeights, RunParameters, SGANParameters
from gan_pipelines.parameters.ablation import ROWS, row_settings, row_stack

SEEDS = AblationParameters(seeds=(4, 0))
WEIGHTS = {"adversarial": 0.5, "conditional": 3.0, "entropy": 7.0}


@pytest.fixture
def sgan(smoke_experiment: Experiment) -> SGANParameters:
    raw = smoke_experiment.sgan.model_dump()
    raw["levels"]["pixels"]["loss_weights"] = WEIGHTS
    return SGANParameters.model_validate(raw)


@pytest.fixture
def settings(smoke_experiment: Experiment, sgan: SGANParameters) -> dict[str, Any]:
    return row_settings(smoke_experiment.run, sgan, SEEDS)


def test_every_row_has_settings_for_each_seed(settings: dict[str, Any], smoke_experiment: Experiment) -> None:
    assert tuple(settings) == ROWS == ("adv", "adv_ent", "adv_cond", "adv_cond_ent", "independent", "joint")
    for row in settings.values():
        assert list(row) == ["seed_4", "seed_0"]
        for seed, name in zip(SEEDS.seeds, row, strict=True):
            run = RunParameters.model_validate(row[name]["run"])
            assert run == smoke_experiment.run.model_copy(update={"seed": seed})


def test_settings_are_plain_data_from_which_the_same_parameters_are_read(
    settings: dict[str, Any], sgan: SGANParameters
) -> None:
    for row, of_seeds in settings.items():
        assert {
            SGANParameters.model_validate(found["sgan"]) == row_stack(row, sgan) for found in of_seeds.values()
        } == {True}


@pytest.mark.parametrize(
    ("row", "condition", "off"),
    [
        ("adv", "none", {"conditional": 0.0, "entropy": 0.0}),
        ("adv_ent", "none", {"conditional": 0.0}),
        ("adv_cond", "labels", {"entropy": 0.0}),
        ("adv_cond_ent", "labels", {}),
    ],
)
def test_a_row_of_one_level_differs_from_the_pixels_in_condition_and_losses_alone(
    sgan: SGANParameters, row: str, condition: str, off: dict[str, float]
) -> None:
    found = row_stack(row, sgan)
    level, original = found.levels["pixels"], sgan.levels["pixels"]
    assert list(found.levels) == ["pixels"]
    assert level.condition == condition
    assert level.loss_weights == LossWeights.model_validate({**WEIGHTS, **off})
    same = {"condition": original.condition, "loss_weights": original.loss_weights}
    assert level.model_copy(update=same) == original


@pytest.mark.parametrize("row", ["independent", "joint"])
def test_the_other_rows_are_the_whole_stack(sgan: SGANParameters, row: str) -> None:
    assert row_stack(row, sgan) == sgan


def test_without_labels_there_is_no_branch_for_a_condition(smoke_experiment: Experiment) -> None:
    raw = smoke_experiment.sgan.model_dump()
    raw["levels"]["pixels"]["generator"]["condition"] = [{"layer": "linear", "features": 7}]
    sgan = SGANParameters.model_validate(raw)
    lengths = {row: len(row_stack(row, sgan).levels["pixels"].generator.condition) for row in ROWS}
    assert lengths == {"adv": 0, "adv_ent": 0, "adv_cond": 1, "adv_cond_ent": 1, "independent": 1, "joint": 1}


def test_a_stack_of_one_level_has_all_rows(sgan: SGANParameters) -> None:
    single = SGANParameters.model_validate(
        {"levels": {"pixels": {**sgan.levels["pixels"].model_dump(), "condition": "labels"}}, "joint": sgan.joint}
    )
    assert [list(row_stack(row, single).levels) for row in ROWS] == [["pixels"]] * 6
