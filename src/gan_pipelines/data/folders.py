"""Which files of a folder are pictures, of which class, and why the others are left out."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gan_pipelines.data.class_names import UNLABELLED, natural_key
from gan_pipelines.data.pictures import picture_suffixes

SPLIT_NAMES = frozenset({"train", "training", "test", "testing", "val", "valid", "validation", "dev"})
OUTSIDE = "outside the class folders"


@dataclass(frozen=True)
class FoundPictures:
    """Pictures in the order of their names, and the class of each.

    Attributes:
        files: pictures of the first class first.
        labels: index of the class of each.
        classes: names of the folders, or of the single class of pictures without labels.
        labelled: whether the pictures lie in folders of classes.
        left_out: how many other files and folders there are, by reason.
    """

    files: tuple[Path, ...]
    labels: tuple[int, ...]
    classes: tuple[str, ...]
    labelled: bool
    left_out: dict[str, int]


def find_pictures(folder: Path) -> FoundPictures:
    """A folder per class, at any depth below it; or pictures that lie in the folder itself and have no class.

    Args:
        folder: that holds either.

    Raises:
        ValueError: it holds no pictures, a name that is not UTF-8, or a link that leads out of it.
    """
    if not folder.is_dir():
        raise ValueError("it is not a folder" if folder.exists() else "there is no such folder")
    left_out: Counter[str] = Counter()
    by_class: dict[str, list[str]] = {}
    above = len(os.path.join(folder, ""))
    for path in _walk(folder, left_out):
        top, _, rest = path[above:].partition(os.sep)
        by_class.setdefault(top if rest else "", []).append(path)
    loose = by_class.pop("", [])
    labelled = bool(by_class)
    if labelled and loose:
        left_out[OUTSIDE] += len(loose)
    elif loose:
        by_class = {UNLABELLED: loose}
    if not by_class:
        raise ValueError(f"it holds no pictures ({_listed(left_out) or 'it is empty'})")
    with os.scandir(folder) as entries:
        subfolders = {entry.name for entry in entries if entry.is_dir(follow_symlinks=False)}
    if empty := {name for name in subfolders - set(by_class) if not name.startswith(".")}:
        left_out["folders without pictures"] += len(empty)
    if SPLIT_NAMES.issuperset(by_class):
        raise ValueError(
            f"its folders are named like splits ({', '.join(sorted(by_class))}), not like classes; choose one of them, "
            f"or list the pictures in a table with a column split"
        )
    classes = sorted(by_class, key=natural_key)
    for name in classes:
        by_class[name].sort(key=natural_key)
    files = [Path(path) for name in classes for path in by_class[name]]
    labels = [label for label, name in enumerate(classes) for _ in by_class[name]]
    return FoundPictures(tuple(files), tuple(labels), tuple(classes), labelled, dict(sorted(left_out.items())))


def _walk(folder: Path, left_out: Counter[str]) -> Iterator[str]:
    """Paths that end like pictures; the others are counted. One entry of a folder costs as little as it can."""
    suffixes, root, places = picture_suffixes(), folder.resolve(), [str(folder)]
    while places:
        with os.scandir(places.pop()) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            name, suffix = entry.name, os.path.splitext(entry.name)[1].lower()
            hidden, link = name.startswith("."), entry.is_symlink()
            if entry.is_dir():
                if hidden or link:
                    left_out["hidden folders" if hidden else "links to folders"] += 1
                else:
                    places.append(entry.path)
            elif not _encodable(entry.path):
                raise ValueError(f"the name {name!r} is not UTF-8")
            elif hidden:
                left_out["hidden files"] += 1
            elif suffix not in suffixes:
                left_out[f"{suffix or 'no ending'}: no picture that is read"] += 1
            elif link and not Path(entry.path).resolve().is_relative_to(root):
                raise ValueError(
                    f"{entry.path} is a link that leads out of the folder, to {Path(entry.path).resolve()}"
                )
            else:
                yield entry.path


def _encodable(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _listed(left_out: Counter[str]) -> str:
    return ", ".join(f"{count} x {reason}" for reason, count in sorted(left_out.items()))
