"""Reading a folder of pictures, a class per folder, against torchvision's loader of the same files.

    .venv/bin/python benchmarks/reading.py --folder data/01_raw/mine

Ours finds, checks and decodes every file into one tensor of bytes, as the data preparation does; torchvision's
`ImageFolder` decodes them in batches of 100 within this process, as `PILToTensor` leaves them. The pictures must be of
one size. The first turn of each, in which files come from the disk, does not count.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import PILToTensor

from gan_pipelines.data.folders import find_pictures
from gan_pipelines.data.pictures import read_pictures
from gan_pipelines.parameters.data import ImageFolderSource
from measure import Contestant, environment, print_table, spread, take_turns

BATCH_SIZE = 100


def ours(folder: Path) -> int:
    """Read all pictures; gives their number."""
    source = ImageFolderSource(name="image_folder", path=str(folder))
    return len(read_pictures(find_pictures(folder).files, source).images)


def image_folder(folder: Path) -> int:
    """Read all pictures; gives their number."""
    loader = DataLoader(ImageFolder(folder, transform=PILToTensor()), batch_size=BATCH_SIZE)
    return sum(len(pictures) for pictures, _ in loader)


def rate(read: Callable[[Path], int], folder: Path) -> float:
    """Pictures a second."""
    began = time.perf_counter()
    return read(folder) / (time.perf_counter() - began)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    readers = {"ours": ours, "ImageFolder": image_folder}
    race = {name: Contestant(partial(rate, read, arguments.folder), float) for name, read in readers.items()}
    rates = {name: found[1:] for name, found in take_turns(race, arguments.repeats + 1)[0].items()}
    ratios = [mine / its for mine, its in zip(rates["ours"], rates["ImageFolder"], strict=True)]
    print(environment(), "\n")
    rows = [[name, spread(found, 0)] for name, found in rates.items()]
    print_table(("", "pictures/s, median (min..max)"), [*rows, ["ours / ImageFolder", spread(ratios, 2)]])
