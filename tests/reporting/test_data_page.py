"""The page of the data card: brightness, classes, what was read."""

import pytest
import torch

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.reporting.data_page import BINS, MOST_CLASSES, brightness_shares, data_page


def images(values: list[int], classes: int = 1) -> LabelledImages:
    """One picture of 2 x 2 pixels per value, the classes in turn."""
    pixels = torch.tensor(values, dtype=torch.uint8)[:, None, None, None].expand(-1, 1, 2, 2).contiguous()
    return LabelledImages(pixels, torch.arange(len(values)) % classes, tuple(f"class {k}" for k in range(classes)))


def card(data: LabelledImages, **changes: object) -> dict[str, object]:
    counts = dict(zip(data.classes, data.labels.bincount(minlength=len(data.classes)).tolist(), strict=True))
    split = {"images": len(data), "images_by_class": counts}
    return {
        "source": "npz",
        "origin": "<b>mine</b>.npz",
        "licence": "not stated",
        "reading": {},
        "image_shape": list(data.image_shape),
        "classes": list(data.classes),
        "train": split,
        "test": split,
        "duplicates": {"train": 0, "test": 0},
        **changes,
    }


def test_the_shares_of_brightness_are_counted_in_equal_parts_of_the_range() -> None:
    shares = brightness_shares(images([0, 7, 8, 255]))
    assert shares[0] == 0.5
    assert shares[1] == shares[BINS - 1] == 0.25
    assert sum(shares) == 1


def test_names_cannot_become_part_of_the_page() -> None:
    page = data_page(card(images([0])), images([0]))
    assert "<b>mine" not in page
    assert "&lt;b&gt;mine" in page


def test_duplicates_are_warned_of() -> None:
    page = data_page(card(images([0]), duplicates={"train": 3, "test": 7}), images([0]))
    assert "3 train images\nrepeat an earlier one" in page
    assert "7 test images\nare also training images" in page
    assert "repeat an earlier one" not in data_page(card(images([0])), images([0]))


@pytest.mark.parametrize(("classes", "unshown"), [(MOST_CLASSES, 0), (MOST_CLASSES + 3, 3)])
def test_of_very_many_classes_the_first_are_shown_and_all_are_counted(classes: int, unshown: int) -> None:
    data = images([0] * classes, classes)
    page = data_page(card(data), data)
    assert page.count("data:image/png;base64,") == MOST_CLASSES
    assert page.count("<th>class ") == classes
    assert (f"Pictures of {unshown} more classes are not shown" in page) == bool(unshown)
