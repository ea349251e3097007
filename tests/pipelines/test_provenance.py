"""Every model, score, picture and run says what made it, and what does not belong together is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from gan_pipelines.models.provenance import Provenance
from gan_pipelines.parameters import RunParameters
from gan_pipelines.training.machine import describe_machine
from tests.pipelines.conftest import Project
from tests.pipelines.test_bad_input import refusal

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
def test_a_model_and_its_record_say_what_decided_its_weights(
    finished_project: Project, tmp_path: Path, name: str, stage: str
) -> None:
    spec, machine = finished_project.model(name).spec, describe_machine(RunParameters())
    found = spec.levels[-1].provenance if name == "joint_stack" else spec.provenance
    assert isinstance(found, Provenance)
    assert (found.stage, found.seed, found.threads) == (stage, 0, 1)
    assert (found.code, found.torch) == (machine["code"], machine["torch"])
    assert found.device.startswith("cpu (")
    if stage != "joint":
        assert found.inputs["images"] == finished_project.json("data_card")["train"]["sha256"]
    assert found.parameters["training"]["batch_size"] == 50
    record = finished_project.record()
    run_id = record.children[stage].info.run_id
    recorded = Path(record.client.download_artifacts(run_id, "provenance.json", str(tmp_path)))
    assert json.loads(recorded.read_text()) == found.model_dump(mode="json")


def test_a_part_run_on_older_models_records_what_made_them(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    asked = {"infogan": {"training": {"steps": 999}}, "run": {"seed": 7}}
    project.run(asked, pipeline_names=["infogan_evaluation"])
    run = project.record().parent.data
    steps = project.model("infogan").spec.provenance.parameters["training"]["steps"]
    assert run.params["infogan.training.steps"] == str(steps)
    assert run.params["run.seed"] == "0"
    stages = {name: run.params[f"seed.{name}"] for name in ("infogan", "judge", "evaluation")}
    assert stages == {"infogan": "0", "judge": "0", "evaluation": "7"}
    assert run.params["code.infogan"] == describe_machine(RunParameters())["code"]
    card = project.json("data_card")
    assert run.tags["reference_sha256"] == card["test"]["sha256"]
    (warning,) = [found.getMessage() for found in caplog.records if "was asked for" in found.getMessage()]
    assert f"infogan.training.steps was {steps}, 999 was asked for" in warning
    assert "run.seed was 0, 7 was asked for" in warning


def test_a_whole_run_records_the_seed_of_each_stage(finished_project: Project) -> None:
    params = finished_project.record().parent.data.params
    assert {name for name in params if name.startswith("seed.")} == {
        f"seed.{stage}"
        for stage in ("encoder", "judge", "second_judge", "fc3", "pixels", "joint", "infogan", "evaluation")
    }
    assert {params[name] for name in params if name.startswith("seed.")} == {"0"}


def short(project: Project, model: str) -> str:
    return f"sha256:{project.model(model).digest()[:12]}"


def test_scores_pictures_and_figures_name_what_made_them(finished_project: Project) -> None:
    card, judge = finished_project.json("data_card"), short(finished_project, "judge")
    train, test = (card[split]["sha256"][:12] for split in ("train", "test"))
    judges = f"{judge}+{short(finished_project, 'second_judge')[7:]}"
    for generator in ("independent_stack", "joint_stack", "infogan"):
        model = short(finished_project, generator)
        table = finished_project.table(f"{generator}_scores")
        assert [set(table[name]) for name in ("data", "judge", "model")] == [
            {f"sha256:{train}+{test}"},
            {judges},
            {model},
        ]
        with Image.open(finished_project.newest(f"{generator}_sample_grid.png")) as grid:
            text = dict(grid.text)
            assert text.pop("Description").startswith(f"{generator}: samples")
            assert text == {"data": f"sha256:{train}+{test}", "model": model}
    trained = " ".join(short(finished_project, f"joint_level_{name}")[7:] for name in ("fc3", "pixels"))
    assert set(finished_project.table("joint_stack_level_scores")["model"]) == {f"sha256:{trained}"}
    codes = finished_project.table("code_scores")
    assert (set(codes["judge"]), set(codes["data"])) == ({judge}, {f"sha256:{train}+{test}"})
    shown = finished_project.json("loss_curves")["layout"]["meta"]["model"]
    encoder = short(finished_project, "encoder")[7:]
    assert shown.startswith(f"{short(finished_project, 'joint_stack')} {encoder} {judge[7:]} ")
    assert shown.endswith(f" {trained}")


def test_samples_are_not_compared_with_real_images_that_another_judge_has_read(project: Project) -> None:
    project.run({"judge": {"training": {"steps": 30}}}, pipeline_names=["judge"])
    message = refusal(project, pipeline_names=["infogan_evaluation"])
    assert message.startswith("real_features: does not belong")
    assert "another judge" in message
    assert "`kedro run --pipelines=real_evaluation --env=smoke`" in message
    both = refusal(project, pipeline_names=["judge", "infogan_evaluation"])
    assert both.startswith("real_features: ")
    assert "makes judge anew" in both
    project.run(pipeline_names=["real_evaluation"])
    project.run(pipeline_names=["infogan_evaluation"])


@pytest.mark.parametrize(
    ("evaluation", "named"),
    [
        ({"networks": ["judge", "efficientnet_lite0"]}, "evaluation.networks"),
        ({"features": "block1"}, "evaluation.features"),
    ],
)
def test_real_features_that_were_read_otherwise_than_asked_are_refused(
    finished_project: Project, evaluation: dict[str, Any], named: str
) -> None:
    message = refusal(finished_project, {"evaluation": evaluation}, pipeline_names=["sgan_evaluation"])
    assert message.startswith(f"{named}: ")
    assert "kedro run --pipelines=real_evaluation" in message


def test_test_images_of_another_split_are_refused(project: Project) -> None:
    first = project.version("test_images.safetensors")
    project.run({"data": {"seed": 1}}, pipeline_names=["data_preparation"])
    message = refusal(project, pipeline_names=["classifier"], load_versions={"test_images": first})
    assert message.startswith("test_images: must be of the same version as train_images")
    assert first in message


UNLABELLED = {"fc3": {"condition": "none", "generator": {"condition": []}}}
SINGLE = {"fc3": None, "pixels": {"condition": "labels"}}


@pytest.mark.parametrize(
    ("levels", "gone", "asked"),
    [
        (UNLABELLED, "joint_stack_evaluation.train_classifier", "fc3 given 'none', pixels given 'fc3'"),
        (SINGLE, "fc3.train_level", "pixels given 'labels'"),
    ],
    ids=["no labels", "a single level"],
)
def test_params_change_the_graph_and_a_stack_that_it_is_not_built_for_is_refused(
    finished_project: Project, levels: dict[str, Any], gone: str, asked: str
) -> None:
    params = {"sgan": {"levels": levels}}
    before, after = ({node.name for node in finished_project.pipelines(x)["sgan"].nodes} for x in ({}, params))
    assert gone in before - after
    message = refusal(finished_project, params, node_names=["joint_stack_evaluation.sample"])
    assert message.startswith("sgan.levels: ")
    assert asked in message
    assert "joint_stack has fc3 given 'labels', pixels given 'fc3'" in message
