"""Runs go to a real sqlite store, in a folder with a space in its name, and are read back from it."""

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from mlflow import MlflowClient
from mlflow.entities import Run
from PIL import Image
from torch import nn

from gan_pipelines import __version__
from gan_pipelines.parameters import TrainingParameters
from gan_pipelines.parameters.base import flatten
from gan_pipelines.tracking import (
    Settings,
    active_run,
    finish_run,
    followed,
    join_run,
    log_artifact,
    log_dataset,
    log_scores,
    log_tags,
    log_text,
    running_node,
    stage_run,
    start_run,
)
from gan_pipelines.tracking.names import CHANGED, COMMIT
from gan_pipelines.tracking.runs import LOST, RUN_ID
from gan_pipelines.training.engine import train
from gan_pipelines.training.interruption import Interrupted, stop_requested, stoppable
from gan_pipelines.training.observer import Resumed
from gan_pipelines.training.players import make_player
from gan_pipelines.training.stage import Stage
from gan_pipelines.training.turns import Turn
from tests.conftest import PROVENANCE
from tests.tracking.conftest import SETTINGS, children, own_variables

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")  # inside MLflow

LAYERS = [{"layer": "linear", "features": 512}, {"layer": "relu"}]
PARAMETERS = {
    "run": {"seed": 1, "device": "cpu", "threads": None},
    "sgan": {"levels": {"fc3": {"condition": "labels", "trunk": LAYERS}}, "joint": {"weight": 0.01, "on": True}},
}


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def project(make_project: Callable[[], Path]) -> Path:
    """The module's tests share one store."""
    return make_project()


@pytest.fixture
def begin(project: Path) -> Callable[..., str]:
    """Start a run and return its id."""

    def start(
        parameters: dict[str, Any] = PARAMETERS, tags: dict[str, str] | None = None, experiment: str = "mnist"
    ) -> str:
        start_run(SETTINGS, project, experiment, parameters, tags or {})
        return os.environ["GAN_PIPELINES_RUN_ID"]

    return start


@pytest.fixture
def store(project: Path) -> MlflowClient:
    return MlflowClient(f"sqlite:///{project}/records/mlflow.db")


def history(store: MlflowClient, run: Run, name: str) -> list[tuple[int, float]]:
    return [(metric.step, metric.value) for metric in store.get_metric_history(run.info.run_id, name)]


def warnings_of(log: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in log.records if record.name == "gan_pipelines.tracking.runs"]


def test_parameters_are_flattened_into_dotted_names_and_compact_json() -> None:
    assert dict(flatten(PARAMETERS)) == {
        "run.seed": "1",
        "run.device": "cpu",
        "run.threads": "null",
        "sgan.levels.fc3.condition": "labels",
        "sgan.levels.fc3.trunk": '[{"layer":"linear","features":512},{"layer":"relu"}]',
        "sgan.joint.weight": "0.01",
        "sgan.joint.on": "true",
    }


def test_the_parent_run_says_what_it_starts_from(begin: Callable[..., str], store: MlflowClient, project: Path) -> None:
    run = store.get_run(begin(tags={"pipeline": "sgan", "mlflow.runName": "first try"}))
    assert run.info.status == "RUNNING"
    assert run.info.run_name == "first try"
    assert store.get_experiment(run.info.experiment_id).name == "mnist"
    assert run.data.params == dict(flatten(PARAMETERS))
    assert run.data.tags["pipeline"] == "sgan"
    assert run.data.tags["package_version"] == __version__
    assert COMMIT not in run.data.tags
    artifact = project / "mlartifacts" / "mnist" / run.info.run_id / "artifacts" / "parameters.json"
    assert json.loads(artifact.read_text()) == PARAMETERS


def test_more_parameters_than_fit_a_batch_and_longer_than_mlflow_takes(
    begin: Callable[..., str], store: MlflowClient
) -> None:
    many = {"many": {f"p{index}": index for index in range(250)}, "long": "x" * 7000}
    params = store.get_run(begin(many)).data.params
    assert len(params) == 251
    assert params["many.p249"] == "249"
    assert params["long"] == "x" * 6000


def test_the_commit_and_its_changes_are_tags(begin: Callable[..., str], store: MlflowClient, project: Path) -> None:
    def git(*arguments: str) -> str:
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *arguments]
        return subprocess.run(command, cwd=project, check=True, capture_output=True, text=True).stdout.strip()

    (project / ".gitignore").write_text("*\n")
    git("init")
    try:
        git("add", "--force", ".gitignore")
        git("commit", "-m", "begin")
        clean = store.get_run(begin()).data.tags
        (project / ".gitignore").write_text("records\nmlartifacts\nchanged\n")
        dirty = store.get_run(begin()).data.tags
        assert (clean[COMMIT], clean[CHANGED]) == (git("rev-parse", "HEAD"), "false")
        assert (dirty[COMMIT], dirty[CHANGED]) == (git("rev-parse", "HEAD"), "true")
    finally:
        shutil.rmtree(project / ".git")


def test_a_stage_is_a_child_run_with_its_metrics_by_step(begin: Callable[..., str], store: MlflowClient) -> None:
    parent = begin()
    with stage_run("fc3") as observer:
        observer.start(200, 64)
        observer.report(100, {"generator.adversarial": 0.75, "images_per_second": 640.0})
        observer.report(200, {"generator.adversarial": 0.5, "images_per_second": 650.0})
        assert children(store, parent)["fc3"].info.status == "RUNNING"
    with stage_run("pixels"):
        pass
    finish_run("FINISHED")
    runs = children(store, parent)
    assert set(runs) == {"fc3", "pixels"}
    assert history(store, runs["fc3"], "generator.adversarial") == [(100, 0.75), (200, 0.5)]
    assert history(store, runs["fc3"], "images_per_second") == [(100, 640.0), (200, 650.0)]
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    assert store.get_run(parent).info.status == "FINISHED"
    assert own_variables() == []


def test_a_stage_has_its_name_and_what_is_known_of_its_run_as_tags(
    begin: Callable[..., str], store: MlflowClient
) -> None:
    parent = begin(tags={COMMIT: "c0ffee", "data_source": "mnist_5k", "pipeline": "sgan"})
    with stage_run("early"):
        pass
    log_tags({"data_sha256": "da7a"})
    with stage_run("late"):
        pass
    assert store.get_run(parent).data.tags["experiment"] == "mnist"
    known = {"experiment": "mnist", "data_source": "mnist_5k"}
    stages = {"early": known | {"stage": "early"}, "late": known | {"stage": "late", "data_sha256": "da7a"}}
    for name, run in children(store, parent).items():
        assert {tag: value for tag, value in run.data.tags.items() if not tag.startswith("mlflow.")} == stages[name]
        assert run.data.tags[COMMIT] == "c0ffee"


def test_mlflows_own_columns_are_filled_for_a_run_and_its_stages(
    begin: Callable[..., str], store: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["/a venv/bin/kedro", "run", "--pipeline=sgan", "--params=a=b c"])
    monkeypatch.setenv("LOGNAME", "ada")
    parent = begin(tags={COMMIT: "c0ffee"})
    with stage_run("fc3"):
        pass
    for run in (store.get_run(parent), children(store, parent)["fc3"]):
        own = {tag: run.data.tags[f"mlflow.{tag}"] for tag in ("source.name", "source.type", "user")}
        assert own == {
            "source.name": "kedro run --pipeline=sgan '--params=a=b c'",
            "source.type": "LOCAL",
            "user": "ada",
        }
        assert run.data.tags["mlflow.source.git.commit"] == "c0ffee"
        assert run.info.user_id == "ada"


def test_a_module_that_was_run_is_named_like_its_command(
    begin: Callable[..., str], store: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["/site-packages/kedro/__main__.py", "run"])
    assert store.get_run(begin()).data.tags["mlflow.source.name"] == "kedro run"


def data_of(run: Run) -> list[tuple[str, str, Any, dict[str, str]]]:
    inputs = [(found.dataset, {tag.key: tag.value for tag in found.tags}) for found in run.inputs.dataset_inputs]
    return [(data.name, data.digest, json.loads(data.source), tags) for data, tags in inputs]


@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_data_are_an_input_of_the_run_and_of_stages_that_start_later(
    begin: Callable[..., str], store: MlflowClient
) -> None:
    parent = begin()
    with stage_run("early"):
        pass
    log_dataset("mnist_5k", "da7a" * 16, "data/01_raw/mnist.npz", "training")
    worker = multiprocessing.get_context("fork").Process(target=_work, args=("late",))
    worker.start()
    worker.join(60)
    data = [("mnist_5k", "da7a" * 9, {"uri": "data/01_raw/mnist.npz"}, {"mlflow.data.context": "training"})]
    assert data_of(store.get_run(parent)) == data
    assert {name: data_of(run) for name, run in children(store, parent).items()} == {"early": [], "late": data}
    log_dataset("mnist_5k", "da7a" * 16, "data/01_raw/mnist.npz", "training")
    begin()
    log_dataset("mnist_5k", "da7a" * 16, "data/01_raw/mnist.npz", "training")
    assert data_of(store.get_run(os.environ["GAN_PIPELINES_RUN_ID"])) == data_of(store.get_run(parent)) == data


@pytest.mark.parametrize(
    ("namespace", "name", "title"),
    [
        ("fc3", "fc3", "fc3"),
        ("joint_stack_evaluation", "classifier_on_joint_stack", "classifier_on_joint_stack"),
        ("adv.seed_0.pixels", "pixels", "adv.seed_0.pixels"),
        ("adv.seed_0.evaluation", "classifier", "adv.seed_0.classifier"),
        (None, "judge", "judge"),
    ],
)
def test_a_stage_is_named_for_the_namespaces_around_its_node(
    namespace: str | None,
    name: str,
    title: str,
    begin: Callable[..., str],
    store: MlflowClient,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "gan_pipelines.progress")
    parent = begin()
    running_node(namespace)
    try:
        with stage_run(name) as observer:
            observer.start(1, 1)
    finally:
        running_node(None)
    assert {child: run.data.tags["stage"] for child, run in children(store, parent).items()} == {title: name}
    assert caplog.messages[0].startswith(f"{title}: ")


def test_nodes_in_threads_have_namespaces_of_their_own(begin: Callable[..., str], store: MlflowClient) -> None:
    parent, started = begin(), threading.Barrier(2)

    def work(namespace: str) -> None:
        running_node(namespace)
        started.wait(10)
        with stage_run("pixels"):
            pass

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, ["adv.pixels", "joint.pixels"]))
    assert set(children(store, parent)) == {"adv.pixels", "joint.pixels"}


def test_the_end_of_a_run_says_where_to_look_at_it(begin: Callable[..., str], store: MlflowClient) -> None:
    experiment = store.get_run(begin(experiment="elsewhere")).info.experiment_id
    assert (
        finish_run("FINISHED") == f"http://127.0.0.1:5000/#/experiments/{experiment}/runs?workflowType=machine_learning"
    )
    assert finish_run("KILLED", "once more") is None


@pytest.mark.parametrize("process", [None, "", "no number", "x since y", "1 since"])
def test_a_run_whose_process_is_unknown_stops_nothing(
    process: str | None, begin: Callable[..., str], store: MlflowClient, caplog: pytest.LogCaptureFixture
) -> None:
    foreign = begin(tags={} if process is None else {"process": process}, experiment="foreign")
    if process is None:
        store.delete_tag(foreign, "process")
    mine = begin(experiment="foreign")
    log_scores({"accuracy": 1.0})
    assert store.get_run(mine).data.metrics == {"accuracy": 1.0}
    assert store.get_run(foreign).info.status == "RUNNING"
    assert warnings_of(caplog) == []
    store.set_terminated(foreign)


def test_credentials_of_a_server_are_not_printed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@127.0.0.1:9")
    start_run(SETTINGS, tmp_path, "mnist", PARAMETERS, {})
    assert finish_run("FINISHED") is None
    assert len(warnings_of(caplog)) == 1
    assert "secret" not in caplog.text


def test_git_is_not_told_the_password_of_a_store(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, begin: Callable[..., str]
) -> None:
    git = tmp_path / "git"
    git.write_text(f"#!/bin/sh\nenv > '{tmp_path}/seen'\nexit 1\n")
    git.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "secret")
    begin()
    seen = (tmp_path / "seen").read_text()
    assert "PATH=" in seen
    assert "secret" not in seen
    assert not [line for line in seen.splitlines() if line.startswith(("MLFLOW_", "GAN_PIPELINES_"))]


def test_metrics_wait_for_the_next_batch(begin: Callable[..., str], store: MlflowClient) -> None:
    parent, clock = begin(), Clock()
    with stage_run("fc3", clock) as observer:
        observer.start(3, 1)
        seen = []
        for step, clock.now in enumerate([4.0, 6.0, 8.0], start=1):
            observer.report(step, {"loss": step})
            seen.append(len(history(store, children(store, parent)["fc3"], "loss")))
    assert seen == [0, 2, 2]
    assert len(history(store, children(store, parent)["fc3"], "loss")) == 3


def test_more_metrics_than_fit_a_batch(begin: Callable[..., str], store: MlflowClient) -> None:
    parent = begin()
    with stage_run("fc3", Clock()) as observer:
        observer.start(600, 1)
        for step in range(1, 601):
            observer.report(step, {"a": step, "b": -step})
    run = children(store, parent)["fc3"]
    assert history(store, run, "a") == [(step, step) for step in range(1, 601)]
    assert len(history(store, run, "b")) == 600


def test_pictures_become_a_film(begin: Callable[..., str], store: MlflowClient, project: Path) -> None:
    parent = begin()
    pictures = torch.zeros(20, 1, 8, 8)
    pictures[0] = 1.5
    with stage_run("pixels") as observer:
        for step in (10, 20):
            observer.show(step, pictures)
    run = children(store, parent)["pixels"]
    folder = project / "mlartifacts" / "mnist" / run.info.run_id / "artifacts" / "images"
    films = sorted(path for path in folder.iterdir() if path.suffix == ".png")
    assert [path.name.split("+")[:3] for path in films] == [["samples", "step", "10"], ["samples", "step", "20"]]
    assert run.data.tags["mlflow.loggedImages"] == "True"
    with Image.open(films[0]) as picture:
        assert picture.size == (6 * (10 * (8 + 2) + 2), 6 * (2 * (8 + 2) + 2))
        assert (picture.getpixel((30, 30)), picture.getpixel((90, 30))) == ((255, 255, 255), (0, 0, 0))


def test_the_engine_reports_through_it(begin: Callable[..., str], store: MlflowClient) -> None:
    parent, module = begin(), nn.Linear(2, 1)
    training = TrainingParameters.model_validate({"steps": 4, "learning_rate": 0.1, "report_every_steps": 2})
    player = make_player(module, training)

    def objective(_: int) -> Iterator[Turn]:
        yield Turn("encoder", lambda: {"square": module(torch.ones(1, 2)).square().sum()})

    with stage_run("encoder") as observer:
        rows = train(Stage("encoder"), {"encoder": player}, objective, training, observer)
    recorded = history(store, children(store, parent)["encoder"], "encoder.square")
    assert recorded == [(row["step"], row["encoder.square"]) for row in rows]
    assert [step for step, _ in recorded] == [2, 4]


def test_a_stage_that_fails_leaves_failed_runs_and_what_it_measured(
    begin: Callable[..., str], store: MlflowClient
) -> None:
    parent = begin()
    with pytest.raises(ZeroDivisionError), stage_run("fc3") as observer:
        observer.start(200, 64)
        observer.report(100, {"loss": 0.75})
        raise ZeroDivisionError
    finish_run("FAILED")
    run = children(store, parent)["fc3"]
    assert (run.info.status, store.get_run(parent).info.status) == ("FAILED", "FAILED")
    assert history(store, run, "loss") == [(100, 0.75)]
    assert own_variables() == []


def test_a_failed_stage_and_its_run_say_why(begin: Callable[..., str], store: MlflowClient) -> None:
    parent = begin()
    with pytest.raises(ArithmeticError), stage_run("fc3"):
        raise ArithmeticError("diverged at step 3: the term entropy is not finite")
    with stage_run("pixels"):
        pass
    finish_run("FAILED", "fc3 diverged")
    notes = {name: run.data.tags.get("mlflow.note.content") for name, run in children(store, parent).items()}
    assert notes == {"fc3": "diverged at step 3: the term entropy is not finite", "pixels": None}
    assert store.get_run(parent).data.tags["mlflow.note.content"] == "fc3 diverged"


def test_a_stage_that_starts_again_ends_the_record_of_the_one_whose_process_died(
    begin: Callable[..., str], store: MlflowClient
) -> None:
    parent = begin()
    experiment = store.get_run(parent).info.experiment_id
    with stage_run("pixels"), stage_run("fc3"):
        with stage_run("fc3"):
            pass
        of_parent = f"tags.`mlflow.parentRunId` = '{parent}'"
        found = [(run.info.run_name, run.info.status) for run in store.search_runs([experiment], of_parent)]
        assert sorted(found) == [("fc3", "FINISHED"), ("fc3", "KILLED"), ("pixels", "RUNNING")]


def test_another_process_joins_a_run_and_then_the_next(
    begin: Callable[..., str], store: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "somebody")
    runs = [begin(), begin()]
    second = active_run()
    assert second["MLFLOW_TRACKING_USERNAME"] == "somebody"
    join_run({**second, RUN_ID: runs[0], LOST: "it was gone"})
    join_run(second)
    log_scores({"accuracy": 1.0})  # what was lost was the other run
    assert [store.get_run(run).data.metrics for run in runs] == [{}, {"accuracy": 1.0}]
    join_run({**second, LOST: "it is gone"})
    join_run(second)
    log_scores({"recall": 1.0})
    assert "recall" not in store.get_run(runs[1]).data.metrics


@pytest.mark.parametrize("stop", [Interrupted(143), KeyboardInterrupt(), GeneratorExit()])
def test_a_stage_that_was_told_to_stop_is_killed_not_failed(
    begin: Callable[..., str], store: MlflowClient, stop: BaseException
) -> None:
    parent = begin()
    with pytest.raises(type(stop)), stage_run("fc3") as observer:
        observer.start(200, 64)
        observer.report(100, {"loss": 0.75})
        raise stop
    finish_run("KILLED", "told to stop")
    run = children(store, parent)["fc3"]
    assert (run.info.status, store.get_run(parent).info.status) == ("KILLED", "KILLED")
    assert store.get_run(parent).data.tags["mlflow.note.content"] == "told to stop"
    assert history(store, run, "loss") == [(100, 0.75)]
    assert run.info.end_time is not None


def test_who_follows_trainings_hears_of_earlier_reports_and_may_end_them(
    begin: Callable[..., str], store: MlflowClient
) -> None:
    class Enough(BaseException): ...

    heard = []

    def follow(training: str, step: int, metrics: Mapping[str, float]) -> None:
        heard.append((training, step, dict(metrics)))
        if step == 30:
            raise Enough

    parent = begin()
    rows = [{"step": 10.0, "loss": 3.0}, {"step": 20.0, "loss": 2.0}]
    with pytest.raises(Enough), followed(follow), stage_run("infogan") as observer:
        observer.start(40, 64, resumed=Resumed(20, "earlier", rows))
        observer.report(30, {"loss": 1.0})
    with stage_run("joint") as observer:
        observer.report(30, {"loss": 1.0})
    assert heard == [("infogan", step, {"loss": loss}) for step, loss in ((10, 3.0), (20, 2.0), (30, 1.0))]
    run = children(store, parent)["infogan"]
    assert run.info.status == "KILLED"
    assert [step for step, _ in history(store, run, "loss")] == [10, 20, 30]


class Signalling(dict[str, Any]):
    """Facts that are interrupted by a signal while they are being written to the store."""

    def items(self) -> Any:
        for pair in super().items():
            signal.raise_signal(signal.SIGTERM)
            yield pair


@pytest.mark.usefixtures("handlers")
def test_a_signal_does_not_tear_a_record_apart(begin: Callable[..., str], store: MlflowClient) -> None:
    """The store would be left with half of it, and its library would complain."""
    parent = begin()
    with pytest.raises(Interrupted) as ended:
        log_tags(Signalling(a="b"))
    assert ended.value.code == 143
    finish_run("KILLED", "told to stop")
    run = store.get_run(parent)
    assert (run.data.tags["a"], run.info.status) == ("b", "KILLED")


@pytest.mark.usefixtures("handlers")
def test_a_signal_during_a_report_leaves_the_training_to_end_its_step(
    begin: Callable[..., str], store: MlflowClient
) -> None:
    parent, clock, reached = begin(), Clock(), []
    with pytest.raises(Interrupted), stage_run("fc3", clock) as observer, stoppable():
        observer.start(200, 64)
        clock.now = 10.0
        observer.report(100, Signalling(loss=0.75))
        reached.append(stop_requested())
    assert reached == [signal.SIGTERM]
    run = children(store, parent)["fc3"]
    assert run.info.status == "KILLED"
    assert history(store, run, "loss") == [(100, 0.75)]


TRAINED = PROVENANCE.model_copy(update={"parameters": {"training": {"steps": 12, "ema_decay": None}, "trunk": LAYERS}})


def test_a_stage_records_what_decides_its_result(begin: Callable[..., str], store: MlflowClient, project: Path) -> None:
    parent = begin()
    with stage_run("fc3") as observer:
        observer.start(200, 64, TRAINED)
    run = children(store, parent)["fc3"]
    artifacts = project / "mlartifacts" / "mnist" / run.info.run_id / "artifacts"
    assert json.loads((artifacts / "provenance.json").read_text()) == TRAINED.model_dump(mode="json")
    assert run.data.params == {"seed": "1", "steps": "200", "batch_size": "64"}  # written above every picture
    assert "resumed_at_step" not in run.data.tags


def test_a_training_is_named_by_its_own_seed_and_by_what_sets_its_run_apart(
    begin: Callable[..., str], store: MlflowClient
) -> None:
    parent = begin(tags={"mlflow.runName": "sgan seed=7 joint.upstream_weight=1.0"})
    with stage_run("joint") as observer:
        observer.start(200, 64, TRAINED)
    run = children(store, parent)["joint"]
    assert run.info.run_name == "joint seed=1 joint.upstream_weight=1.0"
    place = f"[sgan seed=7 joint.upstream_weight=1.0](#/experiments/{run.info.experiment_id}/runs/{parent})"
    assert f"{place}: 200 steps of 64 images." in run.data.tags["mlflow.note.content"]


def test_a_stage_that_goes_on_says_from_where_and_has_the_whole_curve(
    begin: Callable[..., str], store: MlflowClient
) -> None:
    parent = begin()
    rows = [{"step": 100, "loss": 0.75, "speed": 64.0}, {"step": 200, "loss": 0.5, "late": 1.0, "speed": 65.0}]
    with stage_run("fc3") as observer:
        observer.start(300, 64, TRAINED, Resumed(250, "2026-01-01T00.00.00.000Z", rows))
        observer.report(300, {"loss": 0.25, "late": 2.0, "speed": 66.0})
    run = children(store, parent)["fc3"]
    assert run.data.tags["resumed_at_step"] == "250"
    assert run.data.tags["resumed_from_version"] == "2026-01-01T00.00.00.000Z"
    assert history(store, run, "loss") == [(100, 0.75), (200, 0.5), (300, 0.25)]
    assert history(store, run, "late") == [(200, 1.0), (300, 2.0)]
    assert "step" not in run.data.metrics


def _begin_and_hang(project: Path, parent: Any) -> None:
    start_run(SETTINGS, project, "mnist", PARAMETERS, {})
    stage = stage_run("fc3")
    stage.__enter__()
    parent.send(os.environ["GAN_PIPELINES_RUN_ID"])
    time.sleep(600)


@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_the_next_run_closes_those_of_killed_processes_and_no_others(
    begin: Callable[..., str], store: MlflowClient, project: Path
) -> None:
    begin()  # so that the store is there
    finish_run("FINISHED")
    context = multiprocessing.get_context("fork")
    workers, runs = [], []
    for _ in range(2):
        ours, theirs = context.Pipe()
        workers.append(context.Process(target=_begin_and_hang, args=(project, theirs), daemon=True))
        workers[-1].start()
        assert ours.poll(60)
        runs.append(ours.recv())
    workers[0].kill()
    workers[0].join()
    mine = begin()
    elsewhere = begin(tags={"host": "another machine", "process": "1 since 5"})
    reused = begin(tags={"process": f"{os.getpid()} since 12345"})  # its number has been given out again
    begin()

    def state(run: str) -> tuple[str, str | None]:
        found = store.get_run(run)
        return found.info.status, found.data.tags.get("mlflow.note.content")

    assert state(runs[0]) == ("KILLED", "The process was killed.")
    assert children(store, runs[0])["fc3"].info.status == "KILLED"
    assert state(runs[1]) == ("RUNNING", None)
    assert children(store, runs[1])["fc3"].info.status == "RUNNING"
    assert (state(mine), state(elsewhere)) == (("RUNNING", None), ("RUNNING", None))
    assert state(reused) == ("KILLED", "The process was killed.")


def test_children_of_killed_workers_end_with_their_parent(begin: Callable[..., str], store: MlflowClient) -> None:
    parent = begin()
    with stage_run("done"):
        pass
    abandoned = stage_run("abandoned")
    abandoned.__enter__()
    finish_run("FAILED")
    runs = children(store, parent)
    assert {name: run.info.status for name, run in runs.items()} == {"done": "FINISHED", "abandoned": "FAILED"}


def _work(name: str) -> None:
    with stage_run(name) as observer:
        observer.start(1, 1)
        observer.report(1, {"loss": 0.5})


@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_forked_workers_find_the_run(begin: Callable[..., str], store: MlflowClient) -> None:
    parent = begin()
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_work, args=(name,)) for name in ("fc3", "pixels")]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    runs = children(store, parent)
    assert {name: run.info.status for name, run in runs.items()} == {"fc3": "FINISHED", "pixels": "FINISHED"}
    assert history(store, runs["pixels"], "loss") == [(1, 0.5)]


def test_scores_tags_and_files_stand_on_the_parent_run(
    begin: Callable[..., str], store: MlflowClient, tmp_path: Path
) -> None:
    parent = begin()
    figure = tmp_path / "samples.png"
    figure.write_bytes(b"png")
    log_scores({"stack.accuracy": 0.9, "stack.frechet_distance": 12.5})
    log_tags({"data_digest": "abc"})
    log_artifact(figure, "figures")
    log_artifact(figure)
    log_text("<p>ä</p>", "figures/losses.html")
    run = store.get_run(parent)
    assert run.data.metrics == {"stack.accuracy": 0.9, "stack.frechet_distance": 12.5}
    assert run.data.tags["data_digest"] == "abc"
    names = [item.path for folder in ("", "figures") for item in store.list_artifacts(parent, folder)]
    assert names == ["figures", "parameters.json", "samples.png", "figures/losses.html", "figures/samples.png"]
    page = store.download_artifacts(parent, "figures/losses.html", str(tmp_path))
    assert Path(page).read_text(encoding="utf-8") == "<p>ä</p>"


@pytest.mark.parametrize("uri", ["sqlite:///a folder", "sqlite:///text.db", "http://127.0.0.1:9"])
def test_an_unreachable_store_is_given_up_with_one_warning(
    uri: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a folder").mkdir()
    (tmp_path / "text.db").write_text("no database, but long enough to look like one " * 10)
    began = time.monotonic()
    start_run(Settings(tracking_uri=uri, artifacts="mlartifacts"), tmp_path, "mnist", PARAMETERS, {})
    with stage_run("fc3") as observer:
        observer.start(10, 1)
        observer.report(10, {"loss": 0.5})
        observer.show(10, torch.rand(4, 1, 8, 8))
    log_scores({"accuracy": 1.0})
    finish_run("FINISHED")
    assert time.monotonic() - began < 20
    assert len(warnings_of(caplog)) == 1
    assert own_variables() == []


def test_a_store_that_fails_half_way_is_given_up_and_tried_once_more_at_the_end(
    begin: Callable[..., str], store: MlflowClient, project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    parent = begin()
    database, away = project / "records" / "mlflow.db", project / "records" / "away.db"
    with stage_run("fc3") as observer:
        observer.start(20, 1)
        database.rename(away)
        database.write_text("no database, but long enough to look like one " * 10)
        observer.show(10, torch.rand(4, 1, 8, 8))
        observer.report(20, {"loss": 0.5})
    log_scores({"accuracy": 1.0})
    away.replace(database)
    log_scores({"accuracy": 1.0})
    finish_run("FINISHED")
    assert len(warnings_of(caplog)) == 1
    assert store.get_run(parent).info.status == "FINISHED"
    assert store.get_run(parent).data.metrics == {}
    assert children(store, parent)["fc3"].info.status == "FINISHED"


def test_a_new_run_tries_again_a_store_that_an_earlier_one_gave_up(
    begin: Callable[..., str], store: MlflowClient
) -> None:
    os.environ["GAN_PIPELINES_TRACKING_LOST"] = "OSError: gone"
    parent = begin()
    log_scores({"accuracy": 1.0})
    assert store.get_run(parent).data.metrics == {"accuracy": 1.0}


@pytest.mark.slow
def test_without_a_run_nothing_is_recorded_and_mlflow_is_not_even_imported(tmp_path: Path) -> None:
    script = """
import sys, torch
from pathlib import Path
from gan_pipelines.tracking import finish_run, log_artifact, log_dataset, log_scores, log_tags, log_text, stage_run
with stage_run("fc3") as observer:
    observer.start(10, 1)
    observer.report(10, {"loss": 0.5})
    observer.show(10, torch.rand(4, 1, 8, 8))
log_scores({"accuracy": 1.0})
log_tags({"data_digest": "abc"})
log_dataset("name", "digest", "source", "training")
log_artifact(Path("nowhere"))
log_text("text", "name")
assert finish_run("FINISHED") is None
assert "mlflow" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
    assert list(tmp_path.iterdir()) == []


def test_telemetry_is_off(begin: Callable[..., str]) -> None:
    begin()
    assert (os.environ["MLFLOW_DISABLE_TELEMETRY"], os.environ["DO_NOT_TRACK"]) == ("true", "true")
