"""External pictures are read like the data, or refused in one paragraph."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.data.sources import read_external_pictures
from gan_pipelines.parameters import ExperimentError

CLASSES = ("cat", "dog")


def like(channels: int = 1) -> LabelledImages:
    return LabelledImages(torch.zeros(2, channels, 6, 6, dtype=torch.uint8), torch.tensor([0, 1]), CLASSES)


def put(path: Path, value: int = 0, shape: tuple[int, ...] = (6, 6)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(shape, value, dtype=np.uint8)).save(path)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(ExperimentError) as error:
        read_external_pictures(path, like())
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith(f"evaluation.pictures: {path}: ")
    assert message.endswith("; allowed: pictures of 6 x 6 pixels, or folders of them named cat, dog.")
    return message


def test_a_flat_folder_has_one_class_sorted_by_name(tmp_path: Path) -> None:
    for number in (2, 0, 1):
        put(tmp_path / f"{number}.png", 10 * number)
    (tmp_path / "notes.txt").write_text("no picture, and not named like one")
    found = read_external_pictures(tmp_path, like())
    assert found.classes == ("picture",)
    assert found.labels.tolist() == [0, 0, 0]
    assert found.images[:, 0, 0, 0].tolist() == [0, 10, 20]


def test_folders_of_classes_give_the_labels_of_the_data(tmp_path: Path) -> None:
    put(tmp_path / "dog" / "a.png", 7)
    found = read_external_pictures(tmp_path, like())
    assert (found.classes, found.labels.tolist(), found.images.unique().tolist()) == (CLASSES, [1], [7])


def test_pictures_get_the_channels_of_the_data(tmp_path: Path) -> None:
    grey, colour = tmp_path / "grey", tmp_path / "colour"
    put(grey / "0.png", 77)
    put(colour / "0.png", 77, (6, 6, 3))
    for folder in (grey, colour):
        for channels in (1, 3):
            found = read_external_pictures(folder, like(channels))
            assert found.image_shape == (channels, 6, 6)
            assert found.images.unique().tolist() == [77]


def test_anything_but_such_pictures_is_refused(tmp_path: Path) -> None:
    assert "there is no such folder" in refusal(tmp_path / "missing")
    assert "it holds no pictures" in refusal(tmp_path)
    odd = put(tmp_path / "odd" / "0.png", shape=(5, 6))
    assert "the pictures have 6 x 5 pixels" in refusal(odd.parent)
    put(tmp_path / "strange" / "fox" / "0.png")
    assert "'fox' is not a class of the data" in refusal(tmp_path / "strange")
    put(tmp_path / "mixed" / "cat" / "0.png")
    loose = put(tmp_path / "mixed" / "0.png")
    assert "pictures outside the class folders: 1" in refusal(loose.parent)
    broken = put(tmp_path / "broken" / "0.png")
    broken.write_bytes(broken.read_bytes()[:20])
    assert f"1 of the files cannot be read as pictures: {broken}: " in refusal(broken.parent)
