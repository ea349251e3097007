"""The rows of SGAN's table 1 as settings: which networks, which conditions, which losses, which seeds."""

import pytest

from gan_pipelines.parameters import AblationParameters, Branch, Experiment, RunParameters, SGANParameters
from gan_pipelines.parameters.ablation import ROWS, branch_names, plan_branches

SEEDS = AblationParameters(seeds=(4, 0))
WEIGHTS = {"adversarial": 0.5, "conditional": 3.0, "entropy": 7.0}


@pytest.fixture
def sgan(smoke_experiment: Experiment) -> SGANParameters:
    raw = smoke_experiment.sgan.model_dump()
    raw["levels"]["pixels"]["loss_weights"] = WEIGHTS
    return SGANParameters.model_validate(raw)


@pytest.fixture
def branches(smoke_experiment: Experiment, sgan: SGANParameters) -> dict[str, Branch]:
    return {branch.name: branch for branch in plan_branches(smoke_experiment.run, sgan, SEEDS)}


def test_every_row_has_a_branch_a_seed_in_order(branches: dict[str, Branch], smoke_experiment: Experiment) -> None:
    assert ROWS == ("adv", "adv_ent", "adv_cond", "adv_cond_ent", "independent", "joint")
    assert list(branches) == branch_names(SEEDS.seeds) == [f"{row}_seed_{seed}" for row in ROWS for seed in (4, 0)]
    for branch in branches.values():
        assert branch.run.seed in SEEDS.seeds
        assert branch.run.model_copy(update={"seed": 0}) == smoke_experiment.run


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
    branches: dict[str, Branch], sgan: SGANParameters, row: str, condition: str, off: dict[str, float]
) -> None:
    for seed in SEEDS.seeds:
        found = branches[f"{row}_seed_{seed}"].sgan
        level, original = found.levels["pixels"], sgan.levels["pixels"]
        assert list(found.levels) == ["pixels"]
        assert level.condition == condition
        assert level.loss_weights.model_dump() == {**WEIGHTS, **off}
        same = {"condition": original.condition, "loss_weights": original.loss_weights}
        assert level.model_copy(update=same) == original


@pytest.mark.parametrize("row", ["independent", "joint"])
def test_the_other_rows_are_the_whole_stack(branches: dict[str, Branch], sgan: SGANParameters, row: str) -> None:
    assert branches[f"{row}_seed_4"].sgan == sgan


def test_without_labels_there_is_no_branch_for_a_condition(smoke_experiment: Experiment) -> None:
    raw = smoke_experiment.sgan.model_dump()
    raw["levels"]["pixels"]["generator"]["condition"] = [{"layer": "linear", "features": 7}]
    planned = plan_branches(smoke_experiment.run, SGANParameters.model_validate(raw), AblationParameters(seeds=(0,)))
    lengths = {branch.row: len(branch.sgan.levels["pixels"].generator.condition) for branch in planned}
    assert lengths == {"adv": 0, "adv_ent": 0, "adv_cond": 1, "adv_cond_ent": 1, "independent": 1, "joint": 1}


def test_the_rows_of_a_stack_of_any_depth_are_planned(sgan: SGANParameters) -> None:
    single = SGANParameters.model_validate(
        {"levels": {"pixels": {**sgan.levels["pixels"].model_dump(), "condition": "labels"}}, "joint": sgan.joint}
    )
    branches = plan_branches(RunParameters(), single, AblationParameters(seeds=(0,)))
    assert [list(branch.sgan.levels) for branch in branches] == [["pixels"]] * 6


def test_a_branch_survives_the_way_to_json_and_back(branches: dict[str, Branch]) -> None:
    for branch in branches.values():
        assert Branch.model_validate_json(branch.model_dump_json()) == branch


def test_a_branch_has_a_title_for_each_of_its_trainings(branches: dict[str, Branch]) -> None:
    assert branches["adv_cond_seed_4"].title() == "adv_cond seed 4"
    assert branches["independent_seed_0"].title("fc3") == "independent fc3 seed 0"
