"""Images and labels from a .npz file, as people save them; what was taken for what is said."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from jaxtyping import Int64, UInt8
from numpy.typing import NDArray
from torch import Tensor

from gan_pipelines.data.class_names import UNLABELLED, natural_key
from gan_pipelines.parameters import NpzSource

KEYS = (  # of images and labels of each split, in the order in which they are looked for
    {"train": ("x_train", "y_train"), "test": ("x_test", "y_test")},
    {"train": ("train_images", "train_labels"), "test": ("test_images", "test_labels")},  # as in MedMNIST
    {"train": ("x", "y")},
    {"train": ("images", "labels")},
)
CONVERTED_AT_ONCE = 2**22
"""Values that become bytes at once."""
COPIES = 3
"""So many copies of an array are in memory at once until the images are split."""
ALLOWED = (
    "; allowed: a .npz archive without Python objects, of images x_train, x_test with labels y_train, y_test (or "
    "train_images, ..., or x and y alone); images N x H x W, N x H x W x C or N x C x H x W, N >= 1, C = 1 or 3, "
    "uint8 or in a stated `pixel_range`; labels whole numbers without gaps, texts, or one-hot rows, or none at all."
)


@dataclass(frozen=True)
class Arrays:
    """Images and labels by split, the names of the classes, and what was taken for what."""

    splits: Mapping[str, tuple[UInt8[Tensor, "count channels height width"], Int64[Tensor, "count"]]]
    classes: tuple[str, ...]
    taken_for: dict[str, str]


def read_arrays(path: Path, source: NpzSource) -> Arrays:
    """Read the arrays that are known by their names, and leave the others.

    Args:
        path: of the archive.
        source: range of the pixels and place of the channels, where the arrays do not tell.

    Raises:
        ValueError: an array is missing, cannot be read, or is not of a form that is allowed.
    """
    if path.exists() and not path.is_file():
        raise ValueError("it is no regular file")
    # not numpy.load, which suggests unpickling when the file is no archive
    with path.open("rb") as file, np.lib.npyio.NpzFile(file, allow_pickle=False) as archive:
        names = next((keys for keys in KEYS if keys["train"][0] in archive.files), None)
        if names is None:
            raise ValueError(f"it has {', '.join(archive.files) or 'nothing'}")
        taken_for: dict[str, str] = {}
        images, labels = {}, {}
        for split, (x, y) in names.items():
            if x in archive.files:
                images[split] = _images(x, _array(archive, x), source, taken_for)
                labels[split] = _labels(y, _array(archive, y), taken_for) if y in archive.files else None
                _require_equal_counts(x, images[split], y, labels[split])
        if unknown := sorted(set(archive.files) - {name for pair in names.values() for name in pair}):
            taken_for["left out"] = ", ".join(unknown)
        x, y = names["train"]
        if labels["train"] is None and (
            named := [name for name in unknown if _shape(archive, name)[:1] == images["train"].shape[:1]]
        ):
            raise ValueError(f"{named[0]} may be the labels of {x}; call it {y}, or leave it out")
    shapes = {split: tuple(found.shape[1:]) for split, found in images.items()}
    if len(set(shapes.values())) > 1:
        raise ValueError(f"the images of the splits have the shapes (channels, height, width) {shapes}")
    return _with_classes(images, labels, taken_for)


def _array(archive: Any, name: str) -> NDArray[Any]:
    unpacked, free = archive.zip.getinfo(f"{name}.npy").file_size, psutil.virtual_memory().available
    if COPIES * unpacked > free:
        raise ValueError(
            f"{name} has {unpacked / 2**20:.0f} MiB unpacked, and {COPIES} copies of it do not fit into "
            f"{free / 2**20:.0f} MiB of free memory"
        )
    try:
        return np.asarray(archive[name])
    except Exception as error:  # decoders may raise any exception
        raise ValueError(f"{name} cannot be read: {error}") from error


def _shape(archive: Any, name: str) -> tuple[int, ...]:
    shape: tuple[int, ...] = _array(archive, name).shape
    return shape


def _images(
    name: str, array: NDArray[Any], source: NpzSource, taken_for: dict[str, str]
) -> UInt8[Tensor, "count channels height width"]:
    found = f"{name} is {array.dtype} of shape {array.shape}"
    first, last = (array.ndim == 4 and array.shape[axis] in (1, 3) for axis in (1, 3))
    if array.ndim == 3:
        array, order = array[:, None], "N x H x W"
    elif first and last and source.channels is None:
        raise ValueError(f"{found}: either axis may be the channels; write `channels: first` or `channels: last`")
    elif last and source.channels != "first":
        array, order = array.transpose(0, 3, 1, 2), "N x H x W x C"
    elif first and source.channels != "last":
        order = "N x C x H x W"
    else:
        raise ValueError(f"{found}" + (f", whose channels are not {source.channels}" if first or last else ""))
    if not array.size:
        raise ValueError(f"{found}: no images")
    taken_for[name] = f"{array.dtype}, {order}"
    return torch.from_numpy(np.ascontiguousarray(_bytes(name, array, source, taken_for)))


def _bytes(name: str, array: NDArray[Any], source: NpzSource, taken_for: dict[str, str]) -> NDArray[np.uint8]:
    if array.dtype == np.uint8 and source.pixel_range is None:
        return array
    if array.dtype.kind not in "fiu":
        raise ValueError(f"{name} is {array.dtype}, no numbers")
    low, high = float(array.min()), float(array.max())
    if source.pixel_range is None:
        raise ValueError(
            f"{name} is {array.dtype} with values from {low:g} to {high:g}; write what is black and what is "
            f"white, such as `pixel_range: [0, 1]`"
        )
    black, white = source.pixel_range
    least, most = np.array([black, white]).astype(array.dtype if array.dtype.kind == "f" else np.float64)
    if not (least <= low and high <= most):  # also if any is NaN
        raise ValueError(
            f"{name} has values from {low:g} to {high:g}, outside of the pixel_range [{black:g}, {white:g}]"
        )
    taken_for[name] += f", {black:g} is black and {white:g} white"
    converted = np.empty(array.shape, dtype=np.uint8)
    at_once = max(1, CONVERTED_AT_ONCE // array[0].size)
    for part in range(0, len(array), at_once):
        ends = slice(part, part + at_once)
        converted[ends] = ((array[ends].astype(np.float64) - black) / (white - black) * 255).round().clip(0, 255)
    return converted


def _labels(name: str, array: NDArray[Any], taken_for: dict[str, str]) -> NDArray[Any]:
    """A name or number per image."""
    found = f"{name} is {array.dtype} of shape {array.shape}"
    form = "one per image"
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    elif array.ndim == 2:
        if array.dtype.kind not in "biuf" or not (np.isin(array, (0, 1)).all() and (array.sum(axis=1) == 1).all()):
            raise ValueError(f"{found}, and its rows are not one-hot")
        array, form = array.argmax(axis=1), "one-hot"
    if array.ndim != 1 or array.dtype.kind not in "iuU":
        raise ValueError(found)
    taken_for[name] = form
    return array


def _require_equal_counts(x: str, images: Tensor, y: str, labels: NDArray[Any] | None) -> None:
    if labels is not None and len(labels) != len(images):
        raise ValueError(f"{y} has {len(labels)} labels, for {len(images)} images in {x}")


def _with_classes(
    images: Mapping[str, Tensor], labels: Mapping[str, NDArray[Any] | None], taken_for: dict[str, str]
) -> Arrays:
    """Class indices; the classes are what labels of the training images there are."""
    if labels["train"] is None and any(found is not None for found in labels.values()):
        raise ValueError("the training images have no labels, but the test images do")
    if labels["train"] is None:
        splits = {split: (found, torch.zeros(len(found), dtype=torch.int64)) for split, found in images.items()}
        return Arrays(splits, (UNLABELLED,), taken_for)
    found = set(labels["train"].tolist())
    known = sorted(found, key=natural_key if labels["train"].dtype.kind == "U" else None)
    if (
        not isinstance(known[0], str)
        and (gap := next((n + 1 for n in known[:-1] if n + 1 not in found), None)) is not None
    ):
        raise ValueError(f"the training labels go from {known[0]} to {known[-1]}, but no image has {gap}")
    place = {label: index for index, label in enumerate(known)}
    splits = {}
    for split, pixels in images.items():
        named = labels[split]
        if named is None:
            raise ValueError(f"the {split} images have no labels, but the training images do")
        if strange := set(named.tolist()) - place.keys():
            raise ValueError(f"the {split} images have the label {strange.pop()!r}, the training images do not")
        splits[split] = pixels, torch.tensor([place[label] for label in named.tolist()])
    return Arrays(splits, tuple(map(str, known)), taken_for)
