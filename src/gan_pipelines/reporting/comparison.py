"""Runs side by side: one HTML page that needs no other file and no network connection, and a short text."""

import base64
from collections.abc import Iterator
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from gan_pipelines.metrics.comparisons import EQUAL, LEADER, MEASURED, UNKNOWN
from gan_pipelines.metrics.definitions import REAL, SCORES

TERMINAL_COLUMNS = 80
KEY_COLUMNS = 47
ANOTHER = {"judge": "another judge", "reference": "other test images"}
"""What is written at a score that something else measured, by the column in which it differs."""


def comparison_page(
    runs: pd.DataFrame,
    left_out: pd.DataFrame,
    scores: pd.DataFrame,
    seeds: pd.DataFrame,
    not_averaged: pd.DataFrame,
    differing: pd.DataFrame,
    curves: go.Figure,
    pictures: pd.DataFrame,
) -> str:
    """The comparison as HTML; whatever a run lacks is marked.

    Args:
        runs: one row per run; `run` is its short name.
        left_out: `name` and `experiment` of matching runs that are not compared, and `why`.
        scores: one row per score, with interval, place and verdict.
        seeds: mean and deviation of scores over seeds.
        not_averaged: `runs` that agree in all but seed and data, test images or judge, and `why` they have no mean.
        differing: `kind`, `name`, and one column per run.
        curves: the loss curves of all runs.
        pictures: `run`, `picture`, `png`, `gap`.
    """
    loader = PackageLoader("gan_pipelines", "reporting")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters["number"] = _number
    names = runs["run"].tolist()
    return environment.get_template("comparison.html").render(
        runs=runs.to_dict("records"),
        names=names,
        left_out=left_out.to_dict("records"),
        sections=list(_sections(scores, names)),
        definitions=SCORES,
        seeds=seeds.to_dict("records"),
        not_averaged=not_averaged.to_dict("records"),
        differing=differing.fillna("").to_dict("records"),
        # plotly writes no "<" of its data into the page, so a name cannot end its script
        curves=Markup(curves.to_html(full_html=False, include_plotlyjs=True, config={"displaylogo": False})),  # noqa: S704
        pictures=list(_picture_rows(pictures, names)),
    )


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
    """One row per kind of picture: the picture of each run as base64, or why there is none."""
    kinds = pictures["picture"].dropna().drop_duplicates().tolist()
    for kind in kinds or ["none"]:
        cells = []
        for name in names:
            mine = pictures[(pictures["run"] == name) & (pictures["picture"].isna() | (pictures["picture"] == kind))]
            png, gap = (mine["png"].iloc[0], mine["gap"].iloc[0]) if len(mine) else (None, "not drawn by this run")
            cells.append({"run": name, "png": base64.b64encode(png).decode() if png else "", "gap": gap})
        yield {"title": kind.replace("_", " "), "cells": cells}


def format_comparison(scores: pd.DataFrame) -> str:
    """Who leads, one line per score, at most 80 columns wide, for the end of a run.

    Args:
        scores: `run`, `generator`, `score`, `space`, `samples`, `value`, `place`, `judge`, `reference`, in the order of
            reports.
    """
    lines = [f"{'score.network.samples':{KEY_COLUMNS}} best + others {EQUAL}"]
    for measured, rows in scores[scores["generator"] != REAL].groupby(MEASURED, sort=False):
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
        return UNKNOWN if (rows["outcome"] == UNKNOWN).any() else "neither more nor less is better"[:width]
    first, equal = best.iloc[0], int((rows["outcome"] == EQUAL).sum())
    others = f" + {equal}" if equal else ""
    return f"{first['run']} {first['generator']} {_number(first['value'])}"[: width - len(others)] + others
