"""What a person sees of a run, in a file and on a terminal: stages with their place, results and paths that exist."""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.pipelines.conftest import ROOT, Project
from tests.pipelines.processes import Process

pytestmark = pytest.mark.slow

STAGES = (
    "data.prepare_images", "data.draw_data_page", "data.list_networks", "judge.train_judge", "judge.train_second_judge",
)  # fmt: skip
FALSE_AFTER_A_REFUSAL = re.compile(r"MLflow: make ui|Picture:|Page:|Made in|Repeat|done after")


@pytest.fixture(scope="module")
def project(new_project: Callable[[], Project]) -> Project:
    return new_project()


@pytest.fixture(scope="module")
def said(project: Project, kedro_run: Callable[..., Process]) -> str:
    """What data preparation and judges say where no bar can be drawn."""
    run = kedro_run(project, "--pipelines=data_preparation,judge")
    run.finish()
    return run.said()


def test_every_stage_has_a_line_with_its_place_and_what_matters(said: str) -> None:
    lines = dict(re.findall(r"^\d\d:\d\d:\d\d INFO \d of 5 (\S+): (done .*)$", said, re.M))
    assert set(lines) == set(STAGES)
    assert sorted(re.findall(r"(\d of 5) \S+: done", said)) == [f"{place} of 5" for place in range(1, 6)]
    trained = r"done after \d+ s, \d+ images/s, cross-entropy [\d.]+, test accuracy [\d.]+"
    assert re.fullmatch(trained, lines["judge.train_judge"])
    assert "\x1b" not in said


def test_the_first_line_comes_before_all_others_and_the_last_says_where_to_look(said: str) -> None:
    lines = said.splitlines()
    assert re.match(r"gan_pipelines \S+: loading", lines[0])
    assert "smoke: 5 stages" in lines[1]
    assert lines[-1].startswith("MLflow: make ui, then open http://127.0.0.1:5000/")


def test_the_end_names_numbers_and_files_that_are_there(said: str, project: Project) -> None:
    assert "mnist_5k: 4000 train, 1000 test images; 10 classes" in said
    assert re.search(r"^second_judge: 60 steps, cross-entropy [\d.]+, test accuracy [\d.]+$", said, re.M)
    (page,) = re.findall("^Page: (.*)$", said, re.M)
    assert (project.folder / page).is_file()
    (version,) = re.findall(r"^Made in \d+ s, each file at FOLDER/FILE/(\S+)/FILE:$", said, re.M)
    listed = said.partition(f"{version}/FILE:\n")[2].partition("MLflow:")[0]
    named = {
        f"{folder}/{file}/{version}/{file}"
        for folder, files in re.findall(r"^  (\S+): ((?:.|\n    )*)$", listed, re.M)
        for file in re.split(r",\s+", files)
    }
    there = {str(path.relative_to(project.folder)) for path in project.files("*") if version in path.parts}
    assert there - {page} == named


def test_verbose_tells_all_numbers_and_what_is_not_made_is_not_named(
    said: str, project: Project, kedro_run: Callable[..., Process]
) -> None:
    before = set(project.files("*"))
    run = kedro_run(project, "--pipelines=data_preparation,judge", "--only-missing-outputs", "--verbose")
    run.finish()
    assert set(project.files("*")) == before
    assert not FALSE_AFTER_A_REFUSAL.search(run.said().replace("MLflow: make ui", ""))
    run = kedro_run(project, "--pipelines=judge", "--verbose")
    run.finish()
    assert re.search(r"1 of 2 judge\.train_judge: done .* classifier\.cross_entropy [\d.]+, test accuracy", run.said())


@pytest.mark.parametrize(
    ("arguments", "within"),
    [
        (("--params=judge.training.steps=-1",), False),
        (("--pipelines=sgna",), False),
        (("--pipelines=data_preparation", "--params=data.source.name=npz,data.source.path=nowhere.npz"), True),
    ],
    ids=["parameter", "pipeline", "in a stage"],
)
def test_after_a_refusal_nothing_is_said(
    arguments: tuple[str, ...], within: bool, project: Project, kedro_run: Callable[..., Process]
) -> None:
    run = kedro_run(project, *arguments)
    assert run.end() == 1
    assert run.last_line().startswith("Error: ")
    assert not FALSE_AFTER_A_REFUSAL.search(run.said())
    assert ("1 of 3 data.prepare_images: stopped after" in run.said()) == within


def test_a_terminal_gets_bars_and_whole_lines(project: Project) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "kedro", "run", "--env=smoke", "--pipelines=data_preparation"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "150"}
    with subprocess.Popen(command, cwd=project.folder, env=environment, stdout=theirs, stderr=theirs) as run:
        os.close(theirs)
        drawn = b"".join(iter(lambda: _read(ours), b"")).decode()
    assert run.returncode == 0, drawn
    assert drawn.count("\x1b[?25l") == drawn.count("\x1b[?25h") > 0  # the cursor is back
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn)
    assert "data.prepare_images ━" in plain
    lines = re.split(r"[\r\n]+", plain)
    for place, stage in enumerate(STAGES[:3], 1):
        told = re.compile(rf"\d\d:\d\d:\d\d INFO {place} of 3 {stage}: done after \d+ s")
        assert any(map(told.fullmatch, lines)), plain


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # nobody writes any more
        return b""


def test_the_first_line_does_not_wait_for_what_takes_seconds() -> None:
    blocked = "import sys; sys.modules['torch'] = None; sys.argv = ['kedro', 'run']"
    script = f"{blocked}; from kedro.framework.cli import main; main()"
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode != 0
    assert re.match(r"gan_pipelines \S+: loading", run.stderr)
