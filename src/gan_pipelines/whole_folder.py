"""A folder of files that is there whole or not at all."""

import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from gan_pipelines.datasets import FileDataset
from gan_pipelines.tensor_file import FileError, sync


class WholeFolderDataset(FileDataset[Mapping[str, bytes]]):
    """Files by name, written into a temporary folder, which gets its name when all of them are on the disk."""

    def _read(self, path: Path) -> Mapping[str, bytes]:
        return {file.name: file.read_bytes() for file in sorted(path.iterdir())}

    def _write(self, path: Path, data: Mapping[str, bytes]) -> None:
        if path.exists():
            raise FileError(f"{path}: is there already, and nothing is overwritten.")
        partial = path.with_name(f"{path.name}.partial")
        try:
            partial.mkdir(parents=True)
            for name, content in data.items():
                (partial / name).write_bytes(content)
                sync(partial / name)
            sync(partial)
            partial.rename(path)
            sync(path.parent)
        except BaseException as error:
            shutil.rmtree(partial, ignore_errors=True)
            with suppress(OSError):  # the folder of the version, unless something else is in it
                path.parent.rmdir()
            if isinstance(error, OSError):
                raise FileError(
                    f"{path}: cannot be written ({error.strerror or error}). None of it is there."
                ) from None
            raise

    def _exists(self) -> bool:
        return Path(self._get_load_path()).is_dir()
