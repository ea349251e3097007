"""Trainings of a real project that are watched: what the run leaves behind, and what is refused before it."""

from typing import Any

import pytest
import torch

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.models.requirements import check_watched
from gan_pipelines.parameters import Experiment, ExperimentError
from tests.pipelines.conftest import ROOT, Project

INFOGAN: dict[str, Any] = {"watch": {"every_steps": 10, "samples": 200, "keep": "best"}}
JOINT: dict[str, Any] = {"watch": {"every_steps": 5, "samples": 200}}
PARAMS: dict[str, Any] = {"data": {"validation_fraction": 0.25}, "infogan": INFOGAN, "sgan": {"joint": JOINT}}
SCORES = ["watch.frechet_distance", "watch.within_class_diversity"]
SCORING = {"params:evaluation", "judge", "validation_images"}


def test_a_run_leaves_scores_in_its_history_in_mlflow_and_in_a_figure(empty_project: Project) -> None:
    parts = ["data_preparation", "judge", "classifier", "sgan_levels", "sgan_joint", "infogan_training"]
    empty_project.run(PARAMS, pipeline_names=parts)
    record = empty_project.record()
    for stage, steps in {"infogan": [10, 20], "joint": [5, 10]}.items():
        scored = empty_project.table(f"history_{stage}").dropna(subset=SCORES)
        assert scored["step"].tolist() == steps
        for score in SCORES:
            points = record.client.get_metric_history(record.children[stage].info.run_id, score)
            assert [(point.step, point.value) for point in points] == list(zip(steps, scored[score], strict=True))
        curve = empty_project.json(f"{stage}_watch_curve")["data"][0]
        assert curve["name"] == "Frechet distance"
        assert f"{stage}_watch_curve.html" in record.artifacts("figures")
    made = {
        "infogan": empty_project.model("infogan").spec.provenance,
        "joint": empty_project.model("joint_level_pixels").spec.provenance,
    }
    for provenance in made.values():
        assert provenance.inputs["judge"] == empty_project.model("judge").digest()
        assert provenance.inputs["validation_images"] == empty_project.images("validation_images").digest()
    assert made["infogan"].parameters["watch"]["keep"] == "best"
    assert "watch" not in empty_project.model("level_pixels").spec.model_dump_json()
    parameters = record.parent.data.params
    assert parameters["infogan.watch.keep"] == "best"


def test_trainings_take_a_judge_and_validation_images_only_if_they_are_watched() -> None:
    project = Project(ROOT)
    usual, watched = project.pipelines(), project.pipelines(PARAMS)
    changed = {"joint.train_joint_levels", "infogan.train_infogan"}
    for name, pipeline in usual.items():
        before = {node.name: set(node.inputs) for node in pipeline.nodes}
        after = {node.name: set(node.inputs) for node in watched[name].nodes}
        drawn = {f"{node.partition('.')[0]}.draw_watch_curve" for node in changed & before.keys()}
        if name == "sgan_unsupervised":  # refused, since the judge knows labels
            assert after == before
            continue
        assert after.keys() - before.keys() == drawn
        assert {node for node in before if after[node] != before[node]} == changed & before.keys()
        assert all(after[node] - before[node] == SCORING for node in changed & before.keys())


def test_without_a_judge_nothing_is_trained(empty_project: Project) -> None:
    with pytest.raises(ExperimentError, match=r"^judge: this pipeline starts from it, and there is no .*") as caught:
        empty_project.run(PARAMS, pipeline_names=["infogan_training"])
    assert "`kedro run --pipelines=judge --env=smoke` makes it" in str(caught.value)
    unsupervised = {**PARAMS, "infogan": {}}
    with pytest.raises(ExperimentError, match=r"^sgan\.joint\.watch: the judge that scores has learned from labels"):
        empty_project.run(unsupervised, pipeline_names=["unsupervised_training"])
    assert not empty_project.files("*.safetensors")


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (("cat",), r"^infogan\.watch: the judge learns from labels of at least two classes; .* class 'cat'"),
        (("cat", "dog"), r"^infogan\.watch: scores need at least 20 validation images, .* found 8"),
    ],
)
def test_a_judge_that_cannot_score_is_refused(
    smoke_experiment: Experiment, classes: tuple[str, ...], message: str
) -> None:
    raw = smoke_experiment.model_dump()
    raw["data"]["validation_fraction"] = 0.1
    raw["infogan"]["watch"] = INFOGAN["watch"]
    experiment = Experiment.read(raw)
    few = LabelledImages(torch.zeros(8, 1, 4, 4, dtype=torch.uint8), torch.arange(8) % len(classes), classes)
    with pytest.raises(ExperimentError, match=message):
        check_watched(experiment, few, {"infogan"})
    check_watched(experiment, few, {"sgan"})
