"""Published data sets that torchvision knows; every file is checked before it is used."""

import gzip
import hashlib
import zipfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from torchvision.datasets import CIFAR10, CIFAR100, EMNIST, KMNIST, MNIST, QMNIST, STL10, SVHN, FashionMNIST
from torchvision.datasets.utils import check_integrity

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.data.packaged import DIGITS, MNIST_LICENCE, MNIST_ORIGIN
from gan_pipelines.data.source import SPLITS, SourceData, contiguous, refusing
from gan_pipelines.parameters import TorchvisionSource

PUBLISHED_AS_ARCHIVES = (EMNIST, KMNIST, QMNIST)
"""Digests are known of the archives alone, so these are kept beside what they hold."""

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
    "mnist": (MNIST, MNIST_ORIGIN, MNIST_LICENCE),
    "fashion_mnist": (FashionMNIST, "Fashion-MNIST: Xiao, Rasul, Vollgraf 2017 (Zalando)", "MIT"),
    "kmnist": (KMNIST, "Kuzushiji-MNIST: Clanuwat et al. 2018 (CODH)", "CC BY-SA 4.0"),
    "qmnist": (QMNIST, "QMNIST: Yadav, Bottou 2019", "see github.com/facebookresearch/qmnist"),
    "emnist": (EMNIST, "EMNIST: Cohen, Afshar, Tapson, van Schaik 2017 (NIST)", "not stated; cite Cohen et al. 2017"),
    "svhn": (SVHN, "SVHN, cropped digits: Netzer et al. 2011", "non-commercial use only"),
    "cifar10": (CIFAR10, "CIFAR-10: Krizhevsky 2009", "not stated; cite Krizhevsky 2009"),
    "cifar100": (CIFAR100, "CIFAR-100: Krizhevsky 2009", "not stated; cite Krizhevsky 2009"),
    "stl10": (STL10, "STL-10: Coates, Lee, Ng 2011", "not stated; cite Coates et al. 2011"),
}


def read_torchvision(source: TorchvisionSource, folder: Path) -> SourceData:
    """A published data set with its own split; missing files are downloaded, altered ones refused."""
    kind, origin, licence = PUBLISHED[source.name]
    files = _published_files(source.name)
    with refusing(f"data.source.folder: {source.name} in {folder}: ", f"; expected: {', '.join(files)}."):
        _check_unaltered(folder, files)
        old_copy = folder / kind.__name__ / "processed" / "training.pt"
        if old_copy.exists():
            raise ValueError(f"{old_copy}, from an old torchvision, would be read instead; delete it")
        missing = [file for file in files if not (folder / file).is_file()]
        if missing or kind in PUBLISHED_AS_ARCHIVES:  # of archives that are there, this unpacks what is not
            remedy = (
                "run once with network access, copy the published files there, or use mnist_5k, which needs neither"
            )
            failed = f"missing {', '.join(missing)}; the download failed (" if missing else "unpacking failed ("
            with refusing(failed, f"); {remedy}"):
                for split in SPLITS:
                    _open(source, folder, split, download=True)
            if lacking := [file for file in files if not (folder / file).is_file()]:
                raise ValueError(f"missing {', '.join(lacking)}, but what it held is there; delete that and run again")
            _check_unaltered(folder, files)
        # CIFAR's format is pickle. Its files have just been checked, and torchvision checks them again before
        # unpickling, so only what the authors published is unpickled.
        opened = [_open(source, folder, split) for split in SPLITS]
        if kind in PUBLISHED_AS_ARCHIVES:
            for published in opened:
                _check_unpacked(published)
        train, test = map(_published_images, opened)
    return SourceData(train, test, origin, licence)


def _open(source: TorchvisionSource, folder: Path, split: str, download: bool = False) -> Any:
    kind, *_ = PUBLISHED[source.name]
    if kind in (SVHN, STL10):
        return kind(str(folder), split, download=download)
    subset = {"split": source.subset} if kind is EMNIST else {}
    return kind(str(folder), train=split == "train", download=download, **subset)


def _published_files(name: str) -> dict[str, str]:
    """Paths relative to the folder, with their MD5."""
    kind, *_ = PUBLISHED[name]
    if kind is SVHN:
        return {file: md5 for _, file, md5 in (kind.split_list[split] for split in SPLITS)}
    if kind is STL10:
        return {f"{kind.base_folder}/{file}": md5 for file, md5 in (*kind.train_list, *kind.test_list)}
    if issubclass(kind, CIFAR10):
        listed = [*kind.train_list, *kind.test_list, (kind.meta["filename"], kind.meta["md5"])]
        return {f"{kind.base_folder}/{file}": md5 for file, md5 in listed}
    if kind is EMNIST:
        listed = [("gzip.zip", kind.md5)]
    elif kind is QMNIST:
        listed = [(Path(url).name, md5) for split in SPLITS for url, md5 in kind.resources[split]]
    else:
        listed = list(kind.resources if kind is KMNIST else IDX_MD5[name].items())
    return {f"{kind.__name__}/raw/{file}": md5 for file, md5 in listed}


def _check_unaltered(folder: Path, files: dict[str, str]) -> None:
    for file, md5 in files.items():
        if (path := folder / file).is_file() and not check_integrity(path, md5):
            size = path.stat().st_size
            raise ValueError(
                f"{path} ({size} bytes) is altered or truncated: its MD5 is not {md5}; delete it and run again"
            )


def _check_unpacked(published: Any) -> None:
    """Unpacked files have no published digest, so they are compared with the archive, which has one."""
    if isinstance(published, KMNIST):
        start = Path(published.raw_folder) / ("train" if published.train else "t10k")
        paths = [Path(f"{start}-images-idx3-ubyte"), Path(f"{start}-labels-idx1-ubyte")]
    else:
        paths = [Path(published.images_file), Path(published.labels_file)]
    for path in paths:
        with ExitStack() as files:
            if isinstance(published, EMNIST):
                archive = files.enter_context(zipfile.ZipFile(path.parent / "gzip.zip"))
                packed: Any = files.enter_context(archive.open(f"gzip/{path.name}.gz"))
            else:
                packed = files.enter_context(path.with_name(f"{path.name}.gz").open("rb"))
            unpacked = files.enter_context(path.open("rb"))
            original = files.enter_context(gzip.open(packed))
            if hashlib.file_digest(original, "sha256").digest() != hashlib.file_digest(unpacked, "sha256").digest():
                raise ValueError(f"{path} is not what its archive holds; delete it and run again")


def _published_images(published: Any) -> LabelledImages:
    classes, labels = DIGITS, published.targets if hasattr(published, "targets") else contiguous(published.labels)
    match published:
        case SVHN() | STL10():  # already count x channels x height x width
            images = contiguous(published.data)
        case CIFAR10():
            images = contiguous(published.data.transpose(0, 3, 1, 2))
        case EMNIST():  # lies on its side
            images = published.data.transpose(1, 2).contiguous().unsqueeze(1)
        case _:
            images = published.data.unsqueeze(1)
    match published:
        case QMNIST():  # beside the digit: writer, place and so on
            labels = labels[:, 0]
        case EMNIST(split="letters"):  # its first class, N/A, has no pictures
            labels, classes = labels - 1, tuple(published.classes[1:])
        case CIFAR10() | EMNIST() | FashionMNIST() | KMNIST() | STL10():
            classes = tuple(published.classes)
    return LabelledImages(images, torch.as_tensor(labels, dtype=torch.int64), classes)
