"""Bad input is refused in one paragraph before anything trains, and nothing is written."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kedro.io import DatasetError

from gan_pipelines.parameters import ExperimentError
from gan_pipelines.tensor_file import read_tensors, write_tensors
from gan_pipelines.training.divergence import TrainingDiverged
from tests.pipelines.conftest import Project


def arrays(size: int = 28, classes: int = 3) -> dict[str, Any]:
    """Random pictures of each class, 20 to learn from and 4 to test on."""
    rng = np.random.default_rng(0)
    counts = {"train": 20 * classes, "test": 4 * classes}
    pictures = {f"x_{split}": rng.integers(0, 256, (count, size, size), np.uint8) for split, count in counts.items()}
    return pictures | {f"y_{split}": np.arange(count) % classes for split, count in counts.items()}


def refusal(project: Project, params: dict[str, Any] | None = None, **arguments: Any) -> str:
    """The message that refuses a run; checks that it is one paragraph and that nothing was written.

    MLflow's files do not count: a failed run is recorded too.
    """

    def written() -> set[Path]:
        paths = project.folder.rglob("*")
        return {path for path in paths if not path.relative_to(project.folder).parts[0].startswith("ml")}

    before = written()
    with pytest.raises((ExperimentError, DatasetError)) as caught:
        project.run(params, **arguments)
    assert written() <= before
    message = str(caught.value)
    assert "\n" not in message
    return message


def use_pictures(project: Project, pictures: dict[str, Any]) -> None:
    """Make a file with these pictures the source of the smoke experiment."""
    np.savez(project.folder / "mine.npz", **pictures)
    project.write("conf/smoke/parameters_data.yml", "data: {source: {name: npz, path: mine.npz}}\n")


@pytest.fixture(scope="module")
def unused_project(new_project: Callable[[], Project]) -> Project:
    """A project in which nothing has run, for tests that leave it so."""
    return new_project()


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"sgan": {"levls": {}}}, "sgan.levls"),
        ({"sgan": {"joint": {"training": {"steps": -3}}}}, "sgan.joint.training.steps"),
        ({"run": {"seed": "seven"}}, "run.seed"),
        ({"data": {"source": {"name": "imagenet"}}}, "data.source"),
        ({"sgan": {"levels": {"pixels": {"condition": "block1"}}}}, "sgan"),
        ({"sgan": {"levels": {"fc3": {"noise": {"size": 0}}}}}, "sgan.levels.fc3.noise"),
        ({"sgan": {"levels": {"fc3": {"adversarial_loss": "no_such_loss"}}}}, "sgan.levels.fc3.adversarial_loss"),
        ({"evaluation": {"features": "fc9"}}, "evaluation.features"),
        ({"ablation": {"seeds": [1, 1]}}, "ablation.seeds"),
        ({"infogan": {"codes": {"category": {"classes": 1}}}}, "infogan.codes.category.classes"),
        ({"infogan": {"codes": {"style": {"traversal": [0, 1]}}}}, "infogan.codes.style.traversal"),
        ({"infogan": {"codes": {"style_1": {"distribution": "uniform"}}}}, "infogan.codes: the name 'style_1'"),
        ({"infogan": {"information_weights": {"categorical": -1}}}, "infogan.information_weights.categorical"),
    ],
)
def test_bad_parameters_are_refused_by_name(unused_project: Project, params: dict[str, Any], named: str) -> None:
    assert named in refusal(unused_project, params)


@pytest.mark.parametrize("block", ["classifier", "judge", "second_judge"])
def test_the_old_name_of_a_classifiers_blocks_is_refused_with_the_new_one(unused_project: Project, block: str) -> None:
    message = refusal(unused_project, {block: {"stages": {"block1": [{"layer": "relu"}]}}})
    assert f"{block}.stages" in message
    assert "blocks" in message


def test_a_device_that_is_not_there_is_refused(unused_project: Project) -> None:
    message = refusal(unused_project, {"run": {"device": "cuda:63"}})
    assert message.startswith("run.device")
    assert "cuda:63" in message


@pytest.mark.parametrize("stage", ["sgan.joint", "infogan"])
def test_a_batch_larger_than_the_data_is_refused_before_anything_is_written(
    unused_project: Project, stage: str
) -> None:
    params: dict[str, Any] = {"training": {"batch_size": 5000}}
    for name in reversed(stage.split(".")):
        params = {name: params}
    message = refusal(unused_project, params)
    assert message.startswith(f"{stage}.training.batch_size")
    assert "4000" in message
    assert "5000" in message


def test_all_batches_larger_than_the_data_are_named_at_once_but_only_those_of_the_run(empty_project: Project) -> None:
    use_pictures(empty_project, arrays(classes=2))
    message = refusal(empty_project, pipeline_names=["sgan"])
    fields = ["classifier", "judge", "second_judge", "sgan.levels.fc3", "sgan.levels.pixels", "sgan.joint"]
    assert message.startswith(", ".join(f"{field}.training.batch_size" for field in fields) + ": must be at most")
    assert "40" in message
    empty_project.run(pipeline_names=["data_preparation"])
    assert refusal(empty_project, pipeline_names=["classifier"]).startswith("classifier.training.batch_size: must be")


def test_too_few_samples_for_the_scores_are_refused(empty_project: Project) -> None:
    use_pictures(empty_project, arrays(classes=30))
    message = refusal(empty_project, {"evaluation": {"samples": 59}})
    assert message.startswith("evaluation.samples")
    assert "60" in message
    assert "59" in message


def test_too_few_validation_images_for_the_scores_are_refused_although_the_test_images_suffice(
    unused_project: Project,
) -> None:
    params = {"data": {"validation_fraction": 0.003}, "evaluation": {"split": "validation"}}
    message = refusal(unused_project, params)
    assert message.startswith("validation images: scores need at least 20")
    assert message.endswith("found 12.")


def test_networks_that_do_not_fit_the_images_are_refused_before_anything_is_written(empty_project: Project) -> None:
    use_pictures(empty_project, arrays(size=30))
    assert refusal(empty_project).startswith("sgan.levels.pixels.generator.trunk.0 (project): downscale")


def test_an_infogan_whose_networks_do_not_fit_its_codes_is_refused_before_anything_is_written(
    unused_project: Project,
) -> None:
    head = [{"layer": "linear", "features": 9}]
    message = refusal(unused_project, {"infogan": {"discriminator": {"codes": head}}})
    assert message.startswith("infogan.discriminator.codes")
    assert "(10,)" in message
    assert "(9,)" in message


def test_a_part_is_checked_like_the_whole(finished_project: Project) -> None:
    params = {"sgan": {"levels": {"pixels": {"training": {"batch_size": 5000}}}}}
    message = refusal(finished_project, params, pipeline_names=["sgan_levels"])
    assert "sgan.levels.pixels.training.batch_size" in message


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda found: found.pop("y_test"), "the test images have no labels"),
        (lambda found: found.update(y_train=np.full(59, 1)), "y_train"),
        (lambda found: found.update(x_test=np.zeros((12, 14, 14), np.uint8)), "14"),
    ],
)
def test_bad_data_files_are_refused(empty_project: Project, spoil: Callable[[dict[str, Any]], Any], named: str) -> None:
    pictures = arrays()
    spoil(pictures)
    use_pictures(empty_project, pictures)
    message = refusal(empty_project)
    assert "mine.npz" in message
    assert named in message


@pytest.mark.parametrize(
    ("pipeline", "first"), [("sgan_joint", "encoder"), ("infogan_training", "train_images"), ("sgan_levels", "encoder")]
)
def test_a_pipeline_that_lacks_what_it_starts_from_says_what_is_missing(
    unused_project: Project, pipeline: str, first: str
) -> None:
    message = refusal(unused_project, pipeline_names=[pipeline])
    assert message.startswith(f"{first}: ")
    assert "kedro run" in message


def test_a_model_file_that_does_not_fit_its_spec_is_refused_before_training(project: Project) -> None:
    path = project.only("level_fc3.safetensors")
    tensors, description = read_tensors(path)
    name = next(iter(tensors))
    write_tensors(path, {**tensors, name: tensors[name][:-1]}, description)
    message = refusal(project, pipeline_names=["sgan_joint"])
    assert "level_fc3.safetensors" in message
    assert name in message


@pytest.mark.parametrize(
    ("wanted", "given", "pipeline", "said"),
    [
        ("level_fc3", "encoder", "sgan_joint", "must hold a model of the kind level; found encoder"),
        ("level_fc3", "level_pixels", "sgan_joint", "must hold a model of the target fc3; found pixels"),
        ("level_fc3", "joint_level_fc3", "sgan_joint", "must hold a model of the stage fc3; found joint"),
        ("encoder", "judge", "sgan_levels", "must hold a model of the stage encoder; found judge"),
        ("judge", "encoder", "sgan_evaluation", "must hold a model of the stage judge; found encoder"),
        ("judge", "level_pixels", "sgan_evaluation", "must hold a model of the kind encoder; found level"),
        ("joint_stack", "independent_stack", "sgan_evaluation", "of the name joint_stack; found independent_stack"),
        ("joint_stack", "infogan", "sgan_evaluation", "must hold a model of the kind stack; found infogan"),
        ("infogan", "joint_stack", "infogan_evaluation", "must hold a model of the kind infogan; found stack"),
    ],
)
def test_a_model_in_the_place_of_another_is_refused_with_the_command_that_makes_the_right_one(
    project: Project, wanted: str, given: str, pipeline: str, said: str
) -> None:
    path = project.only(f"{wanted}.safetensors")
    path.write_bytes(project.only(f"{given}.safetensors").read_bytes())
    message = refusal(project, pipeline_names=[pipeline])
    assert message.startswith((str(path), str(path.relative_to(project.folder))))
    assert said in message
    assert re.search(rf"`kedro run --pipelines=.*` makes {wanted} anew\.$", message)


def test_a_cut_image_file_is_refused_before_training(project: Project) -> None:
    path = project.only("train_images.safetensors")
    path.write_bytes(path.read_bytes()[:-100])
    assert "train_images.safetensors" in refusal(project, pipeline_names=["classifier"])


@pytest.mark.slow
def test_a_training_that_diverges_fails_the_run_and_saves_no_model(empty_project: Project) -> None:
    params = {"sgan": {"levels": {"fc3": {"training": {"learning_rate": 1e38}}}}}
    with pytest.raises(TrainingDiverged, match="fc3 diverged at step"):
        empty_project.run(params)
    assert not empty_project.files("level_fc3.safetensors")
    record = empty_project.record()
    assert record.parent.info.status == "FAILED"
    assert record.children["fc3"].info.status == "FAILED"
    assert "RUNNING" not in {child.info.status for child in record.children.values()}


@pytest.mark.slow
def test_images_of_another_run_are_not_paired_with_old_representations(project: Project) -> None:
    project.run({"data": {"seed": 1}}, pipeline_names=["data_preparation"])
    message = refusal(project, pipeline_names=["sgan_levels"])
    assert message.startswith("encoder: does not belong")
    assert "another train_images" in message
    assert "`kedro run --pipelines=classifier --env=smoke`" in message


@pytest.mark.slow
def test_an_infogan_is_not_scored_against_images_of_another_run(project: Project) -> None:
    project.run({"data": {"seed": 1}}, pipeline_names=["data_preparation"])
    trainings = {
        "infogan": "infogan.train_infogan",
        "judge": "judge.train_judge",
        "second_judge": "judge.train_second_judge",
    }
    for stranger in trainings:
        message = refusal(project, pipeline_names=["infogan_evaluation"])
        assert message.startswith(f"{stranger}: does not belong")
        assert "another train_images" in message
        project.run(node_names=[trainings[stranger]])


@pytest.mark.slow
def test_levels_are_not_joined_with_another_encoder(project: Project) -> None:
    project.run({"run": {"seed": 1}}, pipeline_names=["classifier"])
    message = refusal(project, pipeline_names=["sgan_joint"])
    assert message.startswith("level_fc3: does not belong")
    assert "another encoder" in message
    assert "`kedro run --pipelines=sgan_levels --from-nodes=fc3.train_level --env=smoke`" in message


def test_a_joint_training_refuses_losses_that_the_levels_do_not_have(project: Project) -> None:
    params = {"sgan": {"levels": {"pixels": {"loss_weights": {"entropy": 0}}}}}
    message = refusal(project, params, node_names=["joint.train_joint_levels"])
    assert message.startswith("sgan.levels.pixels.loss_weights: ")
    assert "level_pixels" in message


def test_a_version_that_is_not_there_is_named_with_those_that_are(finished_project: Project) -> None:
    message = refusal(finished_project, pipeline_names=["sgan_joint"], load_versions={"level_fc3": "2020"})
    assert message.startswith("level_fc3: ")
    assert "'2020'" in message
    assert finished_project.version("level_fc3.safetensors") in message


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("data: {source: [\n", ["conf", "parameters_data.yml"]),
        ("extends: smole\n", ["conf/mine", "extends", "smole", "smoke", "three_levels"]),
        ("extends: mine\n", ["conf/mine", "extends", "mine extends mine"]),
        ("extends: other\n", ["extends", "mine extends other extends mine"]),
        ("run: [1]\n", ["run"]),
    ],
    ids=["YAML", "missing experiment", "itself", "circle of two", "list for a block"],
)
def test_an_experiment_that_cannot_be_read_is_refused(empty_project: Project, text: str, named: list[str]) -> None:
    empty_project.write("conf/mine/parameters_data.yml", text)
    empty_project.write("conf/other/parameters.yml", "extends: mine\n")
    message = refusal(empty_project, env="mine")
    assert all(part in message for part in named), message


@pytest.mark.slow
def test_training_goes_on_without_a_store(empty_project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    empty_project.write("a file", "in the way")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{empty_project.folder / 'a file' / 'mlflow.db'}")
    empty_project.run(pipeline_names=["data_preparation", "classifier"])
    assert empty_project.files("encoder.safetensors")
