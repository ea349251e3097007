"""The default experiment validates, and every kind of bad input is refused in one paragraph that names it."""

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gan_pipelines.configuration import LOADER_ARGUMENTS, ExperimentLoader
from gan_pipelines.parameters import (
    CategoricalCode,
    CompareParameters,
    ContinuousCode,
    Experiment,
    ExperimentError,
    TrainingParameters,
    UniformNoise,
)
from gan_pipelines.parameters.base import explain

CONF = Path(__file__).parents[2] / "conf"
NAN, INFINITY = float("nan"), float("inf")


@pytest.fixture(scope="module")
def base() -> dict[str, Any]:
    return ExperimentLoader(str(CONF), "base", **LOADER_ARGUMENTS)["parameters"]


@pytest.fixture
def refusal(base: dict[str, Any]) -> Callable[..., str]:
    """The message with which the default experiment is refused after changes to fields, by their dotted paths."""

    def refuse(changes: dict[str, Any]) -> str:
        parameters = copy.deepcopy(base)
        for path, value in changes.items():
            *parents, last = path.split(".")
            block: Any = parameters
            for name in parents:
                block = block[int(name)] if isinstance(block, list) else block.setdefault(name, {})
            block[int(last) if isinstance(block, list) else last] = value
        with pytest.raises(ExperimentError) as error:
            Experiment.read(parameters)
        return str(error.value)

    return refuse


def chain(base: dict[str, Any], *names: str) -> dict[str, Any]:
    """Levels of these names, each conditioned on the one before it."""
    level = base["sgan"]["levels"]["fc3"]
    return {name: {**level, "condition": above} for above, name in zip(("labels", *names), names, strict=False)}


def test_one_experiment_to_compare_needs_no_list() -> None:
    """`--params` can give no list."""
    assert CompareParameters.model_validate({"experiments": "mnist"}).experiments == ("mnist",)


def test_the_default_experiment_validates(base: dict[str, Any]) -> None:
    experiment = Experiment.read(base)
    assert list(experiment.sgan.levels) == ["fc3", "pixels"]
    assert list(experiment.classifier.networks) == ["block1", "block2", "fc3", "labels"]
    assert experiment.sgan.levels["pixels"].loss_weights.model_dump() == {
        "adversarial": 1.0,
        "conditional": 5.0,
        "entropy": 10.0,
        "classes": 1.0,
        "gradient_penalty": 0.0,
    }


def test_what_was_read_survives_the_way_to_json_and_back(base: dict[str, Any]) -> None:
    experiment = Experiment.read(base)
    assert Experiment.model_validate_json(experiment.model_dump_json()) == experiment


def test_a_training_that_is_not_watched_says_nothing_of_it(base: dict[str, Any]) -> None:
    assert "watch" not in Experiment.read(base).model_dump_json()
    raw = copy.deepcopy(base)
    raw["data"]["validation_fraction"] = 0.1
    raw["infogan"]["watch"] = raw["sgan"]["joint"]["watch"] = {"every_steps": 100}
    experiment = Experiment.read(raw)
    assert list(experiment.watched) == ["sgan.joint.watch", "infogan.watch"]
    assert Experiment.model_validate_json(experiment.model_dump_json()) == experiment
    assert experiment.model_dump(mode="json")["infogan"]["watch"] == {
        "every_steps": 100,
        "samples": 1000,
        "keep": "last",
    }


def test_what_was_read_cannot_be_changed(base: dict[str, Any]) -> None:
    experiment = Experiment.read(base)
    with pytest.raises(ValidationError, match="frozen"):
        experiment.run.seed = 3
    assert experiment.run.seed == base["run"]["seed"]


STEPS = "sgan.levels.fc3.training.steps"
TRUNK = "sgan.levels.fc3.generator.trunk.0.features"
NOISE = "sgan.levels.fc3.noise"
CODES = "infogan.codes"
CATEGORY, RANGE = {"distribution": "categorical", "classes": 10}, {"distribution": "uniform"}


@pytest.mark.parametrize(
    ("path", "value", "found", "allowed"),
    [
        ("sgan.levels.fc3.training.stepps", 3, "3", "not permitted|unknown|allowed"),
        ("sgan.joints", "none", "'none'", "not permitted|unknown|allowed"),
        ("extra", 1, "1", "not permitted|unknown|allowed"),
        (STEPS, "many", "'many'", "integer"),
        (STEPS, 2.5, "2.5", "integer"),
        (STEPS, None, "None", "integer"),
        (STEPS, True, "True", "number"),
        (STEPS, 0, "0", "greater than 0"),
        (STEPS, -4, "-4", "greater than 0"),
        ("classifier.training.batch_size", 1, "1", "greater than or equal to 2"),
        ("run.threads", True, "True", "number"),
        ("run.seed", -1, "-1", "greater than or equal to 0"),
        ("run.seed", True, "True", "number"),
        ("run.device", "gpu", "'gpu'", "cpu.*cuda.*mps"),
        ("judge.augmentation_pixels", True, "True", "number"),
        ("second_judge.seed", -1, "-1", "greater than or equal to 0"),
        ("judge.seed", -1, "-1", "greater than or equal to 0"),
        ("classifier.seed", 0, "0", "not permitted|unknown|allowed"),
        ("classifier.training.final_learning_rate_fraction", True, "True", "number"),
        ("classifier.training.final_learning_rate_fraction", 1.5, "1.5", "less than or equal to 1"),
        ("classifier.blocks.0.layers.0.padding", True, "True", "number"),
        ("classifier.blocks.0.layers.0.kernel", 0, "0", "greater than 0"),
        (TRUNK, 0, "0", "at least 1"),
        (TRUNK, True, "True", "number"),
        (TRUNK, "all", "'all'", "target"),
        (f"{NOISE}.size", 0, "0", "greater than 0"),
        (f"{NOISE}.low", True, "True", "number"),
        (f"{NOISE}.high", INFINITY, "inf", "finite"),
        (f"{NOISE}.low", -INFINITY, "-inf", "finite"),
        (f"{NOISE}.posterior_std", 0, "0", "greater than 0"),
        (NOISE, {"distribution": "uniform", "size": 3, "low": 2, "high": 2}, "low is 2.0, high is 2.0", "empty"),
        (f"{NOISE}.distribution", "cauchy", "'cauchy'", "'uniform', 'gaussian'"),
        ("data.source.name", "imagenet", "'imagenet'", "'mnist_5k'.*'image_folder'"),
        ("data.source.test_fraction", 1, "1", "less than 1"),
        ("data.seed", -1, "-1", "greater than or equal to 0"),
        ("data.validation_fraction", 1, "1", "less than 1"),
        ("data.validation_fraction", -0.1, "-0.1", "greater than or equal to 0"),
        ("data.validation_fraction", True, "True", "number"),
        ("sgan.levels.fc3.adversarial_loss", "no_such_loss", "'no_such_loss'", "'non_saturating'"),
        ("classifier.blocks.0.layers.0.layer", "dense", "'dense'", "'linear'.*'conv'"),
        ("sgan.levels.fc3.loss_weights.entropy", NAN, "nan", "greater than or equal to 0|finite"),
        ("sgan.levels.fc3.loss_weights.adversarial", -1, "-1", "greater than or equal to 0"),
        ("sgan.joint.upstream_weight", INFINITY, "inf", "finite"),
        ("sgan.joint.initialise", "zeros", "'zeros'", "'independent' or 'scratch'"),
        ("classifier.training.beta1", 1, "1", "less than 1"),
        ("classifier.training.learning_rate", 0, "0", "greater than 0"),
        ("evaluation.split", "train", "'train'", "'test' or 'validation'"),
        ("evaluation.split", "validation", "found 'validation'", "allowed: 'test', or a fraction above 0"),
        ("evaluation.samples", 5, "5", "greater than or equal to 20"),
        ("infogan.watch", {"every_steps": 100}, "data.validation_fraction is 0", "a fraction above 0, or no watch"),
        ("sgan.joint.watch", {"every_steps": 100}, "data.validation_fraction is 0", "a fraction above 0, or no watch"),
        ("infogan.watch.every_steps", 120, "120", "a multiple of training.report_every_steps, 50"),
        ("sgan.joint.watch.every_steps", 120, "120", "a multiple of training.report_every_steps, 50"),
        ("infogan.watch.samples", 150, "150", "multiple of 100"),
        ("infogan.watch.keep", "worst", "'worst'", "'last' or 'best'"),
        ("sgan.levels.pixels.watch", {"every_steps": 100}, "100", "not permitted|unknown|allowed"),
        ("classifier.watch", {"every_steps": 100}, "100", "not permitted|unknown|allowed"),
        ("evaluation.features", "fc9", "'fc9'", "block1, block2, features"),
        ("evaluation.features", "labels", "'labels'", "block1, block2, features"),
        ("compare.experiments", [], "[]", "at least 1 item"),
        ("compare.newest", 0, "0", "greater than 0"),
        ("compare.tags", ["sgan"], "['sgan']", "dictionary"),
        ("sgan.levels.pixels.condition", "block1", "found 'block1'", "must be the level above"),
        ("sgan.levels.fc3.condition", "block1", "found 'block1'", "'labels' or 'none' for the first"),
        ("sgan.levels.fc3.condition", None, "None", "string"),
        ("sgan.levels.pixels.condition", "none", "found 'none'", "must be the level above"),
        ("sgan.levels.fc3.training.ema_decay", 0, "0", "all"),
        ("ablation.seeds", [], "[]", "at least 1 item"),
        ("ablation.seeds", [0, 1, 0], "found [0, 1, 0]", "must differ"),
        ("ablation.seeds", 3, "3", "tuple"),
        ("ablation.seeds.1", -1, "-1", "greater than or equal to 0"),
        ("ablation.seeds.1", True, "True", "number"),
        ("ablation.seed", 0, "0", "not permitted|unknown|allowed"),
        (f"{CODES}.category.classes", 1, "1", "greater than or equal to 2"),
        (f"{CODES}.category.classes", True, "True", "number"),
        (f"{CODES}.category.classes", 2.5, "2.5", "integer"),
        (f"{CODES}.category.count", 0, "0", "greater than 0"),
        (f"{CODES}.style.count", 0, "0", "greater than 0"),
        (f"{CODES}.style", {**RANGE, "high": -1}, "low is -1.0, high is -1.0", "empty"),
        (f"{CODES}.style", {**RANGE, "low": 3}, "low is 3.0, high is 1.0", "empty"),
        (f"{CODES}.style.high", INFINITY, "inf", "finite"),
        (f"{CODES}.style.variance", "unit", "'unit'", "'learned' or 'fixed'"),
        (f"{CODES}.style.traversal", [-1, 0.5], "[-1.0, 0.5]", r"must hold the code's range \[-1.0, 1.0\]"),
        (f"{CODES}.style.traversal", [-0.5, 2], "[-0.5, 2.0]", r"must hold the code's range \[-1.0, 1.0\]"),
        (f"{CODES}.style.traversal", [2, -2], "[2.0, -2.0]", r"must hold the code's range \[-1.0, 1.0\]"),
        (f"{CODES}.style.traversal", [-2, 0, 2], "[-2, 0, 2]", "at most 2"),
        (f"{CODES}.style.traversal.0", NAN, "nan", "finite"),
        (f"{CODES}.style.classes", 10, "10", "not permitted|unknown|allowed"),
        (f"{CODES}.style.distribution", "gaussian", "'gaussian'", "'categorical', 'uniform'"),
        (f"{CODES}.style", {"count": 2}, "count", "distribution"),
        (CODES, {}, "none", "needs at least one.* plain GAN keep the codes.* both information_weights to 0"),
        (CODES, {"a style": RANGE}, "'a style'", "letters, digits and underscores"),
        (CODES, {"1st": RANGE}, "'1st'", "letters, digits and underscores"),
        (CODES, {"é": RANGE}, "'é'", "letters, digits and underscores"),
        (CODES, {"a": {**RANGE, "count": 2}, "a_1": CATEGORY}, "'a_1'", "taken.*choose another"),
        (CODES, {"a_2": CATEGORY, "a": {**RANGE, "count": 2}}, "'a_2'", "taken.*choose another"),
        (CODES, {"total": RANGE}, "'total'", "taken.*choose another"),
        ("infogan.information_weights.categorical", -1, "-1", "greater than or equal to 0"),
        ("infogan.information_weights.continuous", -0.1, "-0.1", "greater than or equal to 0"),
        ("infogan.information_weights.continuous", NAN, "nan", "greater than or equal to 0|finite"),
        ("infogan.information_weights.continous", 0, "0", "not permitted|unknown|allowed"),
        ("infogan.information_weights.continuous_delay_steps", -1, "-1", "greater than or equal to 0"),
        ("infogan.information_weights.categorical_delay_steps", 1.5, "1.5", "integer"),
        ("infogan.information_weights.categorical_delay_steps", 10**7, "found 10000000", "below training.steps, "),
        ("infogan.information_weights.continuous_delay_steps", 10**7, "found 10000000", "below training.steps, "),
        ("infogan.adversarial_loss", "no_such_loss", "'no_such_loss'", "'non_saturating'"),
        ("infogan.noise.posterior_std", 1, "1", "not permitted|unknown|allowed"),
        ("infogan.noise.distribution", "categorical", "'categorical'", "'uniform', 'gaussian'"),
        ("infogan.discriminator.codes", [], "[]", "at least 1 item"),
        ("infogan.training.steps", 0, "0", "greater than 0"),
        ("infogan.training.steps", 10**30, "1000000", "less than or equal to 1000000000"),
        ("infogan.noise.size", 10**12, "1000000000000", "less than or equal to"),
        ("sgan.levels.pixels.noise.size", 10**7, "10000000", "less than or equal to 10000"),
        ("sgan.levels.fc3.generator.trunk.0.features", 10**9, "1000000000", "at most 1000000"),
        ("classifier.blocks.0.layers.0.kernel", 10**9, "1000000000", "less than or equal to 1000"),
        ("classifier.augmentation_pixels", 10**9, "1000000000", "less than or equal to 1000"),
        (f"{CODES}.style.count", 20000, "20000", "less than or equal to 1000"),
        (f"{CODES}.category.classes", 10**6, "1000000", "less than or equal to 10000"),
        (CODES, {"a": {**CATEGORY, "classes": 9_930}, "b": {**RANGE, "count": 9}}, "10001", "10000 entries"),
        ("evaluation.samples", 10**9, "1000000000", "less than or equal to 10000000"),
        ("evaluation.grid_columns", 10**9, "1000000000", "less than or equal to 1000"),
        ("run.seed", 2**63, "9223372036854775808", "less than"),
        ("run.threads", 10**6, "1000000", "less than or equal to 4096"),
        ("run.device", "cuda:99999999999999999999", "'cuda:9999", "pattern"),
        ("run.device", "cuda:\u0661", "'cuda:", "pattern"),
        ("classifier.blocks.0.name", "a" * 235, "'aaaa", "pattern"),
    ],
)
def test_a_bad_value_is_refused_with_its_field_what_was_found_and_what_is_allowed(
    refusal: Callable[..., str], path: str, value: object, found: str, allowed: str
) -> None:
    message = refusal({path: value})
    # a field that selects a schema may be named by its block
    named = [path, path.rpartition(".")[0]] if path.endswith((".name", ".layer", ".distribution")) else [path]
    assert any(re.search(rf"(^|\s){re.escape(name)}(:| and )", message) for name in named), message
    assert found in message
    assert re.search(allowed, message), message
    assert "\n" not in message
    assert "function" not in message, "internals of pydantic"


def test_a_field_that_is_missing_is_named(base: dict[str, Any]) -> None:
    parameters = copy.deepcopy(base)
    del parameters["sgan"]["joint"]["training"]["steps"]
    with pytest.raises(ExperimentError, match=r"sgan\.joint\.training\.steps: .*required"):
        Experiment.read(parameters)


def test_a_random_affine_layer_out_of_bounds_is_refused(refusal: Callable[..., str]) -> None:
    message = refusal({"infogan.generator.0": {"layer": "random_affine", "distortion": 1, "shift_pixels": -2}})
    assert "infogan.generator.0.distortion: Input should be less than 1 (found 1)" in message
    assert "infogan.generator.0.shift_pixels: Input should be greater than or equal to 0 (found -2)" in message


def test_an_entry_of_a_list_that_is_missing_is_named(refusal: Callable[..., str]) -> None:
    message = refusal({f"{CODES}.style.traversal": [2]})
    assert f"{CODES}.style.traversal.1: " in message
    assert "required" in message
    assert "(found [2])" in message


def test_all_bad_values_are_named_at_once(refusal: Callable[..., str]) -> None:
    message = refusal({STEPS: 0, "run.seed": -1, "judge.weight_decay": NAN})
    assert all(f"{path}: " in message for path in (STEPS, "run.seed", "judge.weight_decay"))
    assert "\n" not in message


def test_a_text_of_several_lines_does_not_break_the_paragraph(refusal: Callable[..., str]) -> None:
    assert "\n" not in refusal({STEPS: "one\ntwo"})


@pytest.mark.parametrize(
    ("name", "shown"),
    [("\x1b[31m", r"run.\x1b[31m: "), ("\u2028", r"run.\u2028: "), ("x" * 9999, f"run.{'x' * 80}...: ")],
)
def test_the_name_of_an_unknown_field_cannot_write_into_the_terminal(name: str, shown: str) -> None:
    with pytest.raises(ExperimentError) as caught:
        Experiment.read({"run": {name: 1}})
    assert shown in str(caught.value)


@pytest.mark.parametrize(
    ("names", "place", "found", "allowed"),
    [
        (("fc9", "pixels"), "sgan.levels.fc9: ", "unknown representation", "fc3, block2, block1, pixels"),
        (("labels", "pixels"), "sgan.levels.labels: ", "['labels', 'pixels']", "below the labels"),
        (
            ("block1", "fc3", "pixels"),
            "sgan.levels.fc3.condition: ",
            "'block1' is not above 'fc3'",
            "fc3, block2, block1, pixels",
        ),
        (("fc3", "block1"), "sgan.levels: ", "fc3, block1", "'pixels'"),
        (("pixels", "fc3"), "sgan.levels: ", "pixels, fc3", "'pixels'"),
    ],
    ids=["unknown", "labels as target", "wrong order", "no pixels", "pixels first"],
)
def test_levels_that_do_not_form_a_chain_are_refused(
    base: dict[str, Any], refusal: Callable[..., str], names: tuple[str, ...], place: str, found: str, allowed: str
) -> None:
    message = refusal({"sgan.levels": chain(base, *names)})
    assert place in message
    assert found in message
    assert allowed in message
    assert "\n" not in message


def test_levels_that_do_not_connect_are_refused_with_the_one_that_is_wrong(
    base: dict[str, Any], refusal: Callable[..., str]
) -> None:
    levels = chain(base, "fc3", "block1", "pixels")
    levels["pixels"]["condition"] = "fc3"
    message = refusal({"sgan.levels": levels})
    assert "sgan.levels.pixels.condition: " in message
    assert "must be the level above" in message
    assert "found 'fc3'" in message


@pytest.mark.parametrize("names", [("pixels",), ("fc3", "pixels"), ("fc3", "block2", "block1", "pixels")])
def test_a_stack_of_any_number_of_levels_validates(base: dict[str, Any], names: tuple[str, ...]) -> None:
    parameters = copy.deepcopy(base)
    parameters["sgan"]["levels"] = chain(base, *names)
    assert tuple(Experiment.read(parameters).sgan.levels) == names


@pytest.mark.parametrize("names", [("pixels",), ("fc3", "pixels")])
def test_a_stack_may_start_from_noise_alone(base: dict[str, Any], names: tuple[str, ...]) -> None:
    parameters = copy.deepcopy(base)
    parameters["sgan"]["levels"] = chain(base, *names)
    parameters["sgan"]["levels"][names[0]]["condition"] = "none"
    assert Experiment.read(parameters).sgan.levels[names[0]].condition == "none"


def test_a_branch_for_a_condition_that_there_is_not_is_refused(refusal: Callable[..., str]) -> None:
    branch = [{"layer": "linear", "features": 16}]
    message = refusal({"sgan.levels.fc3.condition": "none", "sgan.levels.fc3.generator.condition": branch})
    assert "sgan.levels.fc3.generator.condition: there is no condition ('none') to pass it" in message


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["fc3", "block1"], "['fc3', 'block1']"),
        (["labels", "fc3"], "['labels', 'fc3']"),
        (["pixels", "labels"], "'pixels'"),
        (["none", "labels"], "'none'"),
        (["fc 3", "labels"], "'fc 3'"),
        (["fc3", "fc3", "labels"], "['fc3', 'fc3', 'labels']"),
    ],
)
def test_blocks_that_do_not_end_in_the_labels_or_have_no_proper_names_are_refused(
    refusal: Callable[..., str], names: list[str], found: str
) -> None:
    message = refusal({"judge.blocks": [{"name": name, "layers": [{"layer": "relu"}]} for name in names]})
    assert "judge" in message
    assert found in message
    assert "\n" not in message


@pytest.mark.parametrize("block", ["classifier", "judge"])
def test_a_field_of_an_earlier_version_is_refused_with_its_new_name(refusal: Callable[..., str], block: str) -> None:
    message = refusal({f"{block}.stages": {"labels": []}})
    assert f"{block}.stages: " in message
    assert "blocks" in message


def test_an_error_within_a_block_is_explained_with_the_path_of_the_block() -> None:
    with pytest.raises(ValidationError) as error:
        TrainingParameters.model_validate({"steps": 0})
    expected = "Invalid parameters: judge.training.steps: Input should be greater than 0 (found 0)."
    assert explain(error.value, {"steps": 0}, "judge.training") == expected


def test_codes_of_one_kind_are_numbered_from_1_and_a_single_one_keeps_its_name(base: dict[str, Any]) -> None:
    parameters = copy.deepcopy(base)
    parameters["infogan"]["codes"] = {
        "b": {**CATEGORY, "count": 2},
        "a": {**RANGE, "low": 0, "variance": "fixed"},
        "c": {**RANGE, "count": 1},
    }
    single = Experiment.read(parameters).infogan.single_codes
    category = CategoricalCode(distribution="categorical", classes=10)
    assert list(single.items()) == [
        ("b_1", category),
        ("b_2", category),
        ("a", ContinuousCode(distribution="uniform", low=0, variance="fixed")),
        ("c", ContinuousCode(distribution="uniform")),
    ]


def test_a_traversal_may_end_where_the_range_does(base: dict[str, Any]) -> None:
    parameters = copy.deepcopy(base)
    parameters["infogan"]["codes"]["style"] |= {"low": 0.5, "high": 3, "traversal": [0.5, 3]}
    style = Experiment.read(parameters).infogan.codes["style"]
    assert isinstance(style, ContinuousCode)
    assert (style.low, style.high, style.traversal) == (0.5, 3, (0.5, 3))


def test_both_weights_of_the_information_may_be_0(base: dict[str, Any]) -> None:
    parameters = copy.deepcopy(base)
    parameters["infogan"]["information_weights"] = {"categorical": 0, "continuous": 0}
    assert set(Experiment.read(parameters).infogan.information_weights_at(1).values()) == {0}


@pytest.mark.parametrize(
    ("step", "categorical", "continuous"), [(1, 0, 0.25), (2, 0, 0.25), (3, 2, 0.25), (4, 2, 0.25)]
)
def test_a_weight_of_the_information_sets_in_after_its_first_steps(
    base: dict[str, Any], step: int, categorical: float, continuous: float
) -> None:
    parameters = copy.deepcopy(base)
    parameters["infogan"]["information_weights"] = {"categorical": 2, "continuous": 0.25, "categorical_delay_steps": 2}
    found = Experiment.read(parameters).infogan.information_weights_at(step)
    assert found == {"category": categorical, "style_1": continuous, "style_2": continuous}


@pytest.mark.parametrize("kind", ["categorical", "continuous"])
def test_information_sets_in_before_the_last_step_or_is_refused(
    base: dict[str, Any], refusal: Callable[..., str], kind: str
) -> None:
    parameters = copy.deepcopy(base)
    last = parameters["infogan"]["training"]["steps"]
    parameters["infogan"]["information_weights"] = {f"{kind}_delay_steps": last - 1}
    weights = [Experiment.read(parameters).infogan.information_weights_at(step) for step in (last - 1, last)]
    codes = ["category"] if kind == "categorical" else ["style_1", "style_2"]
    assert [[found[code] > 0 for code in codes] for found in weights] == [[False] * len(codes), [True] * len(codes)]
    message = refusal({f"infogan.information_weights.{kind}_delay_steps": last})
    assert re.search(rf"must be below training\.steps, {last}, .*found {last}", message)


def test_consistency_needs_a_trunk_that_distorts_and_a_categorical_code(
    base: dict[str, Any], refusal: Callable[..., str]
) -> None:
    trunk = [layer for layer in base["infogan"]["discriminator"]["trunk"] if layer["layer"] != "random_affine"]
    message = refusal({"infogan.discriminator.trunk": trunk, "infogan.consistency_weight": 0.5})
    assert re.search(
        r"infogan\.consistency_weight: .*discriminator\.trunk has no layer random_affine.*found 0\.5", message
    )
    message = refusal({"infogan.codes.category": None, "infogan.consistency_weight": 0.5})
    assert re.search(r"infogan\.consistency_weight: is of categorical codes, and there is none.*found 0\.5", message)
    assert "greater than or equal to 0" in refusal({"infogan.consistency_weight": -1})


def test_the_delay_of_information_that_is_never_told_does_not_matter(base: dict[str, Any]) -> None:
    parameters = copy.deepcopy(base)
    parameters["infogan"]["information_weights"] = {"categorical": 0, "categorical_delay_steps": 10**7}
    assert Experiment.read(parameters).infogan.information_weights_at(10**8)["category"] == 0


def test_the_default_infogan_has_the_papers_latent_for_mnist_and_tells_of_every_code_in_the_end(
    base: dict[str, Any],
) -> None:
    infogan = Experiment.read(base).infogan
    assert list(infogan.single_codes) == ["category", "style_1", "style_2"]
    assert infogan.single_codes["category"] == CategoricalCode(distribution="categorical", classes=10)
    assert (infogan.noise.distribution, infogan.noise.size) == ("uniform", 62)
    assert all(weight > 0 for weight in infogan.information_weights_at(infogan.training.steps).values())


def test_noise_is_uniform_over_0_to_1_with_a_posterior_of_variance_one_half_unless_told() -> None:
    noise = UniformNoise(distribution="uniform", size=1)
    assert (noise.low, noise.high) == (0, 1)
    assert noise.posterior_std**2 == pytest.approx(0.5, rel=1e-12)


HEAD = [{"layer": "linear", "features": "target"}]
MEAN_IMAGE = [{"layer": "mean_image"}]
AFFINE = {"layer": "random_affine", "distortion": 0.1, "shift_pixels": 1.0}
PIXELS, FC3 = "sgan.levels.pixels", "sgan.levels.fc3"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({f"{PIXELS}.discriminator.classes": HEAD}, rf"{PIXELS}\.discriminator.adversarial: .*found both"),
        ({f"{PIXELS}.discriminator.adversarial": []}, rf"{PIXELS}\.discriminator.adversarial: .*found neither"),
        (
            {
                f"{FC3}.condition": "none",
                f"{PIXELS}.discriminator.adversarial": [],
                f"{PIXELS}.discriminator.classes": HEAD,
            },
            r"sgan\.levels\.pixels\.discriminator\.classes: .* needs labels.*'none'",
        ),
        (
            {f"{PIXELS}.generator_updates": [{"above": 0.3, "updates": 1}, {"above": 0.5, "updates": 3}]},
            rf"{PIXELS}\.generator_updates: .*\[0\.3, 0\.5\]",
        ),
        ({f"{PIXELS}.generator_updates": [{"above": 0.3, "updates": 1}]}, r"_updates: .* at 0; found \[0\.3\]"),
        ({f"{PIXELS}.generator_updates": [{"above": 0.0, "updates": 0}]}, r"generator_updates\.0\.updates"),
        (
            {"sgan.joint.discriminators": {"block1": {"trunk": HEAD, "adversarial": HEAD, "noise": HEAD}}},
            r"sgan\.joint\.discriminators\.block1: there is no such level; the levels are fc3, pixels",
        ),
        ({f"{PIXELS}.generator.trunk": MEAN_IMAGE}, rf"{PIXELS}\.generator\.trunk: mean_image is only for"),
        ({f"{PIXELS}.discriminator.trunk": [*HEAD, *MEAN_IMAGE]}, rf"{PIXELS}\.discriminator\.trunk: mean_image"),
        ({"infogan.generator": [*MEAN_IMAGE, *HEAD]}, r"infogan\.generator: mean_image"),
        ({"infogan.discriminator.trunk": MEAN_IMAGE}, r"infogan\.discriminator\.trunk: mean_image"),
        ({"judge.blocks.1.layers": MEAN_IMAGE}, r"judge\.blocks\.1\.layers: mean_image"),
        (
            {f"{PIXELS}.loss_weights.gradient_penalty": 1.0, f"{PIXELS}.discriminator.trunk": [AFFINE, *HEAD]},
            rf"{PIXELS}\.loss_weights\.gradient_penalty: 1\.0 needs second derivatives, which random_affine",
        ),
        (
            {f"{FC3}.loss_weights": {"gradient_penalty": 1.0}, "run.workers": 2},
            rf"{FC3}\.loss_weights\.gradient_penalty: .* run\.workers 2",
        ),
        (
            {f"{FC3}.loss_weights": {"gradient_penalty": 1.0}, "run.compile": "default"},
            rf"{FC3}\.loss_weights\.gradient_penalty: .* run\.compile 'default'",
        ),
        ({f"{FC3}.adversarial_loss": "wasserstein"}, r"adversarial_loss: .*'non_saturating', 'saturating' or 'hinge'"),
        ({f"{FC3}.discriminator_terms": "half"}, r"discriminator_terms: .*'sum' or 'mean'"),
    ],
)  # fmt: skip
def test_losses_heads_and_schedules_that_make_no_sense_are_refused(
    refusal: Callable[..., str], changes: dict[str, Any], named: str
) -> None:
    assert re.search(named, refusal(changes))


def test_a_schedule_counts_the_updates_of_g_by_the_loss_of_d(base: dict[str, Any]) -> None:
    level = Experiment.read(base).sgan.levels["pixels"]
    assert [level.updates_of_generator(loss) for loss in (0.0, 0.7, 5.0)] == [1, 1, 1]
    steps = ({"above": 0.6, "updates": 1}, {"above": 0.3, "updates": 2}, {"above": 0.0, "updates": 4})
    schedule = type(level).model_validate({**level.model_dump(), "generator_updates": steps})
    assert [schedule.updates_of_generator(loss) for loss in (0.61, 0.6, 0.31, 0.3, 0.0)] == [1, 2, 2, 4, 4]


def test_a_discriminator_of_joint_training_is_removed_with_null(base: dict[str, Any]) -> None:
    base = copy.deepcopy(base)
    base["sgan"]["joint"]["discriminators"] = {"fc3": None}
    assert Experiment.read(base).sgan.joint.discriminators == {}
