"""Runs that are killed or told to stop resume from their checkpoints, and end as if nothing had happened.

Each run is a process of its own that goes through `kedro run` in the smoke experiment.
"""

import os
import random
import re
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing

import pytest

from tests.pipelines.conftest import Project
from tests.pipelines.processes import SEED, Process, assert_same_results, checkpoints, recorded, wait_for_steps

pytestmark = pytest.mark.slow

KILLS = 20
ALL_STEPS = 250
"""Of the seven trainings together."""
ENDLESS = ",".join(f"{stage}.training.steps=1000000" for stage in ("classifier", "judge"))
BEGUN = re.compile(r"\.train_(\w+): (\d+) steps of 50 images begin")
RESUMED = re.compile(r"(\w+): resumes from the checkpoint of step (\d+) of \d+")

Run = Callable[..., Process]


def resumed(process: Process) -> dict[str, int]:
    """The step at which each stage resumed."""
    return {stage: int(step) for stage, step in RESUMED.findall(process.said())}


def begun(process: Process) -> set[str]:
    """Stages that have begun to train."""
    return {stage for stage, _ in BEGUN.findall(process.said())}


def test_killed_twenty_times_at_random_moments_it_ends_as_if_nothing_had_happened(
    unmade_project: Project, finished_project: Project, kedro_run: Run
) -> None:
    project, rng, kills, resumptions = unmade_project, random.Random(SEED), list[str](), 0
    while True:
        done = sum(checkpoints(project).values())
        every = rng.choice(["every_steps=1", "every_steps=2", "every_seconds=0.01"])
        process = kedro_run(project, f"--params=run.checkpoints.{every}")
        if len(kills) >= KILLS:
            break
        steps, delay = rng.randint(1, 13), rng.random() / 100
        wait_for_steps(process, project, done + steps)
        time.sleep(delay)
        if process.ended():
            assert process.code == 0, process.said()
            assert_same_results(project, finished_project)
            continue
        process.kill()
        resumptions += bool(resumed(process))
        kills.append(f"after {done} + {steps} steps and {1000 * delay:.0f} ms, {every}: at {checkpoints(project)}")
    told = f"seed {SEED}, kills: {kills}"
    assert process.end() == 0, f"{told}\n{process.said()}"
    try:
        assert_same_results(project, finished_project)
    except AssertionError as error:
        raise AssertionError(told) from error
    assert resumptions >= KILLS - 2, told
    assert checkpoints(project) == {}, told
    newest, *before = project.records()
    assert newest.parent.info.status == "FINISHED"
    assert {child.info.status for child in newest.children.values()} == {"FINISHED"}
    assert "RUNNING" not in {child.info.status for record in before for child in record.children.values()}
    for record in before[:KILLS]:
        assert record.parent.info.status == "KILLED"
        assert "killed" in record.parent.data.tags["mlflow.note.content"]


@pytest.mark.parametrize(
    ("number", "to_all", "runner", "stages"),
    [
        (signal.SIGTERM, False, "SequentialRunner", ["encoder"]),
        (signal.SIGINT, True, "SequentialRunner", ["encoder"]),
        (signal.SIGTERM, False, "ThreadRunner", ["encoder"]),
        (signal.SIGTERM, False, "ParallelRunner", ["encoder", "judge"]),
        (signal.SIGINT, True, "ParallelRunner", ["encoder", "judge"]),
    ],
    ids=["SIGTERM", "Ctrl-C", "SIGTERM, threads", "SIGTERM, processes", "Ctrl-C, processes"],
)
def test_told_to_stop_it_leaves_a_checkpoint_and_ends_quickly_and_cleanly(
    unmade_project: Project, kedro_run: Run, number: signal.Signals, to_all: bool, runner: str, stages: list[str]
) -> None:
    """Ctrl-C reaches all processes of a terminal, SIGTERM the one that it is sent to."""
    project = unmade_project
    nodes = ",".join(f"{stage}.train_{stage}" for stage in stages)
    parameters = f"--params=run.checkpoints.every_seconds=1000,{ENDLESS}"
    arguments = (parameters, f"--runner={runner}", f"--to-nodes={nodes}")
    process = kedro_run(project, *arguments)
    assert process.wait_until(lambda: recorded(project) == set(stages)), process.said()
    assert checkpoints(project) == {}  # so those found later come from the signal
    told = time.monotonic()
    (os.killpg if to_all else os.kill)(process.number, number)
    assert process.end() == 128 + number, process.said()
    assert time.monotonic() - told < 10
    assert "Traceback" not in process.said(), process.said()
    left = checkpoints(project)
    assert set(left) == set(stages)
    assert process.said().count("The last good checkpoint is ") == len(stages)
    record = project.record()
    assert record.parent.info.status == "KILLED"
    assert record.parent.data.tags["mlflow.note.content"]
    assert {name: child.info.status for name, child in record.children.items()} == dict.fromkeys(stages, "KILLED")
    again = kedro_run(project, *arguments)
    assert again.wait_until(lambda: begun(again) == set(stages)), again.said()
    again.kill()
    assert resumed(again) == left


def test_stopped_repeatedly_with_every_runner_it_ends_as_if_nothing_had_happened(
    unmade_project: Project, finished_project: Project, kedro_run: Run
) -> None:
    project, rng = unmade_project, random.Random(SEED)
    for runner in ("ParallelRunner", "ThreadRunner", "ParallelRunner", "SequentialRunner"):
        done = sum(checkpoints(project).values())
        process = kedro_run(project, "--params=run.checkpoints.every_steps=1", f"--runner={runner}")
        assert wait_for_steps(process, project, done + rng.randint(5, 25)), process.said()
        os.kill(process.number, signal.SIGTERM)
        assert process.end() == 143, process.said()
        assert "Traceback" not in process.said(), process.said()
    process = kedro_run(project, "--runner=ParallelRunner")
    process.finish()
    assert resumed(process)
    assert_same_results(project, finished_project)
    assert checkpoints(project) == {}


def open_records(project: Project) -> int:
    """How many runs seem to be running, asked without MLflow, which would be too slow to catch the moment."""
    with closing(sqlite3.connect(f"file:{project.folder / 'mlflow.db'}?mode=ro", uri=True)) as connection:
        (count,) = connection.execute("select count(*) from runs where status = 'RUNNING'").fetchone()
    return int(count)


def test_told_to_stop_while_its_record_is_being_opened_it_closes_it(unmade_project: Project, kedro_run: Run) -> None:
    rng, delays = random.Random(SEED), list[float]()
    for _ in range(4):
        process = kedro_run(unmade_project, "--nodes=data.prepare_images")
        assert process.wait_until(lambda: open_records(unmade_project) > 0), process.said()
        delays.append(rng.random() / 20)
        time.sleep(delays[-1])
        os.kill(process.number, signal.SIGTERM)
        assert process.end() == 143, process.said()
        assert "Traceback" not in process.said(), process.said()
        assert open_records(unmade_project) == 0, f"after {delays} s"


def test_killed_after_its_trainings_it_leaves_no_checkpoints_in_the_end(
    unmade_project: Project, finished_project: Project, kedro_run: Run
) -> None:
    process = kedro_run(unmade_project)
    assert wait_for_steps(process, unmade_project, ALL_STEPS), process.said()
    process.kill()
    process = kedro_run(unmade_project)
    process.finish()
    assert resumed(process)["joint"] == 10
    assert_same_results(unmade_project, finished_project)
    assert checkpoints(unmade_project) == {}


def test_changed_parameters_restart_the_stage_and_leave_the_others_alone(
    unmade_project: Project, kedro_run: Run
) -> None:
    params = "--params=run.checkpoints.every_steps=1,sgan.levels.fc3.training.steps=1000000"
    process = kedro_run(unmade_project, params)
    assert process.wait_until(lambda: checkpoints(unmade_project).get("fc3", 0) > 5), process.said()
    process.kill()
    process = kedro_run(unmade_project, f"{params},sgan.levels.fc3.training.beta1=0.4")
    assert process.wait_until(lambda: ("level", "1000000") in BEGUN.findall(process.said())), process.said()
    process.kill()
    assert resumed(process)["encoder"] == 60
    assert "fc3" not in resumed(process)
    assert "parameters.training.beta1 was 0.5, is 0.4" in process.said()


def test_a_broken_checkpoint_falls_back_to_the_one_before_and_changes_nothing(
    unmade_project: Project, finished_project: Project, kedro_run: Run
) -> None:
    process = kedro_run(unmade_project, "--params=run.checkpoints.every_steps=4")
    assert process.wait_until(lambda: checkpoints(unmade_project).get("infogan", 0) >= 8), process.said()
    process.kill()
    broken = max(unmade_project.folder.rglob("checkpoints/infogan/*/*/step_*"))
    before = int(broken.stem.removeprefix("step_")) - 4
    broken.write_bytes(broken.read_bytes()[:-1000])
    process = kedro_run(unmade_project)
    process.finish()
    assert str(broken) in process.said()
    assert resumed(process)["infogan"] == before
    assert_same_results(unmade_project, finished_project)
