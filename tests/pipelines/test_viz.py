"""What kedro-viz shows of a finished run: distinct nodes in layers, a namespace a level, pictures, plots and tables."""

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


@pytest.fixture(scope="module")
def viz(finished_project: Path) -> Path:
    """The answers of kedro-viz's interface, as files."""
    command = [sys.executable, "-m", "kedro", "viz", "build", "--include-hooks", "--include-previews"]
    environment = {**os.environ, "KEDRO_ENV": "smoke", "PYTHONWARNINGS": "ignore"}
    subprocess.run(command, cwd=finished_project, env=environment, check=True, capture_output=True, timeout=240)
    return finished_project / "build" / "api"


@pytest.fixture(scope="module")
def graph(viz: Path) -> dict[str, Any]:
    return json.loads((viz / "main").read_text())


def node(graph: dict[str, Any], name: str) -> dict[str, Any]:
    return next(node for node in graph["nodes"] if name in (node["name"], node.get("full_name")))


def test_each_level_is_a_namespace_with_its_own_training_node(graph: dict[str, Any]) -> None:
    spaces = {space["id"] for space in graph["nodes"] if space["type"] == "modularPipeline"}
    assert spaces == {"fc3", "pixels"}
    tasks = {task["full_name"]: task["modular_pipelines"] for task in graph["nodes"] if task["type"] == "task"}
    assert tasks["fc3.train_level"] == ["fc3"]
    assert tasks["pixels.train_level"] == ["pixels"]
    assert {"prepare_images", "train_encoder", "train_joint_stack", "train_judge", "score_joint_stack"} <= set(tasks)
    assert {"train_infogan", "sample_infogan", "score_infogan", "read_codes"} <= set(tasks)


def test_the_layers_follow_the_stages(graph: dict[str, Any]) -> None:
    places = {layer: place for place, layer in enumerate(graph["layers"])}
    assert set(places) == {"data", "encoder", "levels", "stacks", "infogan", "evaluation", "reporting"}
    assert places["data"] < places["encoder"] < places["levels"] < places["stacks"] < places["evaluation"]
    assert places["data"] < places["infogan"] < places["evaluation"] < places["reporting"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("joint_sample_grid", "ImagePreview"),
        ("joint_noise_variations", "ImagePreview"),
        ("train_images", "ImagePreview"),
        ("joint_samples", "ImagePreview"),
        ("joint_stack_scores", "TablePreview"),
        ("independent_stack_scores", "TablePreview"),
        ("real_scores", "TablePreview"),
        ("joint_stack_level_scores", "TablePreview"),
        ("independent_stack_level_scores", "TablePreview"),
        ("independent_sample_grid", "ImagePreview"),
        ("infogan_sample_grid", "ImagePreview"),
        ("network_table", "TablePreview"),
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
def test_results_are_shown_in_place(viz: Path, graph: dict[str, Any], name: str, kind: str) -> None:
    shown = json.loads((viz / "nodes" / node(graph, name)["id"]).read_text())
    assert shown["preview_type"] == kind
    if kind == "ImagePreview":
        with Image.open(BytesIO(base64.b64decode(shown["preview"]))) as picture:
            assert min(picture.size) > 100
    else:
        assert shown["preview"]
