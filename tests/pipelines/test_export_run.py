"""The pipeline `export` leaves one folder that can be published, and says of the model what its scores say."""

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import yaml
from PIL import Image

from gan_pipelines import load
from gan_pipelines.parameters import ExperimentError
from gan_pipelines.reporting.tables import table_verdict
from tests.pipelines.conftest import Project

EXPORT = ["export"]
FILES = ["README.md", "config.json", "model.pt2", "model.safetensors", "samples.png"]


def exported(project: Project) -> Path:
    """The newest folder."""
    return project.newest("README.md").parent


def head(folder: Path) -> dict[str, Any]:
    """The YAML at the top of the card."""
    _, text, _ = (folder / "README.md").read_text().split("---\n", 2)
    read: dict[str, Any] = yaml.safe_load(text)
    return read


def snippets(folder: Path) -> list[str]:
    """The pieces of Python in the card."""
    return re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)


def test_the_folder_of_a_stack_has_its_file_its_scores_and_snippets_that_run(project: Project) -> None:
    project.run(pipeline_names=EXPORT)
    folder, model = exported(project), project.newest("joint_stack.safetensors")
    assert sorted(path.name for path in folder.iterdir()) == FILES
    assert (folder / "model.safetensors").read_bytes() == model.read_bytes()
    assert load(folder / "model.safetensors").digest == load(model).digest
    with Image.open(folder / "samples.png") as grid:
        assert grid.convert("L").resize((40, 40)).getextrema()[0] < 100

    of_class, text = snippets(folder)
    (folder / "snippet.py").write_text(f"{text}\ntorch.save(pictures, 'made.pt')\n")
    subprocess.run([sys.executable, "-I", "snippet.py"], cwd=folder, check=True)
    made = torch.load(folder / "made.pt", weights_only=True)
    assert (made.shape, made.dtype) == ((10, 1, 28, 28), torch.float32)
    assert 0 <= made.min() < made.max() <= 1
    result = subprocess.run(
        [sys.executable, "-c", f"{of_class}\nprint(tuple(pictures.shape))"], cwd=folder, capture_output=True, text=True
    )
    assert result.stdout == "(10, 1, 28, 28)\n"

    table, card = project.table("joint_stack_scores"), (folder / "README.md").read_text()
    result_of = head(folder)["model-index"][0]["results"][0]
    overall = table[table["of_class"].isna() & table["value"].notna()]
    assert [(each["type"], each["value"]) for each in result_of["metrics"]] == list(
        zip(overall["score"], overall["value"], strict=True)
    )
    assert result_of["dataset"] == {"type": "ylecun/mnist", "name": "mnist_5k", "split": "test"}
    verdict = table_verdict(table)
    assert verdict, "networks of a few steps make nothing that could be relied on"
    assert card.index(f"Do not rely on this model. Its scores say: {verdict.split(',')[0]}") < card.index("## Use")
    assert "kedro run --pipelines=sgan --env=smoke --params=run.seed=0" in card
    for digest in (load(model).digest, project.json("data_card")["train"]["sha256"], table["judge"][0]):
        assert digest in card


def test_the_head_has_the_form_that_the_hub_documents(project: Project) -> None:
    project.run({"export": {"model": "infogan", "license": "cc-by-sa-3.0"}}, pipeline_names=EXPORT)
    read = head(exported(project))
    assert set(read) == {"license", "library_name", "pipeline_tag", "tags", "datasets", "model-index"}
    assert read["license"] == "cc-by-sa-3.0"
    assert all(isinstance(tag, str) for tag in (*read["tags"], *read["datasets"]))
    (index,) = read["model-index"]
    assert set(index) == {"name", "results"}
    for result in index["results"]:
        assert set(result) == {"task", "dataset", "metrics"}
        assert result["task"]["type"]
        assert set(result["dataset"]) <= {"type", "name", "config", "split", "revision", "args"}
        for metric in result["metrics"]:
            assert set(metric) == {"type", "value", "name"}
            assert isinstance(metric["value"], float)
    (error,) = (metric for metric in result["metrics"] if metric["type"] == "classification_error")
    codes = project.table("code_scores").set_index(["score", "space"])
    assert error["value"] == codes.loc[("classification_error", "category"), "value"]
    assert error["name"].startswith("error of the categories (category, N = ")
    text = (exported(project) / "README.md").read_text()
    for title in ("error of the categories | category", "L\\_I | style\\_1", "information under distortion | category"):
        assert f"| {title} |" in text


def test_a_model_file_is_published_as_not_scored_whatever_the_experiment(project: Project) -> None:
    shutil.copy(project.newest("joint_stack.safetensors"), project.folder / "else_where|<b>.safetensors")
    shutil.rmtree(project.folder / "data")
    other_levels = {"levels": {"fc3": None, "pixels": {"condition": "labels"}}}
    project.run({"export": {"model": "else_where|<b>.safetensors"}, "sgan": other_levels}, pipeline_names=EXPORT)
    folder = exported(project)
    assert sorted(path.name for path in folder.iterdir()) == FILES
    card = (folder / "README.md").read_text()
    assert "# else\\_where\\|\\<b\\>\n\n> **Not scored.**" in card
    assert "kedro run" not in card
    assert set(head(folder)) == {"license", "library_name", "pipeline_tag", "tags"}
    (folder / "snippet.py").write_text(f"{snippets(folder)[1]}\nassert pictures.shape == (10, 1, 28, 28)\n")
    subprocess.run([sys.executable, "-I", "snippet.py"], cwd=folder, check=True)


@pytest.mark.parametrize(
    ("export", "message"),
    [
        ({"model": "encoder"}, r"export\.model: must be one of .*infogan.*found 'encoder'"),
        ({"model": "real"}, r"export\.model: must be one of .*found 'real'"),
        ({"license": "My Licence"}, r"export\.license"),
        ({"model": "nothing.safetensors"}, r"export\.model: there is no file .*nothing\.safetensors"),
    ],
)
def test_what_cannot_be_exported_is_refused_and_nothing_is_written(
    project: Project, export: dict[str, Any], message: str
) -> None:
    refuse(project, export, message)


def test_scores_of_another_model_or_other_data_are_refused(project: Project) -> None:
    path = project.newest("infogan_scores.csv")
    for column, named in (("model", "infogan"), ("data", "data_card")):
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        before = path.read_bytes()
        table.assign(**{column: "sha256:000000000000"}).to_csv(path, index=False, quoting=2)
        refuse(project, {"model": "infogan"}, rf"{named}.*sha256:000000000000")
        path.write_bytes(before)


def refuse(project: Project, export: dict[str, Any], message: str) -> None:
    """Check that an export is refused and changes no file."""
    before = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in project.files("*")}
    with pytest.raises(ExperimentError, match=message):
        project.run({"export": export}, pipeline_names=EXPORT)
    assert {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in project.files("*")} == before
