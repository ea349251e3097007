"""InfoGAN from raw data to scores in the smoke experiment: what a run leaves behind, in files and in MLflow."""

import math
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.model_file import read_model
from gan_pipelines.models import InfoGAN, InfoGANSpec, standing_infogan
from gan_pipelines.parameters import EvaluationParameters, RunParameters
from gan_pipelines.pipelines.evaluation.nodes import sample_generator
from gan_pipelines.tracking.names import metric_name
from gan_pipelines.training.stage import stage_seed
from tests.pipelines.conftest import Project

CATEGORY, RANGE = {"distribution": "categorical"}, {"distribution": "uniform"}
SPLITS = {"train": 100, "test": 24}
CODES = ["category", "style_1", "style_2", "width"]
WITHOUT_LABELS = {"prior_entropy_nats", "invariant_information", "distortion_agreement"}
CATEGORY_SCORES = WITHOUT_LABELS | {
    "classification_error", "normalised_mutual_information", "purity", "within_category_diversity"
}  # fmt: skip


def by_code(project: Project) -> pd.DataFrame:
    """The value of each score, one row per code."""
    found = project.table("code_scores").set_index(["space", "score"])["value"].unstack("score")
    return found.reindex(CODES)


def history(project: Project) -> pd.DataFrame:
    return project.table("history_infogan").set_index("step")


def test_the_infogan_is_a_versioned_file_that_opens_on_its_own(finished_project: Project, tmp_path: Path) -> None:
    path = finished_project.only("infogan.safetensors")
    assert path.parent.name == finished_project.version("judge.safetensors")
    found = read_model(Path(shutil.copy(path, tmp_path)))
    assert isinstance(found, InfoGAN)
    assert list(found.codes.parts) == CODES
    assert found.spec.data_digest == finished_project.json("data_card")["train"]["sha256"]
    networks = finished_project.table("network_table").set_index("network")
    for name, module in {"generator": found.generator, "discriminator": found.discriminator}.items():
        assert networks.loc[f"infogan {name}", "parameters"] == sum(value.numel() for value in module.parameters())


def test_samples_are_labelled_by_category_and_the_model_with_standing_statistics_reproduces_them(
    finished_project: Project,
) -> None:
    samples = finished_project.images("infogan_samples")
    assert samples.classes == tuple(f"category {number}" for number in range(5))
    assert samples.images.shape == (200, 1, 28, 28)
    shown, drawn = (torch.Generator().manual_seed(stage_seed(0, name)) for name in ("standing_statistics", "samples"))
    pictures, codes = standing_infogan(finished_project.model("infogan"), shown).sample(200, drawn)
    assert samples.labels.tolist() == codes[:, :5].argmax(dim=1).tolist()
    assert (pictures.int() - samples.images.int()).abs().max() <= 1


@pytest.mark.parametrize(
    ("codes", "place", "classes"),
    [
        ({"style": RANGE}, None, 1),
        ({"style": RANGE, "first": {**CATEGORY, "classes": 3}, "second": {**CATEGORY, "classes": 2}}, slice(1, 4), 3),
    ],
    ids=["no category", "two categories"],
)
def test_samples_are_labelled_by_the_first_categorical_code(
    infogan_spec: Callable[..., InfoGANSpec],
    images: LabelledImages,
    codes: dict[str, object],
    place: slice | None,
    classes: int,
) -> None:
    gan = InfoGAN(infogan_spec(codes=codes)).eval()
    samples = sample_generator(RunParameters(seed=3), EvaluationParameters(samples=50, features="fc"), gan, images)
    rng = torch.Generator().manual_seed(stage_seed(3, "samples"))
    gan.noise.sample(50, rng)
    drawn = gan.codes.sample(50, rng)
    expected = torch.zeros(50, dtype=torch.int64) if place is None else drawn[:, place].argmax(dim=1)
    assert samples.labels.tolist() == expected.tolist()
    assert samples.classes == tuple(f"category {number}" for number in range(classes))


def test_the_infogan_has_all_scores_but_those_that_need_labels(finished_project: Project) -> None:
    ours, real = finished_project.scores("infogan"), finished_project.scores("real")
    of_labels = {("label_accuracy", "judge"), ("label_accuracy", "second_judge"), ("classification_accuracy", "judge")}
    assert set(real.index) - set(ours.index) == of_labels
    assert set(ours.index) < set(real.index)
    assert set(ours["samples"]) == {200}
    assert ours["value"].notna().all()
    distance = ("frechet_distance", "judge")
    assert 0 <= real.loc[distance, "value"] < ours.loc[distance, "low"]
    assert 1 <= ours.loc[("inception_score", "judge"), "value"] <= 10


def test_every_code_has_its_scores(finished_project: Project) -> None:
    scores = by_code(finished_project)
    assert list(scores.index) == CODES
    assert scores.loc["category"].notna().all()
    for code in CODES[1:]:
        assert set(scores.columns[scores.loc[code].isna()]) == CATEGORY_SCORES
    category = scores.loc["category"]
    assert category["prior_entropy_nats"] == pytest.approx(math.log(5))
    assert -1 < category["information_nats"] <= math.log(5)
    assert 0.5 <= category["classification_error"] <= 1  # 5 categories match at most 5 of 10 equally large classes
    assert 0.1 <= category["purity"] <= 0.5
    shares = scores[["slant_share", "stroke_width_share", "size_share", "class_changes"]]
    assert shares.stack().between(0, 1).all()
    assert (scores["leakage"] >= 0).all()


def test_the_figures_have_their_rows_and_columns(finished_project: Project) -> None:
    rows = {"infogan_categories": 5, "infogan_traversals": 3 * 5}  # five rows per code
    for name, count in rows.items():
        with Image.open(finished_project.only(f"{name}.png")) as picture:
            assert picture.width >= 5 * 58 + 2  # enlarged twice, two pixels between
            assert 60 < picture.height - (count * 58 + 2) < 400  # letters


def test_the_curves_show_the_information_apart_from_the_loss_terms(finished_project: Project) -> None:
    figure = finished_project.json("information_curve")
    assert [line["name"] for line in figure["data"]] == [*CODES, "sum of all codes"]
    ceilings = [line["y0"] for line in figure["layout"]["shapes"] if line["y0"] == line["y1"]]
    assert ceilings == pytest.approx([math.log(5)])
    ceiling = figure["layout"]["annotations"][0]["text"]
    assert "category" in ceiling
    assert "1.609" in ceiling
    losses = finished_project.json("infogan_loss_curves")
    terms = [note["text"] for note in losses["layout"]["annotations"][:-1]]
    assert terms == [f"infogan: {term}" for term in ("adversarial", *(f"information.{code}" for code in CODES))]
    assert [line["name"] for line in losses["data"]] == ["discriminator", "generator"] * len(terms)


def test_the_history_has_the_information_besides_the_loss_terms(finished_project: Project) -> None:
    table = history(finished_project)
    assert list(table.index) == [10, 20]
    assert set(table["stage"]) == {"infogan"}
    total = table[[f"information.{code}" for code in CODES]].sum(axis=1)
    assert table["information.total"].to_numpy() == pytest.approx(total.to_numpy(), abs=1e-5)
    style = table["discriminator.information.style_1"] / -0.1
    assert table["information.style_1"].to_numpy() == pytest.approx(style.to_numpy(), abs=1e-5)


def test_mlflow_has_the_scores_of_the_infogan_and_of_each_code(finished_project: Project) -> None:
    record = finished_project.record()
    run = record.parent.data
    assert run.params["infogan.information_weights.continuous"] == "0.1"
    assert run.params["infogan.codes.category.classes"] == "5"
    codes = finished_project.table("code_scores").set_index(["score", "space"])
    expected = {
        metric_name("infogan", score, space, int(row["samples"]), column): row[column]
        for table in (finished_project.scores("infogan"), codes)
        for (score, space), row in table.iterrows()
        for column in ("value", "low", "high", "expected")
        if pd.notna(row[column])
    }
    of_infogan = {
        name: x for name, x in run.metrics.items() if name.removeprefix("uncertainty/").startswith("infogan/")
    }
    assert of_infogan == pytest.approx(expected, abs=1e-9)
    names = {"uncertainty/infogan/frechet_distance.judge.200.low", "infogan/information_nats.category.200"}
    assert names <= set(run.metrics)
    figures = {"infogan_categories.png", "infogan_traversals.png", "information_curve.html"}
    assert figures <= record.artifacts("figures")


def test_mlflow_has_a_child_run_with_the_information_over_the_steps(finished_project: Project) -> None:
    record, table = finished_project.record(), history(finished_project)
    run = record.children["infogan"].info.run_id
    for name in ("information.category", "information.total", "generator.information.width"):
        found = {metric.step: metric.value for metric in record.client.get_metric_history(run, name)}
        assert found == pytest.approx(table[name].to_dict(), abs=1e-6)
    images = record.artifacts("images", child="infogan")
    assert len([name for name in images if name.endswith(".png")]) == 11


@pytest.mark.slow
def test_infogan_alone_trains_no_encoder_and_no_level_and_makes_the_same_files(
    finished_project: Project, empty_project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project = empty_project
    capsys.readouterr()
    project.run(pipeline_names=["infogan"])
    printed = capsys.readouterr().out
    models = {path.name for path in project.files("*.safetensors") if "06_models" in path.parts}
    assert models == {"judge.safetensors", "second_judge.safetensors", "infogan.safetensors"}
    for name in ("infogan.safetensors", "judge.safetensors", "infogan_samples.safetensors", "code_scores.csv"):
        assert project.only(name).read_bytes() == finished_project.only(name).read_bytes(), name
    assert not project.files("*_stack_scores.csv")
    record = project.record()
    assert record.parent.info.status == "FINISHED"
    assert set(record.children) == {"judge", "second_judge", "infogan"}
    lines = [line.split() for line in printed.splitlines()]
    assert {"infogan", "real", "information_nats", "leakage"} <= {line[0] for line in lines if line}
    assert any(line[-4:] == CODES for line in lines)
    assert "infogan_categories.png" in printed


@pytest.mark.slow
def test_coloured_pictures_of_one_class_run_through_without_scores_that_have_no_meaning(empty_project: Project) -> None:
    project, rng = empty_project, np.random.default_rng(0)
    pictures = {f"x_{split}": rng.integers(0, 256, (count, 32, 32, 3), np.uint8) for split, count in SPLITS.items()}
    labels = {f"y_{split}": np.zeros(count, np.int64) for split, count in SPLITS.items()}
    np.savez(project.folder / "faces.npz", **pictures, **labels)
    project.write("conf/smoke/parameters_data.yml", "data: {source: {name: npz, path: faces.npz}}\n")
    project.run(pipeline_names=["infogan"])
    repetition = {"near_duplicates", "neighbour_distance", "copies"}
    for name, measured in {"infogan": repetition, "real": {"near_duplicates"}}.items():
        scores = project.scores(name)
        judged, in_pixels = (scores.xs(space, level="space") for space in ("judge", "pixels"))
        assert {"frechet_distance", "within_class_diversity", "copies"} <= set(judged.index)
        assert judged["value"].isna().all()
        assert judged["note"].str.contains("one class").all()
        assert set(in_pixels.dropna(subset="value").index) == measured
    codes = by_code(project)
    assert set(codes.columns) == {"information_nats", "leakage"} | WITHOUT_LABELS
    assert codes[["information_nats", "leakage"]].notna().all(axis=None)
    with Image.open(project.only("infogan_traversals.png")) as picture:
        assert picture.mode == "RGB"
        assert picture.width >= 5 * 2 * 33
        assert 0 < picture.height - 15 * 2 * 33 < 300
    metrics = project.record().parent.data.metrics
    scored = {name for name in metrics if name.startswith(("infogan/", "real/"))}
    assert {"infogan/copies.pixels.200", "real/near_duplicates.pixels.24"} <= scored
    assert not [name for name in scored if ".judge." in name]


@pytest.mark.slow
def test_parts_of_infogan_run_again_on_the_versions_that_are_there(project: Project) -> None:
    project.run({"evaluation": {"samples": 100}}, pipeline_names=["infogan_evaluation"])
    assert [pd.read_csv(path)["samples"].max() for path in project.files("infogan_scores.csv")] == [200, 100]
    assert len(project.files("real_scores.csv")) == 1
    project.run(pipeline_names=["infogan_training"])
    project.run({"run": {"seed": 5}}, pipeline_names=["infogan_training"])
    first, again, other = (path.read_bytes() for path in project.files("infogan.safetensors"))
    assert first == again != other
