"""Arrays from .npz files, as people save them, and what is refused, with file and array."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from torch.testing import assert_close

from gan_pipelines.data.source import SourceData
from gan_pipelines.parameters import NpzSource
from tests.data.reading import read, refusal


class Trap:
    """Creates a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


def arrays(**replaced: Any) -> dict[str, Any]:
    """Six training and three test images of 4 x 4 pixels in three classes; None leaves an array out."""
    rng = np.random.default_rng(0)
    content = {
        "x_train": rng.integers(0, 256, (6, 4, 4), dtype=np.uint8),
        "y_train": np.array([0, 1, 2, 0, 1, 2]),
        "x_test": rng.integers(0, 256, (3, 4, 4), dtype=np.uint8),
        "y_test": np.array([2, 2, 0]),
        **replaced,
    }
    return {key: value for key, value in content.items() if value is not None}


def npz(project: Path, content: dict[str, Any], **fields: Any) -> NpzSource:
    np.savez(project / "images.npz", **content)
    return NpzSource.model_validate({"name": "npz", "path": "images.npz", **fields})


def test_grey_arrays_are_read_with_the_numbers_up_to_the_highest_label_as_classes(tmp_path) -> None:
    content = arrays()
    found = read(npz(tmp_path, content), tmp_path)
    assert_close(found.train.images, torch.from_numpy(content["x_train"])[:, None], rtol=0, atol=0)
    assert_close(found.test.images, torch.from_numpy(content["x_test"])[:, None], rtol=0, atol=0)
    assert found.train.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert found.test.labels.tolist() == [2, 2, 0]
    assert found.train.classes == found.test.classes == ("0", "1", "2")
    assert found.origin == "images.npz"
    assert found.licence == "not stated"


def test_an_absolute_path_is_used_unchanged(tmp_path) -> None:
    npz(tmp_path, arrays())
    found = read(NpzSource(name="npz", path=str(tmp_path / "images.npz")), tmp_path / "elsewhere")
    assert len(found.train) == 6


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("order", ["channels last", "channels second", "channels last in Fortran order"])
def test_channels_can_be_the_last_or_the_second_axis(tmp_path, channels, order) -> None:
    expected = np.random.default_rng(0).integers(0, 256, (6, channels, 4, 4), dtype=np.uint8)
    stored = expected if order == "channels second" else expected.transpose(0, 2, 3, 1)
    stored = np.asfortranarray(stored) if "Fortran" in order else stored
    found = read(npz(tmp_path, arrays(x_train=stored, x_test=stored[:3])), tmp_path)
    assert_close(found.train.images, torch.from_numpy(expected), rtol=0, atol=0)
    assert_close(found.test.images, torch.from_numpy(expected[:3]), rtol=0, atol=0)


X = arrays()["x_train"]


def names_by_image(found: SourceData) -> dict[bytes, str]:
    return {
        image.numpy().tobytes(): part.classes[label]
        for part in (found.train, found.test)
        for image, label in zip(part.images, part.labels.tolist(), strict=True)
    }


def test_if_both_orders_are_possible_the_source_must_say_which(tmp_path) -> None:
    stored = np.random.default_rng(0).integers(0, 256, (6, 3, 3, 3), dtype=np.uint8)
    content = arrays(x_train=stored, x_test=stored[:3])
    message = refusal(npz(tmp_path, content), tmp_path)
    assert "x_train is uint8 of shape (6, 3, 3, 3): either axis may be the channels" in message
    last, first = (read(npz(tmp_path, content, channels=axis), tmp_path).train.images for axis in ("last", "first"))
    assert_close(last, torch.from_numpy(stored).permute(0, 3, 1, 2), rtol=0, atol=0)
    assert_close(first, torch.from_numpy(stored), rtol=0, atol=0)


def test_channels_that_are_not_where_the_source_says_are_refused(tmp_path) -> None:
    stored = np.zeros((6, 4, 4, 3), dtype=np.uint8)
    message = refusal(npz(tmp_path, arrays(x_train=stored), channels="first"), tmp_path)
    assert "x_train is uint8 of shape (6, 4, 4, 3), whose channels are not first" in message


@pytest.mark.parametrize(
    ("dtype", "black", "white"),
    [("float32", 0, 1), ("float64", -1, 1), ("float16", 0, 1), ("int64", 0, 255), ("uint16", 0, 65535)],
)
def test_a_stated_range_becomes_bytes(tmp_path, dtype, black, white) -> None:
    share = np.linspace(0, 1, 256).repeat(6).reshape(6, 16, 16)
    content = arrays(
        x_train=(black + share * (white - black)).round(4 if dtype[0] == "f" else 0).astype(dtype), x_test=None
    )
    message = refusal(npz(tmp_path, content), tmp_path)
    assert f"x_train is {dtype} with values from {black} to {white:g}; write what is black and what is white" in message
    found = read(npz(tmp_path, content, pixel_range=[black, white], test_fraction=0.5), tmp_path)
    together = torch.cat([found.train.images, found.test.images]).flatten().sort().values
    assert_close(together, torch.arange(256).repeat_interleave(6).to(torch.uint8), rtol=0, atol=0)
    assert f"{black} is black and {white} white" in found.reading["taken_for"]["x_train"]


@pytest.mark.parametrize("strange", [1.5, -0.1, float("nan"), float("inf")])
def test_pixels_outside_of_the_stated_range_are_refused(tmp_path, strange) -> None:
    pixels = np.full((6, 4, 4), 0.5)
    pixels[3, 2, 1] = strange
    message = refusal(npz(tmp_path, arrays(x_train=pixels), pixel_range=[0, 1]), tmp_path)
    assert "outside of the pixel_range [0, 1]" in message


def test_without_test_images_some_are_set_aside(tmp_path) -> None:
    content = arrays(x_test=None, y_test=None)
    found = read(npz(tmp_path, content, test_fraction=0.5), tmp_path)
    assert names_by_image(found) == {X[row].tobytes(): "012012"[row] for row in range(6)}
    assert found.train.labels.bincount().tolist() == found.test.labels.bincount().tolist() == [1, 1, 1]


@pytest.mark.parametrize("names", [("x", "y"), ("images", "labels"), ("train_images", "train_labels")])
def test_other_names_are_known(tmp_path, names) -> None:
    content = {names[0]: arrays()["x_train"], names[1]: arrays()["y_train"], "note": np.zeros(2)}
    found = read(npz(tmp_path, content, test_fraction=0.5), tmp_path)
    assert len(found.train) == 3
    assert found.reading["taken_for"] == {
        names[0]: "uint8, N x H x W",
        names[1]: "one per image",
        "left out": "note",
    }


def test_the_validation_images_of_medmnist_are_left_out_and_said_to_be(tmp_path) -> None:
    names = {"train": "train", "test": "test"}
    content = {f"{names[split]}_images": arrays()[f"x_{split}"] for split in names}
    content |= {f"{names[split]}_labels": arrays()[f"y_{split}"][:, None] for split in names}
    found = read(npz(tmp_path, {**content, "val_images": X, "val_labels": arrays()["y_train"][:, None]}), tmp_path)
    assert (len(found.train), len(found.test)) == (6, 3)
    assert found.test.labels.tolist() == [2, 2, 0]
    assert found.reading["taken_for"]["left out"] == "val_images, val_labels"


def test_images_without_labels_have_a_single_class(tmp_path) -> None:
    found = read(npz(tmp_path, {"x": X}, test_fraction=0.5), tmp_path)
    assert found.train.classes == ("picture",)
    assert found.train.labels.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (np.array([[4], [5], [6]] * 2), ("4", "5", "6")),
        (np.eye(3, dtype=np.uint8)[[0, 1, 2, 0, 1, 2]], ("0", "1", "2")),
        (np.eye(3)[[0, 1, 2, 0, 1, 2]], ("0", "1", "2")),
        (np.eye(3, dtype=bool)[[0, 1, 2, 0, 1, 2]], ("0", "1", "2")),
        (np.array([-1, 0, 1] * 2), ("-1", "0", "1")),
        (np.array(["2", "10", "NA"] * 2), ("2", "10", "NA")),
    ],
    ids=["a column that starts at 4", "one-hot", "one-hot floats", "one-hot truths", "from -1", "texts"],
)
def test_labels_come_in_many_forms(tmp_path, labels, classes) -> None:
    found = read(npz(tmp_path, {"x": X, "y": labels}, test_fraction=0.5), tmp_path)
    assert found.train.classes == found.test.classes == classes
    assert names_by_image(found) == {X[row].tobytes(): classes[row % 3] for row in range(6)}


@pytest.mark.parametrize("dtype", ["int8", "uint8", "uint16", "int32", "uint64", ">i8"])
def test_labels_can_have_any_integer_type(tmp_path, dtype) -> None:
    labels = {key: arrays()[key].astype(dtype) for key in ("y_train", "y_test")}
    found = read(npz(tmp_path, arrays(**labels)), tmp_path)
    assert found.train.labels.dtype == torch.int64
    assert found.train.labels.tolist() == [0, 1, 2, 0, 1, 2]


@pytest.mark.parametrize(
    ("replaced", "found"),
    [
        ({"x_train": None}, "it has y_train, x_test, y_test"),
        ({"x_train": None, "pixels": X}, "it has y_train, x_test, y_test, pixels"),
        ({"y_test": None}, "the test images have no labels, but the training images do"),
        ({"y_train": None}, "the training images have no labels, but the test images do"),
        ({"y_train": None, "y_test": None, "target": np.arange(6)}, "target may be the labels of x_train; call it "),
        ({"x_train": X[..., None].repeat(2, 3)}, "x_train is uint8 of shape (6, 4, 4, 2)"),
        ({"x_train": X.reshape(6, 16)}, "x_train is uint8 of shape (6, 16)"),
        ({"x_train": np.uint8(3)}, "x_train is uint8 of shape ()"),
        ({"x_test": X[:0], "y_test": np.array([], dtype=int)}, "x_test is uint8 of shape (0, 4, 4): no images"),
        ({"x_train": X > 7}, "x_train is bool, no numbers"),
        ({"y_train": np.zeros(5, dtype=int)}, "y_train has 5 labels, for 6 images in x_train"),
        ({"y_test": np.zeros(3)}, "y_test is float64 of shape (3,)"),
        ({"y_test": np.zeros(3, dtype=bool)}, "y_test is bool of shape (3,)"),
        ({"y_train": np.eye(3)[[0, 1, 2] * 2] / 2}, "y_train is float64 of shape (6, 3), and its rows are not one-hot"),
        ({"y_train": np.ones((6, 2), dtype=int)}, "y_train is int64 of shape (6, 2), and its rows are not one-hot"),
        ({"y_train": np.array(["a", "b", "c"] * 2)}, "the test images have the label"),
        ({"y_test": np.array([0, -3, 1])}, "the test images have the label -3"),
        ({"y_train": np.array([0, 1, 3, 0, 1, 3])}, "the training labels go from 0 to 3, but no image has 2"),
        ({"y_train": np.array([0, 1, 2, 0, 1, 10**12])}, "go from 0 to 1000000000000, but no image has 3"),
        ({"y_test": np.array([0, 5, 1])}, "the test images have the label 5, the training images do not"),
        ({"x_test": X[:3, :2, :2]}, "{'train': (1, 4, 4), 'test': (1, 2, 2)}"),
        ({"x_test": X[:3, ..., None].repeat(3, 3)}, "{'train': (1, 4, 4), 'test': (3, 4, 4)}"),
    ],
)  # fmt: skip
def test_arrays_other_than_images_with_labels_are_refused(tmp_path, replaced, found) -> None:
    message = refusal(npz(tmp_path, arrays(**replaced)), tmp_path)
    assert message.startswith(f"data.source.path: {tmp_path / 'images.npz'}: ")
    assert found in message
    assert "allowed: a .npz archive without Python objects" in message


def test_images_that_are_not_square_are_read(tmp_path) -> None:
    found = read(npz(tmp_path, arrays(x_train=X[:, :3], x_test=X[:3, :3])), tmp_path)
    assert found.train.image_shape == (1, 3, 4)


@pytest.mark.parametrize("pixel_range", [[1, 0], [0, 0]])
def test_a_range_whose_black_is_not_below_its_white_is_refused(pixel_range) -> None:
    with pytest.raises(ValueError, match="pixel_range: black must be below white"):
        NpzSource.model_validate({"name": "npz", "path": "images.npz", "pixel_range": pixel_range})


@pytest.mark.parametrize("key", ["x_train", "y_test"])
def test_python_objects_in_an_archive_are_refused_and_never_unpickled(tmp_path, key) -> None:
    trapped = np.array([Trap(tmp_path / "sprung")], dtype=object)
    message = refusal(npz(tmp_path, arrays(**{key: trapped})), tmp_path)
    assert f"{key} cannot be read" in message
    assert "Object arrays cannot be loaded" in message
    assert not (tmp_path / "sprung").exists()


def test_a_missing_archive_and_a_folder_are_refused(tmp_path) -> None:
    (tmp_path / "folder.npz").mkdir()
    assert "No such file" in refusal(NpzSource(name="npz", path="missing.npz"), tmp_path)
    assert "it is no regular file" in refusal(NpzSource(name="npz", path="folder.npz"), tmp_path)
    os.mkfifo(tmp_path / "pipe.npz")
    assert "it is no regular file" in refusal(NpzSource(name="npz", path="pipe.npz"), tmp_path)


@pytest.mark.parametrize("kept", [0, 0.5, 0.99])
def test_a_truncated_archive_is_refused(tmp_path, kept) -> None:
    source, path = npz(tmp_path, arrays()), tmp_path / "images.npz"
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    assert f"data.source.path: {path}: File is not a zip file" in refusal(source, tmp_path)


def test_a_single_array_is_refused(tmp_path) -> None:
    np.save(tmp_path / "images.npy", X)
    assert "not a zip file" in refusal(NpzSource(name="npz", path="images.npy"), tmp_path)


def test_an_archive_with_damaged_pixels_is_refused(tmp_path) -> None:
    source, path = npz(tmp_path, arrays()), tmp_path / "images.npz"
    content = bytearray(path.read_bytes())
    content[content.find(X.tobytes())] ^= 1
    path.write_bytes(content)
    message = refusal(source, tmp_path)
    assert "x_train cannot be read" in message
    assert "Bad CRC-32" in message


def test_an_archive_that_unpacks_to_more_than_fits_is_refused_before_it_is_unpacked(tmp_path, monkeypatch) -> None:
    pixels = np.zeros((100, 100, 100), dtype=np.uint8)
    np.savez_compressed(tmp_path / "images.npz", x=pixels)
    assert (tmp_path / "images.npz").stat().st_size < 5000
    memory = psutil.virtual_memory()
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory._replace(available=2 * 10**6))
    message = refusal(NpzSource(name="npz", path="images.npz"), tmp_path)
    assert "x has 1 MiB unpacked, and 3 copies of it do not fit into 2 MiB of free memory" in message
