"""Parts of a pipeline run alone; a choice of what does not exist is refused with what does."""

from pathlib import Path
from typing import Any

import pytest

from gan_pipelines.parameters import ExperimentError
from tests.pipelines.conftest import ROOT, Project

GROUPS = (
    "data", "judge", "real_evaluation", "encoder", "fc3", "pixels", "joint", "independent_stack_evaluation",
    "joint_stack_evaluation", "infogan", "infogan_evaluation",
)  # fmt: skip
CHEAP = ("data", "fc3", "infogan")


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
    finished_project: Project, selection: dict[str, Any], named: list[str]
) -> None:
    before = {path for path in finished_project.folder.rglob("*") if path.is_file()}
    with pytest.raises(ExperimentError) as caught:
        finished_project.run(**selection)
    message = str(caught.value)
    assert all(part in message for part in named), message
    assert "\n" not in message
    assert {path for path in finished_project.folder.rglob("*") if path.is_file()} == before


def test_the_default_graph_is_made_of_a_group_per_stage() -> None:
    graph = Project(ROOT).pipelines()["__default__"]
    assert {node.namespace for node in graph.nodes} == set(GROUPS)


def results(project: Project) -> set[Path]:
    return {path for path in project.files("*") if "checkpoints" not in path.parts}


@pytest.mark.parametrize("group", [pytest.param(x, marks=[] if x in CHEAP else pytest.mark.slow) for x in GROUPS])
def test_each_group_runs_alone_on_what_earlier_runs_have_left(project: Project, group: str) -> None:
    nodes = [node for node in project.pipelines()["__default__"].nodes if node.namespace == group]
    before = results(project)
    project.run(namespaces=[group])
    made = {path.parent.parent.stem for path in results(project) - before}
    outputs = {name for node in nodes for name in node.outputs}
    assert made == {name.removeprefix("representation_") for name in outputs}
