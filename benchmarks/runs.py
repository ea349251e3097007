"""What stands around a training costs, and how trainings share a machine; each figure against its baseline in one run.

    .venv/bin/python benchmarks/runs.py
    .venv/bin/python benchmarks/runs.py --cases overhead checkpoints

- `overhead`: the pixels level as a node of a real run, with MLflow, checkpoints and progress, against its bare loop;
- `checkpoints`: seconds spent on writing checkpoints every 30 s, as a share of the training, for the largest networks;
- `memory`: peak memory of a whole run on 6,000 and on 60,000 images, against the bytes of the images;
- `runners`: all levels in parallel, one thread each, against one after the other with all threads;
- `workers`: a level on two ranks of one thread each, against one process with two threads, and with one.

Runs happen in a temporary project. Nothing else should run on the machine meanwhile.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, ClassVar

import numpy as np
import torch

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.data.sources import read_source
from gan_pipelines.models.encoder import encode
from gan_pipelines.parameters import CheckpointParameters, Mnist5k, RunParameters
from gan_pipelines.tracking import Settings, finish_run, stage_run, start_run
from gan_pipelines.training.checkpoint import CheckpointFolder, StageCheckpoints
from gan_pipelines.training.infogan import fit_infogan
from gan_pipelines.training.level import fit_level
from measure import PROJECT, environment, parse_arguments, print_table, spread
from networks import official_sgan, paper_infogan
from steps import Silent

STEPS = 400
"""Updates of the timed trainings of a level."""


def digits() -> LabelledImages:
    """The embedded digits."""
    return read_source(Mnist5k(name="mnist_5k"), PROJECT, torch.Generator().manual_seed(0)).train


@contextmanager
def temporary_project() -> Iterator[Path]:
    """A project with this one's configuration, and nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        shutil.copy(PROJECT / "pyproject.toml", project)
        shutil.copytree(PROJECT / "conf", project / "conf")
        (project / "src").mkdir()
        yield project


def kedro_run(project: Path, *arguments: str) -> tuple[float, float]:
    """Seconds and peak memory in MiB of one `kedro run`."""
    command = [sys.executable, "-m", "kedro", "run", *arguments]
    with (project / "run.log").open("w") as log:
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=project, stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(command)} failed:\n{(project / 'run.log').read_text()}")
    return time.perf_counter() - began, usage.ru_maxrss / 2**10


def overhead(repeats: int) -> list[Sequence[str]]:
    """A level with everything that a run puts around it, against the bare loop."""
    data = digits()
    encoder, specs, _ = official_sgan(STEPS, 25)
    pixels = data.pixels()
    (features,) = encode(encoder, pixels, ["fc3"])
    run = RunParameters(checkpoints=CheckpointParameters(every_seconds=30))

    def bare(_: Path) -> None:
        fit_level(run, specs["pixels"], encoder, pixels, features, Silent())

    def tracked(project: Path) -> None:
        with stage_run("pixels") as observer:
            fit_level(run, specs["pixels"], encoder, pixels, features, observer, CheckpointFolder(project / "kept"))

    seconds: dict[str, list[float]] = {"bare": [], "tracked": []}
    for repeat in range(repeats):
        with temporary_project() as project:
            settings = Settings(tracking_uri="sqlite:///mlflow.db", artifacts="mlartifacts")
            start_run(settings, project, "benchmark", {"run": run.model_dump(mode="json")}, {})
            for name, fit in {"bare": bare, "tracked": tracked}.items():
                began = time.perf_counter()
                fit(project)
                seconds[name].append(time.perf_counter() - began)
                print(f"repeat {repeat}, {name}: {seconds[name][-1]:.1f} s", file=sys.stderr, flush=True)
            finish_run("FINISHED")
    ratios = [tracked / bare for bare, tracked in zip(seconds["bare"], seconds["tracked"], strict=True)]
    return [
        (f"a level of {STEPS} steps with MLflow, checkpoints, progress", spread(seconds["tracked"], 1) + " s", ""),
        ("the bare loop", spread(seconds["bare"], 1) + " s", f"{spread(ratios, 3)} times as long with all of it"),
    ]


class TimedCheckpoints(StageCheckpoints):
    """Checkpoints that note how long each took to write."""

    seconds: ClassVar[list[float]] = []

    def write(self, *state: Any) -> None:
        """Write one."""
        began = time.perf_counter()
        super().write(*state)
        self.seconds.append(time.perf_counter() - began)


class TimedFolder(CheckpointFolder):
    """A folder that hands out such checkpoints."""

    @contextmanager
    def open(self, *what: Any) -> Iterator[StageCheckpoints]:
        """Hold a slot."""
        with super().open(*what) as opened:
            opened.__class__ = TimedCheckpoints
            yield opened


def checkpoints(repeats: int) -> list[Sequence[str]]:
    """Time spent on checkpoints every 30 s, of the paper's InfoGAN, whose state is the largest."""
    spec, sizes = paper_infogan(400, 25), []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            run = RunParameters(checkpoints=CheckpointParameters(every_seconds=30))
            fit_infogan(run, spec, digits().pixels(), Silent(), TimedFolder(Path(folder)))
            sizes += [file.stat().st_size / 2**20 for file in Path(folder).rglob("*.safetensors")]
    shares = [100 * seconds / 30 for seconds in TimedCheckpoints.seconds]
    return [
        (
            f"InfoGAN of the paper, a checkpoint of {max(sizes):.0f} MiB every 30 s",
            spread(shares, 2) + " % of the time",
            f"{len(shares)} written",
        )
    ]


def memory(_: int) -> list[Sequence[str]]:
    """Peak memory of a whole run as the data grow tenfold."""
    found, short = {}, ["--pipelines=sgan", "--env=many"]
    for count in (6_000, 60_000):
        with temporary_project() as project:
            data, index = digits(), torch.arange(count) % 4_000
            np.savez(
                project / "many.npz",
                x_train=data.images[index].numpy(),
                y_train=data.labels[index].numpy(),
                x_test=data.images[:1000].numpy(),
                y_test=data.labels[:1000].numpy(),
            )
            shutil.copytree(project / "conf/smoke", project / "conf/many")
            source = "data: {source: {name: npz, path: many.npz}}\n"
            (project / "conf/many/parameters_data.yml").write_text(source)
            found[count] = kedro_run(project, *short)[1]
    grown = found[60_000] - found[6_000]
    images = 54_000 * 28 * 28 / 2**20
    return [
        ("a whole run on 6,000 images, smoke networks", f"{found[6_000]:.0f} MiB", ""),
        ("on 60,000 images", f"{found[60_000]:.0f} MiB", f"grown by {grown:.0f} MiB; the images by {images:.0f} MiB"),
    ]


def runners(repeats: int) -> list[Sequence[str]]:
    """All levels of the default stack, one after the other and in parallel."""
    ways = {
        "one after the other, all threads": [],
        "ParallelRunner, one thread each": ["--runner=ParallelRunner", "--params=run.threads=1"],
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    with temporary_project() as project:
        kedro_run(project, "--pipelines=data_preparation,classifier")
        for repeat in range(repeats):
            for way, arguments in ways.items():
                seconds[way].append(kedro_run(project, "--pipelines=sgan_levels", *arguments)[0])
                print(f"repeat {repeat}, {way}: {seconds[way][-1]:.0f} s", file=sys.stderr, flush=True)
    first, second = seconds.values()
    ratio = spread([one / other for one, other in zip(first, second, strict=True)], 2)
    return [
        (f"levels of the default stack: {way}", spread(measured, 0) + " s", ratio if measured is second else "")
        for way, measured in seconds.items()
    ]


def workers(repeats: int) -> list[Sequence[str]]:
    """One level on two ranks, against one process."""
    encoder, specs, _ = official_sgan(120, 20)
    pixels = digits().pixels()
    (features,) = encode(encoder, pixels, ["fc3"])
    ways: Mapping[str, RunParameters] = {
        "2 workers, 1 thread each": RunParameters(workers=2, threads=1),
        "1 process, 2 threads": RunParameters(threads=2),
        "1 process, 1 thread": RunParameters(threads=1),
    }
    rates: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(repeats):
        for way, run in ways.items():
            _, rows = fit_level(run, specs["pixels"], encoder, pixels, features, Silent())
            rates[way].append(median(row["images_per_second"] for row in rows[1:]))
    shared = rates["2 workers, 1 thread each"]
    return [
        (
            f"pixels level: {way}",
            spread(found, 0) + " images/s",
            spread([mine / its for mine, its in zip(shared, found, strict=True)], 2) if found is not shared else "",
        )
        for way, found in rates.items()
    ]


CASES = {
    "overhead": overhead,
    "checkpoints": checkpoints,
    "memory": memory,
    "runners": runners,
    "workers": workers,
}


def main() -> None:
    """Print one table."""
    arguments = parse_arguments(__doc__, list(CASES))
    rows = [row for case in arguments.cases for row in CASES[case](arguments.repeats)]
    print(environment() + "\n")
    print_table(("", "measured, median (min..max)", "against"), rows)


if __name__ == "__main__":
    main()
