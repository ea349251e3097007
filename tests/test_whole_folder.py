"""A folder of files is written whole or not at all."""

from pathlib import Path

import pytest
from kedro.io import DatasetError
from kedro.io.core import Version

from gan_pipelines.whole_folder import WholeFolderDataset

VERSION = "2026-01-01T00.00.00.000Z"
FILES = {"README.md": b"# model", "model.bin": bytes(range(256))}


def folder(path: Path) -> WholeFolderDataset:
    return WholeFolderDataset(filepath=str(path / "published"), version=Version(None, VERSION))


def test_files_are_written_as_they_are(tmp_path: Path) -> None:
    folder(tmp_path).save(FILES)
    assert folder(tmp_path).exists()
    assert folder(tmp_path).load() == FILES
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == set(FILES)


def test_a_version_that_is_there_is_not_written_again(tmp_path: Path) -> None:
    folder(tmp_path).save(FILES)
    with pytest.raises(DatasetError, match="must not exist"):
        folder(tmp_path).save({"README.md": b"another"})
    dataset = folder(tmp_path)
    with pytest.raises(Exception, match="nothing is overwritten"):
        dataset._write(tmp_path / "published" / VERSION / "published", {"README.md": b"another"})
    assert folder(tmp_path).load() == FILES


def test_a_full_disk_leaves_nothing(tmp_path: Path, full_disk: None) -> None:
    with pytest.raises(DatasetError, match=r"cannot be written \(File too large\)\. None of it is there") as error:
        folder(tmp_path).save({**FILES, "large": bytes(2000)})
    assert "\n" not in str(error.value)
    assert [path.name for path in tmp_path.rglob("*")] == ["published"]
