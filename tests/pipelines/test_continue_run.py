"""Trainings of a real project that start from trained models."""

from typing import Any

import numpy as np
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


def other_data(project: Project, name: str, side: int = 28, classes: int = 10) -> dict[str, Any]:
    """Parameters of a data set of synthetic pictures, a class in turn."""
    rng, file = np.random.default_rng(5), f"{name}.npz"
    counts = {"train": 120, "test": 30}
    arrays = {f"x_{split}": rng.integers(0, 256, (n, side, side), dtype=np.uint8) for split, n in counts.items()}
    labels = {f"y_{split}": np.arange(n) % classes for split, n in counts.items()}
    np.savez(project.folder / file, **arrays, **labels)
    return {"source": {"name": "npz", "path": file}}


def test_models_are_fine_tuned_on_other_data_of_the_same_shape_and_classes_alone(project: Project) -> None:
    first = {name: project.model(name) for name in ("encoder", "infogan")}
    files = {name: project.newest(f"{name}.safetensors").relative_to(project.folder).as_posix() for name in first}
    start: dict[str, Any] = {
        "classifier": {"initialise": {"from": files["encoder"]}, "training": {"steps": 2}},
        "infogan": {"initialise": {"from": files["infogan"]}, "training": {"steps": 2}},
    }
    for field, other in (("image_shape", other_data(project, "larger", side=32)),
                         ("classes", other_data(project, "fewer", classes=7))):  # fmt: skip
        before = len(project.files("*"))
        with pytest.raises(ExperimentError, match=rf"classifier\.initialise\.from: .* its {field}") as caught:
            project.run({"data": other, **start}, pipeline_names=["data_preparation", "classifier"])
        assert "\n" not in str(caught.value)
        assert len(project.files("*")) == before

    project.run(
        {"data": other_data(project, "other"), **start},
        pipeline_names=["data_preparation", "classifier", "infogan_training"],
    )
    card = project.json("data_card")
    assert card["source"] == "npz"
    for name, model in first.items():
        tuned = project.model(name)
        made = tuned.spec.provenance
        assert tuned.spec.data_digest == card["train"]["sha256"] != model.spec.data_digest
        assert made.initial == {"initial": model.spec.provenance}
        assert made.inputs["initial"] == model.digest()
        assert not made.lengthens
