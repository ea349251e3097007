"""The same seed gives the same bytes, whatever runs the nodes; from the command line, as a user would."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

MODELS = ("encoder", "judge", "level_fc3", "level_pixels", "joint_level_fc3", "joint_level_pixels", "infogan")
MODELS += ("independent_stack", "joint_stack")


def kedro_run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kedro", "run", "--env=smoke", *arguments]
    environment = {**os.environ, "PYTHONWARNINGS": "default", "COLUMNS": "200"}
    return subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, check=False, timeout=600
    )


@pytest.mark.parametrize(
    "arguments",
    [("--runner=ParallelRunner",), ("--pipelines=sgan,infogan", "--runner=ThreadRunner")],
    ids=["processes", "threads"],
)
def test_every_runner_makes_the_same_model_files(
    finished_project: Path,
    make_project: Callable[[], Path],
    files: Callable[[Path, str], list[Path]],
    arguments: tuple[str, ...],
) -> None:
    project = make_project()
    done = kedro_run(project, *arguments)
    assert done.returncode == 0, done.stderr
    for name in MODELS:
        (ours,), (theirs,) = (files(folder, f"{name}.safetensors") for folder in (project, finished_project))
        assert ours.read_bytes() == theirs.read_bytes(), name
    assert "joint_stack" in done.stdout
    assert "make ui" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr  # no bars and no colours where there is no terminal


def test_a_bad_parameter_ends_the_command_with_one_paragraph(make_project: Callable[[], Path]) -> None:
    project = make_project()
    done = kedro_run(project, "--params=sgan.joint.training.steps=0")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert "sgan.joint.training.steps" in last
    assert "greater than 0" in last
    assert not (project / "data").exists()
