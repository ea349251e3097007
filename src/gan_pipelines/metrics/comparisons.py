"""Which scores can be told apart: of generators, by pairs on the same test images; of recipes, by their seeds."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from gan_pipelines.metrics.definitions import REAL, SCORES, Better
from gan_pipelines.metrics.intervals import CONFIDENCE, GROUPS, group_variance, normal_interval
from gan_pipelines.metrics.scores import Score

MEASURED = ["score", "space", "samples"]
"""Columns that scores must share to be compared."""
MEASURED_BY = ["judge", "reference"]
"""Columns that hold the digests of what measured the scores; they must share them too."""
GROUP_COLUMNS = [f"group_{group:02}" for group in range(GROUPS)]
BETTER, WORSE, EQUAL, UNKNOWN = "better", "worse", "not told apart", "no interval"
LEADER = "best"
FEWEST_SEEDS = 3
"""With fewer seeds on either side, recipes are not compared."""


def influence_table(scores: Iterable[Score]) -> pd.DataFrame:
    """How far each group of test images moves each score, one row per score on which test images have an influence.

    Two generators that were scored against the same images share these groups, so what moves both scores alike cancels
    in their difference.

    Returns:
        Columns `score`, `space`, `samples_variance` (the part of the variance that comes from the samples), and
        `group_00` to `group_19`.
    """
    rows = [
        [score.score, score.space, score.uncertainty.samples, *score.uncertainty.groups.tolist()]
        for score in scores
        if score.uncertainty is not None and len(score.uncertainty.groups) and not score.of_class
    ]
    return pd.DataFrame(rows, columns=["score", "space", "samples_variance", *GROUP_COLUMNS])


def difference(ours: Mapping[Any, Any], theirs: Mapping[Any, Any], better: Better) -> tuple[float, float, float] | None:
    """How much worse a score is than another one, with the 95 % interval of the difference.

    Args:
        ours: `value`, `low`, `high`, `expected`, and, where test images have an influence, `samples_variance` and the
            groups.
        theirs: the same of another generator, scored against the same test images.
        better: which direction is better; distances from what is expected are compared for `near expected`.

    Scores on which no test image has an influence are independent: the squares of the sides of their intervals, which
    may be unequal, add up (Newcombe 1998, method 10).

    Returns:
        The difference and the ends of its interval, positive if ours is worse; None if a score has no interval, or if
        nobody knows what is expected of it.
    """
    needed = ["value", "low", *(["expected"] if better == "near expected" else [])]
    if better == "neither" or any(pd.isna(row[column]) for row in (ours, theirs) for column in needed):
        return None
    signs = [_sign(row, better) for row in (ours, theirs)]
    found = badness(ours, better) - badness(theirs, better)
    if any(pd.isna(row.get("samples_variance", math.nan)) for row in (ours, theirs)):
        (down, up), (their_down, their_up) = (
            _sides(row, sign) for row, sign in zip((ours, theirs), signs, strict=True)
        )
        return found, found - math.hypot(down, their_up), found + math.hypot(up, their_down)
    groups = [sign * _groups(row) for row, sign in zip((ours, theirs), signs, strict=True)]
    shared = group_variance(torch.from_numpy(groups[0] - groups[1]))
    variance = ours["samples_variance"] + theirs["samples_variance"] + shared
    return found, *normal_interval(found, variance, freedom=GROUPS - 1)


def badness(row: Mapping[Any, Any], better: Better) -> float:
    """A score, transformed so that lower is better; NaN if that takes an `expected` that nobody knows."""
    value: float = row["value"] - row["expected"] if better == "near expected" else row["value"]
    return _sign(row, better) * value


def _sign(row: Mapping[Any, Any], better: Better) -> float:
    """The sign with which a score enters its badness."""
    if better == "near expected":
        return math.copysign(1.0, row["value"] - row["expected"])
    return -1.0 if better == "higher" else 1.0


def _sides(row: Mapping[Any, Any], sign: float) -> tuple[float, float]:
    """How far the interval reaches below and above the badness."""
    sides = row["value"] - row["low"], row["high"] - row["value"]
    return sides if sign > 0 else sides[::-1]


def _groups(row: Mapping[Any, Any]) -> Float[np.ndarray, " groups"]:
    return np.array([row[column] for column in GROUP_COLUMNS], float)


def outcome(apart: tuple[float, float, float] | None) -> str:
    """`better`, `worse` or `not told apart`, from a difference and its interval; `no interval` without one."""
    if apart is None:
        return UNKNOWN
    _, low, high = apart
    return WORSE if low > 0 else BETTER if high < 0 else EQUAL


def rank_scores(scores: pd.DataFrame, influences: pd.DataFrame) -> pd.DataFrame:
    """Compare each score with the best of those measured alike: the same score, space, count, judge and test images.

    Args:
        scores: columns `run`, `generator`, `score`, `space`, `samples`, `value`, `low`, `high`, `expected`, `judge`,
            `reference`, and, if known, `verdict`.
        influences: of the scores, by `run`, `generator`, `score` and `space`.

    Returns:
        By row of the scores: `place`, from the number of generators that are certainly better or worse, such as `2` or
        `1-3`, and `outcome` against the best one without a verdict: `best`, `worse`, `not told apart`, `no interval`,
        or, with a verdict, `better`; both empty for the real images, and for scores of which neither more nor less is
        better.
    """
    keys = ["run", "generator", "score", "space"]
    rows = scores.merge(
        influences[[*keys, "samples_variance", *GROUP_COLUMNS]], on=keys, how="left", validate="many_to_one"
    ).set_index(scores.index)
    found = pd.DataFrame("", index=scores.index, columns=["place", "outcome"], dtype=object)
    for (score, *_), group in rows[rows["generator"] != REAL].groupby([*MEASURED, *MEASURED_BY], dropna=False):
        if SCORES[str(score)].better == "neither":
            continue
        records = group.to_dict("records")
        results = [[outcome(difference(a, b, SCORES[str(score)].better)) for b in records] for a in records]
        leader = _leader(records, SCORES[str(score)].better)
        for index, (row, own) in enumerate(zip(group.index, results, strict=True)):
            others = own[:index] + own[index + 1 :]
            found.loc[row, "place"] = _place(others)
            found.loc[row, "outcome"] = LEADER if index == leader and set(others) - {UNKNOWN} else own[leader]
    return found


def _leader(records: Sequence[Mapping[Any, Any]], better: Better) -> int:
    """The best of those that can be compared; one with a verdict only if all have one."""
    found = [math.nan if difference(row, row, better) is None else badness(row, better) for row in records]
    sound = [math.nan if row.get("verdict") else value for row, value in zip(records, found, strict=True)]
    return next((int(np.nanargmin(values)) for values in (sound, found) if not np.isnan(values).all()), 0)


def _place(others: Sequence[str]) -> str:
    """From what a score is against each other one."""
    known = [result for result in others if result != UNKNOWN]
    if others and not known:
        return UNKNOWN
    first, last = 1 + known.count(WORSE), 1 + len(known) - known.count(BETTER)
    return f"{first}" if first == last else f"{first}-{last}"


def average_seeds(scores: pd.DataFrame, settings: Iterable[Sequence[str]], seeds: pd.Series) -> pd.DataFrame:
    """Mean and standard deviation of each score over the seeds of a setting; scores of a single seed are left out.

    Only scores of the same judge and the same test images are averaged.

    Args:
        scores: columns `run`, `generator`, `score`, `space`, `samples`, `value`, `judge`, `reference`.
        settings: for each setting, the runs that differ only in their seed.
        seeds: the seed of each run.

    Returns:
        Columns `runs`, `seeds`, `generator`, `score`, `space`, `samples`, `mean`, `deviation` (with n - 1), `count`,
        and `outcome` by Welch's test against the setting with the best mean of the same generator: `best`, `worse` or
        `not told apart`. It is empty for settings with fewer than three seeds, and if no two have as many.
    """
    keys = ["generator", *MEASURED]
    table, values = [], []
    for runs in settings:
        of_setting = scores[scores["run"].isin(runs)].dropna(subset="value")
        for (*key, _, _), rows in of_setting.groupby([*keys, *MEASURED_BY], sort=False, dropna=False):
            if len(rows) > 1:
                having = rows["run"]
                names = [", ".join(having), ", ".join(seeds[run] for run in having)]
                table.append([*names, *key, rows["value"].mean(), rows["value"].std(ddof=1), len(rows)])
                values.append(rows["value"].to_numpy())
    averaged = pd.DataFrame(table, columns=["runs", "seeds", *keys, "mean", "deviation", "count"])
    return averaged.assign(outcome=_compare_recipes(averaged, values))


def _compare_recipes(averaged: pd.DataFrame, values: Sequence[Float[np.ndarray, " seeds"]]) -> list[str]:
    """What each recipe is against the one with the best mean (Welch 1947, two-sided, 5 %)."""
    found = [""] * len(averaged)
    tested = averaged[averaged["count"] >= FEWEST_SEEDS]
    for (_, score, *_), rows in tested.groupby(["generator", *MEASURED], sort=False):
        better = SCORES[str(score)].better
        if len(rows) < 2 or better in ("neither", "near expected"):
            continue
        sign = -1 if better == "higher" else 1
        leader = rows.index[int((sign * rows["mean"]).argmin())]
        for row in rows.index.tolist():
            found[row] = LEADER if row == leader else _welch(values[row], values[leader])
    return found


def paired_difference(
    ours: Float[np.ndarray, " seeds"], theirs: Float[np.ndarray, " seeds"]
) -> tuple[float, float, float, float]:
    """Mean difference of values that are paired by their seeds, its 95 % interval, and p (Student 1908, two-sided).

    Returns:
        The mean of ours less theirs, the ends of the interval, p; the last three are NaN with fewer than three seeds,
        and if all differences are equal, for which the test is not defined.
    """
    from scipy import stats

    differences = ours - theirs
    found = differences.mean() if len(differences) else math.nan
    if len(differences) < FEWEST_SEEDS or np.ptp(differences) == 0:
        return found, math.nan, math.nan, math.nan
    test = stats.ttest_1samp(differences, 0)
    return found, *test.confidence_interval(CONFIDENCE), test.pvalue


def _welch(ours: Float[np.ndarray, " seeds"], best: Float[np.ndarray, " seeds"]) -> str:
    from scipy import stats

    if ours.std() == best.std() == 0:  # for which the test is not defined
        return EQUAL if ours[0] == best[0] else WORSE
    return WORSE if stats.ttest_ind(ours, best, equal_var=False).pvalue < 1 - CONFIDENCE else EQUAL
