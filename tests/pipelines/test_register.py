"""`kedro run --pipelines=register` on models and scores that were put there by hand: nothing has been trained."""

import ast
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest
import torch
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities import LoggedModel
from mlflow.entities.model_registry import ModelVersion

from gan_pipelines import load, pages, serving
from gan_pipelines.configuration import LOADER_ARGUMENTS, ExperimentLoader
from gan_pipelines.metrics.comparisons import GROUP_COLUMNS
from gan_pipelines.model_file import write_model
from gan_pipelines.models import InfoGAN, InfoGANSpec, LevelGAN, LevelSpec, StackedGenerator, assemble_stack
from gan_pipelines.parameters import Experiment, ExperimentError
from gan_pipelines.tracking.registry import PACKAGE
from tests.conftest import CONF, PROVENANCE
from tests.pipelines.conftest import ROOT, Project
from tests.test_pages import answers, find_ports

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")]

NAME = "gan_pipelines.smoke"
VERSION = "2026-01-01T00.00.00.000Z"
CLASSES = tuple("0123456789")
TRAIN, TEST = "a" * 64, "b" * 64
SMOKE = ExperimentLoader(str(CONF), "smoke", **LOADER_ARGUMENTS)["parameters"]
Model = StackedGenerator | InfoGAN


@dataclass(frozen=True)
class Registered:
    """A project, and what its runs registered, in their order."""

    project: Project
    found: list[dict[str, str]]
    said: list[str]

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(store(self.project))

    def version(self, number: int) -> ModelVersion:
        return self.client.get_model_version(NAME, str(number))

    def model(self, number: int) -> LoggedModel:
        return self.client.get_logged_model(self.found[number - 1]["model_id"])


def store(project: Project) -> str:
    return f"sqlite:///{project.folder / 'mlflow.db'}"


def make_stack(experiment: Experiment, joint: bool) -> StackedGenerator:
    """A stack of the smoke experiment with random weights."""
    shapes = {"labels": (len(CLASSES),), "fc3": (32,), "pixels": (1, 28, 28)}
    specs = [
        LevelSpec(
            target=target,
            target_shape=shapes[target],
            condition_shape=shapes[level.condition],
            classes=len(CLASSES),
            parameters=level,
            data_digest=TRAIN,
            encoder_digest="e" * 64,
            provenance=PROVENANCE.model_copy(update={"stage": "joint" if joint else target}),
        )
        for target, level in experiment.sgan.levels.items()
    ]
    return assemble_stack([LevelGAN(spec) for spec in specs], CLASSES)


def place(project: Project, folder: str, file: str) -> Path:
    path = project.folder / "data" / folder / "smoke" / file / VERSION / file
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def put(project: Project, name: str, model: Model, distance: float, share: float = 1.0, judge: str = "c" * 12) -> None:
    """A model with its scores; classes whose share is 0 are missing."""
    write_model(place(project, "06_models", f"{name}.safetensors"), model)
    stamp = {
        "data": f"sha256:{TRAIN[:12]}+{TEST[:12]}",
        "judge": f"sha256:{judge}+{'d' * 12}",
        "model": f"sha256:{model.digest()[:12]}",
    }
    rows = [["frechet_distance_infinity", distance, 0.1, None], ["label_accuracy", 0.9, 0.01, None]]
    rows += [["class_share", share, 0.01, label] for label in CLASSES]
    table = pd.DataFrame(rows, columns=["score", "value", "error", "of_class"])
    scores = pd.DataFrame(
        {
            "score": table["score"],
            "space": "judge",
            "samples": 200,
            "value": table["value"],
            "low": table["value"] - table["error"],
            "high": table["value"] + table["error"],
            "expected": 0.9,
            "of_class": table["of_class"],
            "note": None,
        }
    )
    scores.assign(**stamp).to_csv(place(project, "08_reporting", f"{name}_scores.csv"), index=False, quoting=2)
    if name == "infogan":
        codes = pd.DataFrame({"score": ["information_nats", "leakage"], "space": "category", "samples": 200})
        codes = codes.assign(
            value=[1.5, 0.25], low=[1.25, 0.0], high=[1.75, 0.5], expected=None, of_class=None, note=None
        )
        codes.assign(**stamp).to_csv(place(project, "08_reporting", "code_scores.csv"), index=False, quoting=2)
    influences = pd.DataFrame({"score": ["frechet_distance_infinity"], "space": "judge", "samples_variance": 0.005})
    influences = influences.assign(**dict.fromkeys(GROUP_COLUMNS, 0.0), **stamp)
    influences.to_parquet(place(project, "08_reporting", f"{name}_influences.parquet"))


def register(project: Project, model: str) -> dict[str, str]:
    project.run({"registry": {"model": model}}, pipeline_names=["register"])
    found: dict[str, str] = project.json("registration")
    return found


@pytest.fixture(scope="module")
def scored_project(new_project: Callable[[], Project], smoke_experiment: Experiment) -> Project:
    """Two stacks and an InfoGAN that look finished; the first stack is good, the InfoGAN has collapsed."""
    project = new_project()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        put(project, "independent_stack", make_stack(smoke_experiment, joint=False), 9.0)
        put(project, "joint_stack", make_stack(smoke_experiment, joint=True), 5.0)
        infogan = InfoGANSpec(parameters=smoke_experiment.infogan, image_shape=(1, 28, 28), data_digest=TRAIN)
        put(project, "infogan", InfoGAN(infogan), 1.0, share=0.0)
    card = {"source": "mnist_5k", "origin": "a package", "train": {"sha256": TRAIN}, "test": {"sha256": TEST}}
    place(project, "03_primary", "data_card.json").write_text(json.dumps(card))
    return project


@pytest.fixture(scope="module")
def registered(scored_project: Project) -> Registered:
    """First the worse stack, then the collapsed InfoGAN, then the better stack."""
    found, said = [], []
    for model in ("independent_stack", "infogan", "joint_stack"):
        with pytest.MonkeyPatch.context() as patch:
            lines: list[str] = []
            patch.setattr("builtins.print", lambda *texts, into=lines, **_: into.append(" ".join(map(str, texts))))
            found.append(register(scored_project, model))
        said.append("\n".join(lines))
    return Registered(scored_project, found, said)


def test_the_champion_is_the_best_without_a_verdict(registered: Registered) -> None:
    aliases = [(result["version"], result["alias"], result["champion"]) for result in registered.found]
    assert aliases == [("1", "champion", ""), ("2", "challenger", "1"), ("3", "champion", "1")]
    assert registered.client.get_model_version_by_alias(NAME, "champion").version == 3
    assert registered.client.get_model_version_by_alias(NAME, "challenger").version == 2


def test_a_run_says_what_became_of_the_model_why_and_how_to_serve_it(registered: Registered) -> None:
    first, second, third = registered.said
    assert f"{NAME}, version 1, as champion" in first
    assert "make serve ENV=smoke" in first
    assert "no model with a verdict" in second
    assert "still version 1" in second
    assert "make serve" not in second
    assert f"mlflow models serve -m models:/{NAME}@challenger --env-manager local --host 127.0.0.1" in second
    assert "(5 against 9) is better" in third


def test_the_page_of_a_model_has_its_scores_its_verdict_and_what_made_them(registered: Registered) -> None:
    model, version = registered.model(2), registered.version(2)
    assert {metric.key: metric.value for metric in model.metrics or []} == {
        "frechet_distance_infinity.judge.200": 1.0,
        "uncertainty/frechet_distance_infinity.judge.200.low": 0.9,
        "uncertainty/frechet_distance_infinity.judge.200.high": 1.1,
        "uncertainty/frechet_distance_infinity.judge.200.expected": 0.9,
        "label_accuracy.judge.200": 0.9,
        "uncertainty/label_accuracy.judge.200.low": 0.89,
        "uncertainty/label_accuracy.judge.200.high": 0.91,
        "uncertainty/label_accuracy.judge.200.expected": 0.9,
        "information_nats.category.200": 1.5,
        "uncertainty/information_nats.category.200.low": 1.25,
        "uncertainty/information_nats.category.200.high": 1.75,
        "leakage.category.200": 0.25,
        "uncertainty/leakage.category.200.low": 0.0,
        "uncertainty/leakage.category.200.high": 0.5,
    }
    assert model.name == "infogan"
    assert str(model.status) == "READY"
    assert model.params["infogan.training.steps"] == "20"
    for tags in (model.tags, version.tags):
        assert tags["data_source"] == "mnist_5k"
        assert tags["data_sha256"] == TRAIN
        assert tags["reference_sha256"] == TEST
        assert tags["judges"] == f"sha256:{'c' * 12}+{'d' * 12}"
        assert tags["verdict"] == "collapsed"
        assert tags["decision"].startswith("challenger: ")
    assert version.run_id == model.source_run_id
    assert version.tags["model_id"] == model.model_id
    assert json.loads(model.tags["mlflow.modelVersions"]) == [{"name": NAME, "version": 2}]
    scores = dict(zip(*(line.split("&emsp;| ") for line in version.description.splitlines()[2:5:2]), strict=True))
    assert scores["Frechet at infinity"] == "1.00 +- 0.10"
    assert "| L_I | category | 1.500 +- 0.250 |" in version.description
    assert "Verdict: collapsed" in version.description
    assert registered.version(1).tags["verdict"] == "none"


def test_a_logged_model_has_all_that_serves_it_and_nothing_pickled(registered: Registered) -> None:
    folder = Path(registered.model(1).artifact_location.removeprefix("file://").replace("%20", " "))
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    code = {file for file in files if file.startswith("code/")}
    assert files - code == {
        "MLmodel", "conda.yaml", "data/independent_stack.safetensors", "influences.csv", "input_example.json",
        "python_env.yaml", "requirements.txt", "scores.csv", "serving_input_example.json",
    }  # fmt: skip
    package = {
        str(path.relative_to(PACKAGE.parent)) for path in PACKAGE.rglob("*") if path.suffix in (".py", ".html", ".md")
    }
    assert code == {f"code/{path}" for path in package}
    needed = [line.partition("==") for line in (folder / "requirements.txt").read_text().splitlines()]
    assert {name for name, sign, version in needed if sign and version} == set(serving.REQUIREMENTS)
    assert len(pd.read_csv(folder / "scores.csv")) == 12
    assert len(pd.read_csv(folder / "influences.csv")) == 1


def test_registering_is_a_run_that_compare_leaves_out(registered: Registered) -> None:
    run = registered.project.records()[0].parent
    assert run.data.tags["pipeline"] == "register"
    assert run.data.tags["data_sha256"] == TRAIN
    assert run.info.status == "FINISHED"
    with pytest.raises(ExperimentError, match="without scores"):
        registered.project.run({"compare": {"experiments": ["smoke"]}}, pipeline_names=["compare"])


def test_a_moved_project_serves_its_own_champion(
    registered: Registered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = registered.project.copy(tmp_path / "elsewhere")
    monkeypatch.chdir(moved.folder)
    monkeypatch.setenv("KEDRO_ENV", "smoke")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    uri = pages.store_address(None)
    assert pages.require_champion(uri) == NAME
    champion = MlflowClient(uri).get_model_version_by_alias(NAME, "champion")
    assert champion.source.startswith(moved.folder.as_uri())
    assert MlflowClient(uri).get_model_version_download_uri(NAME, champion.version).startswith(moved.folder.as_uri())


def test_another_judge_makes_a_challenger_and_the_run_says_why(
    registered: Registered, smoke_experiment: Experiment, tmp_path: Path
) -> None:
    project = registered.project.copy(tmp_path / "a copy")
    put(project, "independent_stack", project.model("independent_stack"), 1.0, judge="f" * 12)
    found = register(project, "independent_stack")
    assert found["alias"] == "challenger"
    assert "another judge" in found["reason"]


def swap_model(project: Project) -> None:
    model = make_stack(Experiment.read(SMOKE), joint=True)
    write_model(project.newest("joint_stack.safetensors"), model)


def change_card(project: Project) -> None:
    card = {**project.json("data_card"), "train": {"sha256": "9" * 64}}
    project.newest("data_card.json").write_text(json.dumps(card))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (swap_model, "joint_stack_scores: are of another model"),
        (change_card, "data_card: joint_stack_scores were measured"),
    ],
)
def test_what_does_not_belong_together_is_refused_and_nothing_registered(
    spoil: Callable[[Project], None], says: str, registered: Registered, tmp_path: Path
) -> None:
    project = registered.project.copy(tmp_path / "a copy")
    spoil(project)
    with pytest.raises(ExperimentError, match=says) as caught:
        register(project, "joint_stack")
    assert "\n" not in str(caught.value)
    assert len(MlflowClient(store(project)).search_model_versions()) == 3


def test_only_generators_with_scores_are_registered(scored_project: Project) -> None:
    with pytest.raises(ExperimentError, match=r"registry\.model: must be one of .*joint_stack.*; found 'encoder'\."):
        register(scored_project, "encoder")


def test_the_requirements_are_what_the_served_code_imports(registered: Registered) -> None:
    """In a process of its own, from the model's own copy of the code, without pickle and without Kedro."""
    script = f"""
import json, sys
import mlflow.pyfunc
mlflow.set_tracking_uri({store(registered.project)!r})
before = set(sys.modules)
model = mlflow.pyfunc.load_model("models:/{NAME}@champion")
pictures = model.predict(__import__("pandas").DataFrame({{"label": ["3", "1"]}}), params={{"seed": 4}})
files = {{name: module.__file__ for name, module in sys.modules.items() if name.split(".")[0] == "gan_pipelines"}}
print(json.dumps([files, "kedro" in sys.modules, pictures.tolist()]))
"""
    environment = {**os.environ, "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    files, kedro, pictures = json.loads(done.stdout.splitlines()[-1])
    assert not kedro
    assert all("/code/gan_pipelines/" in file for file in files.values())
    path = registered.project.newest("joint_stack.safetensors")
    assert np.array_equal(pictures, load(path).sample(2, classes=["3", "1"], seed=4))
    imported = {name for file in files.values() for name in imports(Path(file))} - set(sys.stdlib_module_names)
    names = {"PIL": "pillow"}
    assert {names.get(name, name) for name in imported} - {"gan_pipelines"} == set(serving.REQUIREMENTS)


def imports(file: Path) -> Iterator[str]:
    """The packages that a module imports, wherever it does."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module).partition(".")[0]


@contextmanager
def recording_server(folder: Path, empty_store: Path) -> Iterator[str]:
    """The address of a server of MLflow's with a store and files of its own."""
    folder.mkdir()
    shutil.copy(empty_store, folder)
    port = find_ports(1)
    place = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    holds = ["--backend-store-uri", store(Project(folder)), "--artifacts-destination", str(folder / "files")]
    command = [sys.executable, "-m", "mlflow", "server", *place, *holds]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            command, env={**os.environ, **pages.ENVIRONMENT}, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            assert answers(f"http://127.0.0.1:{port}/health"), (folder / "log").read_text()
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(30)


def test_a_server_of_mlflow_holds_the_registry(
    scored_project: Project,
    empty_store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    project = scored_project.copy(tmp_path / "a copy")
    with recording_server(tmp_path / "a server", empty_store) as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        monkeypatch.setenv("KEDRO_ENV", "smoke")
        monkeypatch.chdir(project.folder)
        found = register(project, "joint_stack")
        assert (found["version"], found["alias"]) == ("1", "champion")
        assert f"MLflow: open {uri}/#/experiments/" in capsys.readouterr().out
        assert pages.require_champion(pages.store_address(None)) == NAME
        source = MlflowClient(uri).get_model_version_by_alias(NAME, "champion").source
        assert source.startswith("mlflow-artifacts:/")
        served = download_artifacts(f"{source}/data/joint_stack.safetensors", dst_path=str(tmp_path), tracking_uri=uri)
    assert Path(served).read_bytes() == project.newest("joint_stack.safetensors").read_bytes()


@contextmanager
def serving_champion(project: Project, log: Path) -> Iterator[str]:
    """`make serve`, as the Makefile calls it."""
    port = find_ports(1)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "KEDRO_ENV": "smoke"}
    environment.pop("MLFLOW_TRACKING_URI", None)
    command = [sys.executable, "-m", "gan_pipelines.pages", "serve", "--port", str(port)]
    with log.open("w") as output:
        server = subprocess.Popen(command, cwd=project.folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            assert answers(f"http://127.0.0.1:{port}/ping"), log.read_text()
            yield f"http://127.0.0.1:{port}/invocations"
        finally:
            server.terminate()
            server.wait(30)
            until = time.monotonic() + 30
            while not pages._is_free(port) and time.monotonic() < until:
                time.sleep(0.1)
    assert pages._is_free(port)


def ask(address: str, body: object, kind: str = "application/json") -> tuple[int, Any]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Content-Type": kind})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)["predictions"]
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def get(address: str, host: str = "127.0.0.1") -> tuple[int, str, Message]:
    """Status, text and headers of a page."""
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers={"Host": host}), timeout=60) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), error.headers


def announce(address: str, length: int) -> int:
    """The status that a request of this length gets before its body is sent."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
    with closing(connection):
        connection.request("POST", "/invocations", headers={"Content-Length": str(length)})
        return connection.getresponse().status


def test_the_server_answers_with_pictures_and_refuses_what_is_wrong(registered: Registered, tmp_path: Path) -> None:
    sampler = load(registered.project.newest("joint_stack.safetensors"))
    with serving_champion(registered.project, tmp_path / "server.log") as address:
        rows = {"inputs": {"label": ["3", "1", "4"]}, "params": {"seed": 5, "first": 19}}
        status, pictures = ask(address, rows)
        assert status == 200
        assert np.array_equal(pictures[1], sampler.sample(1, classes=["1"], seed=5, first=20)[0])
        assert ask(address, rows) == (status, pictures)
        assert ask(address, b"label\n3\n", "text/csv")[0] == 200
        misspelt = {"inputs": {"label": ["3"]}, "params": {"sede": 5}}
        assert ask(address, misspelt) == ask(address, {"inputs": {"label": ["3"]}})  # as the documentation warns
        for body, says in (
            ({"inputs": {"label": ["x"]}}, "label: the model has 0, 1, 2, 3, 4, 5, 6, 7, 8, 9; found 'x'"),
            ({"inputs": {"label": [True]}}, "label"),
            ({"inputs": {"lable": ["3"]}}, "Model is missing inputs ['label']"),
            ({"inputs": {"label": ["3"] * 1001}}, "found 1001"),
            ({"inputs": {"label": ["3"]}, "params": {"seed": "one"}}, "seed"),
            ({"inputs": {"label": ["3"]}, "params": {"seed": -1}}, "found -1"),
            ({"labels": ["3"]}, "exactly one of the input fields"),
            (b"{no json", "valid JSON"),
        ):
            status, answer = ask(address, body)
            assert status == 400, body
            assert says in answer
        posted = urllib.request.Request(address, json.dumps(rows).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(posted, timeout=60) as answer:
            assert b" " not in answer.read()  # MLflow's own writer, which is slow, puts spaces between numbers
        assert announce(address, 2**20 + 1) == 413
        page = address.removesuffix("invocations")
        status, text, headers = get(page)
        assert status == 200
        assert "script-src 'unsafe-inline'; " in headers["Content-Security-Policy"]
        assert not re.search(r"https?://|src=\"[^$]", text)  # nothing from elsewhere
        assert json.loads(get(f"{page}choices")[1]) == {"classes": list(CLASSES), "codes": {}}
        assert get(page, host="rebound.example")[0] == 400
