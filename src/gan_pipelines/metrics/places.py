"""Which scores can be told apart: places where intervals do not overlap, and means over seeds."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from gan_pipelines.metrics.definitions import REAL, SCORES, Better

MEASURED = ["score", "space", "samples"]
"""Columns that scores must share to be compared."""

MEASURED_BY = ["judge", "reference"]
"""Columns that hold the digests of what measured the scores; they must share them too."""

NO_ORDER = "no order"
NO_INTERVAL = "no interval"


def places(low: Sequence[float], high: Sequence[float], better: Better) -> list[str]:
    """The place of each value among all, as far as the intervals determine it.

    If b of n values are certainly better than a value and w certainly worse, because their intervals do not touch its
    interval, then its place is one of 1 + b to n - w.

    Args:
        low: lower ends of the intervals; NaN for a value without an interval.
        high: upper ends.
        better: which direction is better; `near 1` compares distances from 1.

    Returns:
        A place such as `2`, or a range such as `1-3`; `no interval` for a value without one; `no order` for all others
        if no two values can be told apart.
    """
    best, worst = _badness(np.asarray(low, float), np.asarray(high, float), better)
    better_ones = (worst[None, :] < best[:, None]).sum(axis=1)
    worse_ones = (worst[:, None] < best[None, :]).sum(axis=1)
    if not better_ones.any():
        written = [NO_ORDER] * len(best)
    else:
        written = [
            f"{first}" if first == last else f"{first}-{last}"
            for first, last in zip(1 + better_ones, len(best) - worse_ones, strict=True)
        ]
    return [NO_INTERVAL if np.isnan(end) else text for end, text in zip(best, written, strict=True)]


def _badness(
    low: Float[np.ndarray, " values"], high: Float[np.ndarray, " values"], better: Better
) -> tuple[Float[np.ndarray, " values"], Float[np.ndarray, " values"]]:
    """The intervals, transformed so that lower is better; both ends are NaN if either is."""
    missing = np.isnan(low) | np.isnan(high)
    if better == "higher":
        low, high = -high, -low
    elif better == "near 1":
        nearest = np.maximum(0, np.maximum(low - 1, 1 - high))  # 0 if the interval contains 1
        low, high = nearest, np.maximum(abs(low - 1), abs(high - 1))
    return np.where(missing, np.nan, low), np.where(missing, np.nan, high)


def place_scores(scores: pd.DataFrame) -> pd.Series:
    """The place of each row among those of the same score, space, sample count, judge and test images.

    Args:
        scores: columns `generator`, `score`, `space`, `samples`, `low`, `high`, `judge`, `reference`.

    Returns:
        As in `places`; empty for the real images.
    """
    found = dict[object, str]()
    for (score, *_), rows in scores[scores["generator"] != REAL].groupby([*MEASURED, *MEASURED_BY]):
        better = SCORES[str(score)].better
        found.update(zip(rows.index, places(rows["low"].tolist(), rows["high"].tolist(), better), strict=True))
    return pd.Series([found.get(row, "") for row in scores.index], index=scores.index, name="place", dtype=object)


def average_seeds(scores: pd.DataFrame, settings: Iterable[Sequence[str]], seeds: pd.Series) -> pd.DataFrame:
    """Mean and standard deviation of each score over the seeds of a setting; scores of a single seed are left out.

    Only scores of the same judge and the same test images are averaged.

    Args:
        scores: columns `run`, `generator`, `score`, `space`, `samples`, `value`, `judge`, `reference`.
        settings: for each setting, the runs that differ only in their seed.
        seeds: the seed of each run.

    Returns:
        Columns `runs`, `seeds`, `generator`, `score`, `space`, `samples`, `mean`, `deviation` (with n - 1), `count`.
    """
    keys = ["generator", *MEASURED]
    table = []
    for runs in settings:
        of_setting = scores[scores["run"].isin(runs)].dropna(subset="value")
        for (*key, _, _), rows in of_setting.groupby([*keys, *MEASURED_BY], sort=False):
            if len(rows) > 1:
                values, having = rows["value"], rows["run"]
                names = [", ".join(having), ", ".join(seeds[run] for run in having)]
                table.append([*names, *key, values.mean(), values.std(ddof=1), len(values)])
    return pd.DataFrame(table, columns=["runs", "seeds", *keys, "mean", "deviation", "count"])
