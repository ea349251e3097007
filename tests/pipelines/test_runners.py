"""The same seed gives the same bytes, whatever runs the nodes; from the command line, as a user would."""

import os
import subprocess
import sys

import pytest

from tests.pipelines.conftest import Project
from tests.pipelines.processes import MODELS

pytestmark = pytest.mark.slow


def kedro_run(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kedro", "run", "--env=smoke", *arguments]
    environment = {**os.environ, "PYTHONWARNINGS": "default", "COLUMNS": "200"}
    return subprocess.run(
        command, cwd=project.folder, env=environment, capture_output=True, text=True, check=False, timeout=600
    )


@pytest.mark.parametrize(
    "arguments",
    [("--runner=ParallelRunner",), ("--pipelines=sgan,infogan", "--runner=ThreadRunner")],
    ids=["processes", "threads"],
)
def test_every_runner_makes_the_same_model_files(
    finished_project: Project, empty_project: Project, arguments: tuple[str, ...]
) -> None:
    done = kedro_run(empty_project, *arguments)
    assert done.returncode == 0, done.stderr
    for name in MODELS:
        ours, theirs = (project.only(f"{name}.safetensors") for project in (empty_project, finished_project))
        assert ours.read_bytes() == theirs.read_bytes(), name
    record = empty_project.record()
    assert set(record.children) == set(finished_project.record().children)
    assert "joint_stack" in done.stdout
    assert f"#/experiments/{record.parent.info.experiment_id}/runs" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr  # neither bars nor colours where there is no terminal


@pytest.mark.parametrize(
    ("argument", "named"),
    [
        ("--params=sgan.joint.training.steps=0", ["sgan.joint.training.steps", "greater than 0"]),
        ("--to-outputs=joint_samples", ["--to-outputs", "joint_samples", "joint_stack_samples"]),
        ("--pipelines=sgna", ["--pipelines", "sgna", "sgan_levels"]),
    ],
)
def test_a_bad_argument_ends_the_command_with_one_paragraph(
    empty_project: Project, argument: str, named: list[str]
) -> None:
    done = kedro_run(empty_project, argument)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert all(part in last for part in named)
    assert not (empty_project.folder / "data").exists()
