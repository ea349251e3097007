"""Run an experiment once for each seed; print wall time, peak memory and the scores of every run.

    .venv/bin/python benchmarks/default_run.py --seeds 0 1 2
    .venv/bin/python benchmarks/default_run.py --env mnist --seeds 0

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


def run_once(env: str, seed: int) -> pd.DataFrame:
    """One `kedro run`; its score table with what it cost.

    Args:
        env: the experiment.
        seed: its seed.
    """
    command = [sys.executable, "-m", "kedro", "run", "--pipeline=sgan", f"--env={env}", f"--params=run.seed={seed}"]
    began = time.perf_counter()
    process = subprocess.Popen(command, cwd=PROJECT)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    if status:
        sys.exit(f"{' '.join(command)} failed")
    newest = max((PROJECT / "data" / "08_reporting" / env / "scores.csv").iterdir()) / "scores.csv"
    cost = {"seed": seed, "wall_seconds": round(seconds), "peak_gibibytes": round(usage.ru_maxrss / 2**20, 2)}
    for history in newest.parents[2].glob("history_*.csv"):
        rates = pd.read_csv(history / newest.parent.name / history.name)["images_per_second"]
        cost[f"{history.stem.removeprefix('history_')}_images_per_second"] = round(rates.median())
    return pd.read_csv(newest).assign(**cost)


def main() -> None:
    """Run all seeds, print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", default="base")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    table = pd.concat([run_once(arguments.env, seed) for seed in arguments.seeds])
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=PROJECT, capture_output=True, text=True)
    print(f"commit {commit.stdout.strip()}, experiment {arguments.env}, {os.cpu_count()} cores")
    print(table.to_string(index=False, float_format="{:.4f}".format))


if __name__ == "__main__":
    main()
