"""The pipeline `sample` writes pictures that other tools read, each of which can be had alone."""

import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torchvision.datasets import ImageFolder
from torchvision.transforms.functional import pil_to_tensor

from gan_pipelines import load
from gan_pipelines.parameters import ExperimentError
from tests.pipelines.conftest import Project

SAMPLE = ["sample"]


def pictures(project: Project, version: str | None = None) -> dict[str, bytes]:
    """What the newest folder of pictures holds, by class and number."""
    folder = sorted((project.folder / "data/07_model_output/smoke/sampled_pictures").glob("*"))[-1]
    return {
        str(file.relative_to(folder / "sampled_pictures")): file.read_bytes()
        for file in folder.rglob("*.png")
        if file.is_file()
    }


def test_pictures_of_a_stack_are_those_of_its_sampler_in_a_folder_per_class(project: Project) -> None:
    project.run({"sample": {"count": 45, "classes": [3, "7"], "seed": 1, "first": 10}}, pipeline_names=SAMPLE)
    written = pictures(project)
    assert sorted(written) == sorted(f"{3 if number % 2 == 0 else 7}/{number:06d}.png" for number in range(10, 55))
    model = project.newest("joint_stack.safetensors")
    expected = load(model).sample(45, classes=["3", "7"], seed=1, first=10)
    folder = next((project.folder / "data/07_model_output/smoke/sampled_pictures").glob("*")) / "sampled_pictures"
    read = ImageFolder(str(folder))
    assert read.classes == ["3", "7"]
    for (path, label), (picture, _) in zip(read.samples, read, strict=True):
        number = int(Path(path).stem)
        assert read.classes[label] == ("3" if number % 2 == 0 else "7")
        assert torch.equal(pil_to_tensor(picture)[:1], expected[number - 10])
    with Image.open(folder / "3" / "000010.png") as picture:
        assert picture.info["seed"] == "1"
        assert picture.info["model"] == f"sha256:{load(model).digest}"
    for name in ("grid", "interpolation", "variations", "nearest_images"):
        with Image.open(project.only(f"sampled_{name}.png")) as figure:
            assert figure.convert("L").resize((40, 40)).getextrema()[0] < 100
    project.run({"sample": {"count": 1, "classes": [3], "seed": 1, "first": 28}}, pipeline_names=SAMPLE)
    assert pictures(project) == {"3/000028.png": written["3/000028.png"]}
    assert len(project.files("000028.png")) == 2  # the first is there still


def test_pictures_of_a_model_file_need_no_data(project: Project) -> None:
    model = project.newest("infogan.safetensors")
    shutil.copy(model, project.folder / "elsewhere.safetensors")
    shutil.rmtree(project.folder / "data")
    asked = {"model": "elsewhere.safetensors", "count": 3, "codes": {"category": 2}}
    project.run({"sample": asked}, pipeline_names=SAMPLE)
    assert sorted(pictures(project)) == [f"category=2/{number:06d}.png" for number in range(3)]
    assert not project.files("sampled_nearest_images.png")


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        ({"model": "nothing"}, r"sample\.model: must be one of .*infogan.*joint_stack.*found 'nothing'"),
        ({"model": "encoder"}, r"sample\.model: must be one of .*found 'encoder'"),
        ({"model": "nothing.safetensors"}, r"sample\.model: there is no file .*nothing\.safetensors"),
        ({"classes": ["ten"]}, r"sample\.classes: the model has 0, 1, .*found 'ten'"),
        ({"codes": {"category": 1}}, r"sample\.codes: the model takes no codes"),
        ({"model": "infogan", "codes": {"category": 5}}, r"sample\.codes\.category: must be .* from 0 to 4; found 5"),
    ],
)
def test_what_cannot_be_drawn_is_refused_and_nothing_is_written(
    project: Project, sample: dict[str, Any], message: str
) -> None:
    before = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in project.files("*")}
    with pytest.raises(ExperimentError, match=message):
        project.run({"sample": sample}, pipeline_names=SAMPLE)
    assert {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in project.files("*")} == before
