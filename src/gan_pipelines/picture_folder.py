"""Any number of pictures as PNG files, a folder per class."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Protocol

from PIL import Image

from gan_pipelines.datasets import FileDataset, png
from gan_pipelines.tensor_file import FileError


class NamedPictures(Protocol):
    """Pictures with the paths of their files, one at a time."""

    def __len__(self) -> int:
        """How many there are."""

    def __iter__(self) -> Iterator[tuple[PurePosixPath, Image.Image]]:
        """Path within the folder, and picture; the texts in its `info` are text chunks of the file."""


class PictureFolderDataset(FileDataset[NamedPictures]):
    """A folder of PNG files, written as they are made: each is there whole, whatever becomes of later ones."""

    def _read(self, path: Path) -> NamedPictures:
        raise FileError(f"{path}: pictures are written for other tools; no node of this project reads them.")

    def _write(self, path: Path, data: NamedPictures) -> None:
        for written, (name, picture) in enumerate(data):
            try:
                _write_whole(path / name, png(picture))
            except OSError as error:
                reason = error.strerror or error
                raise FileError(
                    f"{path / name}: cannot be written ({reason}). {written:,} of {len(data):,} pictures are there, "
                    f"and all of them are whole."
                ) from None

    def _exists(self) -> bool:
        return Path(self._get_load_path()).is_dir()


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file under another name first. It is not flushed to the disk: that would take longer than the picture."""
    partial = path.with_name(f"{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
