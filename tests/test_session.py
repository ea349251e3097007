"""Versions of runs differ, even of those that begin at the same moment."""

import os
from pathlib import Path

import pytest
from kedro.framework.project import configure_project
from kedro.framework.startup import bootstrap_project

from gan_pipelines.session import SLOTS, ExperimentSession, own_version

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
