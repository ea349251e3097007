"""Confusion matrices of the judge, as interactive figures that say what they show."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from plotly.subplots import make_subplots
from torch import Tensor

from gan_pipelines.reporting.curves import explain

MOST_NUMBERS = 20
"""Matrices of more classes have no number in each cell."""


@dataclass(frozen=True)
class Seen:
    """What the judge sees in pictures.

    Attributes:
        title: which pictures.
        rows: what they should be: requested or true classes, or categories.
        labels: place of each picture in `rows`.
        logits: of the judge.
    """

    title: str
    rows: Sequence[str]
    labels: Tensor
    logits: Float[Tensor, "count classes"]

    def shares(self) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
        """Of each row, the share in which each class is seen; NaN where there is no picture."""
        counts = np.zeros((len(self.rows), self.logits.shape[1]))
        np.add.at(counts, (self.labels.numpy(), self.logits.argmax(dim=1).numpy()), 1)
        with np.errstate(invalid="ignore"):
            shares: np.ndarray[tuple[int, int], np.dtype[np.float64]] = counts / counts.sum(axis=1, keepdims=True)
        return shares


def confusion_matrices(found: Sequence[Seen], classes: Sequence[str], title: str, caption: str) -> go.Figure:
    """Which class the judge sees in pictures of each row, one panel per set of pictures.

    Args:
        found: such as samples, and the real images that they are compared with.
        classes: of the judge.
        title: what is shown.
        caption: of what, and how many.
    """
    titles = [f"{seen.title}, N = {len(seen.labels):,}" for seen in found]
    figure = make_subplots(rows=1, cols=len(found), subplot_titles=titles, horizontal_spacing=0.14)
    for column, seen in enumerate(found, start=1):
        shares = seen.shares()
        few = max(shares.shape) <= MOST_NUMBERS
        text = [[_percent(share) if few else "" for share in row] for row in shares]
        heat = go.Heatmap(
            z=shares.tolist(),
            x=list(classes),
            y=list(seen.rows),
            text=text,
            texttemplate="%{text}",
            zmin=0,
            zmax=1,
            xgap=1,
            ygap=1,
        )
        heat.update(colorscale="Blues", showscale=column == len(found), colorbar={"thickness": 12, "tickformat": ".0%"})
        figure.add_trace(heat, row=1, col=column)
    figure.update_xaxes(type="category", title_text="class that the judge sees")
    figure.update_yaxes(type="category", autorange="reversed", dtick=1 if len(classes) <= MOST_NUMBERS else None)
    rows = "A row is the class, or category, that a picture should show, and sums to 100 %"
    said = f"{caption} {rows}; an empty cell is 0, a white row has no pictures."
    return explain(figure, title, said, 420, legend=False)


def _percent(share: float) -> str:
    """In percent; nothing for 0, and less than a half is no 0."""
    if not share > 0:
        return ""
    return f"{100 * share:.0f}" if share >= 0.005 else "<1"
