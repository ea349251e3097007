"""Pictures that a pandas table lists."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from gan_pipelines.data.class_names import UNLABELLED, natural_key
from gan_pipelines.data.source import SPLITS

PATH, LABEL, SPLIT = "path", "label", "split"


@dataclass(frozen=True)
class ListedPictures:
    """Files in the order of the table, and the class of each.

    Attributes:
        files: of the pictures.
        labels: index of the class of each.
        classes: names of the classes.
        in_test: whether each is a test image, if the table says so.
        unused: names of columns that were left alone.
    """

    files: tuple[Path, ...]
    labels: tuple[int, ...]
    classes: tuple[str, ...]
    in_test: tuple[bool, ...] | None
    unused: tuple[str, ...]


def list_pictures(table: pd.DataFrame, folder: Path) -> ListedPictures:
    """Check the table; files are not opened.

    Args:
        table: columns `path`, and, if wanted, `label` and `split`; others are left alone.
        folder: where relative paths start; all paths must stay in it.

    Raises:
        ValueError: a column or a value is missing, a path leaves the folder or stands twice, or a split is unknown.
    """
    if PATH not in table or not len(table):
        raise ValueError(f"it needs a column {PATH} and a row per picture; found {len(table)} rows of {list(table)}")
    columns = {name: table[name].astype(str).tolist() for name in (PATH, LABEL, SPLIT) if name in table}
    for name, values in columns.items():
        if empty := [row for row, value in enumerate(table[name]) if pd.isna(value) or value == ""]:
            raise ValueError(f"column {name}: {len(empty)} rows have no value, the first of them row {empty[0] + 1}")
        if name == SPLIT and (strange := sorted(set(values) - set(SPLITS))):
            raise ValueError(f"column {SPLIT}: must be {' or '.join(SPLITS)}; found {strange[0]!r}")
        if name == SPLIT and len(set(values)) < 2:
            raise ValueError(f"column {SPLIT}: needs rows of both train and test; found only {values[0]}")
    root = folder.resolve()
    files = tuple(folder / path for path in columns[PATH])
    seen: set[Path] = set()
    for file in files:
        if not (resolved := file.resolve()).is_relative_to(root):
            raise ValueError(f"{file} is not in the folder {folder}")
        if resolved in seen:
            raise ValueError(f"column {PATH}: {file} stands twice")
        seen.add(resolved)
    named = columns.get(LABEL, [UNLABELLED] * len(files))
    classes = tuple(sorted(set(named), key=natural_key))
    place = {name: index for index, name in enumerate(classes)}
    in_test = tuple(split == "test" for split in columns[SPLIT]) if SPLIT in columns else None
    if in_test is not None:
        trained = {name for name, tested in zip(named, in_test, strict=True) if not tested}
        if strange := [name for name in classes if name not in trained]:
            raise ValueError(f"column {LABEL}: no training picture is of the class {strange[0]!r}")
    unused = tuple(str(name) for name in table if name not in columns)
    return ListedPictures(files, tuple(place[name] for name in named), classes, in_test, unused)
