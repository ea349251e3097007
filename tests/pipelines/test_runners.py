"""The same seed gives the same bytes, whatever runs the nodes; from the command line, as a user would."""

from collections.abc import Callable

import pytest

from tests.pipelines.conftest import Project
from tests.pipelines.processes import MODELS, Process

pytestmark = pytest.mark.slow

Run = Callable[..., Process]


@pytest.mark.parametrize(
    "arguments",
    [("--runner=ParallelRunner",), ("--pipelines=sgan,infogan", "--runner=ThreadRunner")],
    ids=["processes", "threads"],
)
def test_every_runner_makes_the_same_model_files(
    finished_project: Project, empty_project: Project, kedro_run: Run, arguments: tuple[str, ...]
) -> None:
    done = kedro_run(empty_project, *arguments)
    done.finish()
    for name in MODELS:
        ours, theirs = (project.only(f"{name}.safetensors") for project in (empty_project, finished_project))
        assert ours.read_bytes() == theirs.read_bytes(), name
    record = empty_project.record()
    assert set(record.children) == set(finished_project.record().children)
    assert "joint_stack" in done.said()
    assert f"#/experiments/{record.parent.info.experiment_id}/runs" in done.said()
    assert "\x1b" not in done.said()  # neither bars nor colours where there is no terminal


@pytest.mark.parametrize(
    ("argument", "named"),
    [
        ("--params=sgan.joint.training.steps=0", ["sgan.joint.training.steps", "greater than 0"]),
        ("--to-outputs=joint_samples", ["--to-outputs", "joint_samples", "joint_stack_samples"]),
        ("--pipelines=sgna", ["--pipelines", "sgna", "sgan_levels"]),
    ],
)
def test_a_bad_argument_ends_the_command_with_one_paragraph(
    empty_project: Project, kedro_run: Run, argument: str, named: list[str]
) -> None:
    done = kedro_run(empty_project, argument)
    assert done.end() == 1
    assert "Traceback" not in done.said()
    assert all(part in done.last_line() for part in named)
    assert not (empty_project.folder / "data").exists()
