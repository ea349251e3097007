"""Runs as processes of their own, which can be killed, and what they must leave behind all the same."""

import itertools
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd

from gan_pipelines.tracking.names import parse_training_name
from tests.pipelines.conftest import STORE, Project

MODELS = ("encoder", "judge", "second_judge", "level_fc3", "level_pixels", "joint_level_fc3", "joint_level_pixels")
MODELS += ("infogan", "independent_stack", "joint_stack")
STAGES = ("encoder", "judge", "second_judge", "fc3", "pixels", "joint", "infogan")
SEED = 20260101
"""Of the moments at which runs are killed or stopped."""
PATIENCE_SECONDS = 120
"""For what takes a few seconds on an otherwise idle machine."""


class Process:
    """A `kedro run` under way."""

    def __init__(self, launcher: "Launcher", number: int, log: Path) -> None:
        self._launcher, self._log, self.number = launcher, log, number
        self.code: int | None = None

    def said(self) -> str:
        """All of its output until now."""
        return self._log.read_text(errors="replace")

    def last_line(self) -> str:
        """The last line of its output until now."""
        return self.said().strip().splitlines()[-1]

    def ended(self) -> bool:
        """Whether it has ended; then `code` is its exit code."""
        if self.code is None:
            self.code = self._launcher.exit_code(self.number)
        return self.code is not None

    def wait_until(self, condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> bool:
        """Whether the condition came true before the process ended."""
        deadline = time.monotonic() + seconds
        while not condition():
            if self.ended():
                return condition()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.002)
        return True

    def end(self, seconds: float = PATIENCE_SECONDS) -> int:
        """Wait for its exit code; for a process killed by a signal, minus the signal's number."""
        self.wait_until(self.ended, seconds)
        assert self.code is not None
        return self.code

    def finish(self, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait for its end, which must be a good one."""
        assert self.end(seconds) == 0, self.said()

    def kill(self) -> None:
        """Kill the process and everything that it started."""
        os.killpg(self.number, signal.SIGKILL)
        self.end()


class Launcher:
    """Starts runs in no time."""

    def __init__(self, logs: Path) -> None:
        self._logs, self._numbers = logs, itertools.count(1)
        environment = {**os.environ, "KEDRO_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "COLUMNS": "200"}
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("forking_kedro.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self._running: list[Process] = []

    def run(
        self,
        project: Project,
        *arguments: str,
        command: str = "run",
        file_size: int | None = None,
        plain_user: bool = False,
        **environment: str,
    ) -> Process:
        """Start `kedro run --env=smoke` in a project.

        Args:
            project: where.
            arguments: further ones for the command line.
            command: Kedro's, in place of `run`.
            file_size: the most bytes that a file may have, as on a disk that is full.
            plain_user: without the rights of root, if the tests have them.
            environment: variables to set.
        """
        log = self._logs / f"{next(self._numbers)}.log"
        request = {
            "arguments": [command, "--env=smoke", *arguments],
            "folder": str(project.folder),
            "log": str(log),
            "environment": environment,
            "file_size": file_size,
            "plain_user": plain_user,
        }
        log.touch()
        self._running.append(Process(self, self._ask(request), log))
        return self._running[-1]

    def exit_code(self, number: int) -> int | None:
        """The exit code of a process; None while it runs."""
        code: int | None = self._ask({"ended": number})
        return code

    def close(self) -> None:
        """End it, and whatever a failed test has left running."""
        for run in self._running:
            if not run.ended():
                run.kill()
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.terminate()  # a process forked by another test may hold its input open
        self.process.wait(60)

    def _ask(self, request: dict[str, Any]) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(request), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())


def checkpoints(project: Project) -> dict[str, int]:
    """The step of the newest checkpoint of each stage."""
    found: dict[str, int] = {}
    for file in (project.folder / "data" / "06_models" / "smoke" / "checkpoints").glob("*/*/*/step_*.safetensors"):
        stage = file.parts[-4]
        found[stage] = max(found.get(stage, 0), int(file.stem.removeprefix("step_")))
    return found


def recorded(project: Project) -> set[str]:
    """Stages under way whose record has losses, so that they have surely done steps."""
    names = "select distinct name from runs join metrics using (run_uuid) where runs.status = 'RUNNING'"
    with closing(sqlite3.connect(f"file:{project.folder / STORE}?mode=ro", uri=True)) as connection:
        return {parse_training_name(name) for (name,) in connection.execute(names)}


def wait_for_steps(process: Process, project: Project, steps: int) -> bool:
    """Whether the checkpoints of all stages together reached so many steps before the process ended."""
    return process.wait_until(lambda: sum(checkpoints(project).values()) >= steps)


def assert_same_results(project: Project, reference: Project) -> None:
    """The newest models and histories are, byte for byte, those of a run to which nothing happened."""
    for name in MODELS:
        ours, theirs = (x.newest(f"{name}.safetensors").read_bytes() for x in (project, reference))
        assert ours == theirs, name
    for stage in STAGES:
        ours, theirs = (x.table(f"history_{stage}").drop(columns="images_per_second") for x in (project, reference))
        pd.testing.assert_frame_equal(ours, theirs, check_exact=True)
