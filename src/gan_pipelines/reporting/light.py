"""What a page shows of pictures and curves without growing heavy: small files, and lines as SVG."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from gan_pipelines.reporting.curves import COLOURS, DASHES

PICTURE_BYTES = 600_000
"""Of all pictures of a page together."""
WIDTHS = (720, 480, 320)
"""At most so many pixels wide; the widest that fits."""
QUALITY = 75
PANEL_WIDTH, PANEL_HEIGHT = 300, 110
MOST_POINTS = 50
"""Of a line; more could not be told apart in a panel."""
DASH_LENGTHS = {"solid": "", "dash": "6 3", "dot": "2 3", "dashdot": "6 3 2 3"}


def shrink(pictures: Sequence[bytes]) -> list[bytes]:
    """WebP files of pictures that are light enough together; those at the end for which no room is left are empty.

    Args:
        pictures: files that Pillow reads, the most important first.
    """
    for width in WIDTHS:
        found = [_webp(picture, width) for picture in pictures]
        if sum(map(len, found)) <= PICTURE_BYTES:
            return found
    kept, left = list[bytes](), PICTURE_BYTES
    for picture in found:
        left -= len(picture)
        kept.append(picture if left >= 0 else b"")
    return kept


def _webp(picture: bytes, width: int) -> bytes:
    buffer = BytesIO()
    with Image.open(BytesIO(picture)) as image:
        shown = image.convert("RGB")
        if shown.width > width:
            shown = shown.resize((width, round(shown.height * width / shown.width)), Image.Resampling.LANCZOS)
        shown.save(buffer, "WEBP", quality=QUALITY)
    return buffer.getvalue()


def curve_panels(histories: pd.DataFrame, runs: Sequence[str]) -> list[dict[str, Any]]:
    """One panel per stage and term, each with its own scale, and in it one line per run.

    Args:
        histories: columns `run`, `stage`, `term`, `step`, `value`.
        runs: the short names of all runs.

    Returns:
        `title`, `low` and `high` (the ends of the scale), `last` (the last step), and `lines`: `run`, and `points` of
        an SVG polyline in a box of `PANEL_WIDTH` x `PANEL_HEIGHT`.
    """
    panels = []
    for (stage, term), rows in histories.groupby(["stage", "term"], sort=False):
        known = rows[rows["value"].abs() < float("inf")].sort_values("step")
        if known.empty:
            continue
        low, high, last = known["value"].min(), known["value"].max(), int(known["step"].max())
        across, up = PANEL_WIDTH / max(last, 1), PANEL_HEIGHT / ((high - low) or 1)
        lines = []
        for run in runs:
            line = known[known["run"] == run]
            line = line.iloc[np.linspace(0, len(line) - 1, min(len(line), MOST_POINTS)).round().astype(int)]
            points = " ".join(
                f"{step * across:.0f},{PANEL_HEIGHT - (value - low) * up:.0f}"
                for step, value in zip(line["step"], line["value"], strict=True)
            )
            lines += [{"run": run, "points": points}] if points else []
        panels.append({"title": f"{stage}: {term}", "low": low, "high": high, "last": last, "lines": lines})
    return panels


def line_styles(runs: Sequence[str]) -> Mapping[str, tuple[str, str]]:
    """Colour and dashes of each run's lines, as in the interactive figure of curves."""
    return {
        run: (COLOURS[place % len(COLOURS)], DASH_LENGTHS[DASHES[place // len(COLOURS) % len(DASHES)]])
        for place, run in enumerate(runs)
    }
