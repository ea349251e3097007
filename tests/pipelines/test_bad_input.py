"""Bad input is refused in one paragraph before anything trains, and nothing is written."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kedro.io import DatasetError
from mlflow import MlflowClient

from gan_pipelines.model_file import read_tensors, write_tensors
from gan_pipelines.parameters import ExperimentError
from gan_pipelines.training.engine import TrainingDiverged

Kedro = Callable[..., None]
Files = Callable[[Path, str], list[Path]]


def refusal(kedro: Kedro, project: Path, **arguments: Any) -> str:
    """The message with which a run is refused; checks that it is one paragraph and that nothing was written."""
    before = {path for path in project.rglob("*") if path.name != "mlflow.db"}
    with pytest.raises((ExperimentError, DatasetError)) as caught:
        kedro(project, **arguments)
    assert {path for path in project.rglob("*") if path.name != "mlflow.db"} <= before | {project / "mlartifacts"}
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
    ],
)
def test_bad_parameters_are_refused_by_name(kedro: Kedro, project: Path, params: dict[str, Any], named: str) -> None:
    assert named in refusal(kedro, project, params=params)


def test_a_device_that_is_not_there_is_refused(kedro: Kedro, project: Path) -> None:
    message = refusal(kedro, project, params={"run": {"device": "cuda:63"}})
    assert "run.device: 'cuda:63' is not there" in message


def test_a_batch_larger_than_the_data_is_refused_before_the_encoder_trains(
    kedro: Kedro, make_project: Callable[[], Path], files: Files
) -> None:
    project = make_project()
    params = {"sgan": {"joint": {"training": {"batch_size": 5000}}}}
    with pytest.raises(ExperimentError, match=r"sgan\.joint\.training\.batch_size: .* 4000; found 5000"):
        kedro(project, params=params)
    assert not files(project, "encoder.safetensors")


def test_networks_that_do_not_fit_the_images_are_refused_before_the_encoder_trains(
    kedro: Kedro, make_project: Callable[[], Path], files: Files
) -> None:
    project = make_project()
    rng = np.random.default_rng(0)
    arrays = {
        "x_train": rng.integers(0, 256, (60, 30, 30), dtype=np.uint8),
        "y_train": np.arange(60) % 3,
        "x_test": rng.integers(0, 256, (12, 30, 30), dtype=np.uint8),
        "y_test": np.arange(12) % 3,
    }
    np.savez(project / "odd.npz", **arrays)
    (project / "conf" / "local" / "parameters_data.yml").write_text("data: {source: {name: npz, path: odd.npz}}\n")
    shutil.move(project / "conf" / "local" / "parameters_data.yml", project / "conf" / "smoke")
    with pytest.raises(ExperimentError, match=r"sgan\.levels\.pixels\.generator\.trunk\.0 \(project\): downscale"):
        kedro(project)
    assert files(project, "data_card.json")
    assert not files(project, "encoder.safetensors")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda arrays: arrays.pop("y_test"), "y_test"),
        (lambda arrays: arrays.update(y_train=np.full(60, -1)), "y_train"),
        (lambda arrays: arrays.update(x_test=np.zeros((12, 14, 14), np.uint8)), "14"),
    ],
)
def test_bad_data_files_are_refused(
    kedro: Kedro,
    make_project: Callable[[], Path],
    spoil: Callable[[dict[str, Any]], Any],
    said: str,
) -> None:
    project = make_project()
    arrays: dict[str, Any] = {
        "x_train": np.zeros((60, 28, 28), np.uint8),
        "y_train": np.arange(60) % 3,
        "x_test": np.zeros((12, 28, 28), np.uint8),
        "y_test": np.arange(12) % 3,
    }
    spoil(arrays)
    np.savez(project / "bad.npz", **arrays)
    (project / "conf" / "smoke" / "parameters_data.yml").write_text("data: {source: {name: npz, path: bad.npz}}\n")
    with pytest.raises(ExperimentError, match=said) as caught:
        kedro(project)
    assert "bad.npz" in str(caught.value)
    assert not list((project / "data").rglob("*.safetensors"))


def test_a_pipeline_without_what_it_starts_from_says_what_to_run(kedro: Kedro, project: Path) -> None:
    message = refusal(kedro, project, pipeline_names=["sgan_joint"])
    assert "encoder: this pipeline starts from it" in message
    assert "kedro run --pipeline=sgan" in message


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
    assert f"do not fit its spec; {name}" in message


def test_a_cut_image_file_is_refused_before_training(
    kedro: Kedro, finished_project: Path, files: Files, tmp_path: Path
) -> None:
    project = Path(shutil.copytree(finished_project, tmp_path / "a copy"))
    (path,) = files(project, "train_images.safetensors")
    path.write_bytes(path.read_bytes()[:-100])
    message = refusal(kedro, project, pipeline_names=["classifier"])
    assert "train_images.safetensors: is no whole safetensors file" in message


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


def test_training_goes_on_without_a_store(
    kedro: Kedro, make_project: Callable[[], Path], files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project()
    (project / "a file").write_text("in the way")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project / 'a file' / 'mlflow.db'}")
    kedro(project, pipeline_names=["data_preparation", "classifier"])
    assert files(project, "encoder.safetensors")
