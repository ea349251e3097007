"""The tables of an experiment's networks, and of the memory that they take."""

from collections.abc import Sequence

import pandas as pd

from gan_pipelines.models.memory import Need, greatest_need
from gan_pipelines.models.requirements import Plan


def network_table(plan: Plan) -> pd.DataFrame:
    """One row per network: its name, the shape of its output and its number of parameters."""
    rows = [
        {"network": name, "output": " x ".join(map(str, network.output)), "parameters": network.weights}
        for name, network in plan.networks().items()
    ]
    return pd.DataFrame(rows)


def memory_table(needs: Sequence[Need]) -> pd.DataFrame:
    """One row per need: `block`, `need`, its `mib`, what makes it `smaller`; the last row is a whole run's peak."""
    peak = Need("run", "always", "peak", greatest_need(needs), "")
    rows = [[need.block, need.what, round(need.size / 2**20), need.remedy] for need in (*needs, peak)]
    return pd.DataFrame(rows, columns=["block", "need", "mib", "smaller"])
