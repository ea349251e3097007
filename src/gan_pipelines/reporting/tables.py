"""Tables of scores."""

import textwrap
from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import pandas as pd

from gan_pipelines.metrics import JUDGE, REAL, SCORES, Score, find_verdicts
from gan_pipelines.metrics.comparisons import difference, outcome

SUMMARY = {"label_accuracy": "3f", "frechet_distance_infinity": "2f", "within_class_diversity": "2f"}
"""The scores that are printed at the end of a run, and their number formats."""
CODE_SCORES = ("information_nats", "prior_entropy_nats", "classification_error", "invariant_information")
"""The scores of an InfoGAN's codes that the pages of a model show."""
MADE_BY = ("data", "judge", "model")
"""Columns of every saved table of scores that say what made it."""


def score_table(scores: Sequence[Score]) -> pd.DataFrame:
    """One row per score; cells that do not apply are empty."""
    rows = [{k: v for k, v in vars(score).items() if k != "uncertainty"} for score in scores]
    return pd.DataFrame([{**row, "of_class": row["of_class"] or None, "note": row["note"] or None} for row in rows])


def table_verdict(table: pd.DataFrame) -> str:
    """The words of all verdicts, such as `collapsed, copies`, or nothing."""
    return ", ".join(find_verdicts(_scores(table)))


def _scores(table: pd.DataFrame) -> list[Score]:
    found = table.drop(columns=[*MADE_BY], errors="ignore").astype({"of_class": object, "note": object})
    rows = found.fillna({"of_class": "", "note": ""}).to_dict("records")
    return [Score(**{str(column): value for column, value in row.items()}) for row in rows]


def format_summary(tables: Mapping[str, pd.DataFrame], split: str) -> str:
    """The most important scores, one row per generator and the real images last, within 80 columns.

    Args:
        tables: the table of scores of each generator.
        split: the real images that it was scored against, `test` or `validation`.
    """
    head = ["generator", "N", *(SCORES[score].title for score in SUMMARY)]
    rows = [_summary_row(name, tables[name]) for name in sorted(tables, key=lambda name: name == REAL)]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (head, *rows)]
    verdicts = [f"{name}: {said}" for name in tables if (said := explained_verdict(tables[name]))]
    notes = (
        *(line for verdict in verdicts for line in textwrap.wrap(verdict, 80, subsequent_indent="  ")),
        f"Measured by the judge, against {split} images; {REAL}: the training images.",
        "+-: half of a 95 % interval, over other pictures of the same generator.",
    )
    return "\n".join([*(line.rstrip() for line in lines), *notes])


def summary_markdown(tables: Mapping[str, pd.DataFrame]) -> str:
    """Verdicts and the most important scores as a table in Markdown, a row per generator and the real images last."""
    head = ["generator", "N", *(SCORES[score].title for score in SUMMARY), "verdict"]
    rows = [
        [*_summary_row(name, tables[name]), f"**{said}**" if (said := table_verdict(tables[name])) else "none"]
        for name in sorted(tables, key=lambda name: name == REAL)
    ]
    space = "&emsp;| "  # MLflow leaves none between cells
    lines = [f"| {space.join(cells)} |" for cells in (head, *rows)]
    return "\n".join([lines[0], "|---" * len(head) + "|", *lines[1:]])


def main_code_scores(table: pd.DataFrame) -> pd.DataFrame:
    """Those scores of codes that the pages of a model show."""
    return table[table["score"].isin(CODE_SCORES)]


def codes_markdown(table: pd.DataFrame) -> str:
    """The most important scores of an InfoGAN's codes as a table in Markdown."""
    rows = main_code_scores(table).to_dict("records")
    lines = [f"| {SCORES[row['score']].title} | {row['space']} | {_cell(row, '3f')} |" for row in rows]
    return "\n".join(["| score of a code | code | value |", "|---|---|---|", *lines])


def explained_verdict(table: pd.DataFrame) -> str:
    """All verdicts, each with what it was found by, or nothing."""
    return "; ".join(f"{word} ({reason})" for word, reason in find_verdicts(_scores(table)).items())


def format_pairs(tables: Mapping[str, pd.DataFrame], influences: Mapping[str, pd.DataFrame]) -> str:
    """What each generator is against each other one, by their differences on the same test images.

    Args:
        tables: the table of scores of each generator.
        influences: how far each group of test images moves them.
    """
    rows = {}
    for name, table in tables.items():
        joined = overall(table).merge(influences[name], on=["score", "space"], how="left")
        rows[name] = {row["score"]: row for row in joined[joined["space"] == JUDGE].to_dict("records")}
    lines = []
    for ours, theirs in combinations([name for name in tables if name != REAL], 2):
        found: dict[str, list[str]] = {}
        for score in SUMMARY:
            if score in rows[ours] and score in rows[theirs]:
                word = outcome(difference(rows[ours][score], rows[theirs][score], SCORES[score].better))
                found.setdefault(word, []).append(SCORES[score].title)
        words = "; ".join(f"{word}: {', '.join(titles)}" for word, titles in found.items())
        lines.append(f"{ours} against {theirs}: {words}.")
    return "\n".join(lines)


def _summary_row(generator: str, table: pd.DataFrame) -> list[str]:
    judged = table[table["of_class"].isna() & (table["space"] == JUDGE)]
    rows = {row["score"]: row for row in judged.to_dict("records")}
    cells = [_cell(rows[score], digits) if score in rows else "-" for score, digits in SUMMARY.items()]
    return [generator, str(max(row["samples"] for row in rows.values())), *cells]


def _cell(row: Mapping[Hashable, Any], digits: str) -> str:
    if pd.isna(row["value"]):
        return "-"
    if pd.isna(row["low"]):
        return f"{row['value']:.{digits}}"
    return f"{row['value']:.{digits}} +- {(row['high'] - row['low']) / 2:.{digits}}"


def main_scores(table: pd.DataFrame) -> dict[str, float]:
    """The two most important scores of a generator that could be measured, by their titles."""
    judged = overall(table)[lambda rows: (rows["space"] == JUDGE) & rows["value"].notna()]
    values = dict(zip(judged["score"], judged["value"], strict=True))
    return {SCORES[score].title: values[score] for score in [name for name in SUMMARY if name in values][:2]}


def overall(table: pd.DataFrame) -> pd.DataFrame:
    """The rows that are not about a single class."""
    return table[table["of_class"].isna()]


def missing_scores(table: pd.DataFrame) -> Iterator[str]:
    """One sentence for the scores of a space that could not be computed for the same reason."""
    missing = overall(table[table["value"].isna()])
    for (space, note), rows in missing.groupby(["space", "note"], sort=False):
        titles = ", ".join(SCORES[score].title for score in rows["score"])
        yield f"{titles} ({space}): not measured; {note}"


def format_codes(table: pd.DataFrame) -> str:
    """The scores of codes as text: one column per code, within 80 columns."""
    shown = table.assign(cell=[_cell(row, "4f") for row in table.to_dict("records")])
    pivot = shown.pivot_table(index="score", columns="space", values="cell", aggfunc="first", sort=False)
    return pivot.rename_axis(index=None, columns=None).fillna("-").to_string()
