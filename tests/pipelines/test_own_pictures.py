"""People's own pictures, as they come, through Kedro: a folder in disorder, a table, and what refuses them."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from gan_pipelines.parameters import ExperimentError
from tests.pipelines.conftest import Project

CLASSES = ("2", "10", "NA", "null", "ümläut")
EXPERIMENT = """\
extends: smoke
data: {{source: {{{source}, size: 28, background: white}}}}
evaluation: {{samples: 150}}
"""


def disorder(folder: Path) -> Path:
    """30 pictures in each of five classes: all kinds and modes, sizes between 20 and 60, and what is no picture."""
    rng = np.random.default_rng(0)
    for label, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for number in range(30):
            height, width = rng.integers(20, 60, 2)
            pixels = np.full((height, width, 3), rng.integers(0, 256, 3), np.uint8)
            pixels[height // 4 : 3 * height // 4, width // 4 : 3 * width // 4] = 50 * label
            picture, kind = Image.fromarray(pixels), ("png", "JPG", "gif", "tiff", "webp", "bmp")[number % 6]
            options = {}
            if number == 0:
                picture.putalpha(Image.fromarray(np.full((height, width), 100, np.uint8)))
            elif number == 1:
                options["exif"] = Image.Exif()
                options["exif"][0x0112] = 6
            elif number == 3:
                picture = picture.convert("CMYK")
            elif number == 9:
                picture = Image.fromarray(rng.integers(0, 2**16, (height, width)).astype(np.uint16))
            picture.save(folder / name / f"{number}.{kind}", **options)
        (folder / name / ".DS_Store").write_bytes(b"hidden")
        (folder / name / "notes.txt").write_text("no picture")
    (folder / ".ipynb_checkpoints").mkdir()
    return folder


@pytest.fixture
def messy_project(new_project) -> Project:
    project = new_project()
    disorder(project.folder / "pictures")
    project.write("conf/mine/parameters.yml", EXPERIMENT.format(source="name: image_folder, path: pictures"))
    return project


def test_a_folder_in_disorder_has_a_right_data_card_and_a_page(messy_project: Project) -> None:
    messy_project.run(env="mine", pipeline_names=["data_preparation"])
    card = messy_project.json("data_card")
    assert card["classes"] == list(CLASSES)
    assert card["image_shape"] == [3, 28, 28]
    assert card["train"]["images_by_class"] == dict.fromkeys(CLASSES, 24)
    assert card["test"]["images_by_class"] == dict.fromkeys(CLASSES, 6)
    assert card["reading"] == {
        "mode": "colour, as it was found",
        "left_out": {".txt: no picture that is read": 5, "hidden files": 5, "hidden folders": 1},
        "changed": {
            "16 to 8 bits": 5,
            "CMYK to RGB": 5,
            "cropped and resized": 150,
            "grey to colour": 5,
            "palette to RGB": 25,
            "transparency laid on the background": 5,
            "turned as its EXIF orientation says": 5,
        },
    }
    page = messy_project.newest("data_page.html").read_text()
    assert page.count("data:image/png;base64,") == 5
    assert [name for name in CLASSES if f"<th>{name}</th>" in page] == list(CLASSES)
    assert "CMYK to RGB" in page
    assert "data_page.html" in messy_project.record("mine").artifacts("figures")


def test_all_that_is_wrong_with_a_folder_is_in_one_message(messy_project: Project) -> None:
    folder = messy_project.folder / "pictures"
    broken = [folder / "2" / "0.png", folder / "NA" / "1.JPG", folder / "ümläut" / "5.bmp"]
    broken[0].write_bytes(b"")
    broken[1].write_bytes(broken[1].read_bytes()[:200])
    broken[2].write_text("no picture")
    with pytest.raises(ExperimentError, match="3 of the files cannot be read as pictures") as error:
        messy_project.run(env="mine", pipeline_names=["data_preparation"])
    assert all(f"{file}: " in str(error.value) for file in broken)
    assert not messy_project.files("*.safetensors")


def listed(project: Project) -> pd.DataFrame:
    """A table of the pictures of a folder in disorder."""
    files = sorted(
        file.relative_to(project.folder)
        for file in (project.folder / "pictures").rglob("*.*")
        if file.suffix != ".txt" and file.name[0] != "."
    )
    return pd.DataFrame({"path": [str(file) for file in files], "label": [file.parts[1] for file in files]})


def test_a_table_of_the_catalog_names_pictures_and_classes(messy_project: Project) -> None:
    messy_project.write("conf/mine/parameters.yml", EXPERIMENT.format(source="name: table"))
    (messy_project.folder / "data" / "01_raw").mkdir(parents=True, exist_ok=True)
    listed(messy_project).to_csv(messy_project.folder / "data" / "01_raw" / "pictures.csv", index=False)
    messy_project.run(env="mine", pipeline_names=["data_preparation"])
    card = messy_project.json("data_card")
    assert card["classes"] == list(CLASSES)
    assert card["train"]["images_by_class"] == dict.fromkeys(CLASSES, 24)


def test_a_table_may_lie_elsewhere_as_parquet_with_splits_of_its_own(messy_project: Project) -> None:
    messy_project.write("conf/mine/parameters.yml", EXPERIMENT.format(source="name: table"))
    entry = "picture_table: {type: pandas.ParquetDataset, filepath: labels.parquet}\n"
    messy_project.write("conf/mine/catalog.yml", entry)
    table = listed(messy_project)
    table["split"] = np.where(np.arange(len(table)) % 10, "train", "test")
    table.to_parquet(messy_project.folder / "labels.parquet")
    messy_project.run(env="mine", pipeline_names=["data_preparation"])
    card = messy_project.json("data_card")
    assert (card["train"]["images"], card["test"]["images"]) == (135, 15)


def test_a_missing_table_is_refused_before_anything_runs(messy_project: Project) -> None:
    messy_project.write("conf/mine/parameters.yml", EXPERIMENT.format(source="name: table"))
    with pytest.raises(ExperimentError, match=re.escape("picture_table: there is no such file")) as error:
        messy_project.run(env="mine", pipeline_names=["data_preparation"])
    assert "pictures.csv" in str(error.value)


@pytest.mark.slow
def test_pictures_without_labels_make_an_infogan_but_no_stack(messy_project: Project) -> None:
    folder = messy_project.folder / "pictures"
    for number, file in enumerate(sorted(folder.glob("*/*.*"))):
        file.rename(folder / f"{number}{file.suffix}")
    with pytest.raises(ExperimentError, match="classifier: an encoder learns from labels of at least two classes"):
        messy_project.run(env="mine", pipeline_names=["sgan"])
    assert not messy_project.files("*.safetensors")
    messy_project.run(env="mine", pipeline_names=["infogan"])
    assert messy_project.images("infogan_samples").image_shape == (3, 28, 28)
    assert messy_project.json("data_card")["classes"] == ["picture"]


@pytest.mark.slow
def test_a_stack_is_trained_from_a_folder_in_disorder(messy_project: Project) -> None:
    """Pictures that are higher than wide, after the how-to."""
    messy_project.run({"data": {"source": {"size": [36, 28]}}}, env="mine", pipeline_names=["sgan"])
    stack = messy_project.model("joint_stack")
    assert stack.spec.classes == CLASSES
    assert messy_project.images("joint_stack_samples").image_shape == (3, 36, 28)
    with Image.open(messy_project.only("joint_stack_sample_grid.png")) as grid:
        assert grid.mode == "RGB"
        assert grid.width >= 5 * 2 * (28 + 1)
        assert 0 < grid.height - 2 * (5 * (36 + 1) + 1) < 200  # letters
