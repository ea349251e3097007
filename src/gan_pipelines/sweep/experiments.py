"""The best trials of a sweep, written as experiments that can be run."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from gan_pipelines.configuration import EXTENDS
from gan_pipelines.parameters import ExperimentError
from gan_pipelines.tensor_file import replacing

WRITTEN = "# Written by `kedro sweep`, which overwrites it: "
FILE = "parameters.yml"


def best_names(experiment: str, count: int) -> Iterator[str]:
    """Such as `mine-best`, `mine-best-2`, `mine-best-3`."""
    for place in range(1, count + 1):
        yield f"{experiment}-best" if place == 1 else f"{experiment}-best-{place}"


def require_free(conf: Path, experiment: str, count: int) -> None:
    """Refuse to overwrite experiments that somebody else has written.

    Raises:
        ExperimentError: one of them is there, or the configuration is no folder.
    """
    if not conf.is_dir():
        raise ExperimentError(f"--conf-source: a sweep writes experiments, so it must be a folder; found {conf}.")
    for name in best_names(experiment, count):
        file = conf / name / FILE
        others = {path.name for path in (conf / name).glob("*")} - {FILE, f"{FILE}.partial"}
        if others or (file.exists() and not file.read_text(encoding="utf-8").startswith(WRITTEN)):
            raise ExperimentError(
                f"{conf / name}: a sweep of {experiment} writes its best trial there, and found an experiment that it "
                f"has not written. Rename it. Nothing was run."
            )


def write_experiment(conf: Path, name: str, extends: str, about: str, parameters: Mapping[str, Any]) -> Path:
    """Write an experiment that differs from another one.

    Args:
        conf: the folder of all experiments.
        name: its own.
        extends: that of the other one.
        about: what it is, in one line.
        parameters: in which it differs.
    """
    file = conf / name / FILE
    file.parent.mkdir(exist_ok=True)
    text = yaml.safe_dump({EXTENDS: extends, **parameters}, sort_keys=False)
    with replacing(file) as partial:
        partial.write_text(f"{WRITTEN}{about}\n{text}", encoding="utf-8")
    return file
