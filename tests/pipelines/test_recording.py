"""What MLflow is told stands in the catalog; the record moves with the project."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from kedro.pipeline import Node, Pipeline

from gan_pipelines import pipeline_registry
from gan_pipelines.parameters import ExperimentError
from tests.pipelines.conftest import Project

CATALOG = """
sizes:
  type: json.JSONDataset
  filepath: data/08_reporting/${{experiment:}}/sizes.json
  versioned: true
  metadata: {{mlflow: {{record: {kind}, under: mine}}}}
"""


def sum_weights(networks: pd.DataFrame) -> dict[str, float]:
    return {"weights": float(networks["parameters"].sum())}


@pytest.fixture
def extended_project(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with a pipeline `mine`, whose only result, `sizes`, no code of this package knows."""
    registered = pipeline_registry.register_pipelines
    mine = Pipeline([Node(sum_weights, inputs="network_table", outputs="sizes", name="sum_weights")])
    monkeypatch.setattr(pipeline_registry, "register_pipelines", lambda: {**registered(), "mine": mine})
    return project


def test_a_new_dataset_is_recorded_as_its_catalog_entry_says(extended_project: Project) -> None:
    extended_project.write("conf/smoke/catalog.yml", CATALOG.format(kind="metrics"))
    extended_project.run(pipeline_names=["mine"])
    metrics = extended_project.record().parent.data.metrics
    assert metrics == {"mine.weights": extended_project.table("network_table")["parameters"].sum()}


def test_an_unknown_kind_of_record_is_refused_before_anything_runs(extended_project: Project) -> None:
    extended_project.write("conf/smoke/catalog.yml", CATALOG.format(kind="nonsense"))
    with pytest.raises(ExperimentError, match=r"sizes\.metadata\.mlflow\.record\b.*metrics") as caught:
        extended_project.run(pipeline_names=["mine"])
    assert "\n" not in str(caught.value)
    assert not extended_project.files("sizes.json")
    assert len(extended_project.records()) == 1


def test_the_record_moves_with_the_project(
    empty_project: Project, record: Callable[[Path], Any], tmp_path: Path
) -> None:
    old = empty_project.folder
    record(old).add("before", {"joint_stack/frechet_distance.judge.200": 1.0}, "smoke", pictures=["grid"])
    moved = Project(old.rename(tmp_path / "another place"))
    moved.run(pipeline_names=["data_preparation"])
    new, before = moved.records()
    assert before.artifacts("figures") == {"grid.png"}
    for found, file in ((before, "figures/grid.png"), (new, "parameters.json")):
        content = Path(found.client.download_artifacts(found.parent.info.run_id, file, str(tmp_path)))
        assert content.stat().st_size > 0
        assert (moved.folder / "mlartifacts" / "smoke" / found.parent.info.run_id / "artifacts" / file).is_file()
    assert not old.exists()


def test_a_finished_stack_is_registered_with_its_scores_and_its_verdict(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """Twenty updates make no champion."""
    project.run(pipeline_names=["register"])
    found = project.json("registration")
    assert (found["version"], found["alias"]) == ("1", "challenger")
    assert "no model with a verdict can be made champion" in capsys.readouterr().out
    model = project.record().client.get_logged_model(found["model_id"])
    distance = project.scores("joint_stack").loc[("frechet_distance", "judge")]
    values = {metric.key: metric.value for metric in model.metrics or []}
    assert values["frechet_distance.judge.200"] == pytest.approx(distance["value"])
    assert model.tags["model_sha256"] == project.model("joint_stack").digest()
    assert model.tags["data_sha256"] == project.json("data_card")["train"]["sha256"]
