"""The ablation: its graph, what a run of it leaves behind, and what it refuses."""

from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import pandas as pd
import pytest
import torch
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from PIL import Image

from gan_pipelines.model_file import read_model
from gan_pipelines.models import LevelGAN, StackedGenerator
from gan_pipelines.parameters import ExperimentError
from gan_pipelines.parameters.ablation import JOINTLY_TRAINED, ROWS
from tests.pipelines.conftest import ROOT, Project

SINGLE = ("adv", "adv_ent", "adv_cond", "adv_cond_ent")
EVALUATION = {"assemble_stack", "sample", "score"}
TRAININGS = {
    **{row: {"pixels.train_level"} for row in SINGLE},
    "independent": {"fc3.train_level", "pixels.train_level"},
    **{row: {"fc3.train_level", "pixels.train_level", "joint.train_joint_levels"} for row in ("joint", "no_entropy")},
}
ONE_SEED = {"ablation": {"seeds": [5]}}
"""A seed that is not the run's own."""
TABLE_SCORES = ("inception_score", "frechet_distance", "label_accuracy", "within_class_diversity")
OF_LABELS = {("adv", "label_accuracy"), ("adv_ent", "label_accuracy")}


@pytest.fixture(scope="module")
def graph() -> Pipeline:
    """The pipeline `ablation` of the smoke experiment, which has the seeds 0 and 1."""
    return Project(ROOT).pipelines()["ablation"]


def nodes(graph: Pipeline) -> dict[str, Node]:
    return {node.name: node for node in graph.nodes}


def row_nodes(graph: Pipeline) -> list[Node]:
    return [node for node in graph.nodes if node.namespace and ".seed_" in node.namespace]


def test_each_row_and_seed_is_a_namespace_of_its_own(graph: Pipeline) -> None:
    spaces: dict[str, set[str]] = {}
    for node in row_nodes(graph):
        row, seed, name = node.name.split(".", 2)
        spaces.setdefault(f"{row}.{seed}", set()).add(name)
    assert spaces == {
        f"{row}.seed_{seed}": EVALUATION | trainings for row, trainings in TRAININGS.items() for seed in (0, 1)
    }


def test_all_rows_share_the_images_the_judges_and_one_encoder(graph: Pipeline) -> None:
    names = [node.name for node in graph.nodes]
    shared = {"data.prepare_images", "judge.train_judge", "judge.train_second_judge"}
    shared |= {"encoder.train_encoder", "encoder.encode_training_set"}
    assert {name: names.count(name) for name in shared} == dict.fromkeys(shared, 1)
    assert not {"independent_stack_evaluation.sample", "infogan.train_infogan", "fc3.train_level"} & set(names)
    for node in row_nodes(graph):
        if "train_" in node.name:
            row, seed, _ = node.name.split(".", 2)
            assert {"encoder", f"{row}.{seed}.checkpoints"} <= set(node.inputs)
            settings = [source for source in node.inputs if source.startswith("params:")]
            assert settings == [f"params:ablation_rows.{row}.{seed}.{block}" for block in ("run", "sgan")]


@pytest.mark.parametrize("row", ["joint", "no_entropy"])
def test_a_jointly_trained_row_starts_from_its_own_levels(graph: Pipeline, row: str) -> None:
    for seed in (0, 1):
        node = nodes(graph)[f"{row}.seed_{seed}.joint.train_joint_levels"]
        start = [source for source in node.inputs if "level" in source]
        assert start == [f"ablation_{row}_seed_{seed}_level_{name}" for name in ("fc3", "pixels")]


def test_every_row_ends_in_the_table_and_no_two_share_a_result(graph: Pipeline) -> None:
    names = [f"ablation_{row}_seed_{seed}_stack_scores" for row in ROWS for seed in (0, 1)]
    assert nodes(graph)["table.collect_scores"].inputs == ["params:ablation", "real_scores", *names]
    assert {"ablation_table", "ablation_order", "ablation_grids", "ablation_noise_variations"} <= graph.outputs()
    for one, other in combinations(row_nodes(graph), 2):
        assert not set(one.outputs) & set(other.outputs)


def test_seeds_given_by_params_change_the_graph() -> None:
    graph = Project(ROOT).pipelines({"ablation": {"seeds": [7]}})["ablation"]
    assert {node.name.split(".")[1] for node in row_nodes(graph)} == {"seed_7"}
    assert nodes(graph)["table.draw_grids"].inputs[2] == "ablation_adv_seed_7_stack_samples"


@pytest.fixture(scope="module")
def ablated(new_project: Callable[[], Project]) -> Project:
    """A project in which the ablation ran once, with one seed."""
    project = new_project()
    project.run(ONE_SEED, pipeline_names=["ablation"])
    return project


@pytest.mark.slow
def test_every_row_leaves_levels_a_stack_and_samples(ablated: Project) -> None:
    for row in ROWS:
        name = f"ablation_{row}_seed_5"
        targets = ["pixels"] if row in SINGLE else ["fc3", "pixels"]
        stack = ablated.model(f"{name}_stack")
        assert isinstance(stack, StackedGenerator)
        assert [level.target for level in stack.spec.levels] == targets
        assert stack.spec.conditional == (row not in ("adv", "adv_ent"))
        kind = "joint_level" if row in JOINTLY_TRAINED else "level"
        for target, spec in zip(targets, stack.spec.levels, strict=True):
            level = ablated.model(f"{name}_{kind}_{target}")
            assert isinstance(level, LevelGAN)
            assert level.spec == spec
            assert spec.provenance is not None
            assert spec.provenance.seed == 5
        assert set(ablated.table(f"{name}_stack_scores")["model"]) == {f"sha256:{stack.digest()[:12]}"}
        samples = ablated.images(f"{name}_stack_samples")
        assert torch.bincount(samples.labels).tolist() == ([20] * 10 if stack.spec.conditional else [200])
    assert not ablated.files("step_*.safetensors")


@pytest.mark.slow
def test_one_encoder_of_the_runs_own_seed_is_behind_every_level(ablated: Project) -> None:
    encoder = ablated.model("encoder")
    assert encoder.spec.provenance.seed == 0
    levels = [read_model(path) for path in ablated.files("ablation_*_level_*.safetensors")]
    assert len(levels) == 14
    assert {level.spec.encoder_digest for level in levels} == {encoder.digest()}


@pytest.mark.slow
def test_every_training_of_a_row_has_a_child_run_of_its_own(ablated: Project) -> None:
    record = ablated.record()
    trainings = {f"{row}.seed_5.pixels" for row in ROWS} | {f"{row}.seed_5.joint" for row in ("joint", "no_entropy")}
    trainings |= {f"{row}.seed_5.fc3" for row in ("independent", "joint", "no_entropy")}
    trainings |= {"encoder", "judge", "second_judge"}
    assert set(record.children) == trainings
    assert {run.info.status for run in (record.parent, *record.children.values())} == {"FINISHED"}
    assert {run.data.tags["stage"] for run in record.children.values()} == {
        "pixels", "fc3", "joint", "encoder", "judge", "second_judge"
    }  # fmt: skip
    assert "generator.conditional" not in record.children["adv_ent.seed_5.pixels"].data.metrics
    conditional = record.children["adv_cond.seed_5.pixels"].data.metrics
    assert conditional["generator.conditional"] > 0
    assert conditional["generator.entropy"] == 0


@pytest.mark.slow
def test_the_table_and_the_metrics_hold_the_scores_of_the_rows(ablated: Project) -> None:
    metrics = ablated.record().parent.data.metrics
    table = ablated.table("ablation_table").set_index("row")
    assert tuple(table.index) == (*ROWS, "real")
    assert set(table["seeds"]) == {1}
    for row in table.index:
        scores = ablated.scores("real" if row == "real" else f"ablation_{row}_seed_5_stack")["value"]
        count = 4000 if row == "real" else 200
        assert table.loc[row, "samples"] == count
        for score in TABLE_SCORES:
            name, value = f"{row}/{score}.judge.{count}", table.loc[row, score]
            if (row, score) in OF_LABELS:
                assert pd.isna(value)
                assert (score, "judge") not in scores.index
                assert name not in metrics
            else:
                assert value == pytest.approx(scores[score, "judge"], rel=1e-12)
                assert metrics[name] == pytest.approx(value, rel=1e-12)
            assert f"uncertainty/{row}/{score}.judge.{count}.spread" not in metrics  # one seed has none
    assert not [name for name in metrics if name.startswith("ablation_")]


@pytest.mark.slow
def test_the_figure_has_a_panel_per_row_and_is_recorded(ablated: Project) -> None:
    with Image.open(ablated.only("ablation_grids.png")) as picture:
        assert 0 < picture.width - 4 * (5 * 58 + 2) < 4 * 100  # the names of the classes
        assert 0 < picture.height - 2 * (10 * 58 + 2) < 300
    with Image.open(ablated.only("ablation_noise_variations.png")) as picture:
        assert 0 < picture.width - 2 * (5 * 58 + 2) < 2 * 60
        assert 0 < picture.height - (10 * 58 + 2) < 200
    assert {"ablation_grids.png", "ablation_noise_variations.png"} <= set(ablated.record().artifacts("figures"))


@pytest.mark.slow
@pytest.mark.parametrize(("row", "steps"), [("joint", 20), ("independent", 20 + 10)])
def test_the_rows_of_whole_stacks_are_what_the_stacks_own_pipelines_train_with_that_seed(
    ablated: Project, tmp_path: Path, row: str, steps: int
) -> None:
    """The independent row has the updates of the joint training besides its own."""
    project = ablated.copy(tmp_path / "a copy")
    levels = {name: {"training": {"steps": steps}} for name in ("fc3", "pixels")}
    changed = {"run": {"seed": 5}, "sgan": {"levels": levels}}
    project.run(changed, pipeline_names=["sgan_levels", "sgan_joint"])
    ours, theirs = (project.only(f"{name}.safetensors") for name in (f"ablation_{row}_seed_5_stack", f"{row}_stack"))
    assert ours.read_bytes() == theirs.read_bytes()


@pytest.mark.slow
def test_a_row_runs_again_alone_and_follows_its_parameters(ablated: Project, tmp_path: Path) -> None:
    project = ablated.copy(tmp_path / "a copy")
    row = {"pipeline_names": ["ablation"], "namespaces": ["adv.seed_5"]}
    project.run(ONE_SEED, **row)
    project.run({**ONE_SEED, "sgan": {"levels": {"pixels": {"training": {"steps": 3}}}}}, **row)
    first, again, changed = (path.read_bytes() for path in project.files("ablation_adv_seed_5_stack.safetensors"))
    assert first == again != changed
    assert len(project.files("ablation_adv_ent_seed_5_stack.safetensors")) == 1
    assert len(project.files("encoder.safetensors")) == 1


MAPS = """
extends: smoke
classifier:
  blocks:
    - name: block1
      layers: [{layer: conv, channels: 8, kernel: 5, stride: 2, padding: 2}, {layer: relu}, {layer: max_pool, size: 2}]
    - {name: labels, layers: [{layer: linear, features: target}]}
sgan:
  levels:
    fc3: null
    block1:
      condition: labels
      noise: {distribution: uniform, size: 8}
      generator: {trunk: [{layer: project, channels: 8}, {layer: relu}, {layer: conv, channels: target, kernel: 1}]}
      discriminator:
        trunk: [{layer: linear, features: 16}, {layer: leaky_relu}]
        adversarial: ${_logit}
        noise: ${_noise_mean}
      training: {steps: 2, batch_size: 50, learning_rate: 1.0e-3, ema_decay: 0.9}
    pixels:
      condition: block1
      generator:
        noise: [{layer: project, channels: 4, downscale: 4}]
        trunk: [
          {layer: conv_transpose, channels: 8, kernel: 4, stride: 2, padding: 1}, {layer: relu},
          {layer: conv_transpose, channels: target, kernel: 4, stride: 2, padding: 1}, {layer: sigmoid}]
"""
"""Pixels from 7 x 7 maps: the networks of its lowest level cannot take labels instead, as some rows must."""


@pytest.mark.slow
def test_a_row_whose_networks_do_not_fit_is_refused_as_soon_as_the_images_are_known(empty_project: Project) -> None:
    empty_project.write("conf/maps/parameters.yml", MAPS)
    with pytest.raises(ExperimentError, match="adv_cond") as caught:
        empty_project.run(env="maps", pipeline_names=["ablation"])
    assert "sgan.levels.pixels.generator" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not empty_project.files("*")
    empty_project.run(env="maps", pipeline_names=["data_preparation"])  # the whole stack fits
    assert empty_project.files("train_images.safetensors")
