"""Files of pictures as bytes of one form: which kinds are read, what is done to each, and what is refused."""

import itertools
import os
import re
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, assert_never

import numpy as np
import psutil
import torch
from jaxtyping import UInt8
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageOps
from torch import Tensor

from gan_pipelines.parameters import PictureForm
from gan_pipelines.progress import track

KINDS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "AVIF", "JPEG2000", "PPM", "QOI", "TIFF", "TGA")
"""What Pillow reads by itself and without another program, in the order in which it is tried."""

MOST_PIXELS = 2**26
"""A larger picture is taken for a bomb: 8,192 x 8,192."""

FILTER = Image.Resampling.BICUBIC
"""Pillow widens it when it makes a picture smaller, so that no finer pattern survives as a coarser one."""

PART = 64
"""Files that a thread reads at a stretch; with fewer, threads wait for each other."""

SMALL = 2**14
"""Bytes of a file that is decoded sooner than a thread waits for Python's lock."""

SHOWN = 5
"""Of files with a fault, so many are named."""

GREY_MODES, DEEP_GREY_MODES = ("1", "L", "LA"), ("I;16", "I;16B")
COLOUR_MODES = ("RGB", "RGBA", "P", "PA", "CMYK", "YCbCr", "LAB")
ORIENTATION, TURNED, ON_ITS_SIDE = 0x0112, range(2, 9), range(5, 9)
"""The EXIF tag, its values that mean that something is to be done, and those that swap height and width."""


@dataclass(frozen=True)
class ReadPictures:
    """Pictures in the order of their files, and how many of them were changed in which way."""

    images: UInt8[Tensor, "count channels height width"]
    changes: dict[str, int]


@dataclass(frozen=True)
class _Picture:
    pixels: NDArray[np.uint8]  # height x width x channels
    changes: tuple[str, ...]


def picture_suffixes() -> frozenset[str]:
    """Endings of the files that are read, in lower case."""
    Image.init()
    return frozenset(suffix for suffix, kind in Image.EXTENSION.items() if kind in KINDS)


def read_pictures(files: Sequence[Path], form: PictureForm) -> ReadPictures:
    """Decode files in parallel, each once.

    Args:
        files: of pictures; not empty.
        form: mode, size and background that they are brought to.

    Raises:
        ValueError: files are broken, of unequal sizes, transparent, or too many for the memory; the message names those
            that are broken together.
    """
    size = form.height_and_width or _first_size(files)
    if size:
        _require_memory(len(files), size)
    with ThreadPoolExecutor(_threads(files[:PART])) as pool:
        parts = [files[start : start + PART] for start in range(0, len(files), PART)]
        read = pool.map(lambda part: [_try_reading(file, form, size) for file in part], parts)
        found = list(itertools.chain.from_iterable(track(read, "read", len(files))))
    if faults := [(file, fault) for file, fault in zip(files, found, strict=True) if isinstance(fault, str)]:
        raise ValueError(_name_faults(faults))
    pictures = [picture for picture in found if isinstance(picture, _Picture)]
    _require_one_size(pictures)
    channels = 1 if form.mode == "grey" else max(picture.pixels.shape[2] for picture in pictures)
    channels = 3 if form.mode == "colour" else channels
    changes = Counter(change for picture in pictures for change in picture.changes)
    if widened := sum(picture.pixels.shape[2] < channels for picture in pictures):
        changes["grey to colour"] += widened
    height, width, _ = pictures[0].pixels.shape
    images = np.empty((len(pictures), channels, height, width), dtype=np.uint8)
    for place, picture in enumerate(pictures):
        images[place] = picture.pixels.transpose(2, 0, 1)  # one channel fills three
    return ReadPictures(torch.from_numpy(images), dict(sorted(changes.items())))


def _threads(some: Sequence[Path]) -> int:
    """One for small pictures: most of their time goes into Python, which runs one thread at a time."""
    sizes = [file.stat().st_size for file in some if file.is_file()]
    return 1 if sum(sizes) < SMALL * len(sizes) else os.cpu_count() or 1


def _first_size(files: Sequence[Path]) -> tuple[int, int] | None:
    """Height and width of the first file that is a picture."""
    for file in files:
        with suppress(Exception), file.open("rb") as stream, Image.open(stream, formats=KINDS) as picture:
            return _upright_size(picture, picture.getexif().get(ORIENTATION))
    return None


def _upright_size(picture: Image.Image, orientation: int | None) -> tuple[int, int]:
    """Height and width, once the picture is turned as its EXIF orientation says."""
    return picture.size if orientation in ON_ITS_SIDE else picture.size[::-1]


def _require_memory(count: int, size: tuple[int, int]) -> None:
    """The pictures are in memory twice, and, if in doubt, in colour."""
    needed, free = 2 * 3 * count * size[0] * size[1], psutil.virtual_memory().available
    if needed > free:
        raise ValueError(
            f"{count} pictures of {size[1]} x {size[0]} pixels need {needed / 2**20:.0f} MiB, and "
            f"{free / 2**20:.0f} MiB of memory are free"
        )


def _try_reading(file: Path, form: PictureForm, size: tuple[int, int] | None) -> _Picture | str:
    """The picture, or why there is none; one that is not of the wanted size, and may not be resized, is not decoded."""
    try:
        # not by its path: Pillow would map an uncompressed file, and turn it wrongly
        with file.open("rb") if file.is_file() else _no_file(file) as stream:
            before = os.fstat(stream.fileno())
            if not before.st_size:
                raise ValueError("it is empty")
            with Image.open(stream, formats=KINDS) as picture:
                if picture.width * picture.height > MOST_PIXELS:
                    raise ValueError(f"{picture.width} x {picture.height} pixels are more than {MOST_PIXELS}")
                orientation = picture.getexif().get(ORIENTATION)
                if form.size is None and size and (found := _upright_size(picture, orientation)) != size:
                    return _Picture(np.empty((*found, 0), dtype=np.uint8), ())
                read = _normalise(picture, orientation, form)
            after = os.fstat(stream.fileno())
            if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
                raise ValueError("it changed while it was read")
    except Exception as error:  # decoders may raise any exception
        return " ".join(re.sub("<_io.BufferedReader.*?>", "it", str(error)).split()).rstrip(".") or type(error).__name__
    return read


def _no_file(file: Path) -> NoReturn:
    raise ValueError("it is no regular file" if file.exists() else "there is no such file")


def _normalise(picture: Image.Image, orientation: int | None, form: PictureForm) -> _Picture:
    """Frame, orientation, depth, transparency, mode, size: in this order."""
    changes = ["first frame of several"] if getattr(picture, "n_frames", 1) > 1 else []
    if orientation in TURNED:
        picture = ImageOps.exif_transpose(picture)
        changes.append("turned as its EXIF orientation says")
    picture = _flatten(_to_eight_bits(picture, changes), form.background, changes)
    picture = _to_mode(picture, form.mode, changes)
    if form.height_and_width is not None and picture.size != (wanted := form.height_and_width[::-1]):
        picture = _resize(picture, wanted, form, changes)
    pixels = np.frombuffer(picture.tobytes(), dtype=np.uint8)  # several times as fast as Pillow's own array
    return _Picture(pixels.reshape(picture.height, picture.width, -1), tuple(changes))


def _to_eight_bits(picture: Image.Image, changes: list[str]) -> Image.Image:
    """16-bit grey as 8-bit grey; a value that stands for transparent becomes an alpha channel."""
    deep = picture.mode in DEEP_GREY_MODES or (picture.mode == "I" and picture.format == "PPM")
    if not deep:
        if picture.mode not in (*GREY_MODES, *COLOUR_MODES):
            raise ValueError(f"its mode is {picture.mode}, which is not read")
        return picture
    values = np.asarray(picture).astype(np.uint32)
    changes.append("16 to 8 bits")
    eight = Image.fromarray(((values + 128) // 257).astype(np.uint8))
    if isinstance(transparent := picture.info.get("transparency"), int):
        eight.putalpha(Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8)))
    return eight


def _flatten(picture: Image.Image, background: str | None, changes: list[str]) -> Image.Image:
    """Lay a transparent picture on the background; one that is opaque everywhere loses its alpha."""
    if "transparency" in picture.info:
        picture = picture.convert("LA" if picture.mode in GREY_MODES else "RGBA")
    if picture.mode == "PA":
        picture = picture.convert("RGBA")
    if picture.mode not in ("LA", "RGBA"):
        return picture
    opaque, alpha = picture.convert("L" if picture.mode == "LA" else "RGB"), picture.getchannel("A")
    if alpha.getextrema()[0] == 255:
        return opaque
    if background is None:
        raise ValueError("it is transparent")
    ground = _ground(opaque, picture.size, background)
    ground.paste(opaque, mask=alpha)
    changes.append("transparency laid on the background")
    return ground


def _ground(picture: Image.Image, size: tuple[int, int], colour: str) -> Image.Image:
    """A picture of one colour; grey if that colour is and the other picture is too."""
    red, green, blue = ImageColor.getrgb(colour)[:3]
    if picture.mode == "L" and red == green == blue:
        return Image.new("L", size, red)
    return Image.new("RGB", size, (red, green, blue))


def _to_mode(picture: Image.Image, mode: str | None, changes: list[str]) -> Image.Image:
    """Grey stays grey, and all else becomes colour, unless grey is wanted: the luminance of colours."""
    if picture.mode in GREY_MODES:
        return picture if picture.mode == "L" else picture.convert("L")
    if picture.mode != "RGB":
        changes.append(f"{'palette' if picture.mode == 'P' else picture.mode} to RGB")
        picture = picture.convert("RGB")
    if mode != "grey":
        return picture
    changes.append("colour to grey")
    return picture.convert("L")


def _resize(picture: Image.Image, wanted: tuple[int, int], form: PictureForm, changes: list[str]) -> Image.Image:
    """To a width and height, in pixels."""
    match form.fit:
        case "crop":
            changes.append("cropped and resized")
            return ImageOps.fit(picture, wanted, FILTER)
        case "pad":
            changes.append("resized and padded")
            inner = ImageOps.contain(picture, wanted, FILTER)
            ground = _ground(inner, wanted, form.background or "black")
            ground.paste(inner, ((wanted[0] - inner.width) // 2, (wanted[1] - inner.height) // 2))
            return ground.convert("L") if form.mode == "grey" else ground
        case "stretch":
            changes.append("stretched")
            return picture.resize(wanted, FILTER)
    assert_never(form.fit)


def _require_one_size(pictures: Sequence[_Picture]) -> None:
    sizes = Counter((picture.pixels.shape[1], picture.pixels.shape[0]) for picture in pictures)
    if len(sizes) > 1:
        often = " and ".join(f"{width} x {height} ({count})" for (width, height), count in sizes.most_common(2))
        raise ValueError(f"pictures of {len(sizes)} sizes, most often {often} pixels")


def _name_faults(faults: Sequence[tuple[Path, str]]) -> str:
    shown = "; ".join(f"{file}: {fault}" for file, fault in faults[:SHOWN])
    more = f"; and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
    return f"{len(faults)} of the files cannot be read as pictures: {shown}{more}"
