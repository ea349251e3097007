"""What a sweep has found: its trials as a table, a figure and an HTML page that needs no other file."""

import math
from collections.abc import Iterable
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from gan_pipelines.parameters import Choices, LogUniformRange, SweepParameters
from gan_pipelines.parameters.sweep import Range
from gan_pipelines.reporting.curves import COLOURS, PANEL_PIXELS, PANELS_PER_ROW, explain, small_panels

STATES = {"COMPLETE": "scored", "PRUNED": "no score", "FAIL": "interrupted", "RUNNING": "running"}
"""What became of a trial, by optuna's word for it."""
SCORES, VERSIONS, NOTE = "scores", "versions", "note"
"""What a trial remembers, in optuna's user attributes: score and version by seed, and why it has no score."""
SHOWN = 5
"""Trials that are printed at the end of a run."""


def trial_table(sweep: SweepParameters, trials: Iterable[Any], less_is_better: bool) -> pd.DataFrame:
    """One row per trial, best first; those without a score last.

    Args:
        sweep: what was tried.
        trials: `optuna.trial.FrozenTrial` of each.
        less_is_better: whether a lower score is better.

    Returns:
        `place`, `trial`, `state`, `value` (of the score, mean over seeds), `deviation` (over seeds, n - 1), one column
        per parameter, `seed_<k>` with the score of each seed, `minutes`, `versions` of its files, `note` (why it has no
        score).
    """
    rows = []
    for trial in trials:
        scores, versions = trial.user_attrs.get(SCORES, {}), trial.user_attrs.get(VERSIONS, {})
        ended = trial.datetime_complete
        rows.append(
            {
                "trial": trial.number,
                "state": STATES[trial.state.name],
                "value": trial.value if trial.state.name == "COMPLETE" else math.nan,
                "deviation": pd.Series(scores, dtype=float).std(),
                **{place: trial.params.get(place) for place in sweep.parameters},
                **{f"seed_{seed}": scores.get(str(seed), math.nan) for seed in sweep.seeds},
                "minutes": (ended - trial.datetime_start).total_seconds() / 60 if ended else math.nan,
                "versions": " ".join(dict.fromkeys(versions.values())),
                "note": trial.user_attrs.get(NOTE),
            }
        )
    columns = ["trial", "state", "value", "deviation", *sweep.parameters, *(f"seed_{seed}" for seed in sweep.seeds)]
    table = pd.DataFrame(rows, columns=[*columns, "minutes", "versions", "note"])
    table = table.sort_values("value", ascending=less_is_better, kind="stable", ignore_index=True)
    table.insert(0, "place", table["value"].rank(method="min", ascending=less_is_better))
    return table


def sweep_figure(sweep: SweepParameters, trials: pd.DataFrame, importance: pd.DataFrame) -> go.Figure:
    """Scores in the order of the trials, and over the values of each parameter, the most important one first.

    Args:
        sweep: what was tried.
        trials: from `trial_table`.
        importance: `parameter` and `importance`, in the order of the panels.
    """
    scored = trials[trials["value"].notna()].sort_values("trial")
    if scored.empty:
        return go.Figure(layout_title="No trial of this sweep has a score yet")
    shares = dict(zip(importance["parameter"], importance["importance"], strict=True))
    titles = ["trial", *(f"{place}{'' if math.isnan(share) else f', {share:.0%}'}" for place, share in shares.items())]
    rows = [titles[start : start + PANELS_PER_ROW] for start in range(0, len(titles), PANELS_PER_ROW)]
    figure = small_panels(rows, PANEL_PIXELS)
    best = scored[scored["place"] == 1]
    for number, column in enumerate(["trial", *shares]):
        row, place = divmod(number, PANELS_PER_ROW)
        values = sweep.parameters.get(column)
        points = {"mode": "markers", "hovertemplate": "trial %{customdata}: %{x}, %{y:.4g}<extra></extra>"}
        for shown, marker in (
            (scored, {"color": COLOURS[0]}),
            (best, {"color": COLOURS[1], "symbol": "star", "size": 14}),
        ):
            x = [str(value) for value in shown[column]] if isinstance(values, Choices) else shown[column].tolist()
            trace = go.Scatter(
                x=x, y=shown["value"].tolist(), customdata=shown["trial"].tolist(), marker=marker, **points
            )
            figure.add_trace(trace, row=row + 1, col=place + 1)
        if isinstance(values, Choices):
            figure.update_xaxes(type="category", categoryorder="category ascending", row=row + 1, col=place + 1)
        elif isinstance(values, LogUniformRange):
            figure.update_xaxes(type="log", exponentformat="power", row=row + 1, col=place + 1)
    said = (
        f"{sweep.score} of {len(scored)} trials, mean over the seeds {', '.join(map(str, sweep.seeds))}, against "
        f"validation images. Star: the best. Percent: importance. The best of many is flattered by chance."
    )
    return explain(figure, "Scores of a sweep", said, PANEL_PIXELS * len(rows), legend=False)


def sweep_page(
    experiment: str, sweep: SweepParameters, trials: pd.DataFrame, importance: pd.DataFrame, figure: go.Figure
) -> str:
    """The report as HTML.

    Args:
        experiment: its name.
        sweep: what was tried.
        trials: from `trial_table`.
        importance: `parameter` and `importance`.
        figure: from `sweep_figure`.
    """
    loader = PackageLoader("gan_pipelines", "reporting")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters["cell"] = _cell
    rated = [
        {"parameter": place, "importance": share, "values": _describe(sweep.parameters[place])}
        for place, share in zip(importance["parameter"], importance["importance"], strict=True)
    ]
    return environment.get_template("sweep.html").render(
        experiment=experiment,
        sweep=sweep,
        columns=[name for name in trials.columns if trials[name].notna().any()],
        trials=trials.to_dict("records"),
        scored=int(trials["value"].notna().sum()),
        rated=rated,
        few=importance["importance"].isna().all(),
        # plotly writes no "<" of its data into the page
        figure=Markup(figure.to_html(full_html=False, include_plotlyjs=True, config={"displaylogo": False})),  # noqa: S704
    )


def format_sweep(trials: pd.DataFrame) -> str:
    """The best trials as text, for the end of a run."""
    scored = trials[trials["value"].notna()]
    columns = [name for name in trials.columns if name not in ("state", "minutes", "versions", "note")]
    shown = scored[columns].dropna(axis="columns", how="all").head(SHOWN)
    text = shown.to_string(index=False, float_format="{:.4g}".format) if len(scored) else "none has a score"
    return f"{len(trials)} trials, {len(scored)} with a score:\n{text}"


def _describe(values: Range) -> str:
    if isinstance(values, Choices):
        return ", ".join(map(str, values.values))
    return f"{values.low} to {values.high}, {values.distribution.replace('_', ' ')}"


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.4g}"
    return "" if value is None else str(value)
