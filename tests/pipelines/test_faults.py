"""Whole runs through what goes wrong: divergence, full disks, folders in the way, no record, several runs at once.

Each run is a process of its own that goes through `kedro run` in the smoke experiment.
"""

import itertools
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from gan_pipelines.model_file import read_model
from tests.pipelines.conftest import Project
from tests.pipelines.processes import MODELS, PATIENCE_SECONDS, STAGES, Process

pytestmark = pytest.mark.slow

ENCODER = "--nodes=encoder.train_encoder"
LOST_RECORD = "MLflow fails"

Run = Callable[..., Process]


def contents(project: Project) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in project.files("*.safetensors")}


def refusal(process: Process) -> str:
    """The paragraph with which a run failed."""
    assert process.end() == 1, process.said()
    assert "Traceback" not in process.said(), process.said()
    assert process.last_line().startswith("Error: "), process.said()
    return process.last_line().removeprefix("Error: ")


def test_a_run_that_diverges_says_why_in_the_log_and_in_the_record(project: Project, kedro_run: Run) -> None:
    before = len(project.files("level_fc3.safetensors"))
    params = "--params=run.checkpoints.every_steps=1,sgan.levels.fc3.training.learning_rate=1e30"
    message = refusal(kedro_run(project, "--namespaces=fc3", params))
    assert re.search(r"fc3 diverged at step \d+: the \w+.* of the (generator|discriminator) ", message)
    assert re.search(r"There is no checkpoint yet|The last good checkpoint is .*/fc3/.*step_\d+\.safetensors", message)
    record = project.record()
    for run in (record.parent, record.children["fc3"]):
        assert run.info.status == "FAILED"
        assert run.data.tags["mlflow.note.content"] == message
    assert len(project.files("level_fc3.safetensors")) == before


def test_a_disk_too_full_for_checkpoints_costs_no_training(project: Project, kedro_run: Run) -> None:
    first = project.only("encoder.safetensors")
    size = first.stat().st_size + 100  # a checkpoint is larger than the model, as it holds the moments too
    process = kedro_run(project, ENCODER, "--params=run.checkpoints.every_steps=10", file_size=size)
    process.finish()
    failed = re.findall(r"encoder: the checkpoint of step (\d+) failed", process.said())
    assert failed == ["10", "20", "30", "40", "50", "60"]
    assert process.said().count(LOST_RECORD) == 1  # its store is on the same disk
    first, second = project.files("encoder.safetensors")
    assert first.read_bytes() == second.read_bytes()
    assert not list(project.folder.rglob("*.partial"))


def test_a_disk_too_full_for_the_model_harms_no_earlier_one(project: Project, kedro_run: Run) -> None:
    before = contents(project)
    size = project.only("encoder.safetensors").stat().st_size - 100
    message = refusal(kedro_run(project, ENCODER, file_size=size))
    assert re.search(r"encoder\.safetensors: cannot be written \(.*large", message)
    assert contents(project) == before
    assert not list(project.folder.rglob("*.partial"))


@pytest.mark.parametrize(
    ("place", "obstacle", "said"),
    [
        ("checkpoints", "rights", r"checkpoints/encoder: .*cannot be written .*Nothing was trained\.$"),
        ("encoder.safetensors", "file", r"encoder: .*encoder\.safetensors cannot be written .*Nothing was run\.$"),
    ],
    ids=["checkpoints", "models"],
)
def test_a_folder_that_cannot_be_written_is_refused_before_the_training(
    project: Project, kedro_run: Run, place: str, obstacle: str, said: str
) -> None:
    folder = project.folder / "data" / "06_models" / "smoke" / place
    folder.rename(project.folder / "elsewhere")
    if obstacle == "file":
        folder.write_text("in the way")
    else:
        folder.mkdir(mode=0o555)
    before = contents(project)
    process = kedro_run(project, ENCODER, plain_user=True)
    assert re.search(said, refusal(process))
    assert "steps of 50 images begin" not in process.said()
    assert contents(project) == before


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "sqlite:///conf/base/mlflow.yml/mlflow.db"])
def test_a_missing_store_is_mentioned_once_and_everything_else_goes_on(
    project: Project, kedro_run: Run, uri: str
) -> None:
    process = kedro_run(project, ENCODER, MLFLOW_TRACKING_URI=uri)
    process.finish()
    assert process.said().count(LOST_RECORD) == 1
    assert "Traceback" not in process.said(), process.said()
    first, second = project.files("encoder.safetensors")
    assert first.read_bytes() == second.read_bytes()


def test_runs_at_the_same_time_do_not_mix(
    new_checkout: Callable[[], Project], finished_project: Project, kedro_run: Run
) -> None:
    """Two alike and one with another seed, all at once in a new checkout; the other seed also alone, elsewhere."""
    shared, alone = new_checkout(), new_checkout()
    seeds = [0, 0, 1]
    processes = [kedro_run(shared, f"--params=run.seed={seed},run.checkpoints.every_steps=1") for seed in seeds]
    processes.append(kedro_run(alone, "--params=run.seed=1"))
    for process in processes:
        process.finish(len(processes) * PATIENCE_SECONDS)
        assert LOST_RECORD not in process.said(), process.said()
    by_seed: dict[int, list[str]] = {0: [], 1: []}
    for path in shared.files("encoder.safetensors"):
        provenance = read_model(path).spec.provenance
        assert provenance is not None
        by_seed[provenance.seed].append(path.parent.name)
    assert {seed: len(versions) for seed, versions in by_seed.items()} == {0: 2, 1: 1}
    for seed, reference in ((0, finished_project), (1, alone)):
        for version, name in itertools.product(by_seed[seed], MODELS):
            (ours,) = [path for path in shared.files(f"{name}.safetensors") if path.parent.name == version]
            assert ours.read_bytes() == reference.only(f"{name}.safetensors").read_bytes(), (seed, name)
    records = shared.records()
    assert sorted(record.parent.data.params["run.seed"] for record in records) == ["0", "0", "1"]
    for record in records:
        on_samples = {f"classifier_on_{stack}_stack" for stack in ("independent", "joint")}
        assert set(record.children) == {*STAGES, *on_samples}
        assert {run.info.status for run in (record.parent, *record.children.values())} == {"FINISHED"}
        seed = record.parent.data.params["run.seed"]
        seeds_of_stages = {stage: run.data.params["seed"] for stage, run in record.children.items()}
        assert {seeds_of_stages.pop(judge) for judge in ("judge", "second_judge")} == {"0"}
        assert set(seeds_of_stages.values()) == {seed}
