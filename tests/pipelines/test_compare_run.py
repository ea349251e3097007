"""`kedro run --pipeline=compare` on a project whose record was filled by hand: nothing has been trained in it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
from mlflow import MlflowClient
from nbclient import NotebookClient

from gan_pipelines.parameters import ExperimentError

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "compare_runs.ipynb"
CHOSEN = {"compare": {"experiments": ["smoke"]}}


@pytest.fixture(scope="module")
def recorded_project(make_project: Callable[[], Path], record: Callable[[Path], Any]) -> Path:
    """Two seeds of one setting and a run of another one."""
    project = make_project()
    store = record(project)
    for name, seed, weight, distance in [
        ("seed 0", 0, "0.01", 5.0), ("seed 1", 1, "0.01", 5.4), ("heavy", 0, "1.0", 9.0)
    ]:  # fmt: skip
        scores = {
            f"{generator}/frechet_distance.judge.200": (value, value - 0.5, value + 0.5)
            for generator, value in {"joint_stack": distance, "independent_stack": distance + 2.0, "real": 1.0}.items()
        }
        curves = {stage: {"generator.adversarial": [2.0, 1.0]} for stage in ("fc3", "pixels", "joint")}
        parameters = {"sgan.joint.upstream_weight": weight}
        store.add(name, scores, "smoke", seed, parameters, curves=curves, pictures=["joint_sample_grid"])
    return project


@pytest.fixture(scope="module")
def before(recorded_project: Path) -> set[str]:
    return run_ids(recorded_project)


@pytest.fixture(scope="module")
def compared_project(recorded_project: Path, before: set[str], kedro: Callable[..., None]) -> Path:
    kedro(recorded_project, CHOSEN, pipeline_names=["compare"])
    return recorded_project


def run_ids(project: Path) -> set[str]:
    client = MlflowClient(f"sqlite:///{project / 'mlflow.db'}")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return {run.info.run_id for run in client.search_runs(experiments)}


def test_it_writes_a_report_and_the_score_table(
    compared_project: Path, files: Callable[[Path, str], list[Path]]
) -> None:
    (report,) = files(compared_project, "comparison_report.html")
    page = report.read_text(encoding="utf-8")
    assert "Comparison of 3 runs" in page
    assert "sgan.joint.upstream_weight" in page
    assert page.count('<img src="data:image/png;base64,') == 3
    (table,) = files(compared_project, "compared_scores.parquet")
    scores = pd.read_parquet(table)
    assert list(scores[["generator", "run", "value", "place"]].itertuples(index=False, name=None)) == [
        ("independent_stack", "R1", 11.0, "6"),
        ("independent_stack", "R2", 7.4, "3-4"),
        ("independent_stack", "R3", 7.0, "3-4"),
        ("joint_stack", "R1", 9.0, "5"),
        ("joint_stack", "R2", 5.4, "1-2"),
        ("joint_stack", "R3", 5.0, "1-2"),
        ("real", "R1", 1.0, ""),
        ("real", "R2", 1.0, ""),
        ("real", "R3", 1.0, ""),
    ]


def test_it_averages_over_seeds_and_lists_what_differs(
    compared_project: Path, files: Callable[[Path, str], list[Path]]
) -> None:
    (table,) = files(compared_project, "compared_seeds.parquet")
    seeds = pd.read_parquet(table).set_index("generator")
    assert seeds.loc["joint_stack", "mean"] == pytest.approx(5.2)
    assert seeds.loc["joint_stack", "deviation"] == pytest.approx(0.4 / 2**0.5)
    assert seeds.loc["joint_stack", "runs"] == "R2, R3"
    (table,) = files(compared_project, "compared_differences.parquet")
    assert pd.read_parquet(table)["name"].to_list() == ["run.seed", "sgan.joint.upstream_weight"]


def test_it_leaves_no_trace_in_the_record_and_needs_neither_data_nor_checkpoints(
    compared_project: Path, before: set[str]
) -> None:
    assert run_ids(compared_project) == before
    assert {path.name for path in (compared_project / "data").iterdir()} == {"08_reporting"}


def test_it_says_where_the_report_is_and_who_leads(
    recorded_project: Path, kedro: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    kedro(recorded_project, CHOSEN, pipeline_names=["compare"])
    lines = [line for line in capsys.readouterr().out.splitlines() if line]
    assert "frechet_distance.judge.200" in lines[1]
    assert "2 of 6 may be the best" in lines[1]
    assert max(len(line) for line in lines[:2]) <= 80
    report = next(line for line in lines if line.startswith("Report: ")).removeprefix("Report: ")
    assert (recorded_project / report).is_file()
    assert report.endswith("comparison_report.html")


def test_a_machine_without_the_device_of_the_experiment_compares(
    recorded_project: Path, kedro: Callable[..., None]
) -> None:
    kedro(recorded_project, {**CHOSEN, "run": {"device": "cuda:99"}}, pipeline_names=["compare"])


def test_it_runs_in_several_processes(recorded_project: Path) -> None:
    command = [sys.executable, "-m", "kedro", "run", "--pipeline=compare", "--env=smoke", "--runner=ParallelRunner"]
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    parameters = "--params=compare.experiments=smoke,compare.newest=2"
    done = subprocess.run(
        [*command, parameters], cwd=recorded_project, env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    assert "Report: " in done.stdout


def test_a_choice_of_nothing_is_refused_in_one_paragraph(recorded_project: Path, kedro: Callable[..., None]) -> None:
    with pytest.raises(ExperimentError, match=r"^compare.experiments: 'svhn' is not in the record; found .*smoke"):
        kedro(recorded_project, {"compare": {"experiments": ["svhn"]}}, pipeline_names=["compare"])


def test_without_any_record_it_says_so(make_project: Callable[[], Path], kedro: Callable[..., None]) -> None:
    project = make_project()
    with pytest.raises(ExperimentError, match=r"there is no record of runs at .*mlflow\.db"):
        kedro(project, pipeline_names=["compare"])
    assert not (project / "mlflow.db").exists()


def test_kedro_viz_shows_its_tables_and_curves(compared_project: Path) -> None:
    command = [sys.executable, "-m", "kedro", "viz", "build", "--include-hooks", "--include-previews"]
    environment = {**os.environ, "KEDRO_ENV": "smoke", "PYTHONWARNINGS": "ignore"}
    subprocess.run(command, cwd=compared_project, env=environment, check=True, capture_output=True, timeout=240)
    api = compared_project / "build" / "api"
    graph = json.loads((api / "pipelines" / "compare").read_text())
    kinds = {}
    for node in graph["nodes"]:
        if node["type"] == "data":
            kinds[node["name"]] = json.loads((api / "nodes" / node["id"]).read_text()).get("preview_type")
    tables = {"runs", "scores", "seeds", "parameters", "differences", "histories", "left_out"}
    assert {kinds[f"compared_{table}"] for table in tables} == {"TablePreview"}
    assert kinds["compared_curves"] == "PlotlyPreview"


def test_the_notebook_shows_scores_differences_and_curves(
    recorded_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEDRO_ENV", "smoke")
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    (recorded_project / "conf" / "smoke" / "parameters_compare.yml").write_text("compare: {experiments: [smoke]}\n")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(recorded_project)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    texts = [output.get("data", {}).get("text/plain", "") for output in outputs]
    assert any("frechet_distance" in text for text in texts)
    assert any("sgan.joint.upstream_weight" in text for text in texts)
    assert any("application/vnd.plotly.v1+json" in output.get("data", {}) for output in outputs)


def test_the_committed_notebook_carries_no_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not [cell for cell in notebook.cells if cell.cell_type == "code" and cell.outputs]
