"""Trainings of a real project that start from trained models."""

from typing import Any

import pytest

from gan_pipelines.model_file import write_model
from gan_pipelines.parameters import ExperimentError
from tests.pipelines.conftest import Project


def test_an_infogan_and_a_level_are_trained_longer_and_a_level_of_the_joint_training_is_replaced(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    first = {name: project.model(name) for name in ("infogan", "level_fc3", "joint_level_fc3", "joint_level_pixels")}
    lengthened = {"infogan": {"initialise": {"from": "infogan"}, "training": {"steps": 2}}}
    with caplog.at_level("INFO"):
        project.run(lengthened, pipeline_names=["infogan_training"])
    assert any("lengthens a finished training" in message for message in caplog.messages)
    longer = project.model("infogan").spec.provenance
    assert first["infogan"].digest() in longer.inputs.values()
    assert [made.stage for made in longer.initial.values()] == ["infogan"]
    level = {"sgan": {"levels": {"fc3": {"initialise": {"from": "level_fc3"}, "training": {"steps": 2}}}}}
    project.run(level, pipeline_names=["sgan_levels"], namespaces=["fc3"])
    assert first["level_fc3"].digest() in project.model("level_fc3").spec.provenance.inputs.values()
    joint = {"sgan": {"joint": {"initialise": {"from": {"pixels": "joint_level_pixels"}}, "training": {"steps": 2}}}}
    project.run(joint, pipeline_names=["sgan_joint"])
    inputs = project.model("joint_level_pixels").spec.provenance.inputs
    assert first["joint_level_pixels"].digest() in inputs.values()
    assert project.model("level_fc3").digest() in inputs.values()


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ("nothing.safetensors", r"infogan\.initialise\.from: there is no file"),
        ("train_images", r"infogan\.initialise\.from: must name a model"),
        ("infogan:2020-01-01T00.00.00.000Z", r"infogan\.initialise\.from: there is no version 2020"),
        ("joint_stack", r"infogan\.initialise\.from"),
    ],
)
def test_what_no_training_can_start_from_is_refused_before_anything_runs(
    project: Project, start: str, message: str
) -> None:
    before = len(project.files("*"))
    with pytest.raises(ExperimentError, match=message):
        project.run({"infogan": {"initialise": {"from": start}}}, pipeline_names=["infogan_training"])
    assert len(project.files("*")) == before


def test_a_level_of_another_stack_is_refused_by_name(project: Project) -> None:
    write_model(project.folder / "other.safetensors", project.model("level_pixels"))
    start: dict[str, Any] = {"sgan": {"levels": {"fc3": {"initialise": {"from": "other.safetensors"}}}}}
    with pytest.raises(ExperimentError, match=r"sgan\.levels\.fc3\.initialise\.from"):
        project.run(start, pipeline_names=["sgan_levels"], namespaces=["fc3"])
