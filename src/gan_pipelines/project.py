"""Where the project lies, and which experiment is active."""

import os
from pathlib import Path

from kedro.utils import find_kedro_project

from gan_pipelines.parameters import ExperimentError


def project_folder() -> Path:
    """The Kedro project around the current folder; else the one that holds this package's source."""
    return find_kedro_project(Path.cwd()) or Path(__file__).resolve().parents[2]


def active_experiment() -> str:
    """Name of the folder under conf/ that is active: `--env`, else KEDRO_ENV, else `base`.

    Raises:
        ExperimentError: there is no such folder.
    """
    name = os.environ.get("KEDRO_ENV") or "base"
    conf = project_folder() / "conf"
    if not (conf / name).is_dir():
        known = ", ".join(sorted(folder.name for folder in conf.iterdir() if folder.is_dir()))
        raise ExperimentError(f"--env: there is no experiment {name!r}, a folder under conf/; found {known}.")
    return name
