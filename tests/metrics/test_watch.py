"""Quick scores of a generator that is still training are the scores of the evaluation, on few samples."""

from dataclasses import replace

import pytest
import torch

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.metrics import QuickScores, extract_labelled, judge_network
from gan_pipelines.metrics.distances import frechet_distance
from gan_pipelines.metrics.diversity import within_class_diversity
from gan_pipelines.models import Encoder

CPU = torch.device("cpu")


def test_the_real_images_themselves_are_at_no_distance_and_as_diverse(encoder: Encoder, images: LabelledImages) -> None:
    found = QuickScores(encoder, "fc", images, labelled=True)(images.images, images.labels, CPU)
    assert found["frechet_distance"] == pytest.approx(0, abs=1e-4)
    assert found["within_class_diversity"] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("labelled", [True, False])
def test_they_are_those_of_the_evaluation(encoder: Encoder, images: LabelledImages, labelled: bool) -> None:
    samples = images.subset(torch.arange(40))
    network = judge_network(encoder, "fc")
    ours, theirs = extract_labelled(network, samples), extract_labelled(network, images)
    if not labelled:
        ours = replace(ours, labels=ours.logits.argmax(dim=1))
    found = QuickScores(encoder, "fc", images, labelled)(samples.images, samples.labels, CPU)
    assert found["frechet_distance"] == frechet_distance(ours.features, theirs.features) > 0
    assert found["within_class_diversity"] == within_class_diversity(ours, theirs).mean


def test_without_a_class_that_can_be_compared_there_is_no_diversity(encoder: Encoder, images: LabelledImages) -> None:
    found = QuickScores(encoder, "fc", images, labelled=True)(images.images[:4], torch.arange(4), CPU)
    assert set(found) == {"frechet_distance"}


def test_the_digests_of_judge_and_images_go_with_them(encoder: Encoder, images: LabelledImages) -> None:
    scores = QuickScores(encoder, "fc", images, labelled=True)
    assert scores.made_from == {"judge": encoder.digest(), "validation_images": images.digest()}
