"""The splits of the data: what draws them, what is in them, what the data card says of them."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.parameters import DataParameters, ExperimentError
from gan_pipelines.pipelines.data_preparation.nodes import prepare_images


@pytest.fixture
def pictures(tmp_path: Path) -> dict[str, Any]:
    """A source of 60 training and 12 test pictures of three classes, all different."""
    rng = np.random.default_rng(0)
    counts = {"train": 60, "test": 12}
    found = {f"x_{split}": rng.integers(0, 256, (count, 8, 8), np.uint8) for split, count in counts.items()}
    return found | {f"y_{split}": np.arange(count) % 3 for split, count in counts.items()}


def prepare(folder: Path, pictures: dict[str, Any], **parameters: Any) -> tuple[list[LabelledImages], dict[str, Any]]:
    """The splits of these pictures, and the data card."""
    np.savez(folder / "mine.npz", **pictures)
    source = {"name": "npz", "path": str(folder / "mine.npz")}
    *splits, card = prepare_images(DataParameters.model_validate({"source": source, **parameters}))
    assert isinstance(card, dict)
    images = [split for split in splits if isinstance(split, LabelledImages)]
    return images, card


def rows(images: LabelledImages) -> set[bytes]:
    return {image.tobytes() for image in images.images.numpy()}


def test_without_a_fraction_there_are_no_validation_images_and_the_others_are_those_of_the_source(
    tmp_path: Path, pictures: dict[str, Any]
) -> None:
    (train, test), card = prepare(tmp_path, pictures)
    assert torch.equal(train.images[:, 0], torch.from_numpy(pictures["x_train"]))
    assert torch.equal(test.images[:, 0], torch.from_numpy(pictures["x_test"]))
    assert "validation" not in card
    assert card["duplicates"] == {"train": 0, "test": 0}


def test_validation_images_are_taken_from_the_training_images_by_class(
    tmp_path: Path, pictures: dict[str, Any]
) -> None:
    (whole, _), _ = prepare(tmp_path, pictures)
    (train, test, validation), card = prepare(tmp_path, pictures, validation_fraction=0.2)
    assert validation.labels.bincount().tolist() == [4, 4, 4]
    assert rows(train) | rows(validation) == rows(whole)
    assert not rows(train) & rows(validation)
    assert torch.equal(test.images[:, 0], torch.from_numpy(pictures["x_test"]))
    for name, images in {"train": train, "test": test, "validation": validation}.items():
        assert card[name]["sha256"] == images.digest()
        assert sum(card[name]["images_by_class"].values()) == card[name]["images"] == len(images)


def test_the_seed_of_the_data_draws_the_validation_images(tmp_path: Path, pictures: dict[str, Any]) -> None:
    digests = [
        prepare(tmp_path, pictures, validation_fraction=0.2, seed=seed)[0][2].digest() for seed in (0, 0, 1)
    ]  # fmt: skip
    assert digests[0] == digests[1] != digests[2]


def test_the_validation_images_do_not_depend_on_what_the_split_into_test_images_draws(tmp_path: Path) -> None:
    """Each split has a random stream of its own."""
    images = [
        prepare_images(
            DataParameters.model_validate(
                {"source": {"name": "mnist_5k", "test_fraction": 0.2}, "validation_fraction": fraction}
            )
        )[1]
        for fraction in (0, 0.5)
    ]
    assert images[0].digest() == images[1].digest()  # type: ignore[union-attr]


def test_a_class_without_validation_images_is_refused_with_the_smallest_fraction_that_has_some(
    tmp_path: Path, pictures: dict[str, Any]
) -> None:
    with pytest.raises(ExperimentError) as error:
        prepare(tmp_path, pictures, validation_fraction=0.01)
    message = str(error.value)
    assert message.startswith("data.validation_fraction: 0.01 of 60 images")
    smallest = float(message.removesuffix(".").rpartition(" ")[2])
    (_, _, validation), _ = prepare(tmp_path, pictures, validation_fraction=smallest)
    assert validation.labels.bincount().tolist() == [1, 1, 1]


def test_the_data_card_counts_repeated_images_and_a_warning_names_test_images_that_are_training_images(
    tmp_path: Path, pictures: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    pictures["x_train"][[7, 8, 9]] = pictures["x_train"][6]
    pictures["x_test"][[0, 5]] = pictures["x_train"][[6, 20]]
    with caplog.at_level(logging.WARNING):
        _, card = prepare(tmp_path, pictures)
    assert card["duplicates"] == {"train": 3, "test": 2}
    repeated, known = caplog.messages
    assert repeated == "3 of 60 train images repeat an earlier one."
    assert known.startswith("2 of 12 test images are also training images")


def test_validation_images_that_are_also_training_images_are_counted(
    tmp_path: Path, pictures: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    pictures["x_train"][:50] = pictures["x_train"][0]
    with caplog.at_level(logging.WARNING):
        _, card = prepare(tmp_path, pictures, validation_fraction=0.5)
    known = card["duplicates"]["validation"]
    assert 20 <= known < 30
    assert card["duplicates"]["train"] + known == 49  # of 50 equal ones all but the first
    assert [message.partition(" images")[0] for message in caplog.messages] == [
        f"{card['duplicates']['train']} of 30 train",
        f"{known} of 30 validation",
    ]


def test_images_that_are_all_equal_are_refused(tmp_path: Path, pictures: dict[str, Any]) -> None:
    pictures["x_train"][:] = 0
    with pytest.raises(ExperimentError, match=r"data\.source: all 60 training images are equal"):
        prepare(tmp_path, pictures)


@pytest.mark.parametrize("split", ["test", "validation"])
def test_held_out_images_that_are_all_training_images_are_refused(
    tmp_path: Path, pictures: dict[str, Any], split: str
) -> None:
    if split == "test":
        pictures["x_test"] = pictures["x_train"][:12]
    else:
        pictures["x_train"][:] = pictures["x_train"][np.arange(60) % 3]
    with pytest.raises(ExperimentError, match=rf"data.source: all \d+ {split} images are also training images"):
        prepare(tmp_path, pictures, validation_fraction=0.5 if split == "validation" else 0)


def test_different_test_images_are_worth_no_warning(
    tmp_path: Path, pictures: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        prepare(tmp_path, pictures)
    assert not caplog.messages
