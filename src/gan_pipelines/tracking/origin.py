"""Where a run comes from: command, user, commit and process, as tags."""

import getpass
import os
import platform
import shlex
import subprocess
import sys
from pathlib import Path

import psutil

from gan_pipelines.tracking import names
from gan_pipelines.version import __version__

CLOCK_TOLERANCE_SECONDS = 5.0
"""Correcting the clock shifts the time at which a process seems to have started."""

OWN_VARIABLES = ("MLFLOW_", "GAN_PIPELINES_")
"""Environment variables that may hold the password of a store; git is not told them."""


def describe_origin(project: Path) -> dict[str, str]:
    """Tags that say who started this process, with which command, where, and from which commit of the project."""
    return {
        names.SOURCE_NAME: _command_line(),
        names.SOURCE_TYPE: "LOCAL",
        names.USER: _user(),
        names.PACKAGE_VERSION: __version__,
        names.HOST: platform.node(),
        names.PROCESS: _describe_process(),
        **_commit(project),
    }


def is_gone(process: str) -> bool:
    """Whether a process of this machine, described by its tag, has ended; False if that cannot be known."""
    number, _, started = process.partition(" since ")
    try:
        return abs(psutil.Process(int(number)).create_time() - float(started)) >= CLOCK_TOLERANCE_SECONDS
    except psutil.NoSuchProcess:
        return True
    except (ValueError, psutil.Error):
        return False


def _describe_process() -> str:
    """This process's number and start time, because numbers are reused."""
    return f"{os.getpid()} since {psutil.Process().create_time():.0f}"


def _command_line() -> str:
    program = Path(sys.argv[0])
    name = program.parent.name if program.name == "__main__.py" else program.name  # python -m kedro
    return shlex.join([name, *sys.argv[1:]])


def _user() -> str:
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):  # a container's user may have no name
        return "unknown"


def _commit(project: Path) -> dict[str, str]:
    """The commit, and whether files have changed since; empty outside a checkout."""
    command = ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", "status", "--porcelain=v2", "--branch"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OWN_VARIABLES)}
    try:
        answer = subprocess.run(  # noqa: S603  # fixed words
            command, cwd=project, env=environment, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return {}
    lines = answer.stdout.splitlines()  # first header lines with #, beginning with the commit, then the changes
    return {
        names.COMMIT: lines[0].removeprefix("# branch.oid "),
        names.CHANGED: str(not lines[-1].startswith("#")).lower(),
    }
