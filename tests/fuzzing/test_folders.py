"""Folders of pictures: read as images with sound labels and classes, or refused by their path."""

import io
import os
import tempfile
from pathlib import Path
from typing import Any

import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from PIL import Image
from pydantic import TypeAdapter, ValidationError

from gan_pipelines.data.pictures import picture_suffixes
from gan_pipelines.data.sources import read_source
from gan_pipelines.parameters import ImageFolderSource
from tests.fuzzing.outcome import accepted, cases, unchanged
from tests.fuzzing.schemas import JSON_BROKEN, Changed, Fields

PLAIN = {"name": "image_folder", "path": "pictures", "test_fraction": 0.5}
SOURCES = Fields(ImageFolderSource, JSON_BROKEN).changed(PLAIN)
SOURCE = TypeAdapter(ImageFolderSource)
FORMATS = {"PNG": ".png", "GIF": ".gif", "BMP": ".BMP", "JPEG": ".jpg", "TIFF": ".tif", "WEBP": ".webp", "PPM": ".pgm"}
MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "I;16")
CLASS_NAMES = ("a", "b", "2", "10", ".hidden", "train", "test", "a b", "é", "=1", "-", "a\nb", "\x1b[31m", "x" * 200)
Tree = dict[str, bytes | None]
"""Files by their place below the folder; None is a folder."""


def rarely(usual: Any, *others: Any) -> SearchStrategy[Any]:
    """One value far more often than the others."""
    return st.sampled_from([usual] * 24 + [*others])


@st.composite
def pictures(draw: DrawFn) -> tuple[str, bytes]:
    """The ending and the content of a small file, more often a picture than not."""
    kind = draw(rarely("PNG", *FORMATS))
    size = draw(rarely((4, 3), (1, 1), (5, 9)))
    mode = draw(rarely("L", *MODES))
    picture = Image.new(mode, size)
    if mode in ("L", "RGB"):
        picture.frombytes(draw(st.binary(min_size=len(picture.tobytes()), max_size=len(picture.tobytes()))))
    options: dict[str, Any] = {}
    if draw(rarely(False, True)):
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = draw(st.integers(0, 9))
    if draw(rarely(False, True)):
        options |= {"transparency": draw(st.integers(0, 255)), "save_all": True}
    stream = io.BytesIO()
    try:
        picture.save(stream, kind, **options)
    except (OSError, TypeError, ValueError, KeyError, SystemError):  # not every format has every mode
        return FORMATS[kind], b""
    content = stream.getvalue()
    if draw(rarely(False, True)):
        start = draw(st.integers(0, len(content)))
        content = content[:start] + draw(st.binary(max_size=4)) + content[start + draw(st.integers(0, 40)) :]
    ending = draw(rarely(FORMATS[kind], "", ".txt", ".png", *sorted(picture_suffixes())))
    return ending, content


@st.composite
def trees(draw: DrawFn) -> Tree:
    """A folder per class, or none, with pictures at some depth."""
    found: Tree = {}
    places = draw(st.lists(st.sampled_from(["", *CLASS_NAMES, "a/b"]), min_size=1, max_size=3, unique=True))
    for place in places:
        files = draw(st.lists(pictures(), min_size=2, max_size=4) | st.just([]))
        found[place or "."] = None
        for number, (ending, content) in enumerate(files):
            found[f"{place}/{draw(rarely('', '.', '_', 'a b'))}{number}{ending}"] = content
    return found


def write(folder: Path, tree: Tree) -> None:
    for name, content in tree.items():
        path = folder / name.strip("/")
        (path if content is None else path.parent).mkdir(parents=True, exist_ok=True)
        if content is not None:
            path.write_bytes(content)


@cases(0.08)
@given(source=st.just(Changed((), PLAIN)) | SOURCES, tree=trees())
def test_a_folder_of_pictures_is_read_or_refused(source: Changed, tree: Tree) -> None:
    try:
        checked = SOURCE.validate_python(source.data)
    except ValidationError:
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder / "pictures", tree)
        with unchanged(folder):
            found = accepted(lambda: read_source(checked, folder, torch.Generator()), "data.source")
    if found is None:
        return
    for images in (found.train, found.test):
        assert images.image_shape[0] in (1, 3)
        assert images.one_hot_labels().values.sum() == len(images)
    assert set(found.train.labels.tolist()) == set(range(len(found.train.classes)))


LINKS = {"a": ".", "b": "/etc", "c.png": "c.png", "d.png": "../secret.png", "e.png": "/dev/zero", "f": "a/f"}


@cases(0.02)
@given(links=st.lists(st.sampled_from(sorted(LINKS)), unique=True, max_size=3), tree=trees())
def test_a_folder_with_links_is_read_or_refused(links: list[str], tree: Tree) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder / "pictures", tree)
        for link in links:
            if not os.path.lexists(folder / "pictures" / link):
                (folder / "pictures" / link).symlink_to(LINKS[link])
        checked = SOURCE.validate_python(PLAIN)
        accepted(lambda: read_source(checked, folder, torch.Generator()), "data.source")
