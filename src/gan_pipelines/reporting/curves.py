"""Loss curves."""

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots


def loss_curves(histories: Mapping[str, pd.DataFrame]) -> go.Figure:
    """One panel a stage, one line a loss term over the steps.

    Args:
        histories: by stage; columns `step`, `images_per_second` and one a term.
    """
    figure = make_subplots(
        rows=len(histories), cols=1, subplot_titles=list(histories), vertical_spacing=0.25 / len(histories)
    )
    for row, (stage, history) in enumerate(histories.items(), start=1):
        for term in history.columns.drop(["step", "images_per_second"]):
            line = go.Scatter(x=history["step"], y=history[term], name=f"{stage}: {term}", mode="lines")
            figure.add_trace(line, row=row, col=1)
        figure.update_xaxes(title_text="step", row=row, col=1)
        figure.update_yaxes(title_text="weighted loss term", row=row, col=1)
    return figure.update_layout(height=360 * len(histories), title="Loss terms by stage, each with its weight")
