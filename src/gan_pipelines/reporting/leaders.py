"""Which of several runs may be the best, and why others are not told apart from it: two sentences and a table."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from gan_pipelines.metrics.comparisons import BETTER, EQUAL, LEADER, MEASURED, MEASURED_BY, WORSE, badness
from gan_pipelines.metrics.definitions import JUDGE, REAL, SCORES
from gan_pipelines.reporting.tables import SUMMARY

DECIDING = ("frechet_distance_infinity", "frechet_distance")
"""By the first of these scores that was measured, runs are called the best: all kinds of generators have it, and it
falls both if samples become more like the data and if they become as varied."""
MOST_NAMED = 6

Row = dict[Any, Any]


class Leaders(NamedTuple):
    """What the score that decides says of each generator.

    Attributes:
        title: of the score, with network and sample count; empty if no score decides.
        best: those that may be the best, the one with the best value first.
        barred: those that would be among them, but for their verdict.
        worse: those that are certainly worse than the best one.
        apart: those that cannot be compared with it.
    """

    title: str
    best: Sequence[Row]
    barred: Sequence[Row]
    worse: Sequence[Row]
    apart: Sequence[Row]


def find_leaders(scores: pd.DataFrame) -> Leaders:
    """Sort the generators of all runs by what they are against the best one.

    Args:
        scores: one row per score; columns `run`, `generator`, `verdict`, `score`, `space`, `samples`, `value`,
            `expected`, `judge`, `reference`, `outcome`.
    """
    rows = _deciding_rows(scores)
    if rows.empty:
        return Leaders("", [], [], [], [])
    score, space, samples = rows[MEASURED].iloc[0]
    groups = [group for _, group in rows.groupby(MEASURED_BY, sort=False, dropna=False)]
    largest = max(groups, key=len)  # the first of equals, with the newest run
    ordered = sorted(_records(largest), key=lambda row: badness(row, SCORES[score].better))
    first = [row for row in ordered if row["outcome"] in (LEADER, BETTER)]
    equal = [row for row in ordered if row["outcome"] == EQUAL]
    others = [row for group in groups if group is not largest for row in _records(group)]
    return Leaders(
        f"{SCORES[score].title} ({space}, N = {samples})",
        [row for row in first + equal if not row["verdict"]],
        [row for row in first + equal if row["verdict"]],
        [row for row in ordered if row["outcome"] == WORSE],
        [*(row for row in ordered if row["outcome"] not in (LEADER, BETTER, EQUAL, WORSE)), *others],
    )


def _deciding_rows(scores: pd.DataFrame) -> pd.DataFrame:
    """The rows of the first deciding score, on the judge's features if it was measured there, with most samples."""
    made = scores[(scores["generator"] != REAL) & scores["value"].notna()]
    for score in DECIDING:
        found = made[made["score"] == score]
        if len(found):
            space = JUDGE if (found["space"] == JUDGE).any() else found["space"].iloc[0]
            found = found[found["space"] == space]
            largest: pd.DataFrame = found[found["samples"] == found["samples"].max()]
            return largest
    return made.iloc[:0]


def _records(table: pd.DataFrame) -> list[Row]:
    return table.to_dict("records")


def leader_sentences(leaders: Leaders, names: Mapping[str, str]) -> tuple[str, str]:
    """Which runs may be the best, by name; why no more can be said of the others.

    Args:
        leaders: what was found.
        names: of all runs, by their short names.
    """
    if not leaders.title:
        return "Nothing says which run is the best: none has a Frechet distance.", "The scores stand under Details."
    reasons = "; ".join(_reasons(leaders))
    return _who(leaders, names), f"{reasons[:1].upper()}{reasons[1:]}."


def _who(leaders: Leaders, names: Mapping[str, str]) -> str:
    if not leaders.best:
        return f"By {leaders.title} no run may be called the best."
    if len(leaders.best) == 1:
        return f"By {leaders.title} {_named(leaders.best, names)} is the best."
    return f"By {leaders.title} any of these may be the best: {_named(leaders.best, names)}."


def _reasons(leaders: Leaders) -> Iterator[str]:
    if len(leaders.best) > 1:
        yield (
            "they are not told apart, since the 95 % interval of each one's difference from the best value contains 0, "
            "so that other samples or other test images could turn their order"
        )
    elif not (leaders.worse or leaders.barred or leaders.apart):
        yield "there is no other one to compare it with"
    if leaders.barred:
        yield f"ruled out by a verdict: {_listed(leaders.barred, 'verdict')}"
    if leaders.worse:
        yield f"certainly worse, by an interval that excludes 0: {_listed(leaders.worse)}"
    if leaders.apart:
        yield f"not comparable, for want of an interval or of the same judge and test images: {_listed(leaders.apart)}"


def _named(rows: Sequence[Row], names: Mapping[str, str]) -> str:
    """With the names of their runs and their values."""
    shown = (
        f"{row['generator']} of {row['run']}, {names[row['run']]} ({row['value']:.4g})" for row in rows[:MOST_NAMED]
    )
    return "; ".join(shown) + _more(rows)


def _listed(rows: Sequence[Row], reason: str = "") -> str:
    """In few words."""
    shown = (f"{row['run']} {row['generator']}{f' ({row[reason]})' if reason else ''}" for row in rows[:MOST_NAMED])
    return ", ".join(shown) + _more(rows)


def _more(rows: Sequence[Row]) -> str:
    return f", and {len(rows) - MOST_NAMED} more" if len(rows) > MOST_NAMED else ""


def summary_rows(scores: pd.DataFrame, leaders: Leaders) -> Iterator[dict[str, Any]]:
    """One row per generator of each run: its main scores, verdict, and what it is against the best.

    Generators of one kind stand below each other, the best first, and the real images last.

    Yields:
        `run`, `generator`, `real`, `cells` (a text per score of `summary_scores`), `verdict`, `conclusion`.
    """
    said = {
        "may be the best" if len(leaders.best) > 1 else "the best": leaders.best,
        "worse": leaders.worse,
        "ruled out": leaders.barred,
        "not comparable": leaders.apart,
    }
    conclusions = {(row["run"], row["generator"]): word for word, rows in said.items() for row in rows}
    ranked = [*conclusions, *scores[["run", "generator"]].drop_duplicates().itertuples(index=False, name=None)]
    kinds = list(dict.fromkeys(generator for _, generator in ranked if generator != REAL))
    shown = dict.fromkeys(ranked)  # each one once, in the order of their conclusions
    seen = set[tuple[str, ...]]()
    for kind in [*kinds, REAL]:
        for run, generator in shown:
            rows = scores[(scores["run"] == run) & (scores["generator"] == generator)]
            cells = tuple(_cell(rows[rows["score"] == score]) for score in summary_scores(scores))
            if generator != kind or not any(cells) or (kind == REAL and cells in seen):
                continue
            seen.add(cells)
            yield {
                "run": run,
                "generator": generator,
                "real": kind == REAL,
                "cells": cells,
                "verdict": rows["verdict"].iloc[0],
                "conclusion": conclusions.get((run, generator), ""),
            }


def summary_scores(scores: pd.DataFrame) -> list[str]:
    """The main scores that were measured, the deciding one first."""
    deciding = _deciding_rows(scores)["score"].iloc[:1].tolist()
    return list(dict.fromkeys(score for score in (*deciding, *SUMMARY) if (scores["score"] == score).any()))


def _cell(rows: pd.DataFrame) -> str:
    """The value on the judge's features, with most samples, and half of its interval."""
    judged = rows[rows["space"] == JUDGE]
    if judged.empty:
        return ""
    row = judged.sort_values("samples").iloc[-1]
    half = (row["high"] - row["low"]) / 2
    return "" if pd.isna(row["value"]) else f"{row['value']:.4g}" + ("" if pd.isna(half) else f" ± {half:.2g}")
