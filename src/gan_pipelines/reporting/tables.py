"""Tables of scores."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from gan_pipelines.metrics import SCORES, CodeScores, Score, verdict
from gan_pipelines.metrics.ranking import YARDSTICK

REAL = YARDSTICK
"""The real training images, scored as if they were samples."""
SUMMARY = {"label_accuracy": "3f", "frechet_distance": "2f", "within_class_diversity": "2f"}
"""What is printed at the end of a run, and with how many digits."""


def score_table(scores: Sequence[Score]) -> pd.DataFrame:
    """One row a score; what does not apply stays empty."""
    rows = [asdict(score) for score in scores]
    return pd.DataFrame([{**row, "of_class": row["of_class"] or None, "note": row["note"] or None} for row in rows])


def code_table(scores: Mapping[str, CodeScores]) -> pd.DataFrame:
    """One row a code; what does not apply stays empty."""
    return pd.DataFrame([{"code": code, **asdict(values)} for code, values in scores.items()])


def table_verdict(table: pd.DataFrame) -> str:
    """`collapsed`, `copies`, both, or nothing."""
    rows = overall(table)
    return verdict({(row["score"], row["space"]): (row["low"], row["high"]) for _, row in rows.iterrows()})


def format_summary(tables: Mapping[str, pd.DataFrame]) -> str:
    """The scores to look at first, one row a generator and the real images last, in 80 columns.

    Args:
        tables: of scores by generator.
    """
    head = ["generator", "N", *(SCORES[score].title for score in SUMMARY)]
    rows = [_summary_row(name, tables[name]) for name in sorted(tables, key=lambda name: name == REAL)]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (head, *rows)]
    verdicts = [f"{name}: {word}" for name in tables if (word := table_verdict(tables[name]))]
    notes = (
        *verdicts,
        f"Features and classes of the judge, against test images; {REAL}: training images.",
        "+-: half of a 95 % interval. N biases the distance: compare equal N only.",
    )
    return "\n".join([*(line.rstrip() for line in lines), *notes])


def _summary_row(generator: str, table: pd.DataFrame) -> list[str]:
    rows = {row["score"]: row for row in overall(table).query("space == 'judge'").to_dict("records")}
    cells = [_cell(rows[score], digits) if score in rows else "-" for score, digits in SUMMARY.items()]
    return [generator, str(max(row["samples"] for row in rows.values())), *cells]


def _cell(row: Mapping[Hashable, Any], digits: str) -> str:
    if pd.isna(row["value"]):
        return "-"
    return f"{row['value']:.{digits}} +- {(row['high'] - row['low']) / 2:.{digits}}"


def overall(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of all classes together."""
    return table[table["of_class"].isna()]


def gaps(table: pd.DataFrame) -> Iterator[str]:
    """One sentence for each score that could not be had."""
    for _, row in overall(table[table["value"].isna()]).iterrows():
        yield f"{SCORES[row['score']].title} ({row['space']}): not measured; {row['note']}"


def format_codes(table: pd.DataFrame) -> str:
    """The table of codes as text, one column a code, without scores that no code has."""
    return (
        table.set_index("code").dropna(axis="columns", how="all").T.to_string(float_format="{:.4f}".format, na_rep="-")
    )
