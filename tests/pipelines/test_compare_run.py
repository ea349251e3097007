"""`kedro run --pipelines=compare` on a project whose record was filled by hand: nothing has been trained in it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
from mlflow import MlflowClient
from nbclient import NotebookClient

from gan_pipelines.parameters import ExperimentError
from tests.pipelines.conftest import ROOT, Project
from tests.pipelines.processes import Process

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")]

CHOSEN = {"compare": {"experiments": ["smoke"]}}


@pytest.fixture(scope="module")
def recorded_project(new_project: Callable[[], Project], record: Callable[[Path], Any]) -> Project:
    """Two seeds of one setting and one run of another setting."""
    project = new_project()
    store = record(project.folder)
    for name, seed, weight, distance in [
        ("seed 0", 0, "0.01", 5.0), ("seed 1", 1, "0.01", 5.4), ("heavy", 0, "1.0", 9.0)
    ]:  # fmt: skip
        scores = {
            f"{generator}/frechet_distance.judge.200": (value, value - 0.5, value + 0.5)
            for generator, value in {"joint_stack": distance, "independent_stack": distance + 2.0, "real": 1.0}.items()
        }
        curves = {stage: {"generator.adversarial": [2.0, 1.0]} for stage in ("fc3", "pixels", "joint")}
        parameters = {"sgan.joint.upstream_weight": weight}
        store.add(name, scores, "smoke", seed, parameters, curves=curves, pictures=["joint_stack_sample_grid"])
    return project


@pytest.fixture(scope="module")
def before(recorded_project: Project) -> set[str]:
    return run_ids(recorded_project)


@pytest.fixture(scope="module")
def compared_project(recorded_project: Project, before: set[str]) -> Project:
    recorded_project.run(CHOSEN, pipeline_names=["compare"])
    return recorded_project


def run_ids(project: Project) -> set[str]:
    client = MlflowClient(f"sqlite:///{project.folder / 'mlflow.db'}")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return {run.info.run_id for run in client.search_runs(experiments)}


def compared(project: Project, table: str) -> pd.DataFrame:
    return pd.read_parquet(project.newest(f"compared_{table}.parquet"))


def test_it_writes_a_report_with_the_pictures_of_each_run(compared_project: Project) -> None:
    page = compared_project.newest("comparison_report.html").read_text(encoding="utf-8")
    assert "3 runs" in page
    assert "sgan.joint.upstream_weight" in page
    assert page.count('src="data:image/webp;base64,') == 3
    assert "any of these may be the best: joint_stack of R3, seed 0 (5); joint_stack of R2, seed 1 (5.4)" in page


def test_it_gives_each_generator_a_place(compared_project: Project) -> None:
    columns = ["generator", "run", "value", "place"]
    assert list(compared(compared_project, "scores")[columns].itertuples(index=False, name=None)) == [
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


def test_it_averages_over_seeds_and_lists_what_differs(compared_project: Project) -> None:
    seeds = compared(compared_project, "seeds").set_index("generator").loc["joint_stack"]
    assert seeds["mean"] == pytest.approx(5.2)
    assert seeds["deviation"] == pytest.approx(0.4 / 2**0.5)
    assert seeds["runs"] == "R2, R3"
    different = compared(compared_project, "differences")["name"].to_list()
    assert different == ["run.seed", "sgan.joint.upstream_weight"]


def test_it_leaves_no_trace_in_the_record_and_needs_neither_data_nor_checkpoints(
    compared_project: Project, before: set[str]
) -> None:
    assert run_ids(compared_project) == before
    assert {path.name for path in (compared_project.folder / "data").iterdir()} == {"08_reporting"}


def test_it_says_where_the_report_is_and_who_leads(
    recorded_project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded_project.run(CHOSEN, pipeline_names=["compare"])
    table = capsys.readouterr().out.partition("score.network.samples")
    lines = [line for line in "".join(table[1:]).splitlines() if line]
    assert "frechet_distance.judge.200" in lines[1]
    assert lines[1].endswith(" R3 joint_stack 5 + 1")
    assert max(len(line) for line in lines[:2]) <= 80
    assert any(line.startswith("By Frechet distance (judge, N = 200) any of these may be the best") for line in lines)
    assert lines[-1].startswith("Report: ")
    report = lines[-1].removeprefix("Report: ")
    assert (recorded_project.folder / report).is_file()
    assert report.endswith("comparison_report.html")


def test_a_moved_project_finds_the_pictures_of_its_runs(recorded_project: Project, tmp_path: Path) -> None:
    copy = recorded_project.copy(tmp_path / "elsewhere")
    moved = Project(copy.folder.rename(tmp_path / "moved"))
    moved.run(CHOSEN, pipeline_names=["compare"])
    page = moved.newest("comparison_report.html").read_text(encoding="utf-8")
    assert page.count('src="data:image/webp;base64,') == 3


def test_a_machine_without_the_device_of_the_experiment_compares(recorded_project: Project) -> None:
    recorded_project.run({**CHOSEN, "run": {"device": "cuda:99"}}, pipeline_names=["compare"])


def test_it_runs_in_several_processes(recorded_project: Project, kedro_run: Callable[..., Process]) -> None:
    parameters = "--params=compare.newest=2"  # of the experiment that --env names
    done = kedro_run(recorded_project, "--pipelines=compare", "--runner=ParallelRunner", parameters)
    done.finish()
    assert "Report: " in done.said()


def test_a_choice_of_nothing_is_refused_in_one_paragraph(recorded_project: Project) -> None:
    with pytest.raises(ExperimentError, match=r"^compare.experiments: 'svhn' .*smoke"):
        recorded_project.run({"compare": {"experiments": ["svhn"]}}, pipeline_names=["compare"])


def test_without_any_record_it_says_so(new_checkout: Callable[[], Project]) -> None:
    project = new_checkout()
    with pytest.raises(ExperimentError, match=r"mlflow\.db"):
        project.run(pipeline_names=["compare"])
    assert not (project.folder / "mlflow.db").exists()


@pytest.mark.slow
def test_the_notebook_shows_scores_differences_and_curves(
    recorded_project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEDRO_ENV", "smoke")
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    project = recorded_project.copy(tmp_path / "a copy")
    notebook = nbformat.read(ROOT / "notebooks" / "compare_runs.ipynb", as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(project.folder)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    texts = [output.get("data", {}).get("text/plain", "") for output in outputs]
    assert any("frechet_distance" in text for text in texts)
    assert any("sgan.joint.upstream_weight" in text for text in texts)
    assert any("application/vnd.plotly.v1+json" in output.get("data", {}) for output in outputs)
