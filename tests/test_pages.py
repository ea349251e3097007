"""The pages of MLflow and kedro-viz open on this machine alone, on a free port, at an address worth opening."""

import os
import shutil
import socket
import subprocess
import sys
import tarfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from gan_pipelines import pages
from gan_pipelines.tracking.store import open_client

ROOT = Path(__file__).parents[1]
Started = tuple[list[str], dict[str, str]]


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with its configuration, which is the current folder."""
    folder = tmp_path / "a project"
    shutil.copytree(ROOT / "conf", folder / "conf", ignore=shutil.ignore_patterns("local"))
    (folder / "conf" / "local").mkdir()
    shutil.copy(ROOT / "pyproject.toml", folder)
    monkeypatch.chdir(folder)
    for name in ("KEDRO_ENV", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Started]:
    """What would have been started: the commands and their environments."""
    commands: list[Started] = []

    def remember(path: str, command: list[str], environment: dict[str, str]) -> None:
        assert path == command[0]
        commands.append((command, environment))

    monkeypatch.setattr(os, "execve", remember)
    return commands


def find_ports(count: int) -> int:
    """The first of so many free ports in a row."""
    return next(x for x in range(20_000, 40_000) if all(pages._is_free(x + offset) for offset in range(count)))


@pytest.fixture
def hold() -> Iterator[Callable[..., None]]:
    """Occupies ports on loopback, as a server would."""
    with ExitStack() as stack:

        def listen(*ports: int) -> None:
            for port in ports:
                stack.enter_context(socket.create_server(("127.0.0.1", port)))

        yield listen


@pytest.mark.parametrize("page", ["ui", "viz", "serve"])
def test_a_taken_port_ends_with_the_next_free_one_and_starts_nothing(
    page: str, hold: Callable[..., None], started: list[Started]
) -> None:
    port = find_ports(3)
    hold(port, port + 1)
    with pytest.raises(SystemExit) as stop:
        pages.main([page, "--port", str(port)])
    message = str(stop.value.code)
    assert f"port {port} " in message
    assert f"make {page} PORT={port + 2} " in message
    assert f"--port {port + 2}" in message
    assert "\n" not in message
    assert started == []


def test_the_offered_command_keeps_the_experiment(hold: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    port = find_ports(2)
    hold(port)
    monkeypatch.setenv("KEDRO_ENV", "mnist")
    with pytest.raises(SystemExit, match=f"make viz ENV=mnist PORT={port + 1}"):
        pages.main(["viz", "--port", str(port)])


def test_a_port_that_a_server_has_just_left_is_free() -> None:
    port = find_ports(1)
    with socket.create_server(("127.0.0.1", port)) as server:
        with socket.create_connection(("127.0.0.1", port)):
            connection, _ = server.accept()
        connection.close()
    pages.require_free("ui", port)


@pytest.mark.parametrize("port", ["80", "49152", "five"])
def test_ports_that_no_page_can_take_are_refused(
    port: str, started: list[Started], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        pages.main(["viz", "--port", port])
    assert stop.value.code == 2
    assert port in capsys.readouterr().err
    assert started == []


def test_kedro_viz_opens_on_the_namespaces(started: list[Started], capsys: pytest.CaptureFixture[str]) -> None:
    port = find_ports(1)
    pages.main(["viz", "--port", str(port)])
    ((command, environment),) = started
    assert command[1:5] == ["-m", "kedro", "viz", "run"]
    assert_loopback(command, port)
    assert "--include-hooks" in command
    assert "--no-browser" in command
    assert environment["DO_NOT_TRACK"] == environment["KEDRO_DISABLE_TELEMETRY"] == "true"
    assert f"http://127.0.0.1:{port}/?types=nodes" in capsys.readouterr().out


def test_kedro_viz_outside_a_project_says_what_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: list[Started]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=r"pyproject\.toml"):
        pages.main(["viz", "--port", str(find_ports(1))])
    assert started == []


def test_mlflow_opens_on_the_runs_of_the_experiment_that_ran_last(
    project: Path, started: list[Started], capsys: pytest.CaptureFixture[str]
) -> None:
    uri, port = f"sqlite:///{project / 'mlflow.db'}", find_ports(1)
    pages.main(["ui", "--port", str(port)])
    assert f"http://127.0.0.1:{port}/#/experiments?workflowType=machine_learning" in capsys.readouterr().out

    client = open_client(uri)
    older, newer = (client.create_experiment(name) for name in ("mnist", "base"))
    client.create_run(older, start_time=2)
    client.create_run(newer, start_time=1)
    pages.main(["ui", "--port", str(port)])
    assert f"http://127.0.0.1:{port}/#/experiments/{older}/runs?workflowType=ma" in capsys.readouterr().out

    command, environment = started[-1]
    assert command[1:4] == ["-m", "mlflow", "ui"]
    assert_loopback(command, port)
    assert environment["MLFLOW_BACKEND_STORE_URI"] == uri
    assert uri not in command  # which every user of the machine sees, and which may hold a password
    assert environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert environment["MLFLOW_DISABLE_TELEMETRY"] == environment["DO_NOT_TRACK"] == "true"


def test_the_champion_of_the_experiment_is_served_without_pickle(
    project: Path, started: list[Started], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    uri, port, name = f"sqlite:///{project / 'mlflow.db'}", find_ports(1), "gan_pipelines.mnist"
    client = open_client(uri)
    client.create_registered_model(name)
    client.create_model_version(name, (project / "model").as_uri())
    client.set_registered_model_alias(name, "champion", "1")
    monkeypatch.setenv("KEDRO_ENV", "mnist")
    pages.main(["serve", "--port", str(port)])
    ((command, environment),) = started
    assert command == [
        sys.executable,
        "-P",
        str(pages.SERVER),
        "--model",
        f"models:/{name}@champion",
        "--port",
        str(port),
    ]
    assert environment["MLFLOW_TRACKING_URI"] == uri
    assert environment["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"
    assert (
        f"open http://127.0.0.1:{port}, or send requests to http://127.0.0.1:{port}/invocations"
        in capsys.readouterr().out
    )


@pytest.mark.parametrize("alias", [None, "challenger"])
def test_without_a_champion_nothing_is_served(alias: str | None, project: Path, started: list[Started]) -> None:
    client = open_client(f"sqlite:///{project / 'mlflow.db'}")
    if alias:
        client.create_registered_model("gan_pipelines.base")
        client.create_model_version("gan_pipelines.base", (project / "model").as_uri())
        client.set_registered_model_alias("gan_pipelines.base", alias, "1")
    with pytest.raises(SystemExit, match=r"gan_pipelines\.base has no version .* kedro run --pipelines=register$"):
        pages.main(["serve", "--port", str(find_ports(1))])
    assert started == []


def assert_loopback(command: list[str], port: int) -> None:
    assert command[0] == sys.executable
    assert command.count("--host") == command.count("--port") == 1
    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert command[command.index("--port") + 1] == str(port)


def test_the_store_is_the_one_that_runs_are_recorded_in(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pages.store_address(None) == f"sqlite:///{project / 'mlflow.db'}"
    (project / "conf" / "mnist" / "mlflow.yml").write_text("tracking_uri: sqlite:///other.db\nartifacts: files\n")
    monkeypatch.setenv("KEDRO_ENV", "mnist")
    assert pages.store_address(None) == f"sqlite:///{project / 'other.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///elsewhere/third.db")
    assert pages.store_address(None) == f"sqlite:///{project / 'elsewhere' / 'third.db'}"


def test_the_store_of_an_installed_package_lies_below_the_current_folder(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tarfile.open(tmp_path / "conf.tar.gz", "w:gz") as archive:
        archive.add(project / "conf", "conf")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    assert pages.store_address(str(tmp_path / "conf.tar.gz")) == f"sqlite:///{tmp_path / 'empty' / 'mlflow.db'}"


def test_a_recording_server_is_named_and_nothing_started(
    started: list[Started], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@server:5000")
    pages.main(["ui", "--port", str(find_ports(1))])
    said = capsys.readouterr().out
    assert "http://server:5000/#/experiments?workflowType=machine_learning" in said
    assert "secret" not in said
    assert started == []


def test_a_store_without_its_driver_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://user:secret@host/db")
    with pytest.raises(SystemExit, match=r"^Error: the record of runs at postgresql://\*\*\*@host/db ") as caught:
        pages.main(["ui", "--port", str(find_ports(1))])
    assert "secret" not in str(caught.value)


def remove_conf(project: Path) -> None:
    shutil.rmtree(project / "conf")


def misspell(project: Path) -> None:
    (project / "conf" / "base" / "mlflow.yml").write_text("tracking_url: sqlite:///mlflow.db\nartifacts: files\n")


def break_store(project: Path) -> None:
    (project / "mlflow.db").write_text("no database " * 100)


@pytest.mark.parametrize(
    ("spoil", "names"),
    [(remove_conf, "--conf-source"), (misspell, r"mlflow\.tracking_url"), (break_store, "not a database")],
)
def test_what_cannot_be_shown_is_explained_in_one_message(
    spoil: Callable[[Path], Any], names: str, project: Path, started: list[Started]
) -> None:
    spoil(project)
    with pytest.raises(SystemExit, match=names):
        pages.main(["ui", "--port", str(find_ports(1))])
    assert started == []


@pytest.mark.slow
def test_mlflow_answers_at_the_port(project: Path) -> None:
    port = find_ports(1)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-m", "gan_pipelines.pages", "ui", "--port", str(port)]
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert answers(f"http://127.0.0.1:{port}/health")
    finally:
        server.terminate()
        server.wait(30)


def answers(address: str, seconds: float = 120) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(address, timeout=10) as answer:
                return answer.status == 200
        except OSError:
            time.sleep(0.2)
    return False
