"""Labelled images: validation, conversion to floats, digests, stratified choices."""

import pytest
import torch
from torch.testing import assert_close

from gan_pipelines.data.images import LabelledImages, split_by_class, stratified_indices, to_bytes, to_unit_range
from gan_pipelines.parameters import ExperimentError

PIXELS = torch.zeros(4, 1, 8, 8, dtype=torch.uint8)
LABELS = torch.tensor([0, 1, 1, 0])
CLASSES = ("zero", "one")


def test_every_byte_survives_the_round_trip_through_floats() -> None:
    values = torch.arange(256, dtype=torch.uint8)
    assert_close(to_bytes(to_unit_range(values)), values, rtol=0, atol=0)


def test_floats_are_between_0_and_1() -> None:
    found = to_unit_range(torch.tensor([0, 51, 255], dtype=torch.uint8))
    assert_close(found, torch.tensor([0.0, 0.2, 1.0]))


def test_floats_become_the_nearest_byte_and_are_clamped() -> None:
    values = torch.tensor([-3.0, 0.4 / 255, 0.6 / 255, 127.4 / 255, 127.6 / 255, 1.0, 7.0])
    assert to_bytes(values).tolist() == [0, 0, 1, 127, 128, 255, 255]


@pytest.mark.parametrize(
    ("pixels", "labels", "field", "found"),
    [
        (PIXELS.float(), LABELS, "images: ", "torch.float32"),
        (PIXELS[:, 0], LABELS, "images: ", "(4, 8, 8)"),
        (PIXELS.expand(4, 2, 8, 8), LABELS, "images: ", "(4, 2, 8, 8)"),
        (PIXELS[:0], LABELS[:0], "images: ", "(0, 1, 8, 8)"),
        (PIXELS[..., :0, :0], LABELS, "images: ", "(4, 1, 0, 0)"),
        (PIXELS, LABELS[:3], "labels: ", "(3,)"),
        (PIXELS, LABELS[:, None], "labels: ", "(4, 1)"),
        (PIXELS, LABELS.int(), "labels: ", "torch.int32"),
        (PIXELS, LABELS.float(), "labels: ", "torch.float32"),
        (PIXELS, LABELS + 1, "labels: ", "from 1 to 2"),
        (PIXELS, LABELS - 1, "labels: ", "from -1 to 0"),
    ],
    ids=[
        "floats", "no channels", "two channels", "no image", "no pixel",
        "a label too few", "too many axes", "int32", "float labels", "too high", "too low",
    ],
)  # fmt: skip
def test_malformed_images_are_refused_with_the_field_and_the_finding(
    pixels: torch.Tensor, labels: torch.Tensor, field: str, found: str
) -> None:
    with pytest.raises(ExperimentError) as error:
        LabelledImages(pixels, labels, CLASSES)
    assert str(error.value).startswith(field)
    assert found in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("channels", [1, 3])
def test_grey_and_colour_images_know_their_shape_and_number(channels: int) -> None:
    data = LabelledImages(PIXELS.expand(4, channels, 8, 8), LABELS, CLASSES)
    assert data.image_shape == (channels, 8, 8)
    assert len(data) == 4


def test_a_subset_keeps_images_with_their_labels(images: LabelledImages) -> None:
    chosen = images.subset(torch.tensor([5, 2, 5]))
    assert_close(chosen.images, torch.stack([images.images[5], images.images[2], images.images[5]]), rtol=0, atol=0)
    assert chosen.labels.tolist() == [1, 2, 1]
    assert chosen.classes == images.classes


def test_a_batch_of_pixels_lies_between_0_and_1(images: LabelledImages) -> None:
    index = torch.tensor([3, 0])
    assert images.pixels().name == "pixels"
    assert_close(images.pixels().batch(index), images.images[index] / 255)


def test_a_batch_of_labels_is_one_hot(images: LabelledImages) -> None:
    found = images.one_hot_labels()
    assert found.name == "labels"
    assert_close(found.batch(torch.tensor([2, 0])), torch.tensor([[0.0, 0, 1, 0], [1, 0, 0, 0]]), rtol=0, atol=0)


def test_equal_images_have_equal_digests_wherever_they_lie_in_memory(images: LabelledImages) -> None:
    turned = images.images.transpose(2, 3).contiguous().transpose(2, 3)
    assert not turned.is_contiguous()
    assert LabelledImages(turned, images.labels.clone(), images.classes).digest() == images.digest()


def test_a_change_of_one_value_anywhere_changes_the_digest(images: LabelledImages) -> None:
    pixels, labels = images.images.clone(), images.labels.clone()
    pixels[63, 0, 7, 7] ^= 1
    labels[63] = 0
    order = torch.arange(64).roll(1)
    digests = [
        images.digest(),
        LabelledImages(pixels, images.labels, images.classes).digest(),
        LabelledImages(images.images, labels, images.classes).digest(),
        LabelledImages(images.images, images.labels, (*images.classes[:3], "other")).digest(),
        LabelledImages(images.images, images.labels, (*images.classes, "fifth")).digest(),
        images.subset(order).digest(),
        images.subset(order[1:]).digest(),
    ]
    assert len(set(digests)) == len(digests)
    assert all(len(digest) == 64 for digest in digests)


def test_the_digest_tells_shapes_apart_that_hold_the_same_bytes() -> None:
    flat = torch.arange(48, dtype=torch.uint8)
    grey = LabelledImages(flat.reshape(12, 1, 2, 2), torch.zeros(12, dtype=torch.int64), CLASSES)
    colour = LabelledImages(flat.reshape(4, 3, 2, 2), torch.zeros(4, dtype=torch.int64), CLASSES)
    assert grey.digest() != colour.digest()


@pytest.mark.parametrize("wanted", [1, 7, 10, 20, 33, 40])
def test_a_stratified_choice_repeats_nothing_and_keeps_each_class_within_one_of_its_share(
    rng: torch.Generator, wanted: int
) -> None:
    labels = torch.tensor([0] * 20 + [1] * 12 + [2] * 8)[torch.randperm(40, generator=rng)]
    index = stratified_indices(labels, wanted, rng)
    assert len(index) == len(index.unique()) == wanted
    for label, size in enumerate((20, 12, 8)):
        assert abs(int((labels[index] == label).sum()) - size * wanted / 40) < 1


@pytest.mark.parametrize(("wanted", "shares"), [(10, [5, 3, 2]), (20, [10, 6, 4]), (11, [6, 3, 2]), (9, [4, 3, 2])])
def test_a_stratified_choice_rounds_by_the_largest_remainders(
    rng: torch.Generator, wanted: int, shares: list[int]
) -> None:
    labels = torch.tensor([0] * 20 + [1] * 12 + [2] * 8)
    assert torch.bincount(labels[stratified_indices(labels, wanted, rng)]).tolist() == shares


def test_a_stratified_choice_is_in_random_order_and_depends_on_the_seed() -> None:
    labels = torch.arange(1000) % 2
    first, again, other = (stratified_indices(labels, 500, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert_close(first, again, rtol=0, atol=0)
    assert 150 < len(set(first.tolist()) & set(other.tolist())) < 350
    ones_in_front = int(labels[first][:250].sum())
    assert 90 < ones_in_front < 160


def test_choosing_as_many_as_there_are_chooses_all(rng: torch.Generator) -> None:
    labels = torch.tensor([0, 1, 1, 2, 2, 2, 2])
    assert stratified_indices(labels, 7, rng).sort().values.tolist() == list(range(7))


def numbered(counts: list[int]) -> LabelledImages:
    """So many images of each class, in mixed order, each another one."""
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    labels = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(3))]
    pixels = torch.arange(4 * len(labels), dtype=torch.int64).to(torch.uint8).view(-1, 1, 2, 2)
    return LabelledImages(pixels, labels, tuple(f"class {number}" for number in range(len(counts))))


def test_a_split_sets_aside_each_class_in_proportion_and_keeps_the_order(rng: torch.Generator) -> None:
    images = numbered([30, 10, 20])
    left, aside = split_by_class(images, 0.3, rng, "a field")
    assert aside.labels.bincount().tolist() == [9, 3, 6]
    assert left.labels.bincount().tolist() == [21, 7, 14]
    for part in (left, aside):
        firsts = part.images[:, 0, 0, 0].tolist()
        assert firsts == sorted(firsts)
        of_all = {image.tobytes(): label for image, label in zip(images.images.numpy(), images.labels, strict=True)}
        assert [of_all[image.tobytes()] for image in part.images.numpy()] == part.labels.tolist()
    firsts = torch.cat([left.images, aside.images])[:, 0, 0, 0]
    assert sorted(firsts.tolist()) == images.images[:, 0, 0, 0].tolist()


@pytest.mark.parametrize("counts", [[30, 2, 20], [3, 3], [2], [40, 2, 2, 2], [997, 13]])
def test_a_split_without_every_class_on_both_sides_is_refused_with_the_smallest_fraction_that_has_them(
    counts: list[int], rng: torch.Generator
) -> None:
    images = numbered(counts)
    messages = []
    for fraction in (1e-6, 1 - 1e-6):
        with pytest.raises(ExperimentError) as error:
            split_by_class(images, fraction, rng, "data.validation_fraction")
        messages.append(str(error.value))
        assert messages[-1].startswith(
            f"data.validation_fraction: {fraction} of {sum(counts)} images sets aside all or"
        )
    smallest = {float(message.removesuffix(".").rpartition(" ")[2]) for message in messages}
    assert len(smallest) == 1
    (fraction,) = smallest
    for part in split_by_class(images, fraction, rng, "a field"):
        assert part.labels.bincount(minlength=len(counts)).min() > 0
    with pytest.raises(ExperimentError):
        split_by_class(images, fraction - 1 / len(images), rng, "a field")


def test_a_class_of_one_image_cannot_be_split(rng: torch.Generator) -> None:
    with pytest.raises(ExperimentError, match=r"the class 'class 1'; .* here there is none, so add images\.$"):
        split_by_class(numbered([5, 1]), 0.5, rng, "a field")


def test_equal_images_have_equal_digests_of_their_own_whatever_their_class() -> None:
    pixels = torch.tensor([[0, 1, 2, 3], [0, 1, 2, 4], [0, 1, 2, 3]], dtype=torch.uint8).view(3, 1, 2, 2)
    first, second, third = LabelledImages(pixels, torch.tensor([0, 0, 1]), ("a", "b")).image_digests()
    assert first == third != second
