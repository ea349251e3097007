"""Curves, as interactive figures that say what they show."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from gan_pipelines.metrics.definitions import SCORES
from gan_pipelines.training.collapse import VARIANCE_RATIO
from gan_pipelines.training.watch import DISTANCE, WATCHED

PANELS_PER_ROW = 3
PANEL_PIXELS = 230
"""Height of a panel with its title."""
LOW_PANELS_PER_ROW, LOW_PANEL_PIXELS = 4, 150
"""Of many terms, so that all can be seen at once in kedro-viz, which shows a figure as high as its window."""
BETWEEN_PIXELS = 45
"""Between two panels, for the numbers of the one and the title of the other."""
PANEL_TITLE_PIXELS, LEGEND_PIXELS = 24, 24
MARGINS = {"t": 20, "b": 40}
LETTERS_PER_LINE = 105
"""Of a caption; so many fit into the width at which figures are shown."""
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#6A3D9A", "#000000")
"""Eight that can be told apart, by colour-blind people too (Okabe and Ito 2008; violet instead of yellow)."""
DASHES = ("solid", "dash", "dot", "dashdot")
DOTTED = {"type": "line", "line": {"dash": "dot", "width": 1}}
"""A line over a whole panel. In figures of many panels plotly's own `add_hline` takes six times as long."""
PLAYERS = ("discriminator", "generator", "classifier")
EACH_POINT = "Each point: the mean over the steps since the one before."


@dataclass(frozen=True)
class Onset:
    """The step at which a term of a loss sets in."""

    step: int
    name: str


def explain(figure: go.Figure, title: str, caption: str, height: int, legend: bool = True) -> go.Figure:
    """Give a figure its title, caption and legend, which stand above what is drawn.

    They take room from the axes and not from the margin, which kedro-viz replaces by its own.

    Args:
        figure: changed in place.
        title: what is shown.
        caption: of what, how many, drawn with which seed, compared with what.
        height: of what is drawn, in pixels.
        legend: whether it has one.
    """
    lines = textwrap.wrap(caption, LETTERS_PER_LINE)
    total = height + 20 * (len(lines) + 1) + PANEL_TITLE_PIXELS + (LEGEND_PIXELS if legend else 0)
    drawn = height / total
    for axis in figure.select_yaxes():
        axis.domain = [drawn * end for end in axis.domain or (0, 1)]
    for note in figure.select_annotations(selector={"yref": "paper"}):
        note.y *= drawn
    figure.add_annotation(
        xref="paper",
        yref="paper",
        x=0,
        y=1,
        xanchor="left",
        yanchor="top",
        align="left",
        text="<br>".join([f"<b>{title}</b>", *lines]),
        showarrow=False,
        font_size=13,
    )
    above = (height + PANEL_TITLE_PIXELS) / total
    return figure.update_layout(
        template="plotly_white",
        height=total + sum(MARGINS.values()),
        margin={**MARGINS, "l": 60, "r": 20},
        legend={"orientation": "h", "x": 0, "y": above, "yanchor": "bottom"},
        showlegend=legend,
        font_size=12,
    )


def loss_curves(
    histories: Mapping[str, pd.DataFrame], caption: str, onsets: Mapping[str, Sequence[Onset]] | None = None
) -> go.Figure:
    """One panel per stage and term, each with its own scale, in which discriminator and generator are two lines.

    Args:
        histories: by stage; columns `step`, `images_per_second` and one per term; columns of text are no terms, and
            neither are scores.
        caption: of what.
        onsets: by the term that sets in; in all panels of that name.
    """
    panels: dict[str, dict[str, tuple[list[int], list[float]]]] = {}
    for stage, history in histories.items():
        terms = history.select_dtypes("number").columns.drop(["step", "images_per_second"], errors="ignore")
        for column in terms[~terms.str.startswith(WATCHED)]:
            player, term = _split_term(column)
            panels.setdefault(f"{stage}: {term}", {})[player] = history["step"].tolist(), history[column].tolist()
    rows = _rows_of_panels(panels)
    places = {panel: (down, across) for down, row in enumerate(rows, 1) for across, panel in enumerate(row, 1)}
    figure = small_panels(rows, LOW_PANEL_PIXELS)
    players = list(dict.fromkeys(player for lines in panels.values() for player in lines))
    shown = set[str]()
    for panel, lines in panels.items():
        down, across = places[panel]
        for player, (steps, values) in lines.items():
            style = {"color": COLOURS[players.index(player) % len(COLOURS)], "width": 2}
            line = go.Scatter(x=steps, y=values, name=player, legendgroup=player, line=style, mode="lines")
            figure.add_trace(line.update(showlegend=player not in shown), row=down, col=across)
            shown.add(player)
        if panel.endswith(VARIANCE_RATIO):
            figure.add_shape(DOTTED, y0=1, y1=1, x0=0, x1=1, xref="x domain", row=down, col=across)
        for onset in (onsets or {}).get(panel.split(": ")[1], ()):
            step = onset.step
            figure.add_shape(DOTTED, x0=step, x1=step, y0=0, y1=1, yref="y domain", row=down, col=across)
    height = LOW_PANEL_PIXELS * len(rows)
    return explain(figure, "Loss terms over the steps, each with its weight", caption, height)


def _rows_of_panels(panels: Iterable[str]) -> list[list[str]]:
    """Panels by stage and level in rows; stages with a single panel share them."""
    groups: dict[str, list[str]] = {}
    for panel in panels:
        stage, term = panel.split(": ")
        groups.setdefault(f"{stage} {term.split('.')[0] if '.' in term else ''}", []).append(panel)
    alone = [panel for group in groups.values() if len(group) == 1 for panel in group]
    rows = []
    for group in (alone, *(group for group in groups.values() if len(group) > 1)):
        rows += [group[start : start + LOW_PANELS_PER_ROW] for start in range(0, len(group), LOW_PANELS_PER_ROW)]
    return rows


def _split_term(column: str) -> tuple[str, str]:
    """Player and term of a column of a history: of `fc3.generator.entropy`, `generator` and `fc3.entropy`."""
    parts = column.split(".")
    if player := next((part for part in parts if part in PLAYERS), ""):
        parts.remove(player)
        return player, ".".join(parts)
    return "generated representations" if parts[-1] == VARIANCE_RATIO else "measure", column


def small_panels(rows: Sequence[Sequence[str]], height: int) -> go.Figure:
    """Panels with their titles, each with its own scales.

    Args:
        rows: the titles.
        height: of a panel with its title.
    """
    across = max(map(len, rows))
    figure = make_subplots(
        rows=len(rows),
        cols=across,
        specs=[[{} if column < len(row) else None for column in range(across)] for row in rows],
        subplot_titles=[title for row in rows for title in row],
        vertical_spacing=BETWEEN_PIXELS / (height * len(rows)),
        horizontal_spacing=0.06,
    )
    figure.update_annotations(font_size=12)
    figure.update_xaxes(tickfont_size=11, nticks=5)
    figure.update_yaxes(tickfont_size=11, nticks=5)
    return figure


def information_curve(
    history: pd.DataFrame, ceilings: Mapping[str, float], onsets: Sequence[Onset], caption: str
) -> go.Figure:
    """L_I of each code over the steps (InfoGAN, figure 1), with the ceiling H(c) of each categorical code.

    Args:
        history: columns `step` and one `information.<code>` per code.
        ceilings: H(c) in nats of the codes that have a ceiling, by name.
        onsets: the steps at which the terms of the loss set in that raise it.
        caption: of what.
    """
    figure = go.Figure()
    for number, column in enumerate(history.columns[history.columns.str.startswith("information.")]):
        name = column.removeprefix("information.")
        line = {"color": COLOURS[number % len(COLOURS)], "dash": DASHES[number // len(COLOURS) % len(DASHES)]}
        shown = "sum of all codes" if name == "total" else name
        figure.add_trace(
            go.Scatter(x=history["step"].tolist(), y=history[column].tolist(), name=shown, line=line, mode="lines")
        )
    heights: dict[float, list[str]] = {}
    for code, height in ceilings.items():
        heights.setdefault(height, []).append(code)
    for height, codes in heights.items():
        text = f"H({', '.join(codes)}) = {height:.3f} nats, the most there can be"
        figure.add_hline(y=height, line_dash="dot", annotation_text=text, annotation_position="top left")
    for number, onset in enumerate(onsets):
        text = f"from step {onset.step}: {onset.name}"
        figure.add_vline(
            x=onset.step, line_dash="dash", line_width=1, annotation_text=text, annotation_position="top right"
        )
        figure.layout.annotations[-1].yshift = -16 * number
    figure.update_annotations(bgcolor="white")
    figure.update_xaxes(title_text="step").update_yaxes(title_text="L_I in nats")
    said = (
        f"{caption} L_I is a lower bound on the information, in nats, that pictures contain about each code. Below 0, "
        f"Q guesses worse than the code's prior does; dashed: where a term of the loss sets in that raises L_I."
    )
    return explain(figure, "What pictures tell of each code: the lower bound L_I", said, 430)


def watch_curve(history: pd.DataFrame, caption: str) -> go.Figure:
    """One panel per score of a generator over the steps of its training; a star at the least Frechet distance.

    Args:
        history: columns `step` and one `watch.<score>` per score, empty where the generator was not scored.
        caption: of what, and how many.
    """
    columns = [column for column in history.columns if column.startswith(WATCHED)]
    titles = [SCORES[column.removeprefix(WATCHED)].title for column in columns]
    figure = small_panels([titles], PANEL_PIXELS)
    best = history.iloc[int(history[f"{WATCHED}{DISTANCE}"].argmin())]
    for place, (column, title) in enumerate(zip(columns, titles, strict=True), start=1):
        scored = history[history[column].notna()]
        line = {"name": title, "x": scored["step"].tolist(), "y": scored[column].tolist(), "mode": "lines+markers"}
        star = {"symbol": "star", "size": 14, "color": COLOURS[1]}
        at_best = go.Scatter(x=[best["step"]], y=[best[column]], name="best", mode="markers", marker=star)
        figure.add_traces([go.Scatter(line, line_color=COLOURS[0]), at_best], rows=1, cols=place)
    figure.update_xaxes(title_text="step")
    said = f"{caption} Stars: the step of the least Frechet distance."
    return explain(figure, "Scores while the generator trains", said, PANEL_PIXELS, legend=False)


def overlaid_curves(histories: pd.DataFrame, names: Mapping[str, str]) -> go.Figure:
    """One panel per stage and term, with one line per run, in the same colour in all panels.

    Args:
        histories: columns `run`, `stage`, `term`, `step`, `value`.
        names: of all runs, by the short names in `run`.
    """
    panels = {f"{stage}: {term}": rows for (stage, term), rows in histories.groupby(["stage", "term"], sort=False)}
    if not panels:
        return go.Figure(layout_title="These runs have no curves")
    titles = list(panels)
    lines = [titles[start : start + PANELS_PER_ROW] for start in range(0, len(titles), PANELS_PER_ROW)]
    figure = small_panels(lines, PANEL_PIXELS)
    shown = set[str]()
    for number, rows in enumerate(panels.values()):
        row, column = divmod(number, PANELS_PER_ROW)
        for place, run in enumerate(names):
            line = rows[rows["run"] == run].sort_values("step")
            if line.empty:
                continue
            trace = go.Scatter(
                x=line["step"].tolist(),
                y=line["value"].tolist(),
                name=f"{run} {names[run]}",
                legendgroup=run,
                showlegend=run not in shown,
                line_color=COLOURS[place % len(COLOURS)],
                line_dash=DASHES[place // len(COLOURS) % len(DASHES)],
                mode="lines",
            )
            figure.add_trace(trace, row=row + 1, col=column + 1)
            shown.add(run)
    legend = {"orientation": "h", "y": 1, "yref": "container", "yanchor": "top"}
    return figure.update_layout(height=120 + PANEL_PIXELS * len(lines), legend=legend, margin_t=60 + 20 * len(names))
