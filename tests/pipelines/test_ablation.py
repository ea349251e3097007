"""The ablation: its graph, what a run of it leaves behind, and what it refuses."""

import json
import shutil
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from kedro.framework.project import configure_project, pipelines
from kedro.io import DatasetError
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from mlflow import MlflowClient
from mlflow.entities import Run
from PIL import Image

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.datasets import BranchDataset, ImagesDataset
from gan_pipelines.model_file import read_model
from gan_pipelines.models import LevelGAN, StackedGenerator
from gan_pipelines.parameters import Branch, Experiment, ExperimentError, SGANParameters
from gan_pipelines.parameters.ablation import ROWS, plan_branches
from gan_pipelines.pipelines.ablation.nodes import plan_ablation

Files = Callable[[Path, str], list[Path]]
Kedro = Callable[..., None]
Records = Callable[[Path], tuple[MlflowClient, Run, dict[str, Run]]]

ROOT = Path(__file__).parents[2]
SINGLE = ("adv", "adv_ent", "adv_cond", "adv_cond_ent")


@pytest.fixture
def graph(monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """The pipeline `ablation` of the smoke experiment, which has the seeds 0 and 1."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("KEDRO_ENV", "smoke")
    configure_project("gan_pipelines")
    return pipelines["ablation"]


def nodes(graph: Pipeline) -> dict[str, Node]:
    return {node.name: node for node in graph.nodes}


def test_every_row_is_a_namespace_of_distinct_nodes(graph: Pipeline) -> None:
    spaces: dict[str, set[str]] = {}
    for node in graph.nodes:
        if node.namespace:
            spaces.setdefault(node.namespace, set()).add(node.name.removeprefix(f"{node.namespace}."))
    assert set(spaces) == set(ROWS)
    common = {f"{verb}_seed_{seed}" for verb in ("assemble", "sample", "score") for seed in (0, 1)}
    for row in (*SINGLE, "joint"):
        assert spaces[row] == common | {"train_seed_0", "train_seed_1"}
    levels = {f"train_{name}_seed_{seed}" for name in ("fc3", "pixels") for seed in (0, 1)}
    assert spaces["independent"] == common | levels


def test_all_branches_share_one_encoder_and_its_representations(graph: Pipeline) -> None:
    names = [node.name for node in graph.nodes]
    for once in ("prepare_images", "train_encoder", "encode_training_set", "train_judge", "plan_ablation"):
        assert names.count(once) == 1
    assert {"sample_independent_stack", "train_infogan", "fc3.train_level"}.isdisjoint(names)
    for name, node in nodes(graph).items():
        if ".train_" in name:
            assert {"encoder", "checkpoints"} < set(node.inputs)
            assert not [source for source in node.inputs if source.startswith("params:")]


def test_a_joint_branch_starts_from_the_independent_levels_of_its_seed(graph: Pipeline) -> None:
    for seed in (0, 1):
        node = nodes(graph)[f"joint.train_seed_{seed}"]
        start = [source for source in node.inputs if "level" in source]
        assert start == [f"ablation_independent_seed_{seed}_level_{name}" for name in ("fc3", "pixels")]


def test_every_branch_ends_in_scores_which_end_in_one_table_and_no_two_share_a_result(graph: Pipeline) -> None:
    names = [f"ablation_{row}_seed_{seed}_scores" for row in ROWS for seed in (0, 1)]
    assert nodes(graph)["collect_scores"].inputs == ["params:ablation", "real_scores", *names]
    assert {"ablation_table", "ablation_grids"} <= graph.outputs()
    for one, other in combinations([node for node in graph.nodes if node.namespace], 2):
        assert not set(one.outputs) & set(other.outputs)


def one_seed(project: Path) -> Path:
    """The project with one seed in its ablation, another one than the run's."""
    parameters = project / "conf" / "smoke" / "parameters.yml"
    parameters.write_text(parameters.read_text().replace("{seeds: [0, 1]}", "{seeds: [5]}"))
    return project


@pytest.fixture(scope="module")
def project(make_project: Callable[[], Path], kedro: Kedro) -> Path:
    """A project in which the ablation ran once."""
    made = one_seed(make_project())
    kedro(made, pipeline_names=["ablation"])
    return made


def model(project: Path, files: Files, name: str) -> Any:
    return read_model(files(project, f"{name}.safetensors")[0])


def test_every_branch_leaves_settings_levels_a_stack_and_samples(project: Path, files: Files) -> None:
    for row in ROWS:
        branch = f"ablation_{row}_seed_5"
        targets = ["pixels"] if row in SINGLE else ["fc3", "pixels"]
        stack = model(project, files, f"{branch}_stack")
        assert isinstance(stack, StackedGenerator)
        assert [level.target for level in stack.spec.levels] == targets
        assert stack.spec.conditional == (row not in ("adv", "adv_ent"))
        for target, spec in zip(targets, stack.spec.levels, strict=True):
            level = model(project, files, f"{branch}_level_{target}")
            assert isinstance(level, LevelGAN)
            assert level.spec == spec
            assert spec.provenance is not None
            assert spec.provenance.seed == 5
        samples = ImagesDataset(filepath=str(files(project, f"{branch}_samples.safetensors")[0])).load()
        assert isinstance(samples, LabelledImages)
        assert torch.bincount(samples.labels).tolist() == ([20] * 10 if stack.spec.conditional else [200])
        settings = json.loads(files(project, f"{branch}_settings.json")[0].read_text())
        assert (settings["row"], settings["run"]["seed"]) == (row, 5)
    assert not [path for path in files(project, "step_*.safetensors") if "checkpoints" in path.parts]


def test_the_encoder_is_of_the_runs_own_seed_and_behind_every_level(project: Path, files: Files) -> None:
    encoder = model(project, files, "encoder")
    assert encoder.spec.provenance.seed == 0
    levels = [read_model(path) for path in files(project, "ablation_*_level_*.safetensors")]
    assert len(levels) == 8
    assert {level.spec.encoder_digest for level in levels} == {encoder.digest()}


def test_every_training_of_a_branch_has_a_record_of_its_own(project: Path, records: Records) -> None:
    _, parent, children = records(project)
    wanted = {f"{row} seed 5" for row in (*SINGLE, "joint")} | {f"independent {x} seed 5" for x in ("fc3", "pixels")}
    assert set(children) == wanted | {"encoder", "judge"}
    assert {run.info.status for run in (parent, *children.values())} == {"FINISHED"}
    assert "generator.conditional" not in children["adv_ent seed 5"].data.metrics
    assert children["adv_cond seed 5"].data.metrics["generator.conditional"] > 0
    assert children["adv_cond seed 5"].data.metrics["generator.entropy"] == 0


def test_the_table_the_figure_and_the_metrics_are_those_of_the_branches(
    project: Path, files: Files, records: Records
) -> None:
    client, parent, _ = records(project)
    table = pd.read_csv(files(project, "ablation_table.csv")[0]).set_index("row")
    assert tuple(table.index) == (*ROWS, "real")
    assert set(table["seeds"]) == {1}
    for row in table.index:
        name = "real" if row == "real" else f"ablation_{row}_seed_5"
        found = pd.read_csv(files(project, f"{name}_scores.csv")[0])
        judged = found[found["of_class"].isna() & (found["space"] == "judge")].set_index("score")["value"]
        count = 4000 if row == "real" else 200
        assert table.loc[row, "samples"] == count
        for score in ("inception_score", "frechet_distance", "label_accuracy", "within_class_diversity"):
            value = table.loc[row, score]
            if score == "label_accuracy" and row in ("adv", "adv_ent"):
                value = float("nan")
                assert score not in judged.index
            else:
                assert value == pytest.approx(judged[score], rel=1e-12)
                assert parent.data.metrics[f"{row}/{score}.judge.{count}"] == pytest.approx(value, rel=1e-12)
            assert f"{row}/interval/{score}.judge.{count}.spread" not in parent.data.metrics  # of one seed
    assert "adv/label_accuracy.judge.200" not in parent.data.metrics
    (figure,) = files(project, "ablation_grids.png")
    with Image.open(figure) as picture:
        assert picture.size == (4 * (5 * 58 + 2 + 28), 2 * (10 * 58 + 2 + 28))
    logged = {Path(found.path).name for found in client.list_artifacts(parent.info.run_id, "figures")}
    assert "ablation_grids.png" in logged


def test_an_independent_branch_is_what_the_stacks_own_pipeline_trains_with_that_seed(
    project: Path, files: Files, kedro: Kedro, tmp_path: Path
) -> None:
    copied = Path(shutil.copytree(project, tmp_path / "a copy"))
    kedro(copied, pipeline_names=["sgan_levels", "sgan_joint"], params={"run": {"seed": 5}})
    for theirs, ours in {"independent_stack": "independent", "joint_stack": "joint"}.items():
        (one,), (other,) = (files(copied, f"{name}.safetensors") for name in (theirs, f"ablation_{ours}_seed_5_stack"))
        assert one.read_bytes() == other.read_bytes()


def test_a_row_runs_again_on_the_settings_that_lie_there_unless_the_parameters_have_changed(
    project: Path, files: Files, kedro: Kedro, tmp_path: Path
) -> None:
    copied = Path(shutil.copytree(project, tmp_path / "a copy"))
    kedro(copied, pipeline_names=["ablation"], namespaces=["adv"])
    first, second = files(copied, "ablation_adv_seed_5_stack.safetensors")
    assert first.read_bytes() == second.read_bytes()
    changed = {"sgan": {"levels": {"pixels": {"training": {"steps": 3}}}}}
    with pytest.raises(ExperimentError, match=r"^ablation_adv_seed_5_settings: .*changed.*--nodes=plan_ablation"):
        kedro(copied, pipeline_names=["ablation"], namespaces=["adv"], params=changed)


def test_seeds_that_come_too_late_are_refused(make_project: Callable[[], Path], kedro: Kedro) -> None:
    empty = make_project()
    with pytest.raises(ExperimentError) as caught:
        kedro(empty, pipeline_names=["ablation"], params={"ablation": {"seeds": [0, 7]}})
    assert str(caught.value) == (
        "ablation.seeds: --params cannot change them, since they make the graph; found [0, 7], and the experiment's "
        "YAML has [0, 1]. Change them in conf/smoke/."
    )
    kedro(empty, node_names=["prepare_images"], params={"ablation": {"seeds": [0, 1]}})


def test_a_row_whose_networks_do_not_fit_without_the_levels_above_is_refused(
    smoke_experiment: Experiment,
) -> None:
    raw = smoke_experiment.sgan.model_dump()
    raw["levels"]["pixels"]["generator"]["noise"] = [{"layer": "project", "channels": 4, "downscale": 4}]
    raw["levels"]["pixels"]["generator"]["trunk"] = raw["levels"]["pixels"]["generator"]["trunk"][3:]
    images = LabelledImages(torch.zeros(20, 1, 28, 28, dtype=torch.uint8), torch.arange(20) % 10, tuple("0123456789"))
    sgan, whole = SGANParameters.model_validate(raw), smoke_experiment
    with pytest.raises(ExperimentError, match=r"^The ablation's row adv_cond cannot be trained\. sgan\.levels\.pixels"):
        plan_ablation(whole.run, sgan, whole.ablation, whole.classifier, images)


def test_the_settings_of_a_branch_are_a_json_file_that_is_read_strictly(
    smoke_experiment: Experiment, tmp_path: Path
) -> None:
    whole = smoke_experiment
    branch = plan_branches(whole.run, whole.sgan, whole.ablation)[0]
    dataset = BranchDataset(filepath=str(tmp_path / "settings.json"))
    dataset.save(branch)
    assert dataset.load() == branch
    assert isinstance(dataset.load(), Branch)
    (tmp_path / "settings.json").write_text('{"row": "adv"}')
    with pytest.raises(DatasetError, match=r"settings\.json: no settings of a branch \(2 fields do not fit\)"):
        dataset.load()
