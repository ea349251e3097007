"""What kedro-viz shows of a finished run and of a comparison: a box per stage, layers, pictures, plots and tables."""

import base64
import json
import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.pipelines.conftest import Project

pytestmark = pytest.mark.slow

LAYERS = ["data", "classifiers", "levels", "generators", "samples", "report"]
SHARED = {"data", "judge", "real_evaluation"}
SGAN = {"encoder", "fc3", "pixels", "joint", "independent_stack_evaluation", "joint_stack_evaluation"}
INFOGAN = {"infogan", "infogan_evaluation"}
ROWS = {"adv", "adv_ent", "adv_cond", "adv_cond_ent", "independent", "joint", "no_entropy"}
BOXES = {
    "__default__": SHARED | SGAN | INFOGAN,
    "sgan": SHARED | SGAN,
    "infogan": SHARED | INFOGAN,
    "ablation": SHARED | {"encoder", "table"} | ROWS,
}
COMPARED = {"runs", "scores", "seeds", "not_averaged", "parameters", "differences", "histories", "left_out"}


@pytest.fixture(scope="module")
def viz(finished_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The answers of kedro-viz's interface, as files."""
    project = finished_project.copy(tmp_path_factory.mktemp("viz") / "a copy")
    project.run({"compare": {"experiments": ["smoke"]}}, pipeline_names=["compare"])
    command = [sys.executable, "-m", "kedro", "viz", "build", "--include-hooks", "--include-previews"]
    environment = {**os.environ, "KEDRO_ENV": "smoke", "PYTHONWARNINGS": "ignore"}
    subprocess.run(command, cwd=project.folder, env=environment, check=True, capture_output=True, timeout=240)
    return project.folder / "build" / "api"


def read(viz: Path, pipeline: str) -> dict[str, Any]:
    file = viz / "main" if pipeline == "__default__" else viz / "pipelines" / pipeline
    graph: dict[str, Any] = json.loads(file.read_text())
    return graph


@pytest.mark.parametrize("pipeline", BOXES)
def test_it_opens_on_a_box_per_stage(viz: Path, pipeline: str) -> None:
    graph = read(viz, pipeline)
    spaces = {space["id"] for space in graph["nodes"] if space["type"] == "modularPipeline"}
    top = {space for space in spaces if "." not in space}
    assert top == BOXES[pipeline]
    assert len(top) <= 12
    tree = graph["modular_pipelines"]["__root__"]["children"]
    assert {child["id"] for child in tree if child["type"] == "modularPipeline"} == top
    assert not [child for child in tree if child["type"] == "task"]  # no node stands outside a box


@pytest.mark.parametrize("pipeline", BOXES)
def test_the_layers_follow_the_method(viz: Path, pipeline: str) -> None:
    graph = read(viz, pipeline)
    used = {node["layer"] for node in graph["nodes"] if node["type"] == "data"}
    assert used == set(LAYERS) - ({"levels"} if pipeline == "infogan" else set())
    # kedro-viz lists the layers of other pipelines too, anywhere
    assert [layer for layer in graph["layers"] if layer in used] == [layer for layer in LAYERS if layer in used]


def test_a_row_of_the_ablation_holds_its_seeds_and_their_trainings(viz: Path) -> None:
    spaces = {space["id"] for space in read(viz, "ablation")["nodes"] if space["type"] == "modularPipeline"}
    assert {"adv.seed_0", "adv.seed_1", "adv.seed_0.pixels", "independent.seed_0.fc3", "joint.seed_0.joint"} <= spaces


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("joint_stack_sample_grid", "ImagePreview"),
        ("joint_stack_noise_variations", "ImagePreview"),
        ("train_images", "ImagePreview"),
        ("joint_stack_samples", "ImagePreview"),
        ("joint_stack_scores", "TablePreview"),
        ("independent_stack_scores", "TablePreview"),
        ("real_scores", "TablePreview"),
        ("joint_stack_level_scores", "TablePreview"),
        ("independent_stack_level_scores", "TablePreview"),
        ("independent_stack_sample_grid", "ImagePreview"),
        ("infogan_sample_grid", "ImagePreview"),
        ("network_table", "TablePreview"),
        ("independent_stack_noise_variations", "ImagePreview"),
        ("joint_stack_least_confident", "ImagePreview"),
        ("joint_stack_confusion", "PlotlyPreview"),
        ("loss_curves", "PlotlyPreview"),
        ("data_card", "JSONPreview"),
        ("infogan_categories", "ImagePreview"),
        ("infogan_traversals", "ImagePreview"),
        ("infogan_samples", "ImagePreview"),
        ("infogan_scores", "TablePreview"),
        ("code_scores", "TablePreview"),
        ("information_curve", "PlotlyPreview"),
        ("infogan_loss_curves", "PlotlyPreview"),
    ],
)
def test_results_are_shown_in_place(viz: Path, name: str, kind: str) -> None:
    node = next(node for node in read(viz, "__default__")["nodes"] if node["name"] == name)
    shown = json.loads((viz / "nodes" / node["id"]).read_text())
    assert shown["preview_type"] == kind
    if kind == "ImagePreview":
        with Image.open(BytesIO(base64.b64decode(shown["preview"]))) as picture:
            assert min(picture.size) > 100
    else:
        assert shown["preview"]


def test_a_comparison_shows_its_tables_and_curves(viz: Path) -> None:
    graph = read(viz, "compare")
    assert {node["id"] for node in graph["nodes"] if node["type"] == "modularPipeline"} == {"comparison"}
    kinds = {
        node["name"]: json.loads((viz / "nodes" / node["id"]).read_text()).get("preview_type")
        for node in graph["nodes"]
        if node["type"] == "data"
    }
    assert {kinds[f"compared_{table}"] for table in COMPARED} == {"TablePreview"}
    assert kinds["compared_curves"] == "PlotlyPreview"
