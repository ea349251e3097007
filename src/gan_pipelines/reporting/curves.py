"""Loss curves."""

import itertools
import math
from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go
from plotly.colors import qualitative
from plotly.subplots import make_subplots

from gan_pipelines.metrics.definitions import SCORES
from gan_pipelines.training.collapse import VARIANCE_RATIO
from gan_pipelines.training.watch import DISTANCE, WATCHED

PANELS_PER_ROW = 3
LOSS_TITLE = (
    "Loss terms by stage, each with its weight; dotted: variance of generated representations over that of real"
)


def loss_curves(histories: Mapping[str, pd.DataFrame]) -> go.Figure:
    """One panel per stage, with one line per loss term over the steps.

    Args:
        histories: by stage; columns `step`, `images_per_second` and one per term; columns of text are no terms, and
            neither are scores.
    """
    figure = make_subplots(
        rows=len(histories), cols=1, subplot_titles=list(histories), vertical_spacing=0.25 / len(histories)
    )
    for row, (stage, history) in enumerate(histories.items(), start=1):
        terms = history.select_dtypes("number").columns.drop(["step", "images_per_second"])
        for term in terms[~terms.str.startswith(WATCHED)]:
            dash = "dot" if term.endswith(VARIANCE_RATIO) else "solid"
            line = go.Scatter(x=history["step"], y=history[term], name=f"{stage}: {term}", mode="lines", line_dash=dash)
            figure.add_trace(line, row=row, col=1)
        figure.update_xaxes(title_text="step", row=row, col=1)
        figure.update_yaxes(title_text="weighted loss term", row=row, col=1)
    return figure.update_layout(height=360 * len(histories), title=LOSS_TITLE)


def information_curve(history: pd.DataFrame, ceilings: Mapping[str, float]) -> go.Figure:
    """L_I of each code over the steps (InfoGAN, figure 1), with the ceiling H(c) of each categorical code.

    Args:
        history: columns `step` and one `information.<code>` per code.
        ceilings: H(c) in nats of the codes that have a ceiling, by name.
    """
    figure = go.Figure()
    for column in history.columns[history.columns.str.startswith("information.")]:
        figure.add_trace(go.Scatter(x=history["step"], y=history[column], name=column, mode="lines"))
    heights: dict[float, list[str]] = {}
    for code, height in ceilings.items():
        heights.setdefault(height, []).append(code)
    for height, codes in heights.items():
        figure.add_hline(y=height, line_dash="dot", annotation_text=f"H({', '.join(codes)}) = {height:.3f} nats")
    return figure.update_layout(
        title="Lower bound L_I on the information that pictures contain about each code, with ceilings",
        xaxis_title="step",
        yaxis_title="L_I in nats",
    )


def watch_curve(history: pd.DataFrame) -> go.Figure:
    """One panel per score of a generator over the steps of its training; a star at the least Frechet distance.

    Args:
        history: columns `step` and one `watch.<score>` per score, empty where the generator was not scored.
    """
    columns = [column for column in history.columns if column.startswith(WATCHED)]
    titles = [SCORES[column.removeprefix(WATCHED)].title for column in columns]
    figure = make_subplots(rows=1, cols=len(columns), subplot_titles=titles)
    best = history.loc[history[f"{WATCHED}{DISTANCE}"].idxmin()]
    for place, (column, title) in enumerate(zip(columns, titles, strict=True), start=1):
        scored = history[history[column].notna()]
        line = go.Scatter(x=scored["step"], y=scored[column], name=title, mode="lines+markers")
        star = {"symbol": "star", "size": 14}
        at_best = go.Scatter(x=[best["step"]], y=[best[column]], name="best", mode="markers", marker=star)
        figure.add_traces([line, at_best], rows=1, cols=place)
        figure.update_xaxes(title_text="step", row=1, col=place)
    return figure.update_layout(
        title="Scores against validation images while the generator trains; stars: the least Frechet distance",
        showlegend=False,
    )


def overlaid_curves(histories: pd.DataFrame, names: Mapping[str, str]) -> go.Figure:
    """One panel per stage and term, with one line per run, in the same colour in all panels.

    Args:
        histories: columns `run`, `stage`, `term`, `step`, `value`.
        names: of all runs, by the short names in `run`.
    """
    panels = {f"{stage}: {term}": rows for (stage, term), rows in histories.groupby(["stage", "term"], sort=False)}
    if not panels:
        return go.Figure(layout_title="These runs have no curves")
    height = math.ceil(len(panels) / PANELS_PER_ROW)
    figure = make_subplots(
        rows=height, cols=PANELS_PER_ROW, subplot_titles=list(panels), vertical_spacing=0.3 / height
    ).update_annotations(font_size=12)
    colours = dict(zip(names, itertools.cycle(qualitative.D3), strict=False))
    shown = set[str]()
    for number, rows in enumerate(panels.values()):
        row, column = divmod(number, PANELS_PER_ROW)
        for run in [name for name in names if name in set(rows["run"])]:
            line = rows[rows["run"] == run].sort_values("step")
            trace = go.Scatter(
                x=line["step"].tolist(),
                y=line["value"].tolist(),
                name=f"{run} {names[run]}",
                legendgroup=run,
                showlegend=run not in shown,
                line_color=colours[run],
                mode="lines",
            )
            figure.add_trace(trace, row=row + 1, col=column + 1)
            shown.add(run)
    legend = {"orientation": "h", "y": 1, "yref": "container", "yanchor": "top"}
    return figure.update_layout(height=120 + 240 * height, legend=legend, margin_t=60 + 20 * len(names))
