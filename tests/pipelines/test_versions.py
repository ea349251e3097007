"""A run reads and writes one version of each file, whatever another run leaves behind meanwhile."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from kedro.framework.hooks import hook_impl
from mlflow import MlflowClient

from gan_pipelines import settings
from gan_pipelines.parameters import ExperimentError

Files = Callable[[Path, str], list[Path]]
LATER = "2999-01-01T00.00.00.000Z"


class AnotherRun:
    """Puts a later version of the representation beside the one just made, as a run at the same time would."""

    def __init__(self, project: Path) -> None:
        self.project = project

    @hook_impl
    def after_dataset_saved(self, dataset_name: str) -> None:
        if dataset_name == "encoder":
            folder = next((self.project / "data").rglob("encoder.safetensors"))
            (folder / LATER).mkdir()
            (folder / LATER / "encoder.safetensors").write_bytes(b"another run's, half written")


def test_a_run_is_not_led_astray_by_a_later_version(
    make_project: Callable[[], Path], files: Files, kedro: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project()
    monkeypatch.setattr(settings, "HOOKS", (*settings.HOOKS, AnotherRun(project)))
    kedro(project, pipeline_names=["data_preparation", "classifier"])
    assert files(project, "fc3.safetensors")


def test_an_unknown_experiment_is_refused(make_project: Callable[[], Path], kedro: Callable[..., None]) -> None:
    project = make_project()
    with pytest.raises(ExperimentError, match=r"no experiment 'minst'.*mnist"):
        kedro(project, env="minst")


def test_two_experiments_keep_their_files_apart(
    finished_project: Path, files: Files, kedro: Callable[..., None], tmp_path: Path
) -> None:
    project = Path(shutil.copytree(finished_project, tmp_path / "a copy"))
    shutil.copytree(project / "conf" / "smoke", project / "conf" / "other")
    kedro(project, env="other", pipeline_names=["data_preparation"])
    cards = [
        path.relative_to(project / "data" / "05_model_input").parts[0] for path in files(project, "data_card.json")
    ]
    assert sorted(cards) == ["other", "smoke"]


def test_one_value_by_params_leaves_the_rest_of_a_block_as_base_has_it(
    make_project: Callable[[], Path], files: Files, kedro: Callable[..., None]
) -> None:
    project = make_project()
    (project / "conf" / "mine").mkdir()
    (project / "conf" / "mine" / "parameters_data.yml").write_text(
        "data: {source: {name: mnist_5k, test_fraction: 0.1}}\n"
    )
    kedro(project, env="mine", pipeline_names=["data_preparation"], params={"sgan": {"joint": {"upstream_weight": 1}}})
    assert json.loads(files(project, "data_card.json")[0].read_text())["test"]["images"] == 500
    client = MlflowClient(f"sqlite:///{project / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("mine")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.data.params["sgan.joint.upstream_weight"] == "1.0"
    assert run.data.params["sgan.joint.initialise"] == "independent"
    assert run.data.params["sgan.levels.fc3.condition"] == "labels"


def test_only_missing_outputs_runs_only_what_is_missing(
    finished_project: Path, files: Files, kedro: Callable[..., None], tmp_path: Path
) -> None:
    project = Path(shutil.copytree(finished_project, tmp_path / "a copy"))
    shutil.rmtree(next(path for path in (project / "data").rglob("joint_sample_grid.png") if path.is_dir()))
    kedro(project, pipeline_names=["sgan"], only_missing_outputs=True)
    assert len(files(project, "joint_sample_grid.png")) == 1
    assert len(files(project, "encoder.safetensors")) == 1
