"""Folders of pictures: what is written is whole, also if the disk is full before the end."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest
from kedro.io import DatasetError
from kedro.io.core import Version
from PIL import Image

from gan_pipelines.picture_folder import PictureFolderDataset

VERSION = "2026-01-01T00.00.00.000Z"


class Pictures:
    """Small pictures, one of which is too large for the disk."""

    def __init__(self, count: int, large: int | None = None) -> None:
        self.count, self.large = count, large

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[tuple[PurePosixPath, Image.Image]]:
        for number in range(self.count):
            side = 500 if number == self.large else 4
            picture = Image.effect_noise((side, side), 100)
            picture.info["number"] = str(number)
            yield PurePosixPath(f"class {number % 2}", f"{number}.png"), picture


def folder(path: Path) -> PictureFolderDataset:
    return PictureFolderDataset(filepath=str(path / "pictures"), version=Version(None, VERSION))


def test_pictures_lie_in_folders_of_their_classes_and_keep_their_texts(tmp_path: Path) -> None:
    folder(tmp_path).save(Pictures(5))
    written = sorted((tmp_path / "pictures" / VERSION / "pictures").rglob("*.*"))
    assert [f"{file.parent.name}/{file.name}" for file in written] == [
        "class 0/0.png", "class 0/2.png", "class 0/4.png", "class 1/1.png", "class 1/3.png"
    ]  # fmt: skip
    for file in written:
        with Image.open(file) as picture:
            assert (picture.size, picture.info["number"]) == ((4, 4), file.stem)
    assert PictureFolderDataset(filepath=str(tmp_path / "pictures"), version=Version(None, None)).exists()


def test_a_version_that_is_there_is_not_written_again(tmp_path: Path) -> None:
    folder(tmp_path).save(Pictures(1))
    with pytest.raises(DatasetError, match="must not exist"):
        folder(tmp_path).save(Pictures(2))
    assert [path.name for path in tmp_path.rglob("*.png")] == ["0.png"]


def test_a_disk_that_is_full_before_the_end_leaves_whole_pictures_and_their_number(
    tmp_path: Path, full_disk: None
) -> None:
    with pytest.raises(DatasetError, match=r"3\.png: cannot be written .* 3 of 9 pictures are there") as error:
        folder(tmp_path).save(Pictures(9, large=3))
    assert "\n" not in str(error.value)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(file.name for file in files) == ["0.png", "1.png", "2.png"]
    for file in files:
        with Image.open(file) as picture:
            picture.load()
