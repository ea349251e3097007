"""Scores, pictures and figures say what made them, also in their files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import pytest
from PIL import Image

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.datasets import PictureDataset
from gan_pipelines.hooks.stamping import StampingHooks, describe_makers
from gan_pipelines.models import Encoder, InfoGAN, InfoGANSpec


@pytest.fixture
def infogan(infogan_spec: Callable[..., InfoGANSpec]) -> InfoGAN:
    return InfoGAN(infogan_spec().model_copy(update={"data_digest": "da7a" * 16}))


@pytest.fixture
def inputs(images: LabelledImages, encoder: Encoder) -> dict[str, Any]:
    """Of a node that scores samples."""
    made = {"generator": "6e4e" * 16, "train_images": images.digest()}
    samples = LabelledImages(images.images, images.labels, images.classes, made)
    return {"judge": encoder, "train_images": images, "test_images": images, "infogan_samples": samples}


def test_a_table_of_scores_names_data_judge_and_model(
    inputs: dict[str, Any], images: LabelledImages, encoder: Encoder
) -> None:
    table, other = pd.DataFrame({"score": ["recall", "coverage"]}), pd.DataFrame({"network": ["encoder"]})
    StampingHooks().after_node_run(inputs, {"infogan_scores": table, "network_table": other})
    data = images.digest()[:12]
    assert set(table["data"]) == {f"sha256:{data}+{data}"}
    assert set(table["judge"]) == {f"sha256:{encoder.digest()[:12]}"}
    assert set(table["model"]) == {"sha256:" + "6e4e" * 3}
    assert list(other) == ["network"]


def test_a_table_that_is_made_of_no_data_and_models_keeps_its_own_columns() -> None:
    scores = pd.DataFrame({"run": ["R1"], "score": ["recall"], "judge": ["10d9e"]})
    histories = pd.DataFrame({"run": ["R1"], "stage": ["fc3"], "step": [10]})
    before, figure = scores.copy(), go.Figure()
    made = {"compared_scores": scores, "compared_histories": histories, "compared_curves": figure}
    StampingHooks().after_node_run({"compared_runs": scores}, made)
    pd.testing.assert_frame_equal(scores, before)
    assert list(histories) == ["run", "stage", "step"]
    assert figure.layout.meta is None


def test_real_images_have_no_model(inputs: dict[str, Any]) -> None:
    del inputs["infogan_samples"]
    table = pd.DataFrame({"score": ["recall"]})
    StampingHooks().after_node_run(inputs, {"real_scores": table})
    assert table["model"].isna().all()
    assert table["judge"].notna().all()


def test_a_picture_keeps_what_made_it_as_text_of_its_file(infogan: InfoGAN, tmp_path: Path) -> None:
    picture, short = Image.new("L", (4, 4)), f"sha256:{infogan.digest()[:12]}"
    StampingHooks().after_node_run({"infogan": infogan}, {"infogan_categories": picture})
    file = tmp_path / "grid.png"
    PictureDataset(filepath=str(file)).save(picture)
    with Image.open(file) as saved:
        assert saved.text == {"data": "sha256:" + "da7a" * 3, "model": short}
    assert PictureDataset(filepath=str(file)).load().info["model"] == short


def test_a_figure_of_losses_says_which_trainings_it_shows(infogan: InfoGAN) -> None:
    short = f"sha256:{infogan.digest()[:12]}"
    history = pd.DataFrame({"step": [1, 2], "loss": [1.0, 0.5], "stage": "infogan"})
    StampingHooks().after_node_run({}, {"infogan": infogan, "history_infogan": history})
    assert set(history["model"]) == {short}
    figure = go.Figure()
    StampingHooks().after_node_run({"history_infogan": history}, {"infogan_loss_curves": figure})
    assert figure.layout.meta["model"] == short


def test_several_models_are_named_in_the_order_of_the_inputs(inputs: dict[str, Any], infogan: InfoGAN) -> None:
    makers = describe_makers({**inputs, "infogan": infogan})
    assert makers["model"] == f"sha256:{'6e4e' * 3} {infogan.digest()[:12]}"
