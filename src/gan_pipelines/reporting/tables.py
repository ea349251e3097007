"""Tables of scores."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from gan_pipelines.metrics import JUDGE, REAL, SCORES, CodeScores, Score, verdict

SUMMARY = {"label_accuracy": "3f", "frechet_distance": "2f", "within_class_diversity": "2f"}
"""The scores that are printed at the end of a run, and their number formats."""
MADE_BY = ("data", "judge", "model")
"""Columns of every saved table of scores that say what made it."""


def score_table(scores: Sequence[Score]) -> pd.DataFrame:
    """One row per score; cells that do not apply are empty."""
    rows = [asdict(score) for score in scores]
    return pd.DataFrame([{**row, "of_class": row["of_class"] or None, "note": row["note"] or None} for row in rows])


def code_table(scores: Mapping[str, CodeScores]) -> pd.DataFrame:
    """One row per code; cells that do not apply are empty."""
    return pd.DataFrame([{"code": code, **asdict(values)} for code, values in scores.items()])


def table_verdict(table: pd.DataFrame) -> str:
    """`collapsed`, `copies`, both, or nothing."""
    rows = overall(table)
    return verdict({(row["score"], row["space"]): (row["low"], row["high"]) for _, row in rows.iterrows()})


def format_summary(tables: Mapping[str, pd.DataFrame]) -> str:
    """The most important scores, one row per generator and the real images last, within 80 columns.

    Args:
        tables: the table of scores of each generator.
    """
    head = ["generator", "N", *(SCORES[score].title for score in SUMMARY)]
    rows = [_summary_row(name, tables[name]) for name in sorted(tables, key=lambda name: name == REAL)]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (head, *rows)]
    verdicts = [f"{name}: {word}" for name in tables if (word := table_verdict(tables[name]))]
    notes = (
        *verdicts,
        f"Measured by the judge, against test images; {REAL}: the training images.",
        "+-: half of a 95 % interval. N biases the distance: compare only equal N.",
    )
    return "\n".join([*(line.rstrip() for line in lines), *notes])


def _summary_row(generator: str, table: pd.DataFrame) -> list[str]:
    judged = table[table["of_class"].isna() & (table["space"] == JUDGE)]
    rows = {row["score"]: row for row in judged.to_dict("records")}
    cells = [_cell(rows[score], digits) if score in rows else "-" for score, digits in SUMMARY.items()]
    return [generator, str(max(row["samples"] for row in rows.values())), *cells]


def _cell(row: Mapping[Hashable, Any], digits: str) -> str:
    if pd.isna(row["value"]):
        return "-"
    return f"{row['value']:.{digits}} +- {(row['high'] - row['low']) / 2:.{digits}}"


def overall(table: pd.DataFrame) -> pd.DataFrame:
    """The rows that are not about a single class."""
    return table[table["of_class"].isna()]


def missing_scores(table: pd.DataFrame) -> Iterator[str]:
    """One sentence for each score that could not be computed."""
    for _, row in overall(table[table["value"].isna()]).iterrows():
        yield f"{SCORES[row['score']].title} ({row['space']}): not measured; {row['note']}"


def format_codes(table: pd.DataFrame) -> str:
    """The table of codes as text: one column per code, without scores that no code has."""
    scores = table.set_index("code").drop(columns=list(MADE_BY), errors="ignore").dropna(axis="columns", how="all")
    return scores.T.to_string(float_format="{:.4f}".format, na_rep="-")
