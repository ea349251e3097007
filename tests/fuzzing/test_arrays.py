"""Archives of arrays: read as images with sound labels and classes, or refused by their path."""

import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from hypothesis.strategies import DrawFn
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from gan_pipelines.data.arrays import KEYS
from gan_pipelines.data.images import LabelledImages
from gan_pipelines.data.source import SourceData
from gan_pipelines.data.sources import read_source
from gan_pipelines.parameters import NpzSource
from tests.fuzzing.outcome import accepted, cases, unchanged
from tests.fuzzing.schemas import Fields

PLAIN = {"name": "npz", "path": "some.npz"}
SOURCES = st.just(PLAIN) | Fields(NpzSource, st.none()).valid()
SOURCE = TypeAdapter(NpzSource)
NAMES = sorted({name for keys in KEYS for pair in keys.values() for name in pair})
DTYPES = st.one_of(
    st.sampled_from([np.dtype(name) for name in ("u1", "i1", ">i8", "u8", "f2", "f4", "f8", "?", "U3", "S3", "O")]),
    arrays.array_dtypes(max_size=2),
    arrays.datetime64_dtypes(),
    arrays.complex_number_dtypes(),
)


@st.composite
def any_array(draw: DrawFn) -> NDArray[Any]:
    """Of any type and shape; objects are pickled, so they are never read."""
    dtype = draw(DTYPES)
    shape = draw(arrays.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4))
    return np.zeros(shape, dtype) if dtype.hasobject else draw(arrays.arrays(dtype, shape))


@st.composite
def pictures(draw: DrawFn, count: int) -> NDArray[Any]:
    """So many small pictures in some order of axes, of some type."""
    size, channels = draw(st.sampled_from([(3, 4), (1, 1), (3, 3)])), draw(st.sampled_from([1, 3]))
    shape = draw(st.sampled_from([(count, *size), (count, *size, channels), (count, channels, *size)]))
    dtype = draw(st.sampled_from(["u1", "u1", "u1", "i2", "f4", "f8"]))
    values = arrays.from_dtype(np.dtype(dtype)) if draw(st.booleans()) else st.integers(0, 1)
    return draw(arrays.arrays(dtype, shape, elements=values, fill=values))


@st.composite
def labels(draw: DrawFn, count: int) -> NDArray[Any]:
    """So many labels as numbers, texts or rows."""
    classes = draw(st.integers(1, 3))
    numbers = np.arange(count) % classes
    return draw(
        st.sampled_from(
            [numbers, numbers.astype("u8"), numbers[:, None], np.eye(classes)[numbers], numbers - 5, numbers * 2.5]
        )
        | arrays.arrays("U2", count, elements=st.text("ab12é", max_size=2))
        | arrays.arrays("i8", count)
    )


@st.composite
def archives(draw: DrawFn) -> dict[str, NDArray[Any]]:
    """Arrays under names that are read: such as people save, with up to one of them replaced by any other."""
    found = {}
    for x, y in draw(st.sampled_from(KEYS)).values():
        count = draw(st.integers(1, 12))
        found |= {x: draw(pictures(count)), y: draw(labels(count))}
    for name in draw(st.sets(st.sampled_from(sorted(found)), max_size=1)):
        del found[name]
    if draw(st.booleans()):
        found[draw(st.sampled_from(NAMES) | st.text(st.characters(codec="utf-8"), max_size=4))] = draw(any_array())
    return found


def read(source: dict[str, Any], folder: Path) -> SourceData | None:
    """Read the archive of a folder as an experiment does; None if the experiment or the archive is refused."""
    try:
        checked = SOURCE.validate_python(source | PLAIN)
    except ValidationError:
        return None
    with unchanged(folder):
        return accepted(lambda: read_source(checked, folder, torch.Generator()), "data.source")


def check(images: LabelledImages) -> None:
    """What must hold of images, so that an experiment can run with them."""
    assert images.images.dtype == torch.uint8
    assert images.images.is_contiguous()
    assert len(images.classes) == len(set(images.classes))
    assert images.one_hot_labels().values.sum() == len(images)


@cases(0.12)
@given(source=SOURCES, archive=archives())
def test_an_archive_is_read_or_refused(source: dict[str, Any], archive: dict[str, NDArray[Any]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        with zipfile.ZipFile(Path(name) / "some.npz", "w") as file, warnings.catch_warnings(action="ignore"):
            for key, array in archive.items():
                with file.open(f"{key}.npy", "w") as member:
                    np.lib.format.write_array(member, array)
        found = read(source, Path(name))
    if found is not None:
        check(found.train)
        check(found.test)
        assert set(found.train.labels.tolist()) == set(range(len(found.train.classes)))


@cases(0.03)
@given(place=st.floats(0, 1), piece=st.binary(max_size=4), cut=st.integers(0, 40))
def test_an_archive_with_bytes_replaced_is_read_or_refused(place: float, piece: bytes, cut: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "some.npz"
        np.savez_compressed(path, x=np.zeros((9, 4, 4), np.uint8), y=np.arange(9) % 3)
        whole = path.read_bytes()
        start = int(place * len(whole))
        path.write_bytes(whole[:start] + piece + whole[start + cut :])
        found = read(PLAIN, Path(name))
    if found is not None:
        check(found.train)
