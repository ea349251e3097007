"""Several runs in one process: each has its own experiment, graph, parameters, folders and record."""

import json
from typing import Any

import pytest
from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines

from gan_pipelines import settings
from gan_pipelines.parameters import ExperimentError
from tests.pipelines.conftest import ROOT, Project

LATER = "2999-01-01T00.00.00.000Z"
UNLABELLED: dict[str, Any] = {"sgan": {"levels": {"fc3": {"condition": "none"}}}}


class AnotherRun:
    """Puts a later version of the encoder beside the one just made, as a run at the same time would."""

    def __init__(self, project: Project) -> None:
        self.project = project

    @hook_impl
    def after_dataset_saved(self, dataset_name: str) -> None:
        if dataset_name == "encoder":
            folder = next((self.project.folder / "data").rglob("encoder.safetensors"))
            (folder / LATER).mkdir()
            (folder / LATER / "encoder.safetensors").write_bytes(b"another run's, half written")


def folders(project: Project) -> list[str]:
    """The experiments that have a data card, one per run."""
    return sorted(path.parts[-4] for path in project.files("data_card.json"))


@pytest.mark.slow
def test_sessions_in_one_process_each_have_their_own_experiment(
    empty_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KEDRO_ENV", raising=False)
    project, levels = empty_project, []
    for experiment in ("smoke", "three_levels", "smoke", None):
        project.run(env=experiment, pipeline_names=["data_preparation"])
        levels.append({node.namespace for node in pipelines["sgan_levels"].nodes})
    two, three = {"fc3", "pixels"}, {"fc3", "block2", "pixels"}
    assert levels == [two, three, two, two]
    assert folders(project) == ["base", "smoke", "smoke", "three_levels"]
    assert {name: len(project.records(name)) for name in set(folders(project))} == {
        "smoke": 2, "three_levels": 1, "base": 1
    }  # fmt: skip
    for experiment, device in {"smoke": "cpu", "three_levels": "auto", "base": "auto"}.items():
        parameters = project.record(experiment).parent.data.params
        assert parameters["run.device"] == device
        assert ("sgan.levels.block2.condition" in parameters) == (experiment == "three_levels")


def test_a_session_builds_the_graph_that_it_runs(empty_project: Project) -> None:
    """With a level that no earlier session of this process had."""
    empty_project.pipelines(env="smoke")
    with pytest.raises(ExperimentError, match=r"^(representation_block2|encoder)\b"):
        empty_project.run(env="three_levels", namespaces=["block2"])
    with pytest.raises(ExperimentError, match=r"^--namespaces: 'block2'"):
        empty_project.run(env="smoke", namespaces=["block2"])


def test_kedro_env_names_the_experiment_only_where_nothing_else_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEDRO_ENV", "three_levels")
    levels = [len(Project(ROOT).pipelines(env=env)["sgan_levels"].nodes) for env in ("smoke", None)]
    assert levels == [2, 3]


def test_params_that_take_the_labels_away_change_the_graph_consistently() -> None:
    project = Project(ROOT)
    with_labels, without = (
        {node.name for node in project.pipelines(params)["__default__"].nodes} for params in ({}, UNLABELLED)
    )
    assert with_labels - without == {f"{stack}_stack_evaluation.train_classifier" for stack in ("independent", "joint")}
    assert without < with_labels
    assert "classifier_on_joint_stack" not in project.pipelines(UNLABELLED)["sgan"].datasets()


@pytest.mark.slow
def test_a_stack_without_labels_records_nothing_about_labels(project: Project) -> None:
    project.run(UNLABELLED, pipeline_names=["sgan_levels", "sgan_joint", "sgan_evaluation"])
    record = project.record()
    assert set(record.children) == {"fc3", "pixels", "joint"}
    assert record.parent.data.params["sgan.levels.fc3.condition"] == "none"
    assert "joint_stack/frechet_distance.judge.200" in record.parent.data.metrics
    assert not [name for name in record.parent.data.metrics if "_accuracy" in name and "stack/" in name]
    assert not project.model("joint_stack").spec.conditional
    assert not {"label_accuracy", "classification_accuracy"} & set(project.table("joint_stack_scores")["score"])
    assert len(project.files("classifier_on_joint_stack.safetensors")) == 1


def test_one_value_given_by_params_leaves_the_rest_of_a_block_alone(empty_project: Project) -> None:
    empty_project.write("conf/mine/parameters_data.yml", "data: {source: {test_fraction: 0.1}}\n")
    params = {"sgan": {"joint": {"upstream_weight": 1}}}
    empty_project.run(params, env="mine", pipeline_names=["data_preparation"])
    assert empty_project.json("data_card")["test"]["images"] == 500
    recorded = empty_project.record("mine").parent.data.params
    assert recorded["sgan.joint.upstream_weight"] == "1.0"
    assert recorded["sgan.joint.initialise"] == "independent"
    assert recorded["sgan.levels.fc3.condition"] == "labels"


def test_an_experiment_that_extends_another_one_keeps_its_files_apart(project: Project) -> None:
    project.write("conf/other/parameters.yml", "extends: smoke\ndata: {seed: 1}\n")
    project.run(env="other", pipeline_names=["data_preparation"])
    assert folders(project) == ["other", "smoke"]
    digests = [json.loads(path.read_text())["train"]["sha256"] for path in project.files("data_card.json")]
    assert digests[0] != digests[1]
    assert project.record("other").parent.data.params["evaluation.samples"] == "200"


def test_an_unknown_experiment_is_refused_with_those_that_exist(empty_project: Project) -> None:
    with pytest.raises(ExperimentError, match=r"^--env: .*'minst'.*fashion_mnist.*mnist.*smoke"):
        empty_project.run(env="minst")
    assert not (empty_project.folder / "data").exists()


@pytest.mark.slow
def test_a_run_ignores_a_later_version_of_its_own_result(
    empty_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "HOOKS", (*settings.HOOKS, AnotherRun(empty_project)))
    empty_project.run(pipeline_names=["data_preparation", "classifier"])
    assert empty_project.files("fc3.safetensors")


@pytest.mark.slow
def test_only_missing_outputs_runs_only_what_is_missing(project: Project) -> None:
    grid = project.only("joint_stack_sample_grid.png")
    grid.unlink()
    grid.parent.rmdir()
    grid.parent.parent.rmdir()
    project.run(pipeline_names=["sgan"], only_missing_outputs=True)
    assert project.only("joint_stack_sample_grid.png")
    assert project.only("encoder.safetensors")
