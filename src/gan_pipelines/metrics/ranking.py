"""Which scores can be told apart: ranks where intervals do not overlap, and means over seeds."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from gan_pipelines.metrics.definitions import SCORES, Better

MEASURED = ["score", "space", "samples"]
"""Columns that scores must share to be set beside each other."""

YARDSTICK = "real"
"""The row of real images; it is measured, not ranked."""

JUDGED = "judge"
"""The space that two runs share only if they share the network."""

NO_ORDER = "no order"
NO_INTERVAL = "no interval"


def ranks(low: Sequence[float], high: Sequence[float], better: Better) -> list[str]:
    """Rank each value as far as its interval allows.

    A value with b others strictly better and w strictly worse, each of an interval that does not touch its own, has
    one of the ranks 1 + b to n - w.

    Args:
        low: lower ends of the intervals; not a number where there is none.
        high: upper ends.
        better: which way is better; `near 1` goes by the distance from 1.

    Returns:
        A rank such as `2`, or a range such as `1-3`; `no interval` where there is none, and `no order` for all others
        where no two values can be told apart.
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
    """The intervals turned so that less is better; both ends are missing where either is."""
    missing = np.isnan(low) | np.isnan(high)
    if better == "higher":
        low, high = -high, -low
    elif better == "near 1":
        nearest = np.maximum(0, np.maximum(low - 1, 1 - high))  # 0 where the interval holds 1
        low, high = nearest, np.maximum(abs(low - 1), abs(high - 1))
    return np.where(missing, np.nan, low), np.where(missing, np.nan, high)


def rank_scores(scores: pd.DataFrame) -> pd.Series:
    """The rank of each row among those of its score, space and sample count, and of its judge in a judge's space.

    Args:
        scores: columns `generator`, `score`, `space`, `samples`, `low`, `high`, `judge`.

    Returns:
        As `ranks` has them; empty for the yardstick.
    """
    ranked = dict[object, str]()
    for (score, *_), rows in scores[scores["generator"] != YARDSTICK].groupby([*MEASURED, "judge"]):
        better = SCORES[str(score)].better
        ranked.update(zip(rows.index, ranks(rows["low"].tolist(), rows["high"].tolist(), better), strict=True))
    return pd.Series([ranked.get(place, "") for place in scores.index], index=scores.index, name="rank", dtype=object)


def average_seeds(scores: pd.DataFrame, settings: Iterable[Sequence[str]], seeds: pd.Series) -> pd.DataFrame:
    """Mean and standard deviation over the seeds of one setting, for scores that at least two seeds have.

    Args:
        scores: columns `run`, `generator`, `score`, `space`, `samples`, `value`.
        settings: for each, runs that differ in nothing but their seed.
        seeds: the seed of each run.

    Returns:
        Columns `runs`, `seeds`, `generator`, `score`, `space`, `samples`, `mean`, `deviation` (with n - 1), `count`.
    """
    keys = ["generator", *MEASURED]
    table = []
    for runs in settings:
        of_setting = scores[scores["run"].isin(runs)].dropna(subset="value")
        for key, rows in of_setting.groupby(keys, sort=False):
            if len(rows) > 1:
                values, having = rows["value"], rows["run"]
                names = [", ".join(having), ", ".join(seeds[run] for run in having)]
                table.append([*names, *key, values.mean(), values.std(ddof=1), len(values)])
    return pd.DataFrame(table, columns=["runs", "seeds", *keys, "mean", "deviation", "count"])
