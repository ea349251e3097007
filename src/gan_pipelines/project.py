"""Where the project lies, and which experiment is active."""

import os
from pathlib import Path

from kedro.utils import find_kedro_project


def project_folder() -> Path:
    """The Kedro project around the current folder; else the one that holds this package's source."""
    return find_kedro_project(Path.cwd()) or Path(__file__).resolve().parents[2]


def active_experiment() -> str:
    """Name of the folder under conf/ that is active: `--env`, else KEDRO_ENV, else `base`."""
    return os.environ.get("KEDRO_ENV") or "base"
