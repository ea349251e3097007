"""Runs side by side: one HTML page that needs no other file and no network connection, and a short text."""

import base64
import textwrap
from collections.abc import Iterator
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from gan_pipelines.metrics.comparisons import EQUAL, LEADER, MEASURED, UNKNOWN
from gan_pipelines.metrics.definitions import JUDGE, REAL, SCORES
from gan_pipelines.reporting.leaders import find_leaders, leader_sentences, summary_rows, summary_scores
from gan_pipelines.reporting.light import PANEL_HEIGHT, PANEL_WIDTH, curve_panels, line_styles, shrink

TERMINAL_COLUMNS = 80
KEY_COLUMNS = 47
GRID = "_sample_grid"
"""How the names of pictures end that are shown first."""
HEAVY = "left out, so that this page stays light; the picture is among the artifacts of the run"
ANOTHER = {"judge": "another judge", "reference": "other test images"}
"""What is written at a score that something else measured, by the column in which it differs."""


def comparison_page(
    runs: pd.DataFrame,
    left_out: pd.DataFrame,
    scores: pd.DataFrame,
    seeds: pd.DataFrame,
    not_averaged: pd.DataFrame,
    differing: pd.DataFrame,
    histories: pd.DataFrame,
    pictures: pd.DataFrame,
) -> str:
    """The comparison as HTML, without scripts, the answer first; whatever a run lacks is marked.

    Args:
        runs: one row per run; `run` is its short name.
        left_out: `name` and `experiment` of matching runs that are not compared, and `why`.
        scores: one row per score, with interval, place and verdict.
        seeds: mean and deviation of scores over seeds.
        not_averaged: `runs` that agree in all but seed and data, test images or judge, and `why` they have no mean.
        differing: `kind`, `name`, and one column per run.
        histories: `run`, `stage`, `term`, `step`, `value` of all runs.
        pictures: `run`, `picture`, `png`, `gap`.
    """
    loader = PackageLoader("gan_pipelines", "reporting")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["number"] = _number
    named = dict(zip(runs["run"], runs["name"], strict=True))
    names = _side_by_side(runs)
    leaders = find_leaders(scores)
    main = summary_scores(scores)
    return environment.get_template("comparison.html").render(
        runs=runs.to_dict("records"),
        names=names,
        named=named,
        verdict=leader_sentences(leaders, named),
        main=[SCORES[score].title for score in main],
        summary=list(summary_rows(scores, leaders)),
        left_out=left_out.to_dict("records"),
        sections=list(_sections(scores, names)),
        definitions=SCORES,
        seeds=seeds.to_dict("records"),
        main_seeds=[row for row in seeds.to_dict("records") if _is_main(row, main)],
        not_averaged=not_averaged.to_dict("records"),
        differing=differing.fillna("").to_dict("records"),
        panels=curve_panels(histories, names),
        box=(PANEL_WIDTH, PANEL_HEIGHT),
        styles=line_styles(names),
        pictures=list(_picture_rows(pictures, names)),
    )


def _is_main(row: dict[Any, Any], main: list[str]) -> bool:
    return row["score"] in main and row["space"] == JUDGE and row["generator"] != REAL


def format_verdict(runs: pd.DataFrame, scores: pd.DataFrame) -> str:
    """The two sentences at the top of the page, for the end of a run."""
    sentences = leader_sentences(find_leaders(scores), dict(zip(runs["run"], runs["name"], strict=True)))
    return textwrap.fill(" ".join(sentences), TERMINAL_COLUMNS)


def _side_by_side(runs: pd.DataFrame) -> list[str]:
    """Short names, in the order of columns: runs of one pipeline stand beside each other."""
    return [run for _, kind in runs.groupby("pipeline", sort=False) for run in kind["run"]]


def _number(value: float) -> str:
    return f"{value:.4g}"


def _sections(scores: pd.DataFrame, names: list[str]) -> Iterator[dict[str, Any]]:
    """One table per score, with a row per network, sample count and generator, and a cell per run."""
    for score, of_score in scores.groupby("score", sort=False):
        rows = []
        for (space, samples, generator), measured in of_score.groupby(["space", "samples", "generator"], sort=False):
            first = next(row for name in names for row in measured.to_dict("records") if row["run"] == name)
            by_run = {row["run"]: _cell(row, first) for row in measured.to_dict("records")}
            cells = [by_run.get(name) for name in names]
            real = generator == REAL
            rows.append({"space": space, "samples": samples, "generator": generator, "real": real, "cells": cells})
        yield {"definition": SCORES[str(score)], "rows": rows}


def _cell(row: dict[Any, Any], first: dict[Any, Any]) -> dict[str, str]:
    """Value, interval, spread, place, verdict, and what measured it if not what measured the first, as text."""
    has_interval = pd.notna(row["low"]) and pd.notna(row["high"])
    return {
        "value": _number(row["value"]) if pd.notna(row["value"]) else "not a number",
        "interval": f"[{_number(row['low'])}, {_number(row['high'])}]" if has_interval else "no interval",
        "expected": f"expected {_number(row['expected'])}" if pd.notna(row["expected"]) else "",
        "spread": f"spread {_number(row['spread'])}" if pd.notna(row["spread"]) else "",
        "place": row["place"] if has_interval else "",
        "outcome": row["outcome"] if has_interval else "",
        "verdict": row["verdict"],
        "measured_by": ", ".join(text for column, text in ANOTHER.items() if row[column] != first[column]),
    }


def _picture_rows(pictures: pd.DataFrame, names: list[str]) -> Iterator[dict[str, Any]]:
    """One row per kind of picture, grids of samples first: that of each run as base64, or why there is none."""
    kinds = sorted(pictures["picture"].dropna().unique(), key=lambda kind: not kind.endswith(GRID))
    by_kind = {kind: pictures[pictures["picture"] == kind].set_index("run") for kind in kinds}
    drawn = [(kind, run) for kind, mine in by_kind.items() for run in names if run in mine.index and mine["png"][run]]
    small = dict(zip(drawn, shrink([by_kind[kind]["png"][run] for kind, run in drawn]), strict=True))
    gaps = pictures[pictures["picture"].isna()].set_index("run")["gap"]
    if len(gaps):
        yield {"title": "without pictures", "cells": [_cell_of(run, b"", gaps[run]) for run in names if run in gaps]}
    for kind, mine in by_kind.items():
        cells = [
            _cell_of(run, small.get((kind, run), b""), mine["gap"][run] or HEAVY) for run in names if run in mine.index
        ]
        yield {"title": kind.replace("_", " "), "cells": cells}


def _cell_of(run: str, picture: bytes, gap: str) -> dict[str, str]:
    return {"run": run, "picture": base64.b64encode(picture).decode(), "gap": gap}


def format_comparison(scores: pd.DataFrame) -> str:
    """Who leads, one line per score that several generators have, at most 80 columns wide, for the end of a run.

    Args:
        scores: `run`, `generator`, `score`, `space`, `samples`, `value`, `place`, `judge`, `reference`, in the order of
            reports.
    """
    lines = [f"{'score.network.samples':{KEY_COLUMNS}} best + others {EQUAL}"]
    for measured, rows in scores[scores["generator"] != REAL].groupby(MEASURED, sort=False):
        if len(rows) == 1 or SCORES[str(measured[0])].better == "neither":
            continue
        key = ".".join(str(part) for part in measured)
        lines.append(f"{key:{KEY_COLUMNS}} {_leaders(rows, TERMINAL_COLUMNS - max(len(key), KEY_COLUMNS) - 1)}")
    return "\n".join(lines)


def _leaders(rows: pd.DataFrame, width: int) -> str:
    """The generator with the best value, and how many cannot be told apart from it; none if measured differently."""
    for column, plural in {"judge": "judges", "reference": "sets of test images"}.items():
        if rows[column].nunique() > 1:
            return f"{rows[column].nunique()} {plural}, not comparable"[:width]
    best = rows[rows["outcome"] == LEADER]
    if best.empty:
        return UNKNOWN
    first, equal = best.iloc[0], int((rows["outcome"] == EQUAL).sum())
    others = f" + {equal}" if equal else ""
    return f"{first['run']} {first['generator']} {_number(first['value'])}"[: width - len(others)] + others
