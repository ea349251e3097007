"""A judge's reading of pictures."""

import pytest
from torch.testing import assert_close

from gan_pipelines.data.images import LabelledImages, to_unit_range
from gan_pipelines.metrics import judge_images, score
from gan_pipelines.models import Encoder


def test_a_judge_reads_features_flattened_and_logits(encoder: Encoder, images: LabelledImages) -> None:
    found = judge_images(encoder, images.images, images.labels, "block1")
    expected = encoder.representations(to_unit_range(images.images))
    assert_close(found.features, expected["block1"].flatten(1))
    assert_close(found.logits, expected["labels"])
    assert_close(found.labels, images.labels, rtol=0, atol=0)
    assert not found.features.requires_grad


@pytest.mark.parametrize("batch_size", [1, 7, 63])
def test_a_score_does_not_depend_on_how_many_pictures_the_judge_reads_at_once(
    encoder: Encoder, images: LabelledImages, batch_size: int
) -> None:
    def scored(size: int) -> dict[str, float]:
        mirrored = judge_images(encoder, images.images.flip(3), images.labels, "fc", size)
        return vars(score(mirrored, judge_images(encoder, images.images, images.labels, "fc", size)))

    assert_close(scored(batch_size), scored(500), rtol=1e-3, atol=1e-6)


def test_each_picture_is_read_with_its_own_row(encoder: Encoder, images: LabelledImages) -> None:
    forwards = judge_images(encoder, images.images, images.labels, "fc", 10)
    backwards = judge_images(encoder, images.images.flip(0), images.labels.flip(0), "fc", 10)
    assert_close(backwards.features.flip(0), forwards.features)
    assert_close(backwards.labels.flip(0), forwards.labels, rtol=0, atol=0)
    assert len(forwards.features.unique(dim=0)) == 64
