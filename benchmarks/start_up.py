"""How long commands take to start, beside what their packages alone take, in turns.

    .venv/bin/python benchmarks/start_up.py --before ../another_checkout

Every command is a process of its own in a new project with this repository's configuration; a run is killed when its
first training begins. `--before` measures another checkout of the project in the same turns. The first turn, in which
files come from the disk and MLflow makes its tables, does not count.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from measure import PROJECT, environment, matrix_peak, print_table, spread

TRAINS = "steps of"
"""In the line with which a training begins."""
PACKAGES = {
    "kedro": "kedro.framework.cli, kedro.framework.session",
    "torch": "torch",
    "torch and torch._dynamo, which its optimisers import at their first step": "torch._dynamo",
    "mlflow with its client and store": "mlflow, mlflow.store.tracking.sqlalchemy_store",
    "pandas": "pandas",
}
"""What third parties cost, by the modules to import."""
EMPTY = {
    "pyproject.toml": '[tool.kedro]\npackage_name = "empty"\nproject_name = "empty"\nkedro_init_version = "1.7.0"\n',
    "conf/base/parameters.yml": "",
    "src/empty/__init__.py": "",
    "src/empty/settings.py": "",
    "src/empty/pipeline_registry.py": "def register_pipelines():\n    return {}\n",
}
"""The files of a Kedro project with nothing in it."""
KEDRO = [sys.executable, "-m", "kedro"]
COMMANDS: Mapping[str, Sequence[str]] = {
    "kedro registry list": ["registry", "list"],
    "a refused parameter": ["run", "--params=run.seed=x"],
    "kedro run until its first training begins": ["run"],
}


def copy_project(checkout: Path, folder: Path) -> Path:
    """A new project with a checkout's configuration, in which nothing has run."""
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(checkout / name, folder)
    shutil.copytree(checkout / "conf", folder / "conf", ignore=shutil.ignore_patterns("local"))
    for name in ("conf/local", "src"):
        (folder / name).mkdir()
    return folder


def write_empty_project(folder: Path) -> Path:
    """A Kedro project without any pipeline."""
    for name, text in EMPTY.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def seconds(command: Sequence[str], folder: Path, source: Path) -> float:
    """Until a command ends, or says that a training begins, after which it is killed."""
    began = time.perf_counter()
    with subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(source), "DO_NOT_TRACK": "true"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if TRAINS in line:
                taken = time.perf_counter() - began
                process.kill()
                return taken
    return time.perf_counter() - began


def contestants(checkouts: Mapping[str, Path], room: Path) -> Iterator[tuple[str, Sequence[str], Path, Path]]:
    """Each row of the table: its name, command, folder and sources."""
    for name, modules in {"Python alone": "sys", **PACKAGES}.items():
        yield name, [sys.executable, "-c", f"import {modules}"], room, PROJECT / "src"
    (room / "empty").mkdir()
    empty = write_empty_project(room / "empty")
    yield "`kedro registry list` of an empty project", [*KEDRO, "registry", "list"], empty, empty / "src"
    for suffix, checkout in checkouts.items():
        folder = room / f"project{suffix}"
        folder.mkdir()
        copy_project(checkout, folder)
        for name, arguments in COMMANDS.items():
            yield f"{name}{suffix}", [*KEDRO, *arguments], folder, checkout / "src"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--before", type=Path, help="another checkout, to be measured beside this one")
    arguments = parser.parse_args()
    checkouts = {"": PROJECT} | ({", before": arguments.before.resolve()} if arguments.before else {})
    found: dict[str, list[float]] = {}
    with TemporaryDirectory() as room:
        race, peak = list(contestants(checkouts, Path(room))), matrix_peak()
        for repeat in range(arguments.repeats + 1):
            for name, command, folder, source in race:
                found.setdefault(name, []).append(seconds(command, folder, source))
                print(f"repeat {repeat}, {name}: {found[name][-1]:.2f} s", file=sys.stderr, flush=True)
    print(environment(), f"Matrix peak {peak / 1e9:.0f} GFLOP/s.\n")
    print_table(("", "s, median (min..max)"), [[name, spread(taken[1:], 2)] for name, taken in found.items()])
