"""Do two checkouts compute the same? Compares the newest models, samples and scores of two projects bit for bit.

    python benchmarks/same_files.py OLD/data NEW/data --experiments base smoke three_levels

Meant for changes that must not change a result: run the old commit and the new one on one machine, with equal seeds
and threads, then compare. Tensors are compared by name, tables by their rows; a name that the new commit gives to
something old is given as `--renamed old=new` (part of a file's name, of a tensor's or of a cell).
"""

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd
import torch
from safetensors.torch import load_file

OWN = ("images_per_second", "data", "judge", "model")
"""Columns that may differ: the speed, and digests that cover the code."""


def newest_files(data: Path, experiment: str, renamed: Mapping[str, str]) -> dict[str, Path]:
    """The newest version of every tensor file and table of an experiment by its name, without its checkpoints."""
    found: dict[str, Path] = {}
    for path in sorted(data.glob(f"*/{experiment}/**/*")):
        if path.is_file() and path.suffix in (".safetensors", ".csv") and "checkpoints" not in path.parts:
            found[_rename(path.name, renamed)] = path
    return found


def differences(old: Path, new: Path, renamed: Mapping[str, str]) -> Iterator[str]:
    """What differs between two files of one name."""
    if old.suffix == ".csv":
        ours, theirs = (pd.read_csv(path).drop(columns=list(OWN), errors="ignore") for path in (new, old))
        theirs = theirs.rename(columns=dict(renamed)).map(lambda x: _rename(x, renamed) if isinstance(x, str) else x)
        ours = ours.map(lambda x: _rename(x, renamed) if isinstance(x, str) else x)
        if not ours.equals(theirs):
            yield "the tables differ"
        return
    ours, theirs = load_file(new), {_rename(name, renamed): value for name, value in load_file(old).items()}
    yield from (f"{name} is in one only" for name in sorted(set(ours) ^ set(theirs)))
    yield from (name for name in sorted(set(ours) & set(theirs)) if not same_bits(ours[name], theirs[name]))


def same_bits(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether two tensors have the same type, shape and bytes; NaN equals itself."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    return one.contiguous().numpy().tobytes() == other.contiguous().numpy().tobytes()


def _rename(text: str, renamed: Mapping[str, str]) -> str:
    for old, new in renamed.items():
        if new not in text:
            text = text.replace(old, new)
    return text


def main() -> None:
    """Compare, print one line per file that differs, and exit with 1 if there is any."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--experiments", nargs="+", default=["base"])
    parser.add_argument("--renamed", nargs="*", default=[], help="old=new")
    options = parser.parse_args()
    renamed, failures = dict(pair.split("=", 1) for pair in options.renamed), 0
    for experiment in options.experiments:
        old, new = (newest_files(data, experiment, renamed) for data in (options.old, options.new))
        for name in sorted(set(old) ^ set(new)):
            print(f"{experiment}/{name}: is in one of the two only")
        both = sorted(set(old) & set(new))
        for name in both:
            if found := list(differences(old[name], new[name], renamed)):
                failures += 1
                print(f"{experiment}/{name}: {'; '.join(found[:3])}")
        print(f"{experiment}: {len(both)} files compared")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
