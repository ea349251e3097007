"""Every experiment under conf/ is valid, its networks fit its data, and all its weights learn."""

from pathlib import Path
from typing import Any, get_type_hints

import pytest
import torch
from kedro.config import OmegaConfigLoader
from kedro.framework.project import configure_project, pipelines
from pydantic import BaseModel

from gan_pipelines.data.images import LabelledImages, Representation
from gan_pipelines.models import InfoGAN, LevelGAN
from gan_pipelines.models.plan import plan_classifier, plan_infogan, plan_levels
from gan_pipelines.parameters import CompareParameters, Experiment, InformationWeights, RunParameters
from gan_pipelines.training.infogan import fit_infogan
from gan_pipelines.training.joint import fit_joint
from gan_pipelines.training.level import fit_level
from gan_pipelines.training.seeding import seeded_stage

ROOT = Path(__file__).parents[1]
EXPERIMENTS = sorted(folder.name for folder in (ROOT / "conf").iterdir() if folder.is_dir() and folder.name != "local")
IMAGE_SHAPES = {"mnist_5k": (1, 28, 28), "mnist": (1, 28, 28), "fashion_mnist": (1, 28, 28), "svhn": (3, 32, 32)}


class Silent:
    """An observer that keeps nothing."""

    def start(self, steps: int, batch_size: int, provenance: object = None, resumed: object = None) -> None: ...

    def report(self, step: int, metrics: object) -> None: ...

    def show(self, step: int, pictures: torch.Tensor) -> None: ...


def raw_parameters(experiment: str) -> dict[str, Any]:
    loader = OmegaConfigLoader(str(ROOT / "conf"), base_env="base", default_run_env="local", env=experiment)
    return dict(loader["parameters"])


def one_step(experiment: Experiment) -> Experiment:
    """The same experiment, one update and eight images a stage."""
    raw = experiment.model_dump()
    sgan = raw["sgan"]
    stages = [raw["classifier"], raw["judge"], sgan["joint"], *sgan["levels"].values(), raw["infogan"]]
    for stage in stages:
        stage["training"] |= {"steps": 1, "batch_size": 8, "report_every_steps": 1}
    raw["infogan"]["information_weights"] |= {"categorical_delay_steps": 0, "continuous_delay_steps": 0}
    return Experiment.read(raw)


def random_images(experiment: Experiment) -> LabelledImages:
    """16 images of the shape that the experiment's have."""
    shape, rng = IMAGE_SHAPES[experiment.data.source.name], torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (16, *shape), generator=rng, dtype=torch.uint8)
    return LabelledImages(pixels, torch.arange(16) % 10, tuple("0123456789"))


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_weight_of_the_stack_of_an_experiment_moves_in_one_step(name: str) -> None:
    experiment = one_step(Experiment.read(raw_parameters(name)))
    data = random_images(experiment)
    shape, run = data.image_shape, RunParameters(threads=1)
    with seeded_stage(run, "encoder"):
        plan = plan_classifier(experiment.classifier, shape, data.classes, "digest", "classifier")
        encoder = type(plan)(plan.spec).freeze()
    representations = encoder.representations(data.pixels().read(torch.arange(16)))
    targets = {key: Representation(key, value) for key, value in representations.items()} | {"pixels": data.pixels()}
    levels = []
    for target, spec in plan_levels(experiment.sgan, encoder).items():
        above = spec.parameters.condition
        condition = targets[above] if above in targets else data.conditions(above)
        with seeded_stage(run, target):
            before = LevelGAN(spec).state_dict()
        level, history = fit_level(run, spec, encoder, targets[target], condition, Silent())
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
def test_every_params_input_of_every_pipeline_exists_and_is_typed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("KEDRO_ENV", name)
    configure_project("gan_pipelines")
    raw = raw_parameters(name)
    seen = set()
    for node in (pipelines["__default__"] + pipelines["ablation"]).nodes:
        hints = list(get_type_hints(node.func).values())
        for position, source in enumerate(node.inputs):
            if source.startswith("params:"):
                block = source.removeprefix("params:")
                assert block in raw, f"{name}: {source} is not in the YAML"
                assert issubclass(hints[position], BaseModel), f"{node.name}: {source} arrives as a raw dict"
                hints[position].model_validate(raw[block])
                seen.add(block)
    assert seen == {"run", "data", "classifier", "judge", "sgan", "infogan", "evaluation", "ablation"}


def test_three_levels_make_three_level_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("KEDRO_ENV", "three_levels")
    configure_project("gan_pipelines")
    names = [node.name for node in pipelines["sgan_levels"].nodes]
    assert sorted(names) == ["block2.train_level", "fc3.train_level", "pixels.train_level"]
    assert not {name for name in pipelines["sgan_levels"].inputs() if name.startswith("level_")}


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 32, 32), (3, 64, 64)])
def test_the_default_networks_serve_grey_and_colour_pictures_of_other_sizes(shape: tuple[int, int, int]) -> None:
    experiment = Experiment.read(raw_parameters("base"))
    encoder = plan_classifier(experiment.classifier, shape, ("a", "b", "c"), "digest", "classifier")
    plan_classifier(experiment.judge, shape, ("a", "b", "c"), "digest", "judge")
    specs = plan_levels(experiment.sgan, encoder)
    assert specs["pixels"].target_shape == shape
    assert specs["fc3"].condition_shape == (3,)
    assert plan_infogan(experiment.infogan, shape, "digest").image_shape == shape


def test_each_pipeline_is_a_part_of_the_whole_and_what_they_share_is_in_it_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("KEDRO_ENV", "smoke")
    configure_project("gan_pipelines")
    names = {pipeline: [node.name for node in pipelines[pipeline].nodes] for pipeline in pipelines}
    whole = names["__default__"]
    assert len(whole) == len(set(whole))
    apart = ("compare", "ablation", "pictures")
    assert all(set(part) <= set(whole) for name, part in names.items() if name not in apart)
    assert not set(names["compare"]) & set(whole)
    for pipeline in ("__default__", "sgan", "infogan", "ablation"):
        assert [names[pipeline].count(node) for node in ("prepare_images", "train_judge", "list_networks")] == [1, 1, 1]
    shared = {"prepare_images", "list_networks", "train_judge", "extract_real_features", "score_real_images"}
    assert set(names["sgan"]) & set(names["infogan"]) == shared
    assert set(names["infogan"]) == shared | {
        "train_infogan", "sample_infogan", "score_infogan", "draw_infogan_samples", "read_codes", "draw_categories",
        "draw_traversals", "draw_infogan_curves",
    }  # fmt: skip
    of_stacks = {
        f"{verb}_{stack}{rest}"
        for stack in ("independent_stack", "joint_stack")
        for verb, rest in (("sample", ""), ("train_classifier_on", ""), ("score", ""), ("score", "_levels"))
    }
    assert {"train_encoder", "train_joint_stack", *of_stacks} <= set(names["sgan"])
    assert set(names["pictures"]) == {"read_folder", "score_pictures", "draw_pictures_samples"}


def test_a_stack_without_labels_trains_no_classifier_on_its_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("KEDRO_ENV", "label_free")
    configure_project("gan_pipelines")
    names = {node.name for node in pipelines["__default__"].nodes}
    assert {"score_joint_stack", "score_independent_stack"} <= names
    assert not [name for name in names if name.startswith("train_classifier_on")]


def test_the_whole_of_a_method_starts_from_nothing_but_parameters_and_checkpoints(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("KEDRO_ENV", "smoke")
    configure_project("gan_pipelines")
    for pipeline in ("__default__", "sgan", "infogan", "ablation"):
        assert {name for name in pipelines[pipeline].inputs() if not name.startswith("params:")} == {"checkpoints"}
    assert pipelines["infogan_training"].inputs() == {"params:run", "params:infogan", "train_images", "checkpoints"}
    assert "params:sgan" not in pipelines["infogan_evaluation"].inputs()


def test_a_comparison_starts_from_nothing_but_its_parameters_and_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("KEDRO_ENV", "smoke")
    configure_project("gan_pipelines")
    assert pipelines["compare"].inputs() == {"params:compare", "tracking_uri"}
    (finder,) = [node for node in pipelines["compare"].nodes if "params:compare" in node.inputs]
    assert get_type_hints(finder.func)["compare"] is CompareParameters


def test_the_plain_gan_is_the_default_infogan_but_for_its_weights() -> None:
    plain, default = (Experiment.read(raw_parameters(name)).infogan for name in ("plain_gan", "base"))
    weights = {"categorical": 0.0, "continuous": 0.0, "categorical_delay_steps": 0, "continuous_delay_steps": 0}
    assert plain == default.model_copy(update={"information_weights": InformationWeights.model_validate(weights)})
    assert default.information_weights.categorical > 0


def test_the_label_free_stack_is_the_default_one_but_for_its_first_condition() -> None:
    label_free, default = (Experiment.read(raw_parameters(name)).sgan for name in ("label_free", "base"))
    first = default.levels["fc3"].model_copy(update={"condition": "none"})
    assert label_free == default.model_copy(update={"levels": {**default.levels, "fc3": first}})


def test_fashion_mnist_has_the_infogan_of_mnist() -> None:
    fashion, digits = (Experiment.read(raw_parameters(name)).infogan for name in ("fashion_mnist", "mnist"))
    assert fashion == digits
