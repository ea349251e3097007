"""Pictures that a pandas table lists."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from gan_pipelines.data.source import SourceData
from gan_pipelines.parameters import TableSource
from tests.data import reading


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Six grey pictures, each of its own brightness."""
    for number in range(6):
        Image.fromarray(np.full((4, 4), 10 * number, np.uint8)).save(tmp_path / f"{number}.png")
    return tmp_path


def table(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"path": [f"{number}.png" for number in range(6)], "label": list("abcabc"), **columns})


def table_source(**fields: Any) -> TableSource:
    return TableSource.model_validate({"name": "table", "test_fraction": 0.5, **fields})


def read(project: Path, rows: pd.DataFrame | None, **fields: Any) -> SourceData:
    return reading.read(table_source(**fields), project, table=rows)


def refusal(project: Path, rows: pd.DataFrame | None, **fields: Any) -> str:
    return reading.refusal(table_source(**fields), project, rows, start="data.source")


def contents(found: SourceData) -> list[list[tuple[int, str]]]:
    """Brightness and class of each image, by split."""
    return [
        [
            (int(image.max()), part.classes[label])
            for image, label in zip(part.images, part.labels.tolist(), strict=True)
        ]
        for part in (found.train, found.test)
    ]


def test_the_table_names_classes_and_splits(pictures) -> None:
    found = read(pictures, table(split=["train", "train", "train", "test", "test", "train"]))
    assert contents(found) == [[(0, "a"), (10, "b"), (20, "c"), (50, "c")], [(30, "a"), (40, "b")]]
    assert found.origin == "picture_table"


def test_without_a_split_some_of_each_class_are_set_aside(pictures) -> None:
    train, test = contents(read(pictures, table()))
    assert sorted(name for _, name in train) == sorted(name for _, name in test) == ["a", "b", "c"]
    assert sorted(train + test) == [(10 * number, "abcabc"[number]) for number in range(6)]


def test_without_labels_there_is_a_single_class(pictures) -> None:
    assert read(pictures, table().drop(columns="label")).train.classes == ("picture",)


def test_numbers_are_names_of_classes_in_the_order_in_which_people_count(pictures) -> None:
    assert read(pictures, table(label=[10, 2, 1, 10, 2, 1])).train.classes == ("1", "2", "10")


def test_paths_start_at_the_folder_and_other_columns_are_left_alone(pictures) -> None:
    (pictures / "deep").mkdir()
    for number in range(6):
        (pictures / f"{number}.png").rename(pictures / "deep" / f"{number}.png")
    found = read(pictures, table(note="x", Label="y"), folder="deep")
    assert len(found.train) == 3
    assert found.reading["left_out"] == {"column note": 1, "column Label": 1}


def test_a_link_out_of_the_folder_is_refused(pictures) -> None:
    (pictures / "inner").mkdir()
    (pictures / "inner" / "0.png").symlink_to(pictures / "0.png")
    message = refusal(pictures, pd.DataFrame({"path": ["0.png"]}), folder="inner")
    assert "0.png is not in the folder" in message


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        (None, "it was not loaded"),
        (table()[:0], "it needs a column path and a row per picture; found 0 rows of ['path', 'label']"),
        (table().rename(columns={"path": "file"}), "found 6 rows of ['file', 'label']"),
        (table(label=["a", None, "c", "a", "", "c"]), "column label: 2 rows have no value, the first of them row 2"),
        (table(split=["train", "dev", *["test"] * 4]), "column split: must be train or test; found 'dev'"),
        (table(split="train"), "column split: needs rows of both train and test; found only train"),
        (table(path=["0.png", *["1.png"] * 5]), "1.png stands twice"),
        (table(path=["0.png", "deep/../0.png", *(f"{number}.png" for number in range(2, 6))]), "0.png stands twice"),
        (table(path=[f"../{number}.png" for number in range(6)]), "0.png is not in the folder"),
        (table(path=["/etc/passwd", *"12345"]), "/etc/passwd is not in the folder"),
        (table(path=[*"012345"]), "6 of the files cannot be read as pictures"),
    ],
)
def test_tables_that_do_not_fit_are_refused(pictures, rows, found) -> None:
    assert found in refusal(pictures, rows)


def test_a_class_in_the_test_rows_alone_is_refused(pictures) -> None:
    rows = table(label=list("abcabd"), split=["train", "train", "train", "test", "test", "test"])
    assert "column label: no training picture is of the class 'd'" in refusal(pictures, rows)
