"""Which images and which judge a run uses: those of `data.seed` and `judge.seed`, and the split that it names."""

from typing import Any

import pytest

from gan_pipelines.parameters import ExperimentError
from tests.pipelines.conftest import ROOT, Project

VALIDATION: dict[str, Any] = {"data": {"validation_fraction": 0.25}, "evaluation": {"split": "validation"}}


def test_the_images_to_score_against_are_exchanged_in_every_pipeline() -> None:
    project = Project(ROOT)
    usual, exchanged = project.pipelines(), project.pipelines(VALIDATION)
    assert usual.keys() == exchanged.keys()
    for name, pipeline in usual.items():
        before = {node.name: node.inputs for node in pipeline.nodes}
        after = {node.name: node.inputs for node in exchanged[name].nodes}
        renamed = {"test_images": "validation_images"}
        assert after == {node: [renamed.get(x, x) for x in inputs] for node, inputs in before.items()}
        assert {node.name: node.namespace for node in exchanged[name].nodes} == {
            node.name: node.namespace for node in pipeline.nodes
        }
    assert "validation_images" in exchanged["ablation"].all_inputs()
    assert {"train_images", "test_images", "validation_images"} <= exchanged["data_preparation"].all_outputs()


def test_validation_images_are_made_only_if_a_fraction_is_set_aside() -> None:
    project = Project(ROOT)
    assert "validation_images" not in project.pipelines()["data_preparation"].all_outputs()
    aside = project.pipelines({"data": {"validation_fraction": 0.1}})
    assert "validation_images" in aside["data_preparation"].all_outputs()
    assert "validation_images" not in aside["__default__"].all_inputs()


@pytest.mark.slow
def test_images_of_different_splits_are_not_scored_against_each_other(project: Project) -> None:
    project.run(VALIDATION, pipeline_names=["data_preparation", "judge"])
    project.run(pipeline_names=["data_preparation"])
    with pytest.raises(ExperimentError, match=r"^validation_images: must be of the same version as train_images"):
        project.run(VALIDATION, pipeline_names=["real_evaluation"])


def test_validation_images_that_were_never_made_are_missed(finished_project: Project) -> None:
    with pytest.raises(ExperimentError, match=r"^validation_images: .* there is no version of it"):
        finished_project.run(VALIDATION, pipeline_names=["classifier"])


@pytest.mark.slow
def test_a_run_with_another_seed_has_the_same_images_and_the_same_judge(project: Project) -> None:
    project.run({"run": {"seed": 1}}, pipeline_names=["data_preparation", "judge", "classifier"])
    for name in ("train_images", "test_images", "judge", "second_judge"):
        first, second = (path.read_bytes() for path in project.files(f"{name}.safetensors"))
        assert first == second, name
    first, second = (path.read_bytes() for path in project.files("encoder.safetensors"))
    assert first != second
    assert project.model("encoder").spec.provenance.seed == 1
    for name, other in (("judge", "second_judge"), ("second_judge", "judge")):
        project.run({name: {"seed": 1}}, pipeline_names=["judge"])
        assert (project.model(name).spec.provenance.seed, project.model(other).spec.provenance.seed) == (1, 0)
    for name in ("judge", "second_judge"):
        assert len({path.read_bytes() for path in project.files(f"{name}.safetensors")}) == 2


@pytest.mark.slow
def test_the_classifier_on_samples_is_trained_with_the_seed_of_the_run(project: Project) -> None:
    project.run({"run": {"seed": 3}, "judge": {"seed": 4}}, node_names=["joint_stack_evaluation.train_classifier"])
    provenance = project.model("classifier_on_joint_stack").spec.provenance
    assert provenance.seed == 3
    assert provenance.parameters == project.model("judge").spec.provenance.parameters


@pytest.mark.slow
def test_everything_is_scored_against_the_validation_images_if_a_run_says_so(
    empty_project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    empty_project.run(VALIDATION, pipeline_names=["data_preparation", "judge", "real_evaluation"])
    card = empty_project.json("data_card")
    assert [card[split]["images"] for split in ("train", "test", "validation")] == [3000, 1000, 1000]
    assert empty_project.images("validation_images").digest() == card["validation"]["sha256"]
    judge, validation = empty_project.model("judge"), empty_project.images("validation_images")
    seen = judge(validation.pixels().batch(slice(None))).argmax(dim=1)
    accuracy = (seen == validation.labels).double().mean().item()
    assert empty_project.json("judge_metrics")["test_accuracy"] == pytest.approx(accuracy, abs=1e-6)
    scores = empty_project.scores("real")
    assert scores.loc[("classification_accuracy", "judge"), "value"] == pytest.approx(accuracy, abs=1e-6)
    assert "against validation images" in capsys.readouterr().out
    # a part starts from the images that it needs
    empty_project.newest("test_images.safetensors").unlink()
    empty_project.run(VALIDATION, pipeline_names=["real_evaluation"])
    assert len(empty_project.files("real_scores.csv")) == 2
