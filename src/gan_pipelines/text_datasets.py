"""Kedro's datasets of tables, JSON, texts and figures, which here are written whole or not at all."""

from pathlib import Path, PurePosixPath
from typing import Any

from kedro.io import DatasetError
from kedro_datasets import json, pandas, plotly, text

from gan_pipelines.tensor_file import FileError, replacing
from gan_pipelines.versioned import TimedVersions


class WholeFile(TimedVersions):
    """Lets a versioned dataset of kedro-datasets write a temporary file, which then replaces the one that is meant.

    A file that was cut short would otherwise be the newest version. On storage that is no local file system, whose
    files appear when they are complete, nothing changes.
    """

    _partial: PurePosixPath | None = None
    _protocol: str

    def save(self, data: Any) -> None:
        """Write the file whole or not at all.

        Raises:
            DatasetError: it cannot be written; one paragraph.
        """
        write = super().save.__wrapped__  # type: ignore[misc] # without the log of Kedro, which the save of this class has
        if self._protocol != "file":
            write(self, data)
            return
        try:
            with replacing(Path(self._get_save_path())) as partial:
                self._partial = PurePosixPath(partial)
                try:
                    write(self, data)
                finally:
                    self._partial = None
        except FileError as error:
            raise DatasetError(str(error)) from None

    def _get_save_path(self) -> PurePosixPath:
        path: PurePosixPath = self._partial or super()._get_save_path()  # type: ignore[misc]
        return path


class CSVDataset(WholeFile, pandas.CSVDataset):  # type: ignore[misc]
    """A table as CSV."""


class ParquetDataset(WholeFile, pandas.ParquetDataset):  # type: ignore[misc]
    """A table as Parquet."""


class JSONDataset(WholeFile, json.JSONDataset):  # type: ignore[misc]
    """Plain data as JSON."""


class TextDataset(WholeFile, text.TextDataset):  # type: ignore[misc]
    """A text, such as an HTML page."""


class FigureDataset(WholeFile, plotly.JSONDataset):  # type: ignore[misc]
    """A plotly figure."""
