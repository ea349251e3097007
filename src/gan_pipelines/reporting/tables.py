"""Tables of scores and of networks."""

from collections.abc import Mapping
from dataclasses import asdict

import pandas as pd

from gan_pipelines.metrics import Scores


def score_table(scores: Mapping[str, Scores], averaged: Mapping[str, bool]) -> pd.DataFrame:
    """One row a generator.

    Args:
        scores: by generator; `real` is the yardstick.
        averaged: whether a generator's weights are running averages; absent for real images.
    """
    rows = []
    for generator, values in scores.items():
        weights = "none" if generator not in averaged else "averaged" if averaged[generator] else "last"
        rows.append({"generator": generator, "weights": weights, **asdict(values)})
    return pd.DataFrame(rows)


def flat_scores(table: pd.DataFrame) -> dict[str, float]:
    """The table as `<generator>.<score>`."""
    columns = table.columns.drop(["generator", "weights"])
    return {f"{row['generator']}.{column}": float(row[column]) for _, row in table.iterrows() for column in columns}


def format_scores(table: pd.DataFrame) -> str:
    """The table as text, for the end of a run."""
    return table.to_string(index=False, float_format="{:.4f}".format)
