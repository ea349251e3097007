"""Versions of runs differ, even of those that begin at the same moment."""

import os
from pathlib import Path

import pytest
from kedro.framework.project import configure_project
from kedro.framework.startup import bootstrap_project
from kedro.pipeline import Node, Pipeline

from gan_pipelines.parameters import ExperimentError
from gan_pipelines.session import SLOTS, ExperimentSession, check_selection, own_version, require_plain_path

ROOT = Path(__file__).parents[1]


def test_processes_with_different_numbers_take_different_milliseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    found = set()
    for number in (SLOTS * 7, SLOTS * 7 + 1, SLOTS * 7 + 2):
        monkeypatch.setattr(os, "getpid", lambda number=number: number)
        found |= {int(own_version()[-4:-1]) % SLOTS for _ in range(3)}
    assert found == {0, 1, 2}


def test_sessions_of_one_process_have_different_versions() -> None:
    bootstrap_project(ROOT)
    configure_project("gan_pipelines")
    versions = [ExperimentSession.create(ROOT, env="smoke").session_id for _ in range(5)]
    assert len(set(versions)) == 5
    assert versions == sorted(versions)


def test_selections_that_leave_no_node_are_refused() -> None:
    nodes = [Node(lambda: 1, inputs=None, outputs=name, name=name) for name in ("first", "second")]
    with pytest.raises(ExperimentError, match="no node is left"):
        check_selection({"__default__": Pipeline(nodes)}, node_names=["first"], from_nodes=["second"])


@pytest.mark.parametrize("name", ["{x}", "what?", "a[1]", "a*", "50%20"])
def test_a_path_that_means_something_else_is_refused(name: str) -> None:
    with pytest.raises(ExperimentError, match="the project's path must have none of"):
        require_plain_path(Path("/projects") / name)


@pytest.mark.parametrize(
    "name", ["with spaces", "o'clock", '"quoted"', "#1", "100%", "$HOME", "äöü ☃", "a:b;c&d", "\\"]
)
def test_other_strange_paths_are_allowed(name: str) -> None:
    require_plain_path(Path("/projects") / name)
