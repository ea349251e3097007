"""The whole road of SGAN in the smoke environment: what a run leaves behind, in files and in MLflow."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from mlflow import MlflowClient
from mlflow.entities import Run
from PIL import Image

from gan_pipelines.metrics.definitions import metric_name
from gan_pipelines.model_file import read_model
from gan_pipelines.models import Encoder, LevelGAN, StackedGenerator

Files = Callable[[Path, str], list[Path]]
Kedro = Callable[..., None]
Records = Callable[[Path], tuple[MlflowClient, Run, dict[str, Run]]]
GENERATORS = ("independent_stack", "joint_stack", "real")
OF_JUDGE = {
    "frechet_distance", "kernel_distance", "inception_score", "precision", "recall", "density", "coverage",
    "label_accuracy", "within_class_diversity", "neighbour_distance", "copies", "classification_accuracy",
}  # fmt: skip


def table(files: Files, project: Path, name: str) -> pd.DataFrame:
    """The newest version of a table of scores."""
    return pd.read_csv(files(project, f"{name}_scores.csv")[-1])


def overall(found: pd.DataFrame) -> pd.DataFrame:
    """The rows of all classes together."""
    return found[found["of_class"].isna()].set_index(["score", "space"])


def test_every_model_is_a_versioned_file_that_opens_alone(finished_project: Path, files: Files, tmp_path: Path) -> None:
    wanted = {
        "encoder": Encoder,
        "judge": Encoder,
        "level_fc3": LevelGAN,
        "level_pixels": LevelGAN,
        "joint_level_fc3": LevelGAN,
        "joint_level_pixels": LevelGAN,
        "independent_stack": StackedGenerator,
        "joint_stack": StackedGenerator,
    }
    versions = set()
    for name, kind in wanted.items():
        (path,) = files(finished_project, f"{name}.safetensors")
        versions.add(path.parent.name)
        assert isinstance(read_model(Path(shutil.copy(path, tmp_path))), kind)
    assert len(versions) == 1


def test_the_joint_levels_are_kept_with_their_discriminators_and_the_stack_is_made_of_them(
    finished_project: Path, files: Files
) -> None:
    stack = read_model(files(finished_project, "joint_stack.safetensors")[0])
    assert isinstance(stack, StackedGenerator)
    for spec in stack.spec.levels:
        joint, alone = (
            read_model(files(finished_project, f"{kind}_{spec.target}.safetensors")[0])
            for kind in ("joint_level", "level")
        )
        assert isinstance(joint, LevelGAN)
        assert isinstance(alone, LevelGAN)
        assert joint.spec == spec
        before = alone.discriminator.state_dict()
        assert not any(torch.equal(value, before[name]) for name, value in joint.discriminator.named_parameters())
        own = stack.generators[spec.target].state_dict()
        for name, value in joint.sampling_generator.state_dict().items():
            assert torch.equal(own[name], value)


def test_the_samples_are_balanced_and_the_stack_alone_draws_them_again(finished_project: Path, files: Files) -> None:
    from gan_pipelines.datasets import ImagesDataset
    from gan_pipelines.training.seeding import stage_seed

    (path,) = files(finished_project, "joint_samples.safetensors")
    samples = ImagesDataset(filepath=str(path)).load()
    assert torch.bincount(samples.labels).tolist() == [20] * 10
    (path,) = files(finished_project, "joint_stack.safetensors")
    stack = read_model(path)
    assert isinstance(stack, StackedGenerator)
    assert stack.spec.averaged
    pictures = stack.sample(samples.labels, torch.Generator().manual_seed(stage_seed(0, "samples")))
    difference = (pictures.int() - samples.images.int()).abs().max()
    assert difference <= 1


def test_every_generator_has_a_table_of_the_same_scores_and_real_images_are_the_yardstick(
    finished_project: Path, files: Files
) -> None:
    tables = {name: table(files, finished_project, name) for name in GENERATORS}
    counts = {"independent_stack": 200, "joint_stack": 200, "real": 4000}
    columns = ["score", "space", "samples", "value", "low", "high", "spread", "of_class", "note"]
    for name, found in tables.items():
        assert list(found.columns) == columns
        rows = overall(found)
        of_pixels = {"near_duplicates", "neighbour_distance", "copies"}
        assert set(rows.index) == {(x, "judge") for x in OF_JUDGE} | {(x, "pixels") for x in of_pixels}
        assert set(rows["samples"]) == {
            counts[name],
            min(counts[name], 1000),
        }  # near duplicates: no more than test images
        assert found["of_class"].dropna().astype(int).tolist() == list(range(10))
        measured = found.dropna(subset="value")
        assert (measured["low"] <= measured["value"]).all()
        assert (measured["value"] <= measured["high"]).all()
    of_real, of_stack = overall(tables["real"]), overall(tables["joint_stack"])
    assert set(of_real.index[of_real["value"].isna()]) == {
        (score, space) for score in ("neighbour_distance", "copies") for space in ("judge", "pixels")
    }
    assert of_stack["value"].notna().all()
    real, ours = of_real["value"], of_stack["value"]
    assert 0.5 < real["label_accuracy", "judge"] <= 1
    assert 0.8 < real["within_class_diversity", "judge"] < 1.2
    assert 0 <= real["frechet_distance", "judge"] < ours["frechet_distance", "judge"]
    assert (
        real["near_duplicates", "pixels"] < 0.05
    )  # about 1 % by its definition, although the images are sorted by class
    assert 3 < real["inception_score", "judge"] <= 10
    assert 0.8 < real["precision", "judge"] <= 1
    assert 0.5 < real["classification_accuracy", "judge"] <= 1


def test_the_classifier_of_the_real_images_is_the_judge(finished_project: Path, files: Files) -> None:
    judged = json.loads(files(finished_project, "judge_metrics.json")[0].read_text())
    value = overall(table(files, finished_project, "real")).loc[("classification_accuracy", "judge"), "value"]
    assert value == pytest.approx(judged["test_accuracy"], abs=1e-6)


def test_each_level_has_scores_of_its_own(finished_project: Path, files: Files) -> None:
    for stack in ("independent_stack", "joint_stack"):
        levels = table(files, finished_project, f"{stack}_level").set_index(["score", "space"])
        scores = ("noise_variance", "noise_recovery")
        assert set(levels.index) == {(score, level) for score in scores for level in ("fc3", "pixels")}
        assert set(levels["samples"]) == {200 * 20}
        assert (levels.loc["noise_variance", "value"] >= 0).all()
        assert (levels.loc["noise_recovery", "value"] <= 1).all()


def test_the_figures_are_pictures_of_every_class(finished_project: Path, files: Files) -> None:
    for name in ("independent_sample_grid", "joint_sample_grid", "joint_noise_variations"):
        (path,) = files(finished_project, f"{name}.png")
        with Image.open(path) as picture:
            assert picture.size == (5 * 58 + 2, 10 * 58 + 2)  # enlarged twice, two pixels between
    (path,) = files(finished_project, "loss_curves.json")
    titles = [note["text"] for note in json.loads(path.read_text())["layout"]["annotations"]]
    assert titles == ["encoder", "judge", "fc3", "pixels", "joint"]


def test_the_data_card_and_the_network_table_state_facts(finished_project: Path, files: Files) -> None:
    (path,) = files(finished_project, "data_card.json")
    card = json.loads(path.read_text())
    assert card["source"] == "mnist_5k"
    assert card["train"]["images"] == 4000
    assert set(card["test"]["images_by_class"].values()) == {100}
    assert 0.1 < card["train"]["mean_pixel"] < 0.2
    (path,) = files(finished_project, "encoder.safetensors")
    encoder = read_model(path)
    assert isinstance(encoder, Encoder)
    assert encoder.spec.data_digest == card["train"]["sha256"]
    (path,) = files(finished_project, "network_table.csv")
    table = pd.read_csv(path).set_index("network")
    assert table.loc["encoder", "parameters"] == sum(value.numel() for value in encoder.parameters())


def test_mlflow_has_a_parent_with_its_parameters_scores_and_figures(
    finished_project: Path, files: Files, records: Records
) -> None:
    client, parent, _ = records(finished_project)
    assert parent.info.status == "FINISHED"
    assert parent.data.params["sgan.levels.pixels.loss_weights.entropy"] == "10.0"
    assert parent.data.params["run.seed"] == "0"
    for name in (*GENERATORS, "independent_stack_level", "joint_stack_level"):
        generator = name.removesuffix("_level")
        of_levels = {"noise_variance", "noise_recovery"}
        expected = {
            metric_name(generator, score, space, int(row["samples"]), column): row[column]
            for (score, space), row in overall(table(files, finished_project, name)).iterrows()
            for column in ("value", "low", "high", "spread")
            if pd.notna(row[column])
        }
        found = {
            metric: value
            for metric, value in parent.data.metrics.items()
            if metric.startswith(f"{generator}/")
            and (metric.split("/")[-1].split(".")[0] in of_levels) == name.endswith("_level")
        }
        assert found == pytest.approx(expected, abs=1e-9)
    assert parent.data.metrics["joint_stack/interval/kernel_distance.judge.200.spread"] > 0
    assert parent.data.tags["verdict.joint_stack"] == "collapsed"  # after ten steps
    assert "verdict.real" not in parent.data.tags
    judge = read_model(files(finished_project, "judge.safetensors")[0])
    assert isinstance(judge, Encoder)
    assert parent.data.tags["judge_sha256"] == judge.digest()
    card = json.loads(files(finished_project, "data_card.json")[0].read_text())
    assert parent.data.tags["data_sha256"] == card["train"]["sha256"]
    figures = {Path(found.path).name for found in client.list_artifacts(parent.info.run_id, "figures")}
    assert {"joint_sample_grid.png", "independent_sample_grid.png", "loss_curves.html"} <= figures


def test_mlflow_has_one_child_a_stage_with_the_same_metric_names(finished_project: Path, records: Records) -> None:
    client, parent, children = records(finished_project)
    on_samples = {"classifier_on_independent_stack", "classifier_on_joint_stack"}
    assert set(children) == {"encoder", "judge", "fc3", "pixels", "joint", "infogan"} | on_samples
    assert {child.info.status for child in children.values()} == {"FINISHED"}
    assert set(children["fc3"].data.metrics) == set(children["pixels"].data.metrics)
    steps = [m.step for m in client.get_metric_history(children["fc3"].info.run_id, "generator.adversarial")]
    assert steps == [10, 20]
    for name, child in children.items():
        tags = child.data.tags
        assert (tags["experiment"], tags["stage"]) == ("smoke", name)
        assert tags["data_source"] == parent.data.tags["data_source"] == "mnist_5k"
        assert tags["data_sha256"] == parent.data.tags["data_sha256"]
    images = [found.path for found in client.list_artifacts(children["joint"].info.run_id, "images")]
    assert len([path for path in images if path.endswith(".png")]) == 10


def test_a_part_runs_again_on_the_versions_that_lie_there(
    finished_project: Path, files: Files, kedro: Kedro, records: Records, tmp_path: Path
) -> None:
    project = Path(shutil.copytree(finished_project, tmp_path / "a copy"))
    first = files(project, "joint_stack_scores.csv")[0].parent.name
    kedro(project, pipeline_names=["sgan_evaluation"], params={"evaluation": {"samples": 100}})
    _, parent, _ = records(project)
    judge = read_model(files(project, "judge.safetensors")[0])
    assert isinstance(judge, Encoder)
    assert parent.data.tags["judge_sha256"] == judge.digest()  # which this run did not train
    old, new = (overall(pd.read_csv(path)) for path in files(project, "joint_stack_scores.csv"))
    assert set(old["samples"]) == {200}
    assert set(new["samples"]) == {100}
    kedro(project, pipeline_names=["yardstick"], params={"evaluation": {"samples": 100}})
    old, new = (pd.read_csv(path) for path in files(project, "real_scores.csv"))
    pd.testing.assert_frame_equal(old, new)
    kedro(project, namespaces=["fc3"], params={"run": {"seed": 5}})
    older, newer = files(project, "level_fc3.safetensors")
    assert older.read_bytes() != newer.read_bytes()
    assert len(files(project, "level_pixels.safetensors")) == 1
    kedro(project, node_names=["assemble_independent_stack"], load_versions={"level_fc3": first})
    kedro(project, node_names=["assemble_independent_stack"])
    stacks = [path.read_bytes() for path in files(project, "independent_stack.safetensors")]
    assert stacks[0] == stacks[1] != stacks[2]


def test_a_stage_does_not_depend_on_the_stages_run_with_it(
    finished_project: Path, files: Files, kedro: Kedro, tmp_path: Path
) -> None:
    project = Path(shutil.copytree(finished_project, tmp_path / "a copy"))
    kedro(project, node_names=["pixels.train_level"])
    kedro(project, pipeline_names=["sgan_joint"])
    for name in ("level_pixels", "joint_level_fc3", "joint_stack"):
        before, after = (path.read_bytes() for path in files(project, f"{name}.safetensors"))
        assert before == after
