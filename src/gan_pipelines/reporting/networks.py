"""The table of an experiment's networks."""

import pandas as pd

from gan_pipelines.models.requirements import Plan


def network_table(plan: Plan) -> pd.DataFrame:
    """One row per network: its name, the shape of its output and its number of parameters."""
    rows = [
        {"network": name, "output": " x ".join(map(str, network.output)), "parameters": network.weights}
        for name, network in plan.networks().items()
    ]
    return pd.DataFrame(rows)
