"""The whole road of InfoGAN in the smoke environment: what a run leaves behind, in files and in MLflow."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from gan_pipelines.evaluation import sample_generator
from gan_pipelines.training.seeding import stage_seed
from mlflow import MlflowClient
from mlflow.entities import Run
from PIL import Image

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.datasets import ImagesDataset
from gan_pipelines.model_file import read_model
from gan_pipelines.models import InfoGAN, InfoGANSpec
from gan_pipelines.parameters import EvaluationParameters, RunParameters
from gan_pipelines.tracking.names import metric_name

Files = Callable[[Path, str], list[Path]]
Kedro = Callable[..., None]
Records = Callable[[Path], tuple[MlflowClient, Run, dict[str, Run]]]
CATEGORY, RANGE = {"distribution": "categorical"}, {"distribution": "uniform"}
SPLITS = {"train": 100, "test": 24}
CODES = ["category", "style_1", "style_2", "width"]
OF_CATEGORIES = {
    "ceiling_nats", "classification_error", "normalised_mutual_information", "purity", "within_category_diversity"
}  # fmt: skip


def model(files: Files, project: Path) -> InfoGAN:
    (path,) = files(project, "infogan.safetensors")
    found = read_model(path)
    assert isinstance(found, InfoGAN)
    return found


def table(files: Files, project: Path, name: str) -> pd.DataFrame:
    (path,) = files(project, f"{name}.csv")
    read = pd.read_csv(path)
    return read.set_index(read.columns[0])


def test_the_infogan_is_a_versioned_file_that_opens_alone(finished_project: Path, files: Files, tmp_path: Path) -> None:
    (path,) = files(finished_project, "infogan.safetensors")
    assert path.parent.name == files(finished_project, "judge.safetensors")[0].parent.name
    found = read_model(Path(shutil.copy(path, tmp_path)))
    assert isinstance(found, InfoGAN)
    assert list(found.codes.parts) == CODES
    card = json.loads(files(finished_project, "data_card.json")[0].read_text())
    assert found.spec.data_digest == card["train"]["sha256"]
    networks = table(files, finished_project, "network_table")
    for name, module in {"generator": found.generator, "discriminator": found.discriminator}.items():
        assert networks.loc[f"infogan {name}", "parameters"] == sum(value.numel() for value in module.parameters())


def test_the_samples_bear_their_categories_and_the_model_alone_draws_them_again(
    finished_project: Path, files: Files
) -> None:
    (path,) = files(finished_project, "infogan_samples.safetensors")
    samples: LabelledImages = ImagesDataset(filepath=str(path)).load()
    assert samples.classes == tuple(f"category {number}" for number in range(5))
    assert samples.images.shape == (200, 1, 28, 28)
    gan, rng = model(files, finished_project), torch.Generator().manual_seed(stage_seed(0, "samples"))
    pictures, codes = gan.sample(200, rng)
    assert samples.labels.tolist() == codes[:, :5].argmax(dim=1).tolist()
    difference = (pictures.int() - samples.images.int()).abs().max()
    assert difference <= 1


@pytest.mark.parametrize(
    ("codes", "place", "classes"),
    [
        ({"style": RANGE}, None, 1),
        ({"style": RANGE, "first": {**CATEGORY, "classes": 3}, "second": {**CATEGORY, "classes": 2}}, slice(1, 4), 3),
    ],
    ids=["no category", "two categories"],
)
def test_samples_bear_the_category_of_the_first_categorical_code(
    infogan_spec: Callable[..., InfoGANSpec], codes: dict[str, object], place: slice | None, classes: int
) -> None:
    gan = InfoGAN(infogan_spec(codes=codes)).eval()
    samples = sample_generator(RunParameters(seed=3), EvaluationParameters(samples=50, features="fc"), gan)
    rng = torch.Generator().manual_seed(stage_seed(3, "samples"))
    gan.noise.sample(50, rng)
    drawn = gan.codes.sample(50, rng)
    expected = torch.zeros(50, dtype=torch.int64) if place is None else drawn[:, place].argmax(dim=1)
    assert samples.labels.tolist() == expected.tolist()
    assert samples.classes == tuple(f"category {number}" for number in range(classes))


def overall(files: Files, project: Path, name: str) -> pd.DataFrame:
    """The newest scores of all classes together, by score and network."""
    found = pd.read_csv(files(project, f"{name}_scores.csv")[-1])
    return found[found["of_class"].isna()].set_index(["score", "space"])


def test_the_infogan_has_the_scores_of_any_generator_but_those_of_labels(finished_project: Path, files: Files) -> None:
    ours, real = (overall(files, finished_project, name) for name in ("infogan", "real"))
    of_labels = {("label_accuracy", "judge"), ("classification_accuracy", "judge")}
    assert set(real.index) - set(ours.index) == of_labels
    assert set(ours.index) < set(real.index)
    assert set(ours["samples"]) == {200}
    assert ours["value"].notna().all()
    distance = ("frechet_distance", "judge")
    assert 0 <= real.loc[distance, "value"] < ours.loc[distance, "low"]
    assert 1 <= ours.loc[("inception_score", "judge"), "value"] <= 10


def test_every_code_has_its_scores(finished_project: Path, files: Files) -> None:
    scores = table(files, finished_project, "code_scores")
    assert list(scores.index) == CODES
    assert scores.loc["category"].notna().all()
    for code in CODES[1:]:
        assert set(scores.columns[scores.loc[code].isna()]) == OF_CATEGORIES
    category = scores.loc["category"]
    assert category["ceiling_nats"] == pytest.approx(math.log(5))
    assert -1 < category["information_nats"] <= math.log(5)
    assert 0.5 <= category["classification_error"] <= 1  # 5 categories match at most 5 of 10 even classes
    assert 0.1 <= category["purity"] <= 0.5
    shares = scores[["slant_share", "stroke_width_share", "size_share", "class_changes"]]
    assert shares.stack().between(0, 1).all()
    assert (scores["leakage"] >= 0).all()


def test_the_figures_have_their_rows_and_columns(finished_project: Path, files: Files) -> None:
    rows = {"infogan_categories": 5, "infogan_traversals": 3 * 5 + 2}  # five rows a code, empty ones between
    for name, count in rows.items():
        (path,) = files(finished_project, f"{name}.png")
        with Image.open(path) as picture:
            assert picture.size == (5 * 58 + 2, count * 58 + 2)  # enlarged twice, two pixels between


def test_the_curves_show_the_information_apart_from_the_loss_terms(finished_project: Path, files: Files) -> None:
    (path,) = files(finished_project, "information_curve.json")
    figure = json.loads(path.read_text())
    names = [f"information.{code}" for code in (*CODES, "total")]
    assert [line["name"] for line in figure["data"]] == names
    assert [line["y0"] for line in figure["layout"]["shapes"]] == pytest.approx([math.log(5)])
    assert "H(category) = 1.609 nats" in [note["text"] for note in figure["layout"]["annotations"]]
    (path,) = files(finished_project, "infogan_loss_curves.json")
    terms = {line["name"] for line in json.loads(path.read_text())["data"]}
    players = ("discriminator", "generator")
    expected = {f"{player}.{term}" for player in players for term in ("adversarial", *names[:-1])}
    assert terms == {f"infogan: {term}" for term in expected}


def test_the_history_has_the_information_besides_the_loss_terms(finished_project: Path, files: Files) -> None:
    history = table(files, finished_project, "history_infogan")
    assert list(history.index) == [10, 20]
    assert set(history["stage"]) == {"infogan"}
    total = history[[f"information.{code}" for code in CODES]].sum(axis=1)
    assert history["information.total"].to_numpy() == pytest.approx(total.to_numpy(), abs=1e-5)
    style = history["discriminator.information.style_1"] / -0.1
    assert history["information.style_1"].to_numpy() == pytest.approx(style.to_numpy(), abs=1e-5)


def test_mlflow_has_the_scores_of_the_infogan_and_of_each_code(
    finished_project: Path, files: Files, records: Records
) -> None:
    client, parent, _ = records(finished_project)
    assert parent.data.params["infogan.information_weights.continuous"] == "0.1"
    assert parent.data.params["infogan.codes.category.classes"] == "5"
    for row, scores in table(files, finished_project, "code_scores").iterrows():
        for score, value in scores.items():
            found = parent.data.metrics.get(f"{row}.{score}")
            assert found == (None if pd.isna(value) else pytest.approx(value, abs=1e-9)), f"{row}.{score}"
    expected = {
        metric_name("infogan", score, space, 200, column): row[column]
        for (score, space), row in overall(files, finished_project, "infogan").iterrows()
        for column in ("value", "low", "high", "spread")
        if pd.notna(row[column])
    }
    found = {name: value for name, value in parent.data.metrics.items() if name.startswith("infogan/")}
    assert found == pytest.approx(expected, abs=1e-9)
    assert {"infogan/interval/frechet_distance.judge.200.low", "category.information_nats", "width.leakage"} <= set(
        parent.data.metrics
    )
    figures = {Path(found.path).name for found in client.list_artifacts(parent.info.run_id, "figures")}
    assert {"infogan_categories.png", "infogan_traversals.png", "information_curve.html"} <= figures


def test_mlflow_has_a_child_with_the_information_over_the_steps(
    finished_project: Path, files: Files, records: Records
) -> None:
    client, _, children = records(finished_project)
    history = table(files, finished_project, "history_infogan")
    run = children["infogan"].info.run_id
    for name in ("information.category", "information.total", "generator.information.width"):
        found = {metric.step: metric.value for metric in client.get_metric_history(run, name)}
        assert found == pytest.approx(history[name].to_dict(), abs=1e-6)
    images = [found.path for found in client.list_artifacts(run, "images")]
    assert len([path for path in images if path.endswith(".png")]) == 10


def test_infogan_alone_trains_no_encoder_and_no_level_and_makes_the_same_files(
    finished_project: Path,
    make_project: Callable[[], Path],
    files: Files,
    kedro: Kedro,
    records: Records,
    capsys: pytest.CaptureFixture[str],
) -> None:
    project = make_project()
    capsys.readouterr()
    kedro(project, pipeline_names=["infogan"])
    printed = capsys.readouterr().out
    models = {path.name for path in files(project, "*.safetensors") if "06_models" in path.parts}
    assert models == {"judge.safetensors", "infogan.safetensors"}
    for name in ("infogan.safetensors", "judge.safetensors", "infogan_samples.safetensors", "code_scores.csv"):
        (ours,), (theirs,) = (files(folder, name) for folder in (project, finished_project))
        assert ours.read_bytes() == theirs.read_bytes(), name
    assert not files(project, "*_stack_scores.csv")
    _, parent, children = records(project)
    assert parent.info.status == "FINISHED"
    assert set(children) == {"judge", "infogan"}
    lines = [line.split() for line in printed.splitlines()]
    assert {"infogan", "real", "information_nats", "leakage"} <= {line[0] for line in lines if line}
    assert any(line[-4:] == CODES for line in lines)
    assert "infogan_categories.png" in printed


def test_coloured_pictures_of_one_class_run_through_without_the_scores_that_have_no_meaning(
    make_project: Callable[[], Path], files: Files, kedro: Kedro, records: Records
) -> None:
    project, rng = make_project(), np.random.default_rng(0)
    pictures = {f"x_{split}": rng.integers(0, 256, (count, 32, 32, 3), np.uint8) for split, count in SPLITS.items()}
    labels = {f"y_{split}": np.zeros(count, np.int64) for split, count in SPLITS.items()}
    np.savez(project / "faces.npz", **pictures, **labels)
    source = "data: {source: {name: npz, path: faces.npz}}\n"
    (project / "conf" / "smoke" / "parameters_data.yml").write_text(source)
    kedro(project, pipeline_names=["infogan"])
    for name, count in {"infogan": 200, "real": 100}.items():
        scores = overall(files, project, name)
        assert scores["value"].isna().all()
        assert set(scores["samples"]) == {count}
        assert scores["note"].str.startswith("all images are of one class").all()
    codes = table(files, project, "code_scores")
    assert set(codes.columns[codes.notna().any()]) == {"information_nats", "ceiling_nats", "leakage"}
    assert codes[["information_nats", "leakage"]].notna().all(axis=None)
    (path,) = files(project, "infogan_traversals.png")
    with Image.open(path) as picture:
        assert picture.mode == "RGB"
        assert picture.size == (5 * 33 + 1, 17 * 33 + 1)
    _, parent, _ = records(project)
    assert not [name for name in parent.data.metrics if name.startswith(("infogan/", "real/"))]


def test_parts_of_infogan_run_again_on_what_lies_there(
    finished_project: Path, files: Files, kedro: Kedro, tmp_path: Path
) -> None:
    project = Path(shutil.copytree(finished_project, tmp_path / "a copy"))
    kedro(project, pipeline_names=["infogan_evaluation"], params={"evaluation": {"samples": 100}})
    old, new = (pd.read_csv(path) for path in files(project, "infogan_scores.csv"))
    assert (set(old["samples"]), set(new["samples"])) == ({200}, {100})
    assert len(files(project, "real_scores.csv")) == 1
    kedro(project, pipeline_names=["infogan_training"])
    kedro(project, pipeline_names=["infogan_training"], params={"run": {"seed": 5}})
    first, again, other = (path.read_bytes() for path in files(project, "infogan.safetensors"))
    assert first == again != other
