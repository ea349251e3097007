"""The notebook runs from top to bottom on a finished run, and shows pictures."""

import nbformat
import pytest
from nbclient import NotebookClient

from tests.pipelines.conftest import ROOT, Project

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # zmq's sockets, closed when the interpreter ends
def test_the_notebook_shows_the_scores_and_the_pictures(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEDRO_ENV", "smoke")
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    notebook = nbformat.read(ROOT / "notebooks" / "explore_stack.ipynb", as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(project.folder)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 4
    levels = [output["text"].strip() for output in outputs if output.get("name") == "stdout"]
    assert "\n".join(levels).split() == ["fc3", "pixels"]
    texts = [output.get("data", {}).get("text/plain", "") for output in outputs]
    assert any("noise_recovery" in text for text in texts)
    assert any("joint_stack" in text for text in texts)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_committed_notebooks_have_no_outputs(path: str) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert not [cell for cell in notebook.cells if cell.cell_type == "code" and cell.outputs]
