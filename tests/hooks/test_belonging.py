"""What meets in a run was made from each other, and from the same others."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from gan_pipelines.data.images import LabelledImages, Representation
from gan_pipelines.hooks.belonging import made_from, require_belonging, require_readable, require_same_levels
from gan_pipelines.metrics import RealFeatures
from gan_pipelines.models import Encoder, EncoderSpec, InfoGAN, InfoGANSpec, LevelGAN, LevelSpec, assemble_stack
from gan_pipelines.parameters import EvaluationParameters, Experiment, ExperimentError
from tests.conftest import PROVENANCE

World = dict[str, Any]


@pytest.fixture
def make_world(
    encoder_spec: EncoderSpec,
    level_spec: Callable[..., LevelSpec],
    infogan_spec: Callable[..., InfoGANSpec],
    images: LabelledImages,
) -> Callable[..., World]:
    """Everything that two stacks and an InfoGAN leave behind, untrained; another seed gives other weights."""

    def make(seed: int = 0, train_images: LabelledImages = images) -> World:
        torch.manual_seed(seed)
        data = train_images.digest()
        from_images = {"data_digest": data}
        encoder, judge, second_judge = (Encoder(encoder_spec.model_copy(update=from_images)).freeze() for _ in range(3))
        learnt = {**from_images, "encoder_digest": encoder.digest()}
        specs = [level_spec(*pair).model_copy(update=learnt) for pair in (("fc", "labels"), ("pixels", "fc"))]
        levels = [LevelGAN(spec) for spec in specs]
        inputs = {f"level_{level.spec.target}": level.digest() for level in levels}
        end_to_end = PROVENANCE.model_copy(update={"stage": "joint", "inputs": inputs})
        joint = [LevelGAN(spec.model_copy(update={"provenance": end_to_end})) for spec in specs]
        test_images = replace(train_images.subset(torch.arange(20)), made_from={"train_images": data})
        infogan = InfoGAN(infogan_spec().model_copy(update=from_images))
        world: World = {
            "train_images": train_images,
            "test_images": test_images,
            "encoder": encoder,
            "judge": judge,
            "second_judge": second_judge,
            "representation_fc": Representation("fc", torch.zeros(64, 2), encoder.digest()),
            **{f"level_{level.spec.target}": level for level in levels},
            **{f"joint_level_{level.spec.target}": level for level in joint},
            "independent_stack": assemble_stack(levels, train_images.classes),
            "joint_stack": assemble_stack(joint, train_images.classes),
            "infogan": infogan,
        }
        for name in ("independent_stack", "joint_stack", "infogan"):
            made = {"generator": world[name].digest(), "train_images": data}
            pixels = torch.full((20, 1, 8, 8), seed, dtype=torch.uint8)
            world[f"{name}_samples"] = LabelledImages(pixels, torch.arange(20) % 4, train_images.classes, made)
        on_samples = {"data_digest": world["joint_stack_samples"].digest()}
        world["classifier_on_joint_stack"] = Encoder(encoder_spec.model_copy(update=on_samples)).freeze()
        read = {name: world[name].digest() for name in ("judge", "second_judge", "train_images", "test_images")}
        opinion = torch.zeros(20, dtype=torch.int64)
        world["real_features"] = RealFeatures({"judge": None}, {"judge": None}, opinion, {}, "fc", read)
        return world

    return make


def remedy(name: str) -> str:
    return f"make {name}"


def refusal(data: World, made: tuple[str, ...] = ()) -> str:
    with pytest.raises(ExperimentError) as caught:
        require_belonging(data, made, remedy)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_one_run_has_made_belongs_together_whole_and_in_parts(make_world: Callable[..., World]) -> None:
    world = make_world()
    require_belonging(world, (), remedy)
    for name in world:
        require_belonging({key: data for key, data in world.items() if key != name}, (), remedy)


@pytest.mark.parametrize(
    ("stranger", "source"),
    [
        ("representation_fc", "encoder"),
        ("level_fc", "encoder"),
        ("joint_level_pixels", "encoder"),
        ("independent_stack", "level_fc"),
        ("joint_stack", "joint_level_fc"),
        ("independent_stack_samples", "independent_stack"),
        ("infogan_samples", "infogan"),
        ("classifier_on_joint_stack", "joint_stack_samples"),
        ("real_features", "judge"),
    ],
)
def test_what_another_training_has_made_is_refused_by_name_with_the_way_to_make_it(
    make_world: Callable[..., World], stranger: str, source: str
) -> None:
    message = refusal(make_world(0) | {stranger: make_world(1)[stranger]})
    assert message.startswith(f"{stranger}: does not belong")
    assert f"another {source} (" in message
    assert f"`make {stranger}`" in message


def test_a_stack_without_labels_belongs_to_the_encoder_that_its_infogan_made(make_world: Callable[..., World]) -> None:
    def without_labels(world: World) -> World:
        inputs = {"infogan": world["infogan"].digest()}
        encoder = world["encoder"]
        made = PROVENANCE.model_copy(update={"inputs": inputs})
        encoder.spec = encoder.spec.model_copy(update={"provenance": made})
        found = {name: world[name] for name in ("train_images", "infogan")}
        level = LevelGAN(world["level_fc"].spec.model_copy(update={"encoder_digest": encoder.digest()}))
        return found | {"unsupervised_encoder": encoder, "unsupervised_level_fc": level}

    world, other = without_labels(make_world(0)), without_labels(make_world(1))
    require_belonging(world, (), remedy)
    message = refusal(world | {"unsupervised_level_fc": other["unsupervised_level_fc"]})
    assert message.startswith("unsupervised_level_fc: does not belong")
    assert "another unsupervised_encoder (" in message
    assert "another infogan (" in refusal(world | {"infogan": other["infogan"]})


@pytest.mark.parametrize("stranger", ["test_images", "encoder", "judge", "infogan", "infogan_samples", "real_features"])
def test_what_other_images_have_made_is_refused(
    make_world: Callable[..., World], images: LabelledImages, stranger: str
) -> None:
    other = make_world(0, replace(images, labels=images.labels.flip(0)))
    world = {name: make_world(0)[name] for name in ("train_images", stranger)}
    require_belonging(world, (), remedy)
    message = refusal(world | {stranger: other[stranger]})
    assert message.startswith(f"{stranger}: does not belong")
    assert "another train_images" in message


def test_real_features_of_other_test_images_are_refused(make_world: Callable[..., World]) -> None:
    world = make_world()
    world["test_images"] = replace(world["test_images"], labels=world["test_images"].labels.flip(0))
    assert "another test_images" in refusal(world)


def test_joint_levels_are_refused_beside_the_independent_stack_of_another_training(
    make_world: Callable[..., World],
) -> None:
    world, other = make_world(0), make_world(1)
    joint = {name: data for name, data in world.items() if name.startswith("joint_level")}
    require_belonging(joint | {"independent_stack": world["independent_stack"]}, (), remedy)
    stranger = other["independent_stack"]
    specs = [spec.model_copy(update={"encoder_digest": world["encoder"].digest()}) for spec in stranger.spec.levels]
    stranger.spec = stranger.spec.model_copy(update={"levels": tuple(specs)})
    assert "another level_fc (" in refusal(joint | {"independent_stack": stranger})


def test_two_things_are_refused_whose_common_source_is_not_there(make_world: Callable[..., World]) -> None:
    message = refusal({"level_fc": make_world(0)["level_fc"], "representation_fc": make_world(1)["representation_fc"]})
    assert "another encoder" in message
    assert "that of level_fc" in message


def test_what_is_older_than_what_the_run_makes_anew_is_refused(make_world: Callable[..., World]) -> None:
    world = make_world()
    start = {name: world[name] for name in ("train_images", "test_images", "infogan", "real_features")}
    message = refusal(start, ("judge",))
    assert message.startswith("real_features: does not belong")
    assert "this run makes judge anew" in message


@pytest.mark.parametrize("name", ["joint_stack_samples", "joint_stack", "real_features"])
def test_a_file_that_does_not_say_what_made_it_is_refused(make_world: Callable[..., World], name: str) -> None:
    world = make_world()
    old = world[name]
    if name == "joint_stack":
        old.spec = old.spec.model_copy(update={"level_digests": {}})
    world = {name: old if name == "joint_stack" else replace(old, made_from={})}
    assert "does not say" in refusal(world)


def test_the_stacks_of_an_ablation_are_made_from_the_levels_of_their_own_row(make_world: Callable[..., World]) -> None:
    world = make_world()
    row = made_from("ablation_adv_cond_seed_3_stack", world["independent_stack"])
    assert {"ablation_adv_cond_seed_3_level_fc", "ablation_adv_cond_seed_3_level_pixels", "encoder"} <= set(row)
    joint = made_from("ablation_joint_seed_3_joint_level_fc", world["joint_level_fc"])
    assert joint["ablation_joint_seed_3_level_fc"] == world["level_fc"].digest()


def evaluation(**changed: Any) -> EvaluationParameters:
    return EvaluationParameters.model_validate({"features": "fc", **changed})


def test_real_features_on_another_representation_or_without_a_network_are_refused(
    make_world: Callable[..., World],
) -> None:
    features = make_world()["real_features"]
    require_readable(features, evaluation())
    for changed, named in (
        ({"features": "block1"}, ["evaluation.features", "'block1'", "'fc'"]),
        ({"networks": ["judge", "efficientnet_lite0"]}, ["evaluation.networks", "'efficientnet_lite0'", "by judge"]),
    ):
        with pytest.raises(ExperimentError) as caught:
            require_readable(features, evaluation(**changed))
        assert all(part in str(caught.value) for part in [*named, "kedro run --pipelines=real_evaluation"])


def test_levels_and_stacks_with_another_structure_than_the_graph_are_refused(
    levels: Callable[..., list[LevelGAN]], smoke_experiment: Experiment
) -> None:
    sgan, (top, bottom) = smoke_experiment.sgan, levels(2)
    top.spec = top.spec.model_copy(update={"target": "fc3"})
    asked = {"pixels": bottom.spec.parameters.model_copy(update={"condition": "fc3"})}
    bottom.spec = bottom.spec.model_copy(update={"parameters": asked["pixels"]})
    require_same_levels({"level_fc3": top, "level_pixels": bottom}, sgan, remedy)
    unlabelled = top.spec.parameters.model_copy(update={"condition": "none"})
    top.spec = top.spec.model_copy(update={"parameters": unlabelled})
    with pytest.raises(
        ExperimentError, match=r"^sgan\.levels: .*fc3 given 'labels', but level_fc3 has fc3 given 'none'"
    ):
        require_same_levels({"level_fc3": top}, sgan, remedy)
