"""Features of pictures, and of the real images for all generators."""

import pytest
import torch
from torch.testing import assert_close

from gan_pipelines.data.images import LabelledImages, to_unit_range
from gan_pipelines.metrics import (
    FeatureExtractor,
    class_logits,
    extract_features,
    extract_labelled,
    extract_real_features,
    features,
    judge_network,
)
from gan_pipelines.metrics.neighbours import picture_distances
from gan_pipelines.models import Encoder


@pytest.fixture
def judge(encoder: Encoder) -> FeatureExtractor:
    return judge_network(encoder, "block1")


def test_a_judge_gives_flattened_features_and_logits(
    encoder: Encoder, judge: FeatureExtractor, images: LabelledImages
) -> None:
    found = extract_labelled(judge, images)
    expected = encoder.representations(to_unit_range(images.images))
    assert_close(found.features, expected["block1"].flatten(1))
    assert_close(found.logits, expected["labels"])
    assert_close(found.labels, images.labels, rtol=0, atol=0)
    assert not found.features.requires_grad
    assert len(found) == 64


@pytest.mark.parametrize("batch_size", [1, 7, 63])
def test_features_do_not_depend_on_how_many_pictures_are_processed_at_once(
    encoder: Encoder, judge: FeatureExtractor, images: LabelledImages, monkeypatch: pytest.MonkeyPatch, batch_size: int
) -> None:
    together = extract_features(judge, images.images)
    logits = class_logits(encoder, images.images)
    monkeypatch.setattr(features, "PICTURES_AT_ONCE", batch_size)
    assert_close(class_logits(encoder, images.images), logits, rtol=1e-4, atol=1e-5)
    assert_close(logits, together.logits)
    assert_close(extract_features(judge, images.images), together, rtol=1e-4, atol=1e-5)


def test_each_picture_has_its_own_row_of_features(judge: FeatureExtractor, images: LabelledImages) -> None:
    forwards = extract_labelled(judge, images)
    backwards = extract_labelled(judge, images.subset(torch.arange(64).flip(0)))
    assert_close(backwards.features.flip(0), forwards.features)
    assert_close(backwards.logits.flip(0), forwards.logits)
    assert_close(backwards.labels.flip(0), forwards.labels, rtol=0, atol=0)
    assert len(forwards.features.unique(dim=0)) == 64


def test_real_images_have_features_of_every_network_and_distances_in_both_spaces(
    encoder: Encoder, judge: FeatureExtractor, images: LabelledImages
) -> None:
    train, test = (images.subset(torch.arange(*ends)) for ends in ((0, 40), (40, 64)))
    networks = {"judge": judge, "inception_v3": judge}
    real = extract_real_features(networks, encoder, train, test, 40, torch.Generator())
    assert real.second_opinion.tolist() == encoder(to_unit_range(test.images)).argmax(dim=1).tolist()
    assert list(real.train) == list(real.test) == ["judge", "inception_v3"]
    assert_close(vars(real.train["judge"]), vars(extract_labelled(judge, train)))
    assert_close(vars(real.test["inception_v3"]), vars(extract_labelled(judge, test)))
    assert set(real.test_distances) == {"judge", "pixels"}
    apart = real.test["judge"].features.double()[:, None] - real.train["judge"].features.double()[None]
    distances = apart.square().sum(dim=2).sqrt().sort(dim=1).values[:, :8]
    assert_close(real.test_distances["judge"].double(), distances, rtol=1e-3, atol=1e-5)
    assert_close(real.test_distances["pixels"], picture_distances(test.images, train.images))


def test_networks_besides_the_judge_read_no_more_training_images_than_there_are_samples(
    encoder: Encoder, judge: FeatureExtractor, images: LabelledImages, rng: torch.Generator
) -> None:
    networks = {"inception_v3": judge, "judge": judge}
    real = extract_real_features(networks, encoder, images, images, 16, rng)
    assert [len(real.train[name]) for name in networks] == [16, 64]
    assert [len(real.test[name]) for name in networks] == [64, 64]
    shares = torch.bincount(images.labels, minlength=len(images.classes)) / 4
    assert (torch.bincount(real.train["inception_v3"].labels) - shares).abs().max() < 1
