"""SGAN from raw data to scores in the smoke experiment: what a run leaves behind, in files and in MLflow."""

import shutil
from itertools import product
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import pytest
import torch
from PIL import Image

from gan_pipelines.data.images import labels_in_proportion
from gan_pipelines.metrics import best_temperature, class_logits, expected_calibration_error
from gan_pipelines.model_file import read_model
from gan_pipelines.models import Encoder, LevelGAN, StackedGenerator, standing_stack
from gan_pipelines.models.encoder import encode
from gan_pipelines.models.standing import PICTURES
from gan_pipelines.reporting.tables import MADE_BY, table_verdict
from gan_pipelines.tracking.names import metric_name
from gan_pipelines.training.stage import stage_seed
from tests.pipelines.conftest import Project

GENERATORS = ("independent_stack", "joint_stack", "real")
JUDGE_SCORES = {
    "frechet_distance", "frechet_distance_infinity", "frechet_distance_relative", "kernel_distance", "inception_score",
    "precision", "recall", "density", "coverage", "label_accuracy", "within_class_diversity", "neighbour_distance",
    "copies", "classification_accuracy",
}  # fmt: skip
OF_BOTH_JUDGES = {("label_accuracy", "second_judge"), ("judge_agreement", "judges")}
PIXEL_SCORES = {"near_duplicates", "neighbour_distance", "copies"}
LEVEL_SCORES = {"noise_variance", "noise_recovery"}


def test_each_model_is_a_versioned_file_that_opens_on_its_own(finished_project: Project, tmp_path: Path) -> None:
    models = {
        "encoder": Encoder,
        "judge": Encoder,
        "second_judge": Encoder,
        "level_fc3": LevelGAN,
        "level_pixels": LevelGAN,
        "joint_level_fc3": LevelGAN,
        "joint_level_pixels": LevelGAN,
        "independent_stack": StackedGenerator,
        "joint_stack": StackedGenerator,
    }
    for name, kind in models.items():
        path = finished_project.only(f"{name}.safetensors")
        assert isinstance(read_model(Path(shutil.copy(path, tmp_path))), kind)
    assert len({finished_project.version(f"{name}.safetensors") for name in models}) == 1


def test_levels_are_trained_on_representations_with_a_mean_square_of_1(finished_project: Project) -> None:
    encoder = finished_project.model("encoder")
    assert set(encoder.spec.units) == {"block1", "fc3"}
    (fc3,) = encode(encoder, finished_project.images("train_images").pixels(), ["fc3"])
    assert fc3.values.square().mean().item() == pytest.approx(1, rel=1e-3)


def test_joint_levels_keep_their_discriminators_and_make_up_the_stack(finished_project: Project) -> None:
    stack = finished_project.model("joint_stack")
    for spec in stack.spec.levels:
        joint, alone = (finished_project.model(f"{kind}_{spec.target}") for kind in ("joint_level", "level"))
        assert joint.spec == spec
        before = alone.discriminator.state_dict()
        assert not any(torch.equal(value, before[name]) for name, value in joint.discriminator.named_parameters())
        own = stack.generators[spec.target].state_dict()
        for name, value in joint.sampling_generator.state_dict().items():
            assert torch.equal(own[name], value)


def test_samples_are_balanced_and_the_stack_with_standing_statistics_reproduces_them(finished_project: Project) -> None:
    samples = finished_project.images("joint_stack_samples")
    assert torch.bincount(samples.labels).tolist() == [20] * 10
    stack = finished_project.model("joint_stack")
    assert stack.spec.averaged
    shown = labels_in_proportion(finished_project.images("test_images").labels, PICTURES)
    standing = standing_stack(stack, shown, torch.Generator().manual_seed(stage_seed(0, "standing_statistics")))
    pictures = standing.sample(samples.labels, torch.Generator().manual_seed(stage_seed(0, "samples")))
    assert (pictures.int() - samples.images.int()).abs().max() <= 1


def test_every_generator_and_the_real_images_have_the_same_scores(finished_project: Project) -> None:
    counts = {"independent_stack": 200, "joint_stack": 200, "real": 4000}
    columns = ["score", "space", "samples", "value", "low", "high", "expected", "of_class", "note", *MADE_BY]
    for name in GENERATORS:
        table, scores = finished_project.table(f"{name}_scores"), finished_project.scores(name)
        assert list(table.columns) == columns
        expected = {(x, "judge") for x in JUDGE_SCORES} | {(x, "pixels") for x in PIXEL_SCORES} | OF_BOTH_JUDGES
        assert set(scores.index) == expected
        # near duplicates are looked for among no more samples than there are test images
        assert set(scores["samples"]) == {counts[name], min(counts[name], 1000)}
        for score in ("label_accuracy", "class_share"):
            of_classes = table.loc[table["score"] == score, "of_class"].dropna()
            assert of_classes.astype(int).tolist() == list(range(10))
        per_class = {"label_accuracy", "class_share", "within_class_diversity", "near_duplicates"}
        assert set(table.loc[table["of_class"].notna(), "score"]) == per_class
        measured = table.dropna(subset=["value", "low"])
        assert (measured["low"] <= measured["value"]).all()
        assert (measured["value"] <= measured["high"]).all()


def test_real_images_score_better_than_a_stack_after_ten_steps(finished_project: Project) -> None:
    of_real, of_stack = finished_project.scores("real"), finished_project.scores("joint_stack")
    assert set(of_real.index[of_real["value"].isna()]) == {
        (score, space) for score in ("neighbour_distance", "copies") for space in ("judge", "pixels")
    }
    assert of_stack["value"].notna().all()
    real, ours = of_real["value"], of_stack["value"]
    assert 0.5 < real["label_accuracy", "judge"] <= 1
    assert 0.8 < real["within_class_diversity", "judge"] < 1.2
    assert 0 <= real["frechet_distance", "judge"] < ours["frechet_distance", "judge"]
    # 5 % at most by its definition, although the images are sorted by class
    assert real["near_duplicates", "pixels"] < 0.05
    assert 3 < real["inception_score", "judge"] <= 10
    assert 0.8 < real["precision", "judge"] <= 1
    assert 0.5 < real["classification_accuracy", "judge"] <= 1


def test_the_classifier_trained_on_real_images_is_the_judge(finished_project: Project) -> None:
    value = finished_project.scores("real").loc[("classification_accuracy", "judge"), "value"]
    assert value == pytest.approx(finished_project.json("judge_metrics")["test_accuracy"], abs=1e-6)


def test_what_the_judges_read_in_unseen_real_images_is_beside_what_they_read_in_samples(
    finished_project: Project,
) -> None:
    test = finished_project.images("test_images")
    judges = [finished_project.model(name) for name in ("judge", "second_judge")]
    seen = [judge(test.pixels().batch(slice(None))).argmax(dim=1) for judge in judges]
    shares = {
        ("label_accuracy", "judge"): seen[0] == test.labels,
        ("label_accuracy", "second_judge"): seen[1] == test.labels,
        ("judge_agreement", "judges"): seen[0] == seen[1],
    }
    for key, holds in shares.items():
        share = holds.double().mean().item()
        assert 0.4 < share < 1, key
        for generator in GENERATORS:
            assert finished_project.scores(generator).loc[key, "expected"] == pytest.approx(share, abs=1e-6)
        real = finished_project.scores("real").loc[key]
        assert real["value"] == pytest.approx(share, abs=1e-6)
        assert real["samples"] == len(test)


def test_the_calibration_of_both_judges_is_among_their_metrics(finished_project: Project) -> None:
    test = finished_project.images("test_images")
    for name in ("judge", "second_judge"):
        metrics = finished_project.json(f"{name}_metrics")
        logits = finished_project.model(name)(test.pixels().batch(slice(None)))
        assert metrics["test_calibration_error"] == pytest.approx(
            expected_calibration_error(logits, test.labels), abs=1e-6
        )
        assert metrics["test_temperature"] == pytest.approx(best_temperature(logits, test.labels), abs=1e-4)


def test_each_level_has_scores_of_its_own(finished_project: Project) -> None:
    for stack in ("independent_stack", "joint_stack"):
        levels = finished_project.scores(f"{stack}_level")
        assert set(levels.index) == {(score, level) for score in LEVEL_SCORES for level in ("fc3", "pixels")}
        assert set(levels["samples"]) == {200 * 20}
        assert (levels.loc["noise_variance", "value"] >= 0).all()
        assert (levels.loc["noise_recovery", "value"] <= 1).all()


def test_the_pictures_show_every_class_and_the_curves_every_stage(finished_project: Project) -> None:
    grids = {"sample_grid": 1, "nearest_images": 1, "least_confident": 1, "noise_variations": 2}  # panels below another
    for stack, (name, panels) in product(("independent_stack", "joint_stack"), grids.items()):
        with Image.open(finished_project.only(f"{stack}_{name}.png")) as picture:
            # enlarged twice, two pixels between; besides, letters
            assert picture.width >= 5 * 58 + 2
            assert 40 < picture.height - panels * (10 * 58 + 2) < 500
    stages = ("encoder", "judge", "second_judge", "fc3", "pixels", "joint")
    titles = [note["text"] for note in finished_project.json("loss_curves")["layout"]["annotations"][:-1]]
    assert list(dict.fromkeys(title.split(": ")[0] for title in titles)) == list(stages)
    assert {"fc3: entropy", "pixels: conditional", "joint: pixels.adversarial"} <= set(titles)


def test_the_confusion_of_the_judge_is_that_of_the_samples_and_of_the_test_images(finished_project: Project) -> None:
    judge = finished_project.model("judge")
    for stack in ("independent_stack", "joint_stack"):
        samples, test = (finished_project.images(name) for name in (f"{stack}_samples", "test_images"))
        assert samples.seed == 0
        figure = finished_project.json(f"{stack}_confusion")
        for heat, pictures in zip(figure["data"], (samples, test), strict=True):
            seen = class_logits(judge, pictures.images).argmax(dim=1)
            share = ((seen == 3) & (pictures.labels == 8)).sum() / (pictures.labels == 8).sum()
            assert heat["z"][8][3] == pytest.approx(share.item())
            assert heat["y"] == list(test.classes)
        assert "seed 0" in figure["layout"]["annotations"][-1]["text"]


def test_the_data_card_and_the_network_table_state_facts(finished_project: Project) -> None:
    card, encoder = finished_project.json("data_card"), finished_project.model("encoder")
    assert card["source"] == "mnist_5k"
    assert card["train"]["images"] == 4000
    assert set(card["test"]["images_by_class"].values()) == {100}
    assert 0.1 < card["train"]["mean_pixel"] < 0.2
    assert encoder.spec.data_digest == card["train"]["sha256"]
    networks = finished_project.table("network_table").set_index("network")
    assert networks.loc["encoder", "parameters"] == sum(value.numel() for value in encoder.parameters())


def test_files_lie_in_the_folder_of_their_layer(finished_project: Project) -> None:
    places = {
        "train_images.safetensors": "03_primary",
        "network_table.csv": "03_primary",
        "fc3.safetensors": "04_feature",
        "real_features.safetensors": "04_feature",
        "joint_stack.safetensors": "06_models",
        "joint_stack_samples.safetensors": "07_model_output",
        "joint_stack_scores.csv": "08_reporting",
    }
    for name, layer in places.items():
        folders = finished_project.only(name).relative_to(finished_project.folder).parts[:3]
        assert folders == ("data", layer, "smoke"), name
    assert not finished_project.files("step_*.safetensors")  # a run that has ended keeps no checkpoints


def test_the_parent_run_in_mlflow_has_parameters_scores_and_figures(finished_project: Project) -> None:
    record = finished_project.record()
    run = record.parent.data
    assert record.parent.info.status == "FINISHED"
    assert run.params["sgan.levels.pixels.loss_weights.entropy"] == "10.0"
    assert run.params["run.seed"] == "0"
    assert not [name for name in run.params if name.startswith(("ablation_rows", "compare"))]
    for name in (*GENERATORS, "independent_stack_level", "joint_stack_level"):
        generator = name.removesuffix("_level")
        expected = {
            metric_name(generator, score, space, int(row["samples"]), column): row[column]
            for (score, space), row in finished_project.scores(name).iterrows()
            for column in ("value", "low", "high", "expected")
            if pd.notna(row[column])
        }
        found = {
            metric: value
            for metric, value in run.metrics.items()
            if metric.removeprefix("uncertainty/").startswith(f"{generator}/")
            and (metric.split("/")[-1].split(".")[0] in LEVEL_SCORES) == name.endswith("_level")
        }
        assert found == pytest.approx(expected, abs=1e-9)
    assert run.metrics["uncertainty/joint_stack/kernel_distance.judge.200.expected"] == 0
    for classifier in ("encoder", "judge", "second_judge"):
        for name, value in finished_project.json(f"{classifier}_metrics").items():
            assert run.metrics[f"{classifier}.{name}"] == pytest.approx(value)
    assert run.tags["verdict.joint_stack"] == table_verdict(finished_project.table("joint_stack_scores"))
    assert "collapsed" in run.tags["verdict.joint_stack"]  # after ten steps
    assert "verdict.real" not in run.tags
    for judge in ("judge", "second_judge"):
        assert run.tags[f"{judge}_sha256"] == finished_project.model(judge).digest()
    assert run.tags["data_sha256"] == finished_project.json("data_card")["train"]["sha256"]
    figures = {"joint_stack_sample_grid.png", "independent_stack_least_confident.png", "joint_stack_confusion.html"}
    assert figures <= record.artifacts("figures")
    assert {"joint_stack.csv", "independent_stack.csv"} <= record.artifacts("influences")


def test_mlflow_has_one_child_run_per_stage_with_the_same_metric_names(finished_project: Project) -> None:
    record = finished_project.record()
    on_samples = {"classifier_on_independent_stack", "classifier_on_joint_stack"}
    assert (
        set(record.children) == {"encoder", "judge", "second_judge", "fc3", "pixels", "joint", "infogan"} | on_samples
    )
    assert {child.info.status for child in record.children.values()} == {"FINISHED"}
    fc3, pixels = record.children["fc3"], record.children["pixels"]
    assert set(fc3.data.metrics) == set(pixels.data.metrics)
    history = record.client.get_metric_history(fc3.info.run_id, "generator.adversarial")
    assert [metric.step for metric in history] == [10, 20]
    tags = record.parent.data.tags
    for name, child in record.children.items():
        assert (child.data.tags["experiment"], child.data.tags["stage"]) == ("smoke", name)
        assert child.data.tags["data_source"] == tags["data_source"] == "mnist_5k"
        assert child.data.tags["data_sha256"] == tags["data_sha256"]
    images = record.artifacts("images", child="joint")
    steps = {int(name.split("+")[2]) for name in images if name.endswith(".png")}
    assert steps == set(range(11))  # the film begins before the first step


def test_mlflow_names_runs_by_what_sets_them_apart_and_describes_them(finished_project: Project) -> None:
    record = finished_project.record()
    assert record.parent.info.run_name == "default seed=0"
    assert record.children["joint"].info.run_name == "joint seed=0"
    note = record.parent.data.tags["mlflow.note.content"]
    accuracy = finished_project.scores("joint_stack").loc[("label_accuracy", "judge"), "value"]
    (row,) = [line for line in note.splitlines() if line.startswith("| joint_stack&emsp;| 200&emsp;|")]
    assert f" {accuracy:.3f} +- " in row
    assert row.endswith(f"| **{record.parent.data.tags['verdict.joint_stack']}** |")
    address = urlsplit(next(line for line in note.splitlines() if line.startswith("![joint_stack_sample_grid]"))[:-1])
    asked = parse_qs(address.query)
    assert asked["run_uuid"] == [record.parent.info.run_id]
    assert Path(asked["path"][0]).name in record.artifacts("figures")


@pytest.mark.slow
def test_a_part_runs_again_on_the_versions_that_are_there(project: Project) -> None:
    first = project.version("joint_stack_scores.csv")
    project.run({"evaluation": {"samples": 100}}, pipeline_names=["sgan_evaluation"])
    for judge in ("judge", "second_judge"):  # which this run did not train
        assert project.record().parent.data.tags[f"{judge}_sha256"] == project.model(judge).digest()
    assert [pd.read_csv(path)["samples"].max() for path in project.files("joint_stack_scores.csv")] == [200, 100]
    project.run({"evaluation": {"samples": 100}}, pipeline_names=["real_evaluation"])
    old, new = (pd.read_csv(path) for path in project.files("real_scores.csv"))
    pd.testing.assert_frame_equal(old, new)
    project.run({"run": {"seed": 5}}, namespaces=["fc3"])
    older, newer = project.files("level_fc3.safetensors")
    assert older.read_bytes() != newer.read_bytes()
    assert len(project.files("level_pixels.safetensors")) == 1
    project.run(node_names=["joint.assemble_independent_stack"], load_versions={"level_fc3": first})
    project.run(node_names=["joint.assemble_independent_stack"])
    stacks = [path.read_bytes() for path in project.files("independent_stack.safetensors")]
    assert stacks[0] == stacks[1] != stacks[2]


@pytest.mark.slow
def test_a_stage_does_not_depend_on_which_stages_run_with_it(project: Project) -> None:
    project.run(node_names=["pixels.train_level"])
    project.run(pipeline_names=["sgan_joint"])
    for name in ("level_pixels", "joint_level_fc3", "joint_stack"):
        before, after = (path.read_bytes() for path in project.files(f"{name}.safetensors"))
        assert before == after


@pytest.mark.slow
def test_an_encoder_may_keep_the_scale_of_its_network(empty_project: Project) -> None:
    changed = {"classifier": {"unit_scale": False}}
    empty_project.run(changed, pipeline_names=["data_preparation", "classifier"])
    assert empty_project.model("encoder").spec.units == {}
