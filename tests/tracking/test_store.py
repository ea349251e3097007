"""Stores are found, moved with their project, and addressed without giving credentials away."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient

from gan_pipelines.parameters import CompareParameters, ExperimentError
from gan_pipelines.tracking import (
    find_runs,
    find_store,
    finish_run,
    log_artifact,
    log_scores,
    read_pictures,
    start_run,
)
from gan_pipelines.tracking.store import Settings, describe_error, mask, page_address, relocate
from tests.tracking.conftest import SETTINGS

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def project(make_project: Callable[[], Path]) -> Path:
    return make_project()


def record_run(project: Path, picture: bytes, settings: Settings = SETTINGS) -> str:
    """Record a run with a picture; returns its id."""
    start_run(settings, project, "first try", {"run": {"seed": 0}}, {})
    run = os.environ["GAN_PIPELINES_RUN_ID"]
    (project / "grid.png").write_bytes(PNG + picture)
    log_artifact(project / "grid.png", "figures")
    log_scores({"joint_stack/coverage.judge.10": 0.5})
    finish_run("FINISHED")
    return run


def pictures(project: Path, settings: Settings = SETTINGS) -> dict[str, bytes | None]:
    """What is read of the newest picture of each run, by the run's id."""
    uri = find_store(settings, project)
    runs, _ = find_runs(uri, CompareParameters(experiments=("first try",)))
    found = read_pictures(uri, runs)["png"]
    return dict(zip(runs["run_id"], (None if png is None else png.removeprefix(PNG) for png in found), strict=True))


def addresses(project: Path) -> list[str]:
    """All addresses of files in the store, but for those of experiments that are not ours."""
    with closing(sqlite3.connect(project / "records" / "mlflow.db")) as connection:
        tables = {"experiments": "artifact_location", "runs": "artifact_uri", "logged_models": "artifact_location"}
        queries = [f"SELECT {column} FROM {table} WHERE experiment_id > 0" for table, column in tables.items()]
        return [row[0] for query in queries for row in connection.execute(query)]


def test_a_moved_project_finds_its_pictures_and_records_new_ones_in_place(project: Path) -> None:
    older = record_run(project, b"older")
    model = MlflowClient(SETTINGS.locate(project)).create_logged_model("1", "model")
    moved = project.parent / "moved away" / "to here"
    shutil.move(project, moved)
    assert pictures(moved) == {older: b"older"}
    newer = record_run(moved, b"newer")
    assert pictures(moved) == {newer: b"newer", older: b"older"}
    assert (moved / "mlartifacts" / "first try" / newer / "artifacts" / "figures" / "grid.png").is_file()
    assert not project.exists()
    assert len(addresses(moved)) == 1 + 2 + 1
    assert all(address.startswith(f"{(moved / 'mlartifacts' / 'first try').as_uri()}") for address in addresses(moved))
    assert MlflowClient(SETTINGS.locate(moved)).get_logged_model(model.model_id).artifact_location in addresses(moved)


def test_a_run_in_a_moved_project_is_recorded_there_even_if_nothing_was_read_before(project: Path) -> None:
    older = record_run(project, b"older")
    moved = project.parent / "moved"
    shutil.move(project, moved)
    newer = record_run(moved, b"newer")
    assert not project.exists()
    assert pictures(moved) == {newer: b"newer", older: b"older"}


def test_a_copied_project_keeps_to_its_own_files(project: Path) -> None:
    run = record_run(project, b"original")
    before = addresses(project)
    copy = Path(shutil.copytree(project, project.parent / "a copy"))
    (copy / "mlartifacts" / "first try" / run / "artifacts" / "figures" / "grid.png").write_bytes(PNG + b"copy")
    assert (pictures(copy), pictures(project)) == ({run: b"copy"}, {run: b"original"})
    assert addresses(project) == before


def test_files_that_stayed_behind_are_still_found(project: Path) -> None:
    """An experiment's new runs once went on to the old place; their files never moved."""
    behind, along = record_run(project, b"behind"), record_run(project, b"along")
    moved = project.parent / "moved"
    shutil.copytree(project, moved)
    shutil.rmtree(project / "mlartifacts" / "first try" / along)
    shutil.rmtree(moved / "mlartifacts" / "first try" / behind)
    assert pictures(moved) == {along: b"along", behind: b"behind"}


def test_a_store_that_several_projects_share_keeps_its_addresses(
    project: Path, make_project: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = make_project()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", SETTINGS.locate(shared))
    run = record_run(project, b"ours")
    before = addresses(shared)
    assert pictures(make_project()) == {run: b"ours"}
    assert addresses(shared) == before


@pytest.mark.parametrize(
    "address",
    [
        "s3://bucket/mlartifacts/first%20try",
        "mlflow-artifacts:/mlartifacts/first%20try",
        "file:///elsewhere/mlartifacts/first%20try%20again",
        "file:///elsewhere/first%20try",
    ],
)
def test_other_addresses_stay(project: Path, address: str) -> None:
    record_run(project, b"")
    with closing(sqlite3.connect(project / "records" / "mlflow.db")) as connection, connection:
        connection.execute("UPDATE experiments SET artifact_location = ? WHERE experiment_id > 0", (address,))
    relocate(SETTINGS, project)
    assert address in addresses(project)


def test_where_files_lie_outside_the_project_nothing_is_relocated(project: Path, tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"artifacts": str(tmp_path / "files")})
    run = record_run(project, b"older", settings)
    moved = project.parent / "moved"
    shutil.move(project, moved)
    assert pictures(moved, settings) == {run: b"older"}


@pytest.mark.parametrize("uri", ["sqlite:///nowhere/mlflow.db", "sqlite:///text.db", "http://127.0.0.1:9"])
def test_finding_a_store_creates_nothing_and_leaves_complaints_to_its_readers(uri: str, tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database, but long enough to look like one " * 10)
    settings = Settings(tracking_uri=uri, artifacts="mlartifacts")
    assert find_store(settings, tmp_path) == settings.locate(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} <= {"text.db", "text.db.lock"}


def test_the_environment_names_another_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    root = tmp_path.resolve() / "my project"
    files = (root / "mlartifacts" / "mnist").as_uri()

    def places() -> tuple[str, str | None]:
        return SETTINGS.locate(root), SETTINGS.locate_files(root, "mnist")

    assert places() == (f"sqlite:///{root}/records/mlflow.db", files)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////elsewhere/other.db")
    assert places() == ("sqlite:////elsewhere/other.db", files)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://tracking.example")
    assert places() == ("https://tracking.example", None)


@pytest.mark.parametrize(
    ("uri", "base"),
    [
        ("sqlite:////home/me/mlflow.db", "http://127.0.0.1:5000"),
        ("postgresql://me:secret@host/db", "http://127.0.0.1:5000"),
        ("http://server:5000", "http://server:5000"),
        ("http://server:5000/", "http://server:5000"),
        ("https://me:se@cret@server.example/mlflow/", "https://server.example/mlflow"),
    ],
)
def test_the_page_of_an_experiment_has_an_address_without_credentials(uri: str, base: str) -> None:
    assert page_address(uri, "7") == f"{base}/#/experiments/7/runs?workflowType=machine_learning"


@pytest.mark.parametrize(
    "secret",
    ["user:secret@", "secret@", "user:s@ecret@", "user:" + "secret" * 100 + "@", "user:sec/ret@", "user:sec #?ret@"],
)
def test_credentials_are_masked(secret: str) -> None:
    text = f"(GET 'http://{secret}server:5000/api?x=y' and sqlite:////a/b) failed\nsecret"
    assert mask(text).splitlines()[0] == "(GET 'http://***@server:5000/api?x=y' and sqlite:////a/b) failed"
    assert describe_error(OSError(text)) == mask(text).splitlines()[0]
    assert describe_error(OSError()) == "OSError"


def test_a_password_among_the_options_of_an_address_is_masked() -> None:
    assert mask("postgresql://host/db?user=me&password=secret&x=1") == "postgresql://host/db?user=me&password=***&x=1"


def test_a_store_whose_driver_is_missing_is_named_without_its_credentials() -> None:
    with pytest.raises(ExperimentError, match=r"postgresql://\*\*\*@host/db cannot be read: No module") as error:
        find_runs("postgresql://user:secret@host/db", CompareParameters(experiments=("base",)))
    assert "secret" not in str(error.value)


def test_a_store_is_made_in_a_folder_with_any_letters(tmp_path: Path) -> None:
    project = tmp_path / "strange ' \"#%$ äö☃ &:x;\\"
    project.mkdir()
    settings = Settings(tracking_uri="sqlite:///mlflow.db", artifacts="mlartifacts")
    run = record_run(project, b"here", settings)
    assert pictures(project, settings) == {run: b"here"}
    assert sorted(path.name for path in tmp_path.iterdir()) == [project.name]


def test_a_store_that_cannot_be_read_is_named_without_its_credentials() -> None:
    with pytest.raises(ExperimentError, match=r"127\.0\.0\.1:9 cannot be read") as error:
        find_runs("http://user:secret@127.0.0.1:9", CompareParameters(experiments=("base",)))
    assert "secret" not in str(error.value)
