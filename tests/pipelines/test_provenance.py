"""Every model, and every run in MLflow, says what decided its weights."""

import pytest

from gan_pipelines.models.provenance import Provenance
from gan_pipelines.parameters import RunParameters
from gan_pipelines.parameters.base import flatten
from gan_pipelines.training.machine import describe_machine
from tests.pipelines.conftest import Project

MODELS = {
    "encoder": "encoder",
    "judge": "judge",
    "second_judge": "second_judge",
    "level_fc3": "fc3",
    "level_pixels": "pixels",
    "joint_stack": "joint",
    "infogan": "infogan",
}


@pytest.mark.parametrize(("name", "stage"), MODELS.items())
def test_a_model_and_its_record_say_what_decided_its_weights(finished_project: Project, name: str, stage: str) -> None:
    spec, machine = finished_project.model(name).spec, describe_machine(RunParameters())
    found = spec.levels[-1].provenance if name == "joint_stack" else spec.provenance
    assert isinstance(found, Provenance)
    assert (found.stage, found.seed, found.threads) == (stage, 0, 1)
    assert (found.code, found.torch) == (machine["code"], machine["torch"])
    assert found.device.startswith("cpu (")
    if stage != "joint":
        assert found.inputs["images"] == finished_project.json("data_card")["train"]["sha256"]
    assert found.parameters["training"]["batch_size"] == 50
    recorded = finished_project.record().children[stage].data.params
    assert recorded == {key: value[:6000] for key, value in flatten(found.model_dump(mode="json"))}
