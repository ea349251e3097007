"""The notebook runs from top to bottom on a finished run, and shows pictures."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.pipelines.conftest import ROOT, Project

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
ELSEWHERE = ("explore_stack", "compare_runs")
"""Those of which a test of their own knows what they show."""


def execute(path: Path, project: Project, monkeypatch: pytest.MonkeyPatch) -> list[nbformat.NotebookNode]:
    """The cells of code of a notebook, after all of them ran in a project."""
    monkeypatch.setenv("KEDRO_ENV", "smoke")
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(project.folder)}}).execute()
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # zmq's sockets, closed when the interpreter ends
def test_the_notebook_shows_the_scores_and_the_pictures(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = execute(ROOT / "notebooks" / "explore_stack.ipynb", project, monkeypatch)
    outputs = [output for cell in cells for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 4
    levels = [output["text"].strip() for output in outputs if output.get("name") == "stdout"]
    assert "\n".join(levels).split() == ["fc3", "pixels"]
    texts = [output.get("data", {}).get("text/plain", "") for output in outputs]
    assert any("noise_recovery" in text for text in texts)
    assert any("joint_stack" in text for text in texts)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.parametrize("path", [path for path in NOTEBOOKS if path.stem not in ELSEWHERE], ids=lambda path: path.stem)
def test_every_other_notebook_runs_and_each_of_its_last_lines_shows_something(
    path: Path, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, *cells = execute(path, project, monkeypatch)  # the first two open the project
    shown = [cell for cell in cells if any(output.output_type != "stream" for output in cell.outputs)]
    assert shown == cells


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_committed_notebooks_have_no_outputs(path: str) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert not [cell for cell in notebook.cells if cell.cell_type == "code" and cell.outputs]
