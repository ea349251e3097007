"""Tables, JSON, texts and figures are written whole or not at all."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import pytest
from kedro.io import DatasetError, Version

from gan_pipelines.text_datasets import CSVDataset, FigureDataset, JSONDataset, ParquetDataset, TextDataset

EARLIER, LATER = "2026-01-31T10.00.00.001Z", "2026-01-31T10.00.00.002Z"
CONTENTS: dict[type[Any], Any] = {
    CSVDataset: pd.DataFrame({"a": range(5000)}),
    ParquetDataset: pd.DataFrame({"a": range(5000)}),
    JSONDataset: {"a": list(range(5000))},
    TextDataset: "ä" * 5000,
    FigureDataset: go.Figure(go.Scatter(y=list(range(5000)))),
}


def versioned(kind: type[Any], folder: Path, version: str) -> Any:
    arguments = {"save_args": {"index": False}} if kind is CSVDataset else {}
    return kind(filepath=str(folder / "file"), version=Version(None, version), **arguments)


@pytest.mark.parametrize("kind", CONTENTS)
def test_what_is_saved_is_loaded(tmp_path: Path, kind: type[Any]) -> None:
    versioned(kind, tmp_path, EARLIER).save(CONTENTS[kind])
    found = kind(filepath=str(tmp_path / "file"), version=Version(None, None)).load()
    assert found.equals(CONTENTS[kind]) if isinstance(found, pd.DataFrame) else found == CONTENTS[kind]
    assert [path.name for path in (tmp_path / "file" / EARLIER).iterdir()] == ["file"]


@pytest.mark.parametrize("kind", CONTENTS)
def test_a_full_disk_leaves_no_version(tmp_path: Path, kind: type[Any], full_disk: None) -> None:
    with pytest.raises(DatasetError) as error:
        versioned(kind, tmp_path, EARLIER).save(CONTENTS[kind])
    assert str(tmp_path / "file" / EARLIER / "file") in str(error.value)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_what_cannot_be_written_to_its_end_leaves_the_older_version_the_newest(tmp_path: Path) -> None:
    versioned(JSONDataset, tmp_path, EARLIER).save({"good": True})
    with pytest.raises(DatasetError):
        versioned(JSONDataset, tmp_path, LATER).save({"first": "part", "then": object()})
    assert JSONDataset(filepath=str(tmp_path / "file"), version=Version(None, None)).load() == {"good": True}


def test_a_copy_beside_the_versions_is_not_the_newest(tmp_path: Path) -> None:
    versioned(JSONDataset, tmp_path, EARLIER).save({"version": 1})
    versioned(JSONDataset, tmp_path, LATER).save({"version": 2})
    for name in (f"{LATER}.bak", "newest", "~"):
        (tmp_path / "file" / name).mkdir()
        (tmp_path / "file" / name / "file").write_text(json.dumps({"version": name}))
    path = str(tmp_path / "file")
    assert JSONDataset(filepath=path, version=Version(None, None)).load() == {"version": 2}
    assert JSONDataset(filepath=path, version=Version("newest", None)).load() == {"version": "newest"}
