"""Whole runs through what a user can do to the project's folder; `docs/abuse.md` has the list."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pipelines.conftest import Project
from tests.pipelines.processes import Process

pytestmark = pytest.mark.slow

ENCODER = "--nodes=encoder.train_encoder"

Run = Callable[..., Process]


def refusal(project: Project, process: Process) -> str:
    """The one paragraph with which a run was refused; checks that it wrote nothing below data/."""
    before = project.files("*")
    assert process.end() == 1, process.said()
    assert project.files("*") == before
    *before_it, line = process.said().splitlines()
    assert len(before_it) <= 2  # that it starts, and that it checks
    assert line.startswith("Error: ")
    return line.removeprefix("Error: ")


@pytest.mark.parametrize("place", ["conf", "conf/smoke", "conf/base/catalog.yml", "data", "data/06_models"])
def test_a_place_without_rights_is_refused_by_name(project: Project, kedro_run: Run, place: str) -> None:
    files = project.files("*")
    (project.folder / place).chmod(0)
    process = kedro_run(project, ENCODER, plain_user=True)
    assert process.end() == 1, process.said()
    (project.folder / place).chmod(0o755)
    message = refusal(project, process)
    assert str(project.folder / place) in message
    assert message.endswith("Nothing was run.")
    assert project.files("*") == files


def test_a_link_in_place_of_the_models_is_refused_and_one_in_place_of_a_layer_followed(
    project: Project, kedro_run: Run, tmp_path: Path
) -> None:
    layer = project.folder / "data" / "06_models"
    layer.symlink_to(layer.rename(tmp_path / "a larger disk"))
    kedro_run(project, ENCODER).finish()
    assert len(list((tmp_path / "a larger disk").glob("smoke/encoder.safetensors/*/*"))) == 2
    models = layer / "smoke" / "encoder.safetensors"
    models.symlink_to(models.rename(tmp_path / "elsewhere"))
    message = refusal(project, kedro_run(project, ENCODER))
    assert f"{models} is a symbolic link" in message
    assert len(list((tmp_path / "elsewhere").iterdir())) == 2


def test_a_path_of_strange_letters_changes_nothing(project: Project, kedro_run: Run, tmp_path: Path) -> None:
    moved = Project(project.folder.rename(tmp_path / "strange ' \"#%$ äö☃ &:x;\\"))
    (moved.folder / "mlflow.db").unlink()
    process = kedro_run(moved, "--pipelines=classifier")
    process.finish()
    warnings = [line for line in process.said().splitlines() if " WARNING " in line]
    assert all("Workflow tracking" in line or "are the same in all" in line for line in warnings), warnings
    assert moved.record().parent.info.status == "FINISHED"
    first, second = moved.files("encoder.safetensors")
    assert first.read_bytes() == second.read_bytes()


def test_a_password_is_said_nowhere(project: Project, kedro_run: Run) -> None:
    process = kedro_run(project, ENCODER, MLFLOW_TRACKING_URI="http://me:hunter2@127.0.0.1:9")
    process.finish()
    assert "MLflow fails" in process.said()
    assert "127.0.0.1:9" in process.said()
    assert "hunter2" not in process.said()
    written = [path for path in project.folder.rglob("*") if path.is_file()]
    assert [path for path in written if b"hunter2" in path.read_bytes()] == []
