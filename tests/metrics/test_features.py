"""A network's reading of pictures, and of real ones once for all."""

import pytest
import torch
from torch.testing import assert_close

from gan_pipelines.data.images import LabelledImages, to_unit_range
from gan_pipelines.metrics import (
    FeatureExtractor,
    extract_labelled,
    features,
    judge_network,
    read_images,
)
from gan_pipelines.models import Encoder


@pytest.fixture
def judge(encoder: Encoder) -> FeatureExtractor:
    return judge_network(encoder, "block1")


def test_a_judge_reads_features_flattened_and_logits(
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
def test_a_reading_does_not_depend_on_how_many_pictures_are_read_at_once(
    judge: FeatureExtractor, images: LabelledImages, monkeypatch: pytest.MonkeyPatch, batch_size: int
) -> None:
    together = read_images(judge, images.images)
    monkeypatch.setattr(features, "READ_AT_ONCE", batch_size)
    assert_close(read_images(judge, images.images), together, rtol=1e-4, atol=1e-5)


def test_each_picture_is_read_with_its_own_row(judge: FeatureExtractor, images: LabelledImages) -> None:
    forwards = extract_labelled(judge, images)
    backwards = extract_labelled(judge, images.subset(torch.arange(64).flip(0)))
    assert_close(backwards.features.flip(0), forwards.features)
    assert_close(backwards.logits.flip(0), forwards.logits)
    assert_close(backwards.labels.flip(0), forwards.labels, rtol=0, atol=0)
    assert len(forwards.features.unique(dim=0)) == 64


def test_real_images_are_read_by_every_network_and_their_distances_measured_in_both_spaces(
    judge: FeatureExtractor, images: LabelledImages
) -> None:
    train, test = (images.subset(torch.arange(*ends)) for ends in ((0, 40), (40, 64)))
    networks = {"judge": judge, "inception_v3": judge}
    real = extract_real_features(networks, train, test)
    assert list(real.train) == list(real.test) == ["judge", "inception_v3"]
    assert_close(vars(real.train["judge"]), vars(extract_labelled(judge, train)))
    assert_close(vars(real.test["inception_v3"]), vars(extract_labelled(judge, test)))
    assert set(real.test_distances) == {"judge", "pixels"}
    sides = {
        "judge": (real.test["judge"].features, real.train["judge"].features),
        "pixels": (test.images.flatten(1), train.images.flatten(1)),
    }
    for space, (ours, theirs) in sides.items():
        gaps = (ours.double()[:, None] - theirs.double()[None]).square().sum(dim=2).sqrt()
        assert_close(real.test_distances[space].double(), gaps.amin(dim=1), rtol=1e-3, atol=1e-5)
