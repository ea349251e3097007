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

from gan_pipelines.model_file import read_model
from gan_pipelines.models import Encoder, LevelGAN, StackedGenerator

Files = Callable[[Path, str], list[Path]]
Kedro = Callable[..., None]
Records = Callable[[Path], tuple[MlflowClient, Run, dict[str, Run]]]
GENERATORS = ("independent_stack", "joint_stack", "real")
SCORES = ("label_accuracy", "within_class_diversity", "frechet_distance", "inception_score")


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


def test_the_score_table_has_both_stacks_and_the_real_yardstick(finished_project: Path, files: Files) -> None:
    (path,) = files(finished_project, "scores.csv")
    table = pd.read_csv(path).set_index("generator")
    assert tuple(table.index) == GENERATORS
    assert table["samples"].tolist() == [200, 200, 1000]
    assert table["weights"].fillna("none").tolist() == ["averaged", "averaged", "none"]
    real = table.loc["real"]
    assert 0.5 < real["label_accuracy"] <= 1
    assert 0.8 < real["within_class_diversity"] < 1.2
    assert 0 <= real["frechet_distance"] < table.loc["joint_stack", "frechet_distance"]


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
    table = pd.read_csv(files(finished_project, "scores.csv")[0]).set_index("generator")
    for generator in GENERATORS:
        for score in SCORES:
            assert parent.data.metrics[f"{generator}.{score}"] == pytest.approx(table.loc[generator, score], abs=1e-9)
    card = json.loads(files(finished_project, "data_card.json")[0].read_text())
    assert parent.data.tags["data_sha256"] == card["train"]["sha256"]
    figures = {Path(found.path).name for found in client.list_artifacts(parent.info.run_id, "figures")}
    assert {"joint_sample_grid.png", "independent_sample_grid.png", "loss_curves.html"} <= figures


def test_mlflow_has_one_child_a_stage_with_the_same_metric_names(finished_project: Path, records: Records) -> None:
    client, _, children = records(finished_project)
    assert set(children) == {"encoder", "judge", "fc3", "pixels", "joint", "infogan"}
    assert {child.info.status for child in children.values()} == {"FINISHED"}
    assert set(children["fc3"].data.metrics) == set(children["pixels"].data.metrics)
    steps = [m.step for m in client.get_metric_history(children["fc3"].info.run_id, "generator.adversarial")]
    assert steps == [10, 20]
    images = [found.path for found in client.list_artifacts(children["joint"].info.run_id, "images")]
    assert len([path for path in images if path.endswith(".png")]) == 10


def test_a_part_runs_again_on_the_versions_that_lie_there(
    finished_project: Path, files: Files, kedro: Kedro, tmp_path: Path
) -> None:
    project = Path(shutil.copytree(finished_project, tmp_path / "a copy"))
    first = files(project, "scores.csv")[0].parent.name
    kedro(project, pipeline_names=["sgan_evaluation"], params={"evaluation": {"samples": 100}})
    old, new = (pd.read_csv(path).set_index("generator") for path in files(project, "scores.csv"))
    assert new.loc["joint_stack", "samples"] == 100
    assert new.loc["real", "label_accuracy"] == old.loc["real", "label_accuracy"]
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
