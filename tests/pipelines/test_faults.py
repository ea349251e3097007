"""Whole runs through what goes wrong: killed, told to stop, diverged, full disks, folders in the way, two at once.

Every run here is a process of its own that goes through `kedro run` in the smoke environment. After all of it the
models are, byte for byte, those of a run to which nothing happened.
"""

import itertools
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run as Record

from gan_pipelines.model_file import read_model
from gan_pipelines.models.provenance import Provenance
from gan_pipelines.parameters.base import flatten
from gan_pipelines.training.machine import describe_machine

Files = Callable[[Path, str], list[Path]]
Records = Callable[[Path], tuple[MlflowClient, Record, dict[str, Record]]]

MODELS = ("encoder", "judge", "level_fc3", "level_pixels", "joint_level_fc3", "joint_level_pixels", "infogan")
MODELS += ("independent_stack", "joint_stack")
STAGES = ("encoder", "judge", "fc3", "pixels", "joint", "infogan")
ALL_STEPS = 190
"""Of the six trainings together."""
KILLS = 20
SEED = 20260101
"""Of the moments at which runs are killed."""
PATIENCE_SECONDS = 120
"""For what takes a few seconds on a machine that has nothing else to do."""


class Process:
    """A `kedro run` under way."""

    def __init__(self, launcher: "Launcher", number: int, log: Path) -> None:
        self._launcher, self._log, self.number = launcher, log, number
        self.code: int | None = None

    def said(self) -> str:
        """All of its output until now."""
        return self._log.read_text(errors="replace")

    def ended(self) -> bool:
        if self.code is None:
            self.code = self._launcher.exit_code(self.number)
        return self.code is not None

    def wait_until(self, condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> bool:
        """Whether the condition came true before the end of the process."""
        deadline = time.monotonic() + seconds
        while not condition():
            if self.ended():
                return condition()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.002)
        return True

    def end(self, seconds: float = PATIENCE_SECONDS) -> int:
        """Its exit code; minus the number of a signal that killed it."""
        self.wait_until(self.ended, seconds)
        assert self.code is not None
        return self.code

    def kill(self) -> None:
        """The process and all that it started."""
        os.killpg(self.number, signal.SIGKILL)
        self.end()


class Launcher:
    """Starts runs in no time."""

    def __init__(self, logs: Path) -> None:
        self._logs, self._numbers = logs, itertools.count(1)
        environment = {**os.environ, "KEDRO_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "COLUMNS": "200"}
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("forking_kedro.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self._running: list[Process] = []

    def _ask(self, request: dict[str, Any]) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(request), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

    def exit_code(self, number: int) -> int | None:
        code: int | None = self._ask({"ended": number})
        return code

    def run(self, project: Path, *arguments: str, file_size: int | None = None, **environment: str) -> Process:
        """Start `kedro run --env=smoke` in a project."""
        log = self._logs / f"{next(self._numbers)}.log"
        request = {
            "arguments": ["run", "--env=smoke", *arguments],
            "folder": str(project),
            "log": str(log),
            "environment": environment,
            "file_size": file_size,
        }
        log.touch()
        self._running.append(Process(self, self._ask(request), log))
        return self._running[-1]

    def close(self) -> None:
        """End it, and whatever a failed test has left running."""
        for run in self._running:
            if not run.ended():
                run.kill()
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(60)


@pytest.fixture(scope="module")
def kedro_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Process]]:
    launcher = Launcher(tmp_path_factory.mktemp("logs"))
    yield launcher.run
    launcher.close()


@pytest.fixture
def project(finished_project: Path, tmp_path: Path) -> Path:
    """A project in which everything ran once, so that its store of records has all its tables."""
    return Path(shutil.copytree(finished_project, tmp_path / "a project"))


@pytest.fixture
def fresh_project(project: Path) -> Path:
    """A project without data, but with a store of records."""
    shutil.rmtree(project / "data")
    return project


def checkpoints(project: Path) -> dict[str, int]:
    """The step of the newest checkpoint of each stage."""
    found: dict[str, int] = {}
    for file in (project / "data" / "06_models" / "smoke" / "checkpoints").glob("*/*/*/step_*.safetensors"):
        stage = file.parts[-4]
        found[stage] = max(found.get(stage, 0), int(file.stem.removeprefix("step_")))
    return found


def steps_done(project: Path) -> int:
    return sum(checkpoints(project).values())


def wait_for_steps(process: Process, project: Path, steps: int) -> bool:
    """Whether there were checkpoints of so many steps, of all stages together, before the process ended."""
    return process.wait_until(lambda: steps_done(project) >= steps)


def assert_nothing_happened(project: Path, reference: Path, files: Files) -> None:
    """The newest models and histories are those of the reference."""
    for name in MODELS:
        ours, theirs = (files(folder, f"{name}.safetensors")[-1] for folder in (project, reference))
        assert ours.read_bytes() == theirs.read_bytes(), name
    for stage in STAGES:
        ours, theirs = (
            pd.read_csv(files(folder, f"history_{stage}.csv")[-1]).drop(columns="images_per_second")
            for folder in (project, reference)
        )
        pd.testing.assert_frame_equal(ours, theirs, check_exact=True)


def newest_run(project: Path) -> tuple[Record, dict[str, Record]]:
    """The newest parent run and its children by name."""
    return runs(project)[0]


def runs(project: Path) -> list[tuple[Record, dict[str, Record]]]:
    """All parent runs with their children by name, the newest first."""
    client = MlflowClient(f"sqlite:///{project / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("smoke")
    assert experiment is not None
    found = list(client.search_runs([experiment.experiment_id], max_results=1000))
    parents = [run for run in found if "mlflow.parentRunId" not in run.data.tags]
    return [
        (
            parent,
            {run.info.run_name: run for run in found if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id},
        )
        for parent in parents
    ]


def statuses(project: Path) -> list[tuple[str, set[str]]]:
    """Of each parent run and of its children, the newest first."""
    return [(parent.info.status, {x.info.status for x in children.values()}) for parent, children in runs(project)]


def test_killed_twenty_times_at_random_moments_it_ends_as_if_nothing_had_happened(
    fresh_project: Path, finished_project: Path, files: Files, kedro_run: Callable[..., Process]
) -> None:
    rng, kills, resumptions = random.Random(SEED), list[str](), 0
    while True:
        done = steps_done(fresh_project)
        every = rng.choice(["every_steps=1", "every_steps=2", "every_seconds=0.01"])
        process = kedro_run(fresh_project, f"--params=run.checkpoints.{every}")
        if len(kills) >= KILLS:
            break
        steps, delay = rng.randint(1, 13), rng.random() / 100
        wait_for_steps(process, fresh_project, done + steps)
        time.sleep(delay)
        if process.ended():
            assert process.code == 0, process.said()
            assert_nothing_happened(fresh_project, finished_project, files)
            continue
        process.kill()
        resumptions += "resumes from the checkpoint of step" in process.said()
        kills.append(
            f"after {done} + {steps} steps and {1000 * delay:.0f} ms, {every}: at {checkpoints(fresh_project)}"
        )
    told = f"seed {SEED}, kills: {kills}"
    assert process.end() == 0, f"{told}\n{process.said()}"
    try:
        assert_nothing_happened(fresh_project, finished_project, files)
    except AssertionError as error:
        raise AssertionError(told) from error
    assert resumptions >= KILLS - 2, told
    assert checkpoints(fresh_project) == {}, told
    newest, *before = statuses(fresh_project)
    assert newest == ("FINISHED", {"FINISHED"})
    assert {parent for parent, _ in before[:KILLS]} == {"KILLED"}
    assert "RUNNING" not in {status for _, children in before for status in children}
    for parent, _ in runs(fresh_project)[1 : KILLS + 1]:
        assert parent.data.tags["mlflow.note.content"] == "The process was killed."


ENDLESS = ",".join(f"{stage}.training.steps=1000000" for stage in ("classifier", "judge"))
BEGUN = re.compile(r"(\w+): 1000000 steps of 50 images begin")
BEGUN_AGAIN = re.compile(r"(\w+): \d+ steps of 50 images begin")
GONE_ON = re.compile(r"(\w+): resumes from the checkpoint of step (\d+) of 1000000")


@pytest.mark.parametrize(
    ("number", "to_all", "runner", "nodes"),
    [
        (signal.SIGTERM, False, "SequentialRunner", ["train_encoder"]),
        (signal.SIGINT, True, "SequentialRunner", ["train_encoder"]),
        (signal.SIGTERM, False, "ThreadRunner", ["train_encoder"]),
        (signal.SIGTERM, False, "ParallelRunner", ["train_encoder", "train_judge"]),
        (signal.SIGINT, True, "ParallelRunner", ["train_encoder", "train_judge"]),
    ],
    ids=["SIGTERM", "Ctrl-C", "SIGTERM, threads", "SIGTERM, processes", "Ctrl-C, processes"],
)
def test_told_to_stop_it_leaves_a_checkpoint_and_ends_soon_and_well(
    fresh_project: Path,
    kedro_run: Callable[..., Process],
    number: signal.Signals,
    to_all: bool,
    runner: str,
    nodes: list[str],
) -> None:
    """Ctrl-C reaches all processes of a terminal, SIGTERM the one that it is sent to."""
    parameters = f"--params=run.checkpoints.every_seconds=1000,{ENDLESS}"
    arguments = (parameters, f"--runner={runner}", f"--to-nodes={','.join(nodes)}")
    process = kedro_run(fresh_project, *arguments)
    begun = {node.removeprefix("train_") for node in nodes}
    assert process.wait_until(lambda: set(BEGUN.findall(process.said())) == begun), process.said()
    time.sleep(0.1)
    assert checkpoints(fresh_project) == {}  # so those found later are of the signal
    told = time.monotonic()
    (os.killpg if to_all else os.kill)(process.number, number)
    assert process.end() == 128 + number, process.said()
    assert time.monotonic() - told < 10
    assert "Traceback" not in process.said(), process.said()
    left = checkpoints(fresh_project)
    assert set(left) == begun
    assert process.said().count("The last good checkpoint is ") == len(begun)
    parent, children = newest_run(fresh_project)
    assert parent.info.status == "KILLED"
    assert "goes on from its checkpoints" in parent.data.tags["mlflow.note.content"]
    assert {name: child.info.status for name, child in children.items()} == dict.fromkeys(begun, "KILLED")
    again = kedro_run(fresh_project, *arguments)
    assert again.wait_until(lambda: set(BEGUN_AGAIN.findall(again.said())) == begun), again.said()
    again.kill()
    assert {stage: int(step) for stage, step in GONE_ON.findall(again.said())} == left


def test_stopped_again_and_again_with_every_runner_it_ends_as_if_nothing_had_happened(
    fresh_project: Path, finished_project: Path, files: Files, kedro_run: Callable[..., Process]
) -> None:
    rng = random.Random(SEED)
    for runner in ("ParallelRunner", "ThreadRunner", "ParallelRunner", "SequentialRunner"):
        done = steps_done(fresh_project)
        process = kedro_run(fresh_project, "--params=run.checkpoints.every_steps=1", f"--runner={runner}")
        assert wait_for_steps(process, fresh_project, done + rng.randint(5, 25)), process.said()
        os.kill(process.number, signal.SIGTERM)
        assert process.end() == 143, process.said()
        assert "Traceback" not in process.said(), process.said()
    process = kedro_run(fresh_project, "--runner=ParallelRunner")
    assert process.end() == 0, process.said()
    assert "resumes from the checkpoint of step" in process.said()
    assert_nothing_happened(fresh_project, finished_project, files)
    assert checkpoints(fresh_project) == {}


def open_records(project: Path) -> int:
    """How many runs seem to go on, asked without MLflow, which would be too slow to hit upon the moment."""
    with closing(sqlite3.connect(f"file:{project / 'mlflow.db'}?mode=ro", uri=True)) as connection:
        (count,) = connection.execute("select count(*) from runs where status = 'RUNNING'").fetchone()
    return int(count)


def test_told_to_stop_while_its_record_is_being_opened_it_closes_it(
    fresh_project: Path, kedro_run: Callable[..., Process]
) -> None:
    rng, delays = random.Random(SEED), list[float]()
    for _ in range(4):
        process = kedro_run(fresh_project, "--nodes=prepare_images")
        assert process.wait_until(lambda: open_records(fresh_project) > 0), process.said()
        delays.append(rng.random() / 20)
        time.sleep(delays[-1])
        os.kill(process.number, signal.SIGTERM)
        assert process.end() == 143, process.said()
        assert "Traceback" not in process.said(), process.said()
        assert open_records(fresh_project) == 0, f"after {delays} s"


def test_a_run_that_was_killed_after_its_trainings_leaves_no_checkpoints_in_the_end(
    fresh_project: Path, finished_project: Path, files: Files, kedro_run: Callable[..., Process]
) -> None:
    process = kedro_run(fresh_project)
    assert wait_for_steps(process, fresh_project, ALL_STEPS), process.said()
    process.kill()
    process = kedro_run(fresh_project)
    assert process.end() == 0, process.said()
    assert "joint: resumes from the checkpoint of step 10 of 10" in process.said()
    assert_nothing_happened(fresh_project, finished_project, files)
    assert checkpoints(fresh_project) == {}


def test_changed_parameters_start_the_stage_anew_and_leave_the_others_alone(
    fresh_project: Path, kedro_run: Callable[..., Process]
) -> None:
    params = "--params=run.checkpoints.every_steps=1,sgan.levels.fc3.training.steps=1000000"
    process = kedro_run(fresh_project, params)
    assert process.wait_until(lambda: checkpoints(fresh_project).get("fc3", 0) > 5), process.said()
    process.kill()
    process = kedro_run(fresh_project, f"{params},sgan.levels.fc3.training.beta1=0.4")
    assert process.wait_until(lambda: "fc3: 1000000 steps of 50 images begin" in process.said()), process.said()
    process.kill()
    assert "encoder: resumes from the checkpoint of step 60 of 60" in process.said()
    assert "fc3: resumes" not in process.said()
    assert "fc3: starts from scratch; " in process.said()
    assert "(parameters.training.beta1 was 0.5, is 0.4)" in process.said()


def test_a_run_that_diverges_says_why_everywhere(
    project: Path, files: Files, kedro_run: Callable[..., Process]
) -> None:
    before = len(files(project, "level_fc3.safetensors"))
    process = kedro_run(
        project,
        "--namespaces=fc3",
        "--params=run.checkpoints.every_steps=1,sgan.levels.fc3.training.learning_rate=1e30",
    )
    assert process.end() == 1, process.said()
    assert "Traceback" not in process.said(), process.said()
    message = process.said().strip().splitlines()[-1].removeprefix("Error: ")
    assert re.search(r"^Training of fc3 diverged at step \d+: the \w+.* of the (generator|discriminator) ", message)
    assert re.search(
        r"(There is no checkpoint yet|The last good checkpoint is .*/fc3/.*step_\d+\.safetensors)\. ", message
    )
    assert "Before it " in message
    parent, children = newest_run(project)
    assert (parent.info.status, children["fc3"].info.status) == ("FAILED", "FAILED")
    assert parent.data.tags["mlflow.note.content"] == children["fc3"].data.tags["mlflow.note.content"] == message
    assert len(files(project, "level_fc3.safetensors")) == before


def contents(project: Path, files: Files, pattern: str) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in files(project, pattern)}


def test_a_disk_too_full_for_checkpoints_costs_no_training(
    project: Path, files: Files, kedro_run: Callable[..., Process]
) -> None:
    (first,) = files(project, "encoder.safetensors")
    size = first.stat().st_size + 100  # a checkpoint is larger than the model, as it holds the moments too
    arguments = ("--nodes=train_encoder", "--params=run.checkpoints.every_steps=10")
    process = kedro_run(project, *arguments, file_size=size)
    assert process.end() == 0, process.said()
    assert "encoder: the checkpoint of step 10 failed; the training continues. " in process.said()
    assert process.said().count("failed; the training continues") == 6
    assert process.said().count("MLflow fails") == 1  # its store is on the same disk
    first, second = files(project, "encoder.safetensors")
    assert first.read_bytes() == second.read_bytes()
    assert not list(project.rglob("*.partial"))


def test_a_disk_too_full_for_the_model_says_so_and_harms_no_earlier_one(
    project: Path, files: Files, kedro_run: Callable[..., Process]
) -> None:
    before = contents(project, files, "*.safetensors")
    (model,) = files(project, "encoder.safetensors")
    process = kedro_run(project, "--nodes=train_encoder", file_size=model.stat().st_size - 100)
    assert process.end() == 1, process.said()
    last = process.said().strip().splitlines()[-1]
    assert re.search(r"^Error: .*encoder\.safetensors: cannot be written \(.*large", last)
    assert last.endswith("The existing file, if there is one, is untouched.")
    assert contents(project, files, "*.safetensors") == before
    assert not list(project.rglob("*.partial"))


@pytest.mark.parametrize(
    ("place", "obstacle", "said"),
    [
        ("checkpoints", "kernel", r"checkpoints/encoder: cannot be written \(.*Nothing was trained\.$"),
        ("encoder.safetensors", "file", r"encoder: .*encoder\.safetensors cannot be written \(.*Nothing was run\.$"),
    ],
    ids=["checkpoints", "models"],
)
def test_a_folder_that_cannot_be_written_is_refused_before_the_training(
    project: Path, files: Files, kedro_run: Callable[..., Process], place: str, obstacle: str, said: str
) -> None:
    folder = project / "data" / "06_models" / "smoke" / place
    folder.rename(project / "elsewhere")
    if obstacle == "file":
        folder.write_text("in the way")
    elif Path("/sys/kernel").exists():
        folder.symlink_to("/sys/kernel")
    else:
        pytest.skip("this system has no such file system")
    before = contents(project, files, "*.safetensors")
    process = kedro_run(project, "--nodes=train_encoder")
    assert process.end() == 1, process.said()
    assert "Traceback" not in process.said(), process.said()
    last = process.said().strip().splitlines()[-1]
    assert last.startswith("Error: ")
    assert re.search(said, last)
    assert "steps of 50 images begin" not in process.said()
    assert contents(project, files, "*.safetensors") == before


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "sqlite:///conf/base/mlflow.yml/mlflow.db"])
def test_without_a_store_of_records_it_is_said_once_and_all_else_goes_on(
    project: Path, files: Files, kedro_run: Callable[..., Process], uri: str
) -> None:
    process = kedro_run(project, "--nodes=train_encoder", MLFLOW_TRACKING_URI=uri)
    assert process.end() == 0, process.said()
    assert process.said().count("MLflow fails, so no more of this run is recorded; all else goes on.") == 1
    assert "Traceback" not in process.said(), process.said()
    first, second = files(project, "encoder.safetensors")
    assert first.read_bytes() == second.read_bytes()


def test_a_broken_checkpoint_falls_back_to_the_one_before_and_changes_nothing(
    fresh_project: Path, finished_project: Path, files: Files, kedro_run: Callable[..., Process]
) -> None:
    process = kedro_run(fresh_project, "--params=run.checkpoints.every_steps=4")
    assert process.wait_until(lambda: checkpoints(fresh_project).get("infogan", 0) >= 8), process.said()
    process.kill()
    broken = max(fresh_project.rglob("checkpoints/infogan/*/*/step_*"))
    before = int(broken.stem.removeprefix("step_")) - 4
    broken.write_bytes(broken.read_bytes()[:-1000])
    process = kedro_run(fresh_project)
    assert process.end() == 0, process.said()
    assert f"infogan: a broken checkpoint is skipped. {broken}: " in process.said()
    assert f"infogan: resumes from the checkpoint of step {before} of 20" in process.said()
    assert_nothing_happened(fresh_project, finished_project, files)


def test_runs_at_the_same_time_do_not_mix(
    make_project: Callable[[], Path], finished_project: Path, files: Files, kedro_run: Callable[..., Process]
) -> None:
    """Two alike and one with another seed, all at once in a new checkout; the other seed also alone, elsewhere."""
    shared, alone = make_project(), make_project()
    seeds = [0, 0, 1]
    processes = [kedro_run(shared, f"--params=run.seed={seed},run.checkpoints.every_steps=1") for seed in seeds]
    processes.append(kedro_run(alone, "--params=run.seed=1"))
    for process in processes:
        assert process.end() == 0, process.said()
        assert "MLflow fails" not in process.said(), process.said()
    by_seed: dict[int, list[str]] = {0: [], 1: []}
    for path in files(shared, "encoder.safetensors"):
        provenance = read_model(path).spec.provenance
        assert provenance is not None
        by_seed[provenance.seed].append(path.parent.name)
    assert {seed: len(versions) for seed, versions in by_seed.items()} == {0: 2, 1: 1}
    for seed, reference in ((0, finished_project), (1, alone)):
        for version, name in itertools.product(by_seed[seed], MODELS):
            (ours,) = [path for path in files(shared, f"{name}.safetensors") if path.parent.name == version]
            (theirs,) = files(reference, f"{name}.safetensors")
            assert ours.read_bytes() == theirs.read_bytes(), (seed, name)
    records = runs(shared)
    assert sorted(parent.data.params["run.seed"] for parent, _ in records) == ["0", "0", "1"]
    for parent, children in records:
        on_samples = {f"classifier_on_{stack}_stack" for stack in ("independent", "joint")}
        assert set(children) == {*STAGES, *on_samples}
        assert {run.info.status for run in (parent, *children.values())} == {"FINISHED"}
        assert {run.data.params["seed"] for run in children.values()} == {parent.data.params["run.seed"]}


def test_every_model_and_every_record_says_what_decided_it(
    finished_project: Path, files: Files, records: Records
) -> None:
    _, _, children = records(finished_project)
    (card,) = files(finished_project, "data_card.json")
    digest = json.loads(card.read_text())["train"]["sha256"]
    for name, stage in {"level_fc3": "fc3", "level_pixels": "pixels", "joint_stack": "joint"}.items() | {
        (name, name) for name in ("encoder", "judge", "infogan")
    }:
        (path,) = files(finished_project, f"{name}.safetensors")
        spec: Any = read_model(path).spec
        found = spec.levels[-1].provenance if name == "joint_stack" else spec.provenance
        assert isinstance(found, Provenance)
        assert (found.stage, found.seed, found.threads) == (stage, 0, 1)
        assert (found.code, found.torch) == (machine()["code"], machine()["torch"])
        assert found.device.startswith("cpu (")
        assert stage == "joint" or found.inputs["images"] == digest
        assert found.parameters["training"]["batch_size"] == 50
        recorded = children[stage].data.params
        assert recorded == {key: value[:6000] for key, value in flatten(found.model_dump(mode="json"))}


def machine() -> dict[str, str]:
    from gan_pipelines.parameters import RunParameters

    return describe_machine(RunParameters())
