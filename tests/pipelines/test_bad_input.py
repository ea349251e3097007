"""Bad input is refused in one paragraph before anything trains, and nothing is written."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kedro.io import DatasetError
from mlflow import MlflowClient

from gan_pipelines.parameters import ExperimentError
from gan_pipelines.tensor_file import read_tensors, write_tensors
from gan_pipelines.training.divergence import TrainingDiverged

Kedro = Callable[..., None]


def arrays(size: int = 28, classes: int = 3) -> dict[str, Any]:
    """Random pictures, 20 to learn from and 4 to test on for each class."""
    rng = np.random.default_rng(0)
    counts = {"train": 20 * classes, "test": 4 * classes}
    pictures = {f"x_{split}": rng.integers(0, 256, (count, size, size), np.uint8) for split, count in counts.items()}
    return pictures | {f"y_{split}": np.arange(count) % classes for split, count in counts.items()}


Files = Callable[[Path, str], list[Path]]


def refusal(kedro: Kedro, project: Path, **arguments: Any) -> str:
    """The message with which a run is refused; checks that it is one paragraph and that nothing was written.

    A record of the failed run is no result of it, so MLflow's files do not count.
    """

    def written() -> set[Path]:
        return {path for path in project.rglob("*") if not path.relative_to(project).parts[0].startswith("ml")}

    before = written()
    with pytest.raises((ExperimentError, DatasetError)) as caught:
        kedro(project, **arguments)
    assert written() <= before
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.fixture(scope="module")
def project(make_project: Callable[[], Path]) -> Path:
    return make_project()


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"sgan": {"levls": {}}}, "sgan.levls"),
        ({"sgan": {"joint": {"training": {"steps": -3}}}}, "sgan.joint.training.steps"),
        ({"run": {"seed": "seven"}}, "run.seed"),
        ({"data": {"source": {"name": "imagenet"}}}, "data.source"),
        ({"sgan": {"levels": {"pixels": {"condition": "block1"}}}}, "sgan"),
        ({"sgan": {"levels": {"fc3": {"noise": {"size": 0}}}}}, "sgan.levels.fc3.noise"),
        ({"sgan": {"levels": {"fc3": {"adversarial_loss": "hinge"}}}}, "sgan.levels.fc3.adversarial_loss"),
        ({"evaluation": {"features": "fc9"}}, "evaluation.features"),
        ({"infogan": {"codes": {"category": {"classes": 1}}}}, "infogan.codes.category.classes"),
        ({"infogan": {"codes": {"style": {"traversal": [0, 1]}}}}, "infogan.codes.style.traversal"),
        ({"infogan": {"codes": {"style_1": {"distribution": "uniform"}}}}, "infogan.codes: the name 'style_1'"),
        ({"infogan": {"information_weights": {"categorical": -1}}}, "infogan.information_weights.categorical"),
    ],
)
def test_bad_parameters_are_refused_by_name(kedro: Kedro, project: Path, params: dict[str, Any], named: str) -> None:
    assert named in refusal(kedro, project, params=params)


def test_a_device_that_is_not_there_is_refused(kedro: Kedro, project: Path) -> None:
    message = refusal(kedro, project, params={"run": {"device": "cuda:63"}})
    assert "run.device: 'cuda:63' does not exist" in message


@pytest.mark.parametrize("stage", ["sgan.joint", "infogan"])
def test_a_batch_larger_than_the_data_is_refused_before_anything_is_written(
    kedro: Kedro, project: Path, stage: str
) -> None:
    params: dict[str, Any] = {"training": {"batch_size": 5000}}
    for name in reversed(stage.split(".")):
        params = {name: params}
    message = refusal(kedro, project, params=params)
    assert f"{stage}.training.batch_size: must be at most" in message
    assert message.endswith("4000; found 5000.")


def test_too_few_samples_for_the_scores_are_refused(kedro: Kedro, project: Path) -> None:
    np.savez(project / "many.npz", **arrays(classes=30))
    (project / "conf" / "many").mkdir()
    (project / "conf" / "many" / "parameters.yml").write_text(
        (project / "conf" / "smoke" / "parameters.yml").read_text() + "\ndata: {source: {name: npz, path: many.npz}}\n"
    )
    message = refusal(kedro, project, env="many", params={"evaluation": {"samples": 59}})
    assert message == "evaluation.samples: scores need at least 60, two for each class; found 59."


def test_networks_that_do_not_fit_the_images_are_refused_before_anything_is_written(
    kedro: Kedro, make_project: Callable[[], Path]
) -> None:
    project = make_project()
    np.savez(project / "odd.npz", **arrays(size=30))
    (project / "conf" / "smoke" / "parameters_data.yml").write_text("data: {source: {name: npz, path: odd.npz}}\n")
    message = refusal(kedro, project)
    assert message.startswith("sgan.levels.pixels.generator.trunk.0 (project): downscale must divide")


def test_an_infogan_whose_networks_do_not_fit_its_codes_is_refused_before_anything_is_written(
    kedro: Kedro, project: Path
) -> None:
    head = [{"layer": "linear", "features": 9}]
    message = refusal(kedro, project, params={"infogan": {"discriminator": {"codes": head}}})
    assert message.startswith("infogan.discriminator.codes: its output must have the shape (10,)")
    assert "found (9,)" in message


def test_a_part_is_checked_like_the_whole(kedro: Kedro, finished_project: Path, tmp_path: Path) -> None:
    project = Path(shutil.copytree(finished_project, tmp_path / "a copy"))
    params = {"sgan": {"levels": {"pixels": {"training": {"batch_size": 5000}}}}}
    message = refusal(kedro, project, pipeline_names=["sgan_levels"], params=params)
    assert "sgan.levels.pixels.training.batch_size" in message


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda found: found.pop("y_test"), "y_test"),
        (lambda found: found.update(y_train=np.full(60, -1)), "y_train"),
        (lambda found: found.update(x_test=np.zeros((12, 14, 14), np.uint8)), "14"),
    ],
)
def test_bad_data_files_are_refused(
    kedro: Kedro,
    make_project: Callable[[], Path],
    spoil: Callable[[dict[str, Any]], Any],
    said: str,
) -> None:
    project = make_project()
    found = arrays()
    spoil(found)
    np.savez(project / "bad.npz", **found)
    (project / "conf" / "smoke" / "parameters_data.yml").write_text("data: {source: {name: npz, path: bad.npz}}\n")
    with pytest.raises(ExperimentError, match=said) as caught:
        kedro(project)
    assert "bad.npz" in str(caught.value)
    assert not list((project / "data").rglob("*.safetensors"))


def test_a_pipeline_without_what_it_starts_from_says_what_to_run(kedro: Kedro, project: Path) -> None:
    for pipeline, first in {"sgan_joint": "encoder", "infogan_training": "train_images"}.items():
        message = refusal(kedro, project, pipeline_names=[pipeline])
        assert message.startswith(f"{first}: this pipeline starts from it")
        assert message.endswith("Run the pipeline that makes it first, or `kedro run` for all of them.")


def test_a_model_file_that_does_not_fit_its_spec_is_refused_before_training(
    kedro: Kedro, finished_project: Path, files: Files, tmp_path: Path
) -> None:
    project = Path(shutil.copytree(finished_project, tmp_path / "a copy"))
    (path,) = files(project, "level_fc3.safetensors")
    tensors, description = read_tensors(path)
    name = next(iter(tensors))
    write_tensors(path, {**tensors, name: tensors[name][:-1]}, description)
    message = refusal(kedro, project, pipeline_names=["sgan_joint"])
    assert "level_fc3.safetensors" in message
    assert f"do not match its spec; {name}" in message


def test_a_cut_image_file_is_refused_before_training(
    kedro: Kedro, finished_project: Path, files: Files, tmp_path: Path
) -> None:
    project = Path(shutil.copytree(finished_project, tmp_path / "a copy"))
    (path,) = files(project, "train_images.safetensors")
    path.write_bytes(path.read_bytes()[:-100])
    message = refusal(kedro, project, pipeline_names=["classifier"])
    assert "train_images.safetensors: is not a complete safetensors file" in message


def test_a_training_that_diverges_fails_the_run_and_saves_no_model(
    kedro: Kedro, make_project: Callable[[], Path], files: Files
) -> None:
    project = make_project()
    params = {"sgan": {"levels": {"fc3": {"training": {"learning_rate": 1e38}}}}}
    with pytest.raises(TrainingDiverged, match="Training of fc3 diverged at step"):
        kedro(project, params=params)
    assert not files(project, "level_fc3.safetensors")
    client = MlflowClient(f"sqlite:///{project / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("smoke")
    assert experiment is not None
    statuses = {run.info.run_name: run.info.status for run in client.search_runs([experiment.experiment_id])}
    assert statuses.pop("fc3") == "FAILED"
    parents = [status for name, status in statuses.items() if name.startswith("__default__")]
    assert parents == ["FAILED"]
    assert "RUNNING" not in statuses.values()


def test_images_of_another_run_are_not_paired_with_old_representations(
    kedro: Kedro, finished_project: Path, tmp_path: Path
) -> None:
    project = Path(shutil.copytree(finished_project, tmp_path / "a copy"))
    kedro(project, pipeline_names=["data_preparation"], params={"run": {"seed": 1}})
    message = refusal(kedro, project, pipeline_names=["sgan_levels"])
    assert message.startswith("train_images: does not belong to this encoder")


def test_an_infogan_is_not_scored_against_images_of_another_run(
    kedro: Kedro, finished_project: Path, tmp_path: Path
) -> None:
    project = Path(shutil.copytree(finished_project, tmp_path / "a copy"))
    kedro(project, pipeline_names=["data_preparation"], params={"run": {"seed": 1}})
    message = refusal(kedro, project, pipeline_names=["infogan_evaluation"])
    assert message.startswith("infogan: was trained on other images than train_images.")
    kedro(project, pipeline_names=["infogan_training"])
    message = refusal(kedro, project, pipeline_names=["infogan_evaluation"])
    assert message.startswith("judge: was trained on other images than train_images.")


def test_levels_are_not_joined_with_another_encoder(kedro: Kedro, finished_project: Path, tmp_path: Path) -> None:
    project = Path(shutil.copytree(finished_project, tmp_path / "a copy"))
    kedro(project, pipeline_names=["classifier"], params={"run": {"seed": 1}})
    message = refusal(kedro, project, pipeline_names=["sgan_joint"])
    assert message.startswith("level_fc3: does not belong to this encoder")


def test_a_joint_training_refuses_losses_that_the_levels_do_not_have(
    kedro: Kedro, finished_project: Path, tmp_path: Path
) -> None:
    project = Path(shutil.copytree(finished_project, tmp_path / "a copy"))
    params = {"sgan": {"levels": {"pixels": {"loss_weights": {"entropy": 0}}}}}
    message = refusal(kedro, project, node_names=["train_joint_stack"], params=params)
    assert message.startswith("sgan.levels.pixels.loss_weights: differs from what level_pixels was trained with")


def test_a_version_that_is_not_there_is_named_with_those_that_are(
    kedro: Kedro, finished_project: Path, files: Files
) -> None:
    (path,) = files(finished_project, "level_fc3.safetensors")
    message = refusal(kedro, finished_project, pipeline_names=["sgan_joint"], load_versions={"level_fc3": "2020"})
    assert message == f"level_fc3: --load-versions asks for '2020', which is not there; found {path.parent.name}."


def test_yaml_that_cannot_be_read_is_refused(kedro: Kedro, make_project: Callable[[], Path]) -> None:
    project = make_project()
    (project / "conf" / "smoke" / "parameters_data.yml").write_text("data: {source: [\n")
    assert refusal(kedro, project).startswith("conf: the parameters cannot be read")


def test_training_goes_on_without_a_store(
    kedro: Kedro, make_project: Callable[[], Path], files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project()
    (project / "a file").write_text("in the way")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project / 'a file' / 'mlflow.db'}")
    kedro(project, pipeline_names=["data_preparation", "classifier"])
    assert files(project, "encoder.safetensors")
