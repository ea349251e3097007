"""The notebook runs from top to bottom on a finished run, and shows pictures."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "explore_stack.ipynb"


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # zmq's sockets, closed by the interpreter's end
def test_the_notebook_shows_the_scores_and_the_pictures(
    finished_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEDRO_ENV", "smoke")
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(finished_project)}})
    client.execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 4
    walked = [output["text"].strip() for output in outputs if output.get("name") == "stdout"]
    assert "\n".join(walked).split() == ["fc3", "pixels"]
    assert any("noise_recovery" in output.get("data", {}).get("text/plain", "") for output in outputs)
    assert any("joint_stack" in output.get("data", {}).get("text/plain", "") for output in outputs)


def test_the_committed_notebook_carries_no_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not [cell for cell in notebook.cells if cell.cell_type == "code" and cell.outputs]
