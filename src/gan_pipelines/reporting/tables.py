"""Tables of scores and of networks."""

from collections.abc import Mapping
from dataclasses import asdict

import pandas as pd

from gan_pipelines.metrics import CodeScores, Scores


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


def code_table(scores: Mapping[str, CodeScores]) -> pd.DataFrame:
    """One row a code; what does not apply stays empty."""
    return pd.DataFrame([{"code": code, **asdict(values)} for code, values in scores.items()])


def flat_scores(table: pd.DataFrame) -> dict[str, float]:
    """The table as `<first column>.<score>`, without words and without what is empty."""
    named = table.set_index(table.columns[0]).select_dtypes("number")
    columns = {score: values.dropna() for score, values in named.items()}
    return {f"{row}.{score}": float(value) for score, values in columns.items() for row, value in values.items()}


def format_scores(table: pd.DataFrame) -> str:
    """The table as text, for the end of a run."""
    return table.to_string(index=False, float_format="{:.4f}".format, na_rep="-")


def format_codes(table: pd.DataFrame) -> str:
    """The table of codes as text, one column a code, without scores that no code has."""
    return (
        table.set_index("code").dropna(axis="columns", how="all").T.to_string(float_format="{:.4f}".format, na_rep="-")
    )
