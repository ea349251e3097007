"""Every experiment under conf/ is valid, its networks fit its data, and all its weights learn."""

import re
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import torch
from kedro.framework.project import configure_project, pipelines
from kedro.pipeline import Pipeline
from pydantic import BaseModel

from gan_pipelines import project
from gan_pipelines.configuration import LOADER_ARGUMENTS, ExperimentLoader
from gan_pipelines.data.images import LabelledImages, Representation
from gan_pipelines.models import InfoGAN, LevelGAN
from gan_pipelines.models.plan import plan_classifier, plan_infogan, plan_levels
from gan_pipelines.parameters import CompareParameters, Experiment, RunParameters
from gan_pipelines.parameters.ablation import ROWS, row_settings
from gan_pipelines.parameters.base import flatten
from gan_pipelines.training.infogan import fit_infogan
from gan_pipelines.training.joint import fit_joint
from gan_pipelines.training.level import fit_level
from gan_pipelines.training.observer import Silent
from gan_pipelines.training.stage import seeded_stage

ROOT = Path(__file__).parents[1]
EXPERIMENTS = sorted(folder.name for folder in (ROOT / "conf").iterdir() if folder.is_dir() and folder.name != "local")
IMAGE_SHAPES = {"mnist_5k": (1, 28, 28), "mnist": (1, 28, 28), "fashion_mnist": (1, 28, 28)}
IMAGE_SHAPES |= {"svhn": (3, 32, 32), "cifar10": (3, 32, 32)}


def raw_parameters(experiment: str) -> dict[str, Any]:
    return ExperimentLoader(str(ROOT / "conf"), experiment, **LOADER_ARGUMENTS)["parameters"]


@pytest.fixture(scope="module")
def graphs() -> Iterator[Callable[[str], dict[str, Pipeline]]]:
    """The pipelines of an experiment by name."""

    @cache
    def build(experiment: str) -> dict[str, Pipeline]:
        configure_project("gan_pipelines")
        project.enter(ROOT, Experiment.read(raw_parameters(experiment)))
        return dict(pipelines)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(project, "_session", project._Session())
        yield build


def one_step(experiment: Experiment) -> Experiment:
    """The same experiment, one update and eight images a stage."""
    raw = experiment.model_dump()
    sgan = raw["sgan"]
    stages = [
        raw["classifier"],
        raw["judge"],
        raw["second_judge"],
        sgan["joint"],
        *sgan["levels"].values(),
        raw["infogan"],
    ]
    for stage in stages:
        stage["training"] |= {"steps": 1, "batch_size": 8, "report_every_steps": 1}
    raw["infogan"]["information_weights"] |= {"categorical_delay_steps": 0, "continuous_delay_steps": 0}
    return Experiment.read(raw)


def random_images(experiment: Experiment) -> LabelledImages:
    """16 images of the shape that the experiment's have."""
    shape, rng = IMAGE_SHAPES[experiment.data.source.name], torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (16, *shape), generator=rng, dtype=torch.uint8)
    return LabelledImages(pixels, torch.arange(16) % 10, tuple("0123456789"))


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_weight_of_the_stack_of_an_experiment_moves_in_one_step(name: str) -> None:
    experiment = one_step(Experiment.read(raw_parameters(name)))
    data = random_images(experiment)
    shape, run = data.image_shape, RunParameters(threads=1)
    with seeded_stage(run, "encoder"):
        plan = plan_classifier(experiment.classifier, shape, data.classes, "digest", "classifier")
        encoder = type(plan)(plan.spec).freeze()
    representations = encoder.representations(data.pixels().batch(torch.arange(16)))
    targets = {key: Representation(key, value) for key, value in representations.items()} | {"pixels": data.pixels()}
    levels = []
    for target, spec in plan_levels(experiment.sgan, encoder).items():
        above = spec.parameters.condition
        condition = targets[above] if above in targets else data.conditions(above)
        with seeded_stage(run, target):
            before = LevelGAN(spec).state_dict()
        level, history = fit_level(run, spec, encoder, targets[target], condition, Silent(), labels=data.labels)
        assert len(history) == 1
        moved = [key for key, value in level.named_parameters() if not torch.equal(value, before[key])]
        trained = [key for key, _ in level.named_parameters() if not key.startswith("averaged")]
        assert set(trained) <= set(moved), f"{name}: {target} has weights that do not learn"
        levels.append(level)
    top = data.conditions(levels[0].spec.parameters.condition)
    joint, _ = fit_joint(run, experiment.sgan.joint, levels, encoder, targets, top, Silent())
    for after, level in zip(joint, levels, strict=True):
        for key, value in after.generator.named_parameters():
            assert not torch.equal(value, level.generator.get_parameter(key)), f"{name}: joint {key} does not learn"


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_weight_of_the_infogan_of_an_experiment_moves_in_one_step(name: str) -> None:
    experiment = one_step(Experiment.read(raw_parameters(name)))
    data, run = random_images(experiment), RunParameters(threads=1)
    spec = plan_infogan(experiment.infogan, data.image_shape, data.digest())
    with seeded_stage(run, "infogan"):
        before = InfoGAN(spec).state_dict()
    gan, (row,) = fit_infogan(run, spec, data.pixels(), Silent())
    still = [key for key, value in gan.named_parameters() if torch.equal(value, before[key])]
    assert not still, f"{name}: the InfoGAN has weights that do not learn"
    assert {f"information.{code}" for code in gan.codes.parts} < set(row)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_params_input_of_every_pipeline_exists_and_is_typed(
    name: str, graphs: Callable[[str], dict[str, Pipeline]]
) -> None:
    experiment, found = Experiment.read(raw_parameters(name)), graphs(name)
    rows = row_settings(experiment.run, experiment.sgan, experiment.ablation)
    derived = {f"ablation_rows.{place}": block for place, block in rows.items()}
    derived["unsupervised_sgan"] = experiment.unsupervised_sgan
    raw = experiment.model_dump(mode="json") | derived
    seen = set()
    others = ("ablation", "sample", "export", "register", "sgan_unsupervised")
    asked = sum((found[name] for name in others), start=found["__default__"])
    for node in asked.nodes:
        hints = list(get_type_hints(node.func).values())
        hints = hints[len(node.func.args) :] if isinstance(node.func, partial) else hints
        for position, source in enumerate(node.inputs):
            if source.startswith("params:"):
                block = source.removeprefix("params:")
                assert issubclass(hints[position], BaseModel), f"{node.name}: {source} arrives as a raw dict"
                hints[position].model_validate(raw[block])
                seen.add(block)
    assert seen == set(raw) - {"compare", "sweep", "unsupervised"}


def test_three_levels_make_three_level_nodes(graphs: Callable[[str], dict[str, Pipeline]]) -> None:
    found = graphs("three_levels")["sgan_levels"]
    assert sorted(node.name for node in found.nodes) == ["block2.train_level", "fc3.train_level", "pixels.train_level"]
    assert not {name for name in found.inputs() if name.startswith("level_")}


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 32, 32), (3, 64, 64)])
def test_the_default_networks_serve_grey_and_colour_pictures_of_other_sizes(shape: tuple[int, int, int]) -> None:
    experiment = Experiment.read(raw_parameters("base"))
    encoder = plan_classifier(experiment.classifier, shape, ("a", "b", "c"), "digest", "classifier")
    for name in ("judge", "second_judge"):
        plan_classifier(getattr(experiment, name), shape, ("a", "b", "c"), "digest", name)
    specs = plan_levels(experiment.sgan, encoder)
    assert specs["pixels"].target_shape == shape
    assert specs["fc3"].condition_shape == (3,)
    assert plan_infogan(experiment.infogan, shape, "digest").image_shape == shape


def test_each_pipeline_is_a_part_of_the_whole_and_what_they_share_is_in_it_once(
    graphs: Callable[[str], dict[str, Pipeline]],
) -> None:
    found = graphs("smoke")
    names = {name: [node.name for node in pipeline.nodes] for name, pipeline in found.items()}
    whole = names["__default__"]
    assert len(whole) == len(set(whole))
    wholes = {"compare", "sweep_report", "ablation", "pictures", "register", "sample", "export", "sgan_unsupervised"}
    beside = {"unsupervised_training", "unsupervised_evaluation"}
    assert all(set(part) <= set(whole) for name, part in names.items() if name not in wholes | beside)
    assert all(set(names[name]) <= set(names["sgan_unsupervised"]) - set(whole) for name in beside)
    assert not set(names["compare"]) & set(whole)
    shared = {"data.prepare_images", "data.draw_data_page", "data.list_networks"}
    shared |= {
        "judge.train_judge",
        "judge.train_second_judge",
        "real_evaluation.extract_features",
        "real_evaluation.score",
    }
    for name in ("__default__", "sgan", "infogan", "ablation", "sgan_unsupervised"):
        assert {node: names[name].count(node) for node in shared} == dict.fromkeys(shared, 1)
    assert set(names["sgan"]) & set(names["infogan"]) == shared


NAMESPACES = {
    "infogan": {"data", "judge", "real_evaluation", "infogan", "infogan_evaluation"},
    "sgan": {
        "data", "judge", "real_evaluation", "encoder", "fc3", "pixels", "joint",
        "independent_stack_evaluation", "joint_stack_evaluation",
    },
    "ablation": {"data", "judge", "real_evaluation", "encoder", *ROWS, "table"},
    "sgan_unsupervised": {
        "data", "judge", "real_evaluation", "infogan", "infogan_encoder", "unsupervised",
        "unsupervised_independent_stack_evaluation", "unsupervised_joint_stack_evaluation",
    },
}  # fmt: skip


@pytest.mark.parametrize("name", ["__default__", *NAMESPACES])
def test_every_node_is_in_the_namespace_of_a_stage_and_there_are_at_most_a_dozen(
    name: str, graphs: Callable[[str], dict[str, Pipeline]]
) -> None:
    found = graphs("base")[name]
    assert all(node.namespace for node in found.nodes)
    expected = NAMESPACES.get(name, NAMESPACES["sgan"] | NAMESPACES["infogan"])
    assert {node.namespace_prefixes[0] for node in found.nodes} == expected
    assert len(expected) <= 12


def test_a_stack_without_labels_trains_no_classifier_on_its_samples(
    graphs: Callable[[str], dict[str, Pipeline]],
) -> None:
    names = {node.name for node in graphs("unconditional")["__default__"].nodes}
    assert {"joint_stack_evaluation.score", "independent_stack_evaluation.score"} <= names
    assert not [name for name in names if "classifier" in name]


def test_the_whole_of_a_method_starts_from_nothing_but_parameters_and_checkpoints(
    graphs: Callable[[str], dict[str, Pipeline]],
) -> None:
    found = graphs("smoke")

    def start(name: str) -> set[str]:
        return {source for source in found[name].inputs() if not source.startswith("params:")}

    assert [start(name) for name in ("__default__", "sgan", "infogan")] == [{"checkpoints"}] * 3
    assert start("sgan_unsupervised") == {"checkpoints", "unsupervised.checkpoints"}
    of_rows = {f"{row}.seed_{seed}.checkpoints" for row in ROWS for seed in (0, 1)}
    assert start("ablation") == {"checkpoints"} | of_rows
    assert found["infogan_training"].inputs() == {"params:run", "params:infogan", "train_images", "checkpoints"}
    assert "params:sgan" not in found["infogan_evaluation"].inputs()


def test_without_labels_the_stack_sees_no_class_before_its_evaluation(
    graphs: Callable[[str], dict[str, Pipeline]],
) -> None:
    found = graphs("smoke")["sgan_unsupervised"]
    stacks = ["unsupervised_independent_stack", "unsupervised_joint_stack"]
    before = found.to_outputs(*stacks)
    readers = {node.name for node in before.nodes if "train_images" in node.inputs}
    assert readers == {"infogan.train_infogan", "infogan_encoder.make_encoder", "infogan_encoder.categorise"}
    inputs = {name for node in before.nodes for name in node.inputs}
    assert not inputs & {"encoder", "test_images", "unsupervised_matching"}


def test_a_comparison_starts_from_nothing_but_its_parameters_and_the_record(
    graphs: Callable[[str], dict[str, Pipeline]],
) -> None:
    found = graphs("smoke")["compare"]
    assert found.inputs() == {"params:compare", "tracking_uri"}
    (finder,) = [node for node in found.nodes if "params:compare" in node.inputs]
    assert get_type_hints(finder.func)["compare"] is CompareParameters


def resolved(experiment: str) -> dict[str, str]:
    """Every resolved parameter of an experiment by its path."""
    return dict(flatten(Experiment.read(raw_parameters(experiment)).model_dump(mode="json")))


def differences(experiment: str, from_experiment: str = "base") -> dict[str, str]:
    """The parameters in which an experiment differs, as it has them; `absent` where it has none."""
    ours, theirs = resolved(experiment), resolved(from_experiment)
    assert ours.pop("compare.experiments") == f'["{experiment}"]'
    assert theirs.pop("compare.experiments") == f'["{from_experiment}"]'
    return {
        path: ours.get(path, "absent") for path in {**theirs, **ours} if ours.get(path, "absent") != theirs.get(path)
    }


def test_what_small_experiments_resolve_to() -> None:
    assert differences("unconditional") == {"sgan.levels.fc3.condition": "none"}
    weights = ("categorical", "continuous")
    assert differences("plain_gan") == {
        "infogan.consistency_weight": "absent",  # at 0
        **{f"infogan.information_weights.{weight}": "0.0" for weight in weights},
        **{f"infogan.information_weights.{weight}_delay_steps": "0" for weight in weights},
    }
    assert differences("fashion_mnist", "mnist") == {"data.source.name": "fashion_mnist"}


def test_what_mnist_resolves_to() -> None:
    changed = differences("mnist")
    assert {key: value for key, value in changed.items() if key.startswith("data.")} == {
        "data.source.name": "mnist", "data.source.folder": "data/01_raw", "data.source.test_fraction": "absent",
        "data.source.subset": "null",
    }  # fmt: skip
    assert changed["infogan.training.steps"] == "5000"
    networks = ("infogan.generator", "infogan.discriminator.trunk")
    assert set(changed) == {*networks, "infogan.training.steps"} | {key for key in changed if key.startswith("data.")}
    widths = [re.findall(r'"(?:features|channels)":(\d+)', changed[network]) for network in networks]
    assert widths == [["1024", "128", "64"], ["64", "128", "1024"]]
    of_base = resolved("base")
    assert [re.sub(r'("(?:features|channels)"):\d+', r"\1", changed[network]) for network in networks] == [
        re.sub(r'("(?:features|channels)"):\d+', r"\1", of_base[network]) for network in networks
    ]


def test_what_three_levels_resolve_to() -> None:
    changed = differences("three_levels")
    of_pixels = {"condition", "generator.noise", "generator.trunk"}
    of_pixels |= {"training.steps", "training.final_learning_rate_fraction"}
    assert {key for key in changed if not key.startswith("sgan.levels.block2.")} == {
        *(f"sgan.levels.pixels.{key}" for key in of_pixels), "sgan.joint.training.final_learning_rate_fraction"
    }  # fmt: skip
    experiment = Experiment.read(raw_parameters("three_levels"))
    conditions = {name: level.condition for name, level in experiment.sgan.levels.items()}
    assert list(conditions.items()) == [("fc3", "labels"), ("block2", "fc3"), ("pixels", "block2")]


def test_what_svhn_resolves_to() -> None:
    changed = differences("svhn")
    assert {key.split(".")[0] for key in changed} == {"data", "infogan"}
    infogan = Experiment.read(raw_parameters("svhn")).infogan
    assert infogan.noise.size == 124
    assert {name: code.count for name, code in infogan.codes.items()} == {"category": 4, "style": 4}
    weights = infogan.information_weights
    assert (weights.categorical, weights.continuous) == (1.0, 0.1)
    assert (weights.categorical_delay_steps, weights.continuous_delay_steps) == (0, 0)
    assert infogan.training.final_learning_rate_fraction == 1.0


def test_what_smoke_resolves_to() -> None:
    experiment = Experiment.read(raw_parameters("smoke"))
    assert (experiment.run.device, experiment.run.threads, experiment.run.seed) == ("cpu", 1, 0)
    assert experiment.run.checkpoints == Experiment.read(raw_parameters("base")).run.checkpoints
    assert set(experiment.batch_sizes.values()) == {50}
    assert list(experiment.infogan.codes) == ["category", "style", "width"]
    steps = [level.training.steps for level in experiment.sgan.levels.values()]
    trainings = (
        experiment.classifier,
        experiment.judge,
        experiment.second_judge,
        experiment.sgan.joint,
        experiment.infogan,
    )
    assert [*steps, *(stage.training.steps for stage in trainings)] == [20, 20, 60, 60, 60, 10, 20]
    assert experiment.sgan.levels["pixels"].generator.noise == ()
