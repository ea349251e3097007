"""A stack whose encoder, classes and samples come from no label: an InfoGAN provides them."""

import re
from collections.abc import Callable

import pandas as pd
import pytest
import torch

from gan_pipelines.data.images import LabelledImages, labels_in_proportion
from gan_pipelines.metrics import class_logits
from gan_pipelines.models import Encoder, EncoderSpec, LevelGAN, LevelSpec, assemble_stack, standing_stack
from gan_pipelines.models.standing import PICTURES
from gan_pipelines.parameters import EvaluationParameters, ExperimentError, RunParameters
from gan_pipelines.pipelines.evaluation.nodes import sample_generator
from gan_pipelines.pipelines.infogan_encoder.nodes import categorise, match_classes
from gan_pipelines.training.stage import stage_seed
from tests.pipelines.conftest import Project

TEN = {"infogan": {"codes": {"category": {"classes": 10}}}}
"""As many categories as there are digits."""
WEIGHTS = {"unsupervised": {"conditional_weights": {"pixels": 0.25}}}


def labelled(labels: list[int], classes: tuple[str, ...]) -> LabelledImages:
    return LabelledImages(torch.zeros(len(labels), 1, 8, 8, dtype=torch.uint8), torch.tensor(labels), classes)


def test_categories_and_classes_are_matched_one_to_one_with_the_share_that_agrees() -> None:
    labels = labelled([0, 0, 0, 1, 1, 1, 2, 2], ("a", "b", "c"))
    categories = labelled([3, 3, 1, 0, 0, 3, 1, 1], ("category 0", "category 1", "category 2", "category 3"))
    found = match_classes(categories, labels)
    expected = pd.DataFrame({"of_class": ["a", "b", "c"], "category": [3, 0, 1], "share": [2 / 3, 1.0, 2 / 3]})
    pd.testing.assert_frame_equal(found, expected)


def test_a_class_whose_category_has_no_image_has_the_share_0() -> None:
    found = match_classes(labelled([0, 0], ("x", "y")), labelled([1, 1], ("a", "b")))
    assert found.to_dict("list") == {"of_class": ["a", "b"], "category": [1, 0], "share": [0.0, 1.0]}


def test_each_training_image_gets_its_most_probable_category_and_says_what_gave_it(
    encoder_spec: EncoderSpec, images: LabelledImages
) -> None:
    encoder = Encoder(encoder_spec).freeze()
    found = categorise(RunParameters(threads=1), encoder, images)
    assert torch.equal(found.labels, class_logits(encoder, images.images).argmax(dim=1))
    assert found.classes == encoder_spec.classes
    assert found.made_from == {"train_images": images.digest(), "unsupervised_encoder": encoder.digest()}


def test_samples_of_a_class_are_those_of_the_category_that_stands_for_it(
    level_spec: Callable[..., LevelSpec], images: LabelledImages
) -> None:
    levels = [LevelGAN(level_spec("fc")), LevelGAN(level_spec("pixels", "fc"))]
    stack = assemble_stack(levels, tuple(f"category {number}" for number in range(4)))
    run, evaluation = RunParameters(threads=1), EvaluationParameters(samples=40, features="fc")
    found = sample_generator(run, evaluation, stack, images, pd.DataFrame({"category": [2, 0, 3, 1]}))
    shown, drawn = (torch.Generator().manual_seed(stage_seed(0, name)) for name in ("standing_statistics", "samples"))
    category = torch.tensor([2, 0, 3, 1])
    labels = labels_in_proportion(images.labels, 40)
    standing = standing_stack(stack, category[labels_in_proportion(images.labels, PICTURES)], shown)
    assert torch.equal(found.labels, labels)
    assert found.classes == images.classes
    assert torch.equal(found.images, standing.sample(category[labels], drawn))
    assert not torch.equal(found.images, sample_generator(run, evaluation, stack, images).images)


@pytest.mark.slow
def test_it_runs_from_an_infogan_to_scores_beside_the_other_stack(
    unmade_project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    project = unmade_project
    project.run(TEN | WEIGHTS, pipeline_names=["sgan_unsupervised"])
    encoder, infogan = project.model("unsupervised_encoder"), project.model("infogan")
    assert list(encoder.shapes) == ["pixels", "conv1", "conv2", "fc3", "labels"]
    assert encoder.spec.provenance.inputs["infogan"] == infogan.digest()
    for name in ("unsupervised_independent_stack", "unsupervised_joint_stack"):
        stack, scores = project.model(name), project.scores(name)
        assert stack.spec.classes == tuple(f"category {number}" for number in range(10))
        assert {level.encoder_digest for level in stack.spec.levels} == {encoder.digest()}
        assert {"label_accuracy", "frechet_distance", "classification_accuracy"} <= {score for score, _ in scores.index}
    assert sorted(project.table("unsupervised_matching")["category"]) == list(range(10))
    record = project.record()
    assert record.parent.info.status == "FINISHED"
    assert {"infogan", "unsupervised.fc3", "unsupervised.pixels", "unsupervised.joint"} <= set(record.children)
    assert any(name.startswith("unsupervised_joint_stack/label_accuracy") for name in record.parent.data.metrics)
    assert "unsupervised_joint_stack_sample_grid.png" in record.artifacts("figures")
    level = project.model("unsupervised_joint_level_pixels").spec.parameters
    assert level.loss_weights.conditional == 0.25
    assert record.parent.data.params["unsupervised.conditional_weights.pixels"] == "0.25"
    assert record.parent.data.params["sgan.levels.pixels.loss_weights.conditional"] == "5.0"
    assert "made with other parameters" not in caplog.text
    assemble = ["unsupervised.joint.assemble_joint_stack"]
    project.run(TEN, pipeline_names=["unsupervised_training"], node_names=assemble)
    told = re.findall(r"made with other parameters, and its record says which: (.*)", caplog.text)
    assert told == ["unsupervised.conditional_weights.pixels was 0.25, 1.0 was asked for."]


@pytest.mark.slow
def test_a_level_of_another_encoder_is_refused_by_name(unmade_project: Project) -> None:
    project = unmade_project
    project.run(TEN, pipeline_names=["data_preparation", "infogan_training", "unsupervised_training"])
    other = {**TEN, "run": {"seed": 1}}
    project.run(other, pipeline_names=["infogan_training"])
    project.run(other, pipeline_names=["unsupervised_training"], node_names=["infogan_encoder.make_encoder"])
    with pytest.raises(ExperimentError, match=r"unsupervised_\w+: does not belong.*another unsupervised_encoder"):
        project.run(other, pipeline_names=["unsupervised_training"], namespaces=["unsupervised.joint"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({}, r"infogan\.codes\.category\.classes: .*found 5 categories for 10 classes"),
        (
            {"infogan": {"codes": {"category": None, "style": {"distribution": "uniform"}}}},
            r"infogan\.codes: .*categorical code; found ",
        ),
        (
            TEN | {"sgan": {"levels": {"fc3": None, "block1": {}, "pixels": {"condition": "block1"}}}},
            r"sgan\.levels\.block1",
        ),
    ],
    ids=["too few categories", "no category", "a representation that its trunk does not have"],
)
def test_what_cannot_train_without_labels_is_refused_before_anything_trains(
    empty_project: Project, changed: dict[str, object], told: str
) -> None:
    with pytest.raises(ExperimentError) as caught:
        empty_project.run(changed, pipeline_names=["sgan_unsupervised"])
    assert re.search(told, str(caught.value)), caught.value
    assert not empty_project.files("*.safetensors")
