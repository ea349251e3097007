"""Parts of a pipeline run alone; a choice of what does not exist is refused with what does."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from kedro.framework.cli.utils import find_run_command
from kedro.pipeline import Pipeline

from gan_pipelines.parameters import ExperimentError
from gan_pipelines.session import check_selection
from tests.pipelines.conftest import ROOT, Project

GROUPS = (
    "data", "judge", "real_evaluation", "encoder", "fc3", "pixels", "joint", "independent_stack_evaluation",
    "joint_stack_evaluation", "infogan", "infogan_evaluation",
)  # fmt: skip
QUICK = ("data", "fc3")


@pytest.fixture(scope="module")
def known() -> dict[str, Pipeline]:
    """The pipelines of the smoke experiment by name."""
    return Project(ROOT).pipelines()


@pytest.mark.parametrize(
    ("selection", "named"),
    [
        ({"pipeline_names": ["sgna"]}, ["--pipelines", "'sgna'", "sgan_levels", "__default__"]),
        ({"namespaces": ["fc4"]}, ["--namespaces", "'fc4'", "fc3", "joint_stack_evaluation"]),
        ({"pipeline_names": ["infogan"], "namespaces": ["fc3"]}, ["--namespaces", "'fc3'", "infogan_evaluation"]),
        ({"node_names": ["joint.train_joint_level"]}, ["--nodes", "joint.train_joint_levels"]),
        ({"node_names": ["prepare_images"]}, ["--nodes", "data.prepare_images"]),
        ({"from_nodes": ["train_encoder"]}, ["--from-nodes", "encoder.train_encoder"]),
        ({"to_nodes": ["train_encoder"]}, ["--to-nodes", "encoder.train_encoder"]),
        ({"to_outputs": ["joint_stack_score"]}, ["--to-outputs", "joint_stack_scores"]),
        ({"from_inputs": ["levle_fc3"]}, ["--from-inputs", "level_fc3"]),
        ({"tags": ["mine"]}, ["--tags", "'mine'"]),
        ({"load_versions": {"encoders": "2020"}}, ["--load-versions", "encoder"]),
        # names of earlier versions
        ({"pipeline_names": ["yardstick"]}, ["--pipelines", "'yardstick'", "real_evaluation"]),
        ({"to_outputs": ["joint_samples"]}, ["--to-outputs", "'joint_samples'", "joint_stack_samples"]),
        ({"to_outputs": ["real_readings"]}, ["--to-outputs", "'real_readings'", "real_features"]),
        ({"from_inputs": ["joint_samples"]}, ["--from-inputs", "'joint_samples'", "joint_stack_samples"]),
        (
            {"load_versions": {"independent_sample_grid": "2020"}},
            ["--load-versions", "'independent_sample_grid'", "independent_stack_sample_grid"],
        ),
    ],
)
def test_a_choice_of_what_does_not_exist_is_refused_with_what_does(
    known: dict[str, Pipeline], selection: dict[str, Any], named: list[str]
) -> None:
    with pytest.raises(ExperimentError) as caught:
        check_selection(known, **selection)
    message = str(caught.value)
    assert all(part in message for part in named), message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--runner=ParalellRunner"], ["--runner", "'ParalellRunner'", "ParallelRunner", "SequentialRunner"]),
        (["--runner=mine.Runner"], ["--runner", "'mine.Runner'", "path"]),
        (["--runner=gan_pipelines.project.enter"], ["--runner", "'gan_pipelines.project.enter'"]),
        (["--runner=AbstractRunner"], ["--runner", "'AbstractRunner'", "ThreadRunner"]),
        (["--runner-params=workers=2"], ["--runner-params", "'workers'", "SequentialRunner", "is_async"]),
        (["--runner=ParallelRunner", "--runner-params=wrokers=2"], ["--runner-params", "'wrokers'", "max_workers"]),
    ],
)
def test_a_runner_that_does_not_exist_is_refused(arguments: list[str], named: list[str]) -> None:
    refused = CliRunner().invoke(find_run_command("gan_pipelines"), arguments)
    message = str(refused.exception)
    assert isinstance(refused.exception, ExperimentError)
    assert all(part in message for part in named), message
    assert "\n" not in message


@pytest.mark.parametrize(
    "selection",
    [
        {},
        {"pipeline_names": ["sgan", "infogan"]},
        {"namespaces": ["fc3", "pixels"]},
        {"pipeline_names": ["ablation"], "namespaces": ["adv", "joint.seed_1"]},
        {"from_nodes": ["joint.train_joint_levels"], "to_outputs": ["joint_stack_scores"]},
        {"from_inputs": ["joint_stack_samples"], "load_versions": {"joint_stack_samples": "2020"}},
    ],
)
def test_a_choice_of_what_exists_is_not_refused(known: dict[str, Pipeline], selection: dict[str, Any]) -> None:
    check_selection(known, **selection)


def test_a_refused_choice_writes_nothing(finished_project: Project) -> None:
    before = {path for path in finished_project.folder.rglob("*") if path.is_file()}
    with pytest.raises(ExperimentError, match="joint_stack_samples"):
        finished_project.run(to_outputs=["joint_samples"])
    assert {path for path in finished_project.folder.rglob("*") if path.is_file()} == before


def test_the_default_graph_is_made_of_a_group_per_stage(known: dict[str, Pipeline]) -> None:
    assert {node.namespace for node in known["__default__"].nodes} == set(GROUPS)


def results(project: Project) -> set[Path]:
    return {path for path in project.files("*") if "checkpoints" not in path.parts}


@pytest.mark.parametrize("group", [pytest.param(x, marks=[] if x in QUICK else pytest.mark.slow) for x in GROUPS])
def test_each_group_runs_alone_on_what_earlier_runs_have_left(
    project: Project, known: dict[str, Pipeline], group: str
) -> None:
    nodes = [node for node in known["__default__"].nodes if node.namespace == group]
    before = results(project)
    project.run(namespaces=[group])
    made = {path.parent.parent.stem for path in results(project) - before}
    outputs = {name for node in nodes for name in node.outputs}
    assert made == {name.removeprefix("representation_") for name in outputs}
