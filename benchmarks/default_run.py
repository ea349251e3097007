"""Run an experiment once for each seed; print wall time, peak memory and the scores of every run.

    .venv/bin/python benchmarks/default_run.py --seeds 0 1 2
    .venv/bin/python benchmarks/default_run.py --pipeline infogan --env mnist --seeds 0 1 2 3 4

The runs are ordinary ones: they leave their versions in data/ and their records in MLflow. Nothing else should run
on the machine meanwhile.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

PROJECT = Path(__file__).resolve().parents[1]


TABLES = {
    "sgan": ("joint_stack_scores", "independent_stack_scores", "real_scores"),
    "infogan": ("infogan_scores", "real_scores", "code_scores"),
}
"""What each pipeline leaves behind."""


def run_once(pipeline: str, env: str, seed: int) -> dict[str, pd.DataFrame]:
    """One `kedro run`; its tables of scores, and what it cost.

    Args:
        pipeline: `sgan` or `infogan`.
        env: the experiment.
        seed: its seed.
    """
    command = [
        sys.executable,
        "-m",
        "kedro",
        "run",
        f"--pipelines={pipeline}",
        f"--env={env}",
        f"--params=run.seed={seed}",
    ]
    began = time.perf_counter()
    process = subprocess.Popen(command, cwd=PROJECT)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    if status:
        sys.exit(f"{' '.join(command)} failed")
    reports = PROJECT / "data" / "08_reporting" / env
    version = max((reports / f"{TABLES[pipeline][0]}.csv").iterdir()).name
    cost = {"wall_seconds": round(seconds), "peak_gibibytes": round(usage.ru_maxrss / 2**20, 2)}
    for history in sorted(reports.glob(f"history_*.csv/{version}/*.csv")):
        rates = pd.read_csv(history)["images_per_second"]
        cost[f"{history.stem.removeprefix('history_')}_images_per_second"] = round(rates.median())
    tables = {name: pd.read_csv(reports / f"{name}.csv" / version / f"{name}.csv") for name in TABLES[pipeline]}
    return {name: table.assign(seed=seed) for name, table in {**tables, "cost": pd.DataFrame([cost])}.items()}


def main() -> None:
    """Run all seeds, print one table of each kind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pipeline", default="sgan", choices=TABLES)
    parser.add_argument("--env", default="base")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    runs = [run_once(arguments.pipeline, arguments.env, seed) for seed in arguments.seeds]
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=PROJECT, capture_output=True, text=True)
    print(f"commit {commit.stdout.strip()}, experiment {arguments.env}, {os.cpu_count()} cores")
    for name in runs[0]:
        print(pd.concat([run[name] for run in runs]).to_string(index=False, float_format="{:.4f}".format, na_rep="-"))


if __name__ == "__main__":
    main()
