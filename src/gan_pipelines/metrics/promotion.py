"""Whether a generator takes the place of the champion: one criterion, on differences on the same test images."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

import pandas as pd

from gan_pipelines.metrics.comparisons import BETTER, EQUAL, GROUP_COLUMNS, UNKNOWN, WORSE, difference, outcome
from gan_pipelines.metrics.definitions import JUDGE, SCORES

DECIDING = "frechet_distance_infinity"
"""The score that must be better."""
GUARDED = ("label_accuracy", "within_class_diversity")
"""Scores that must not be worse, where both generators have them."""

Scores = Mapping[str, Mapping[Any, Any]]


class Decision(NamedTuple):
    """What becomes of a generator, and why."""

    alias: Literal["champion", "challenger"]
    reason: str


def compared_scores(scores: pd.DataFrame, influences: pd.DataFrame) -> dict[str, dict[Any, Any]]:
    """The scores that decide, by name, each with its influences.

    Args:
        scores: of a generator; its columns `data`, `judge` and `model` say what made them.
        influences: see `influence_table`.
    """
    overall = scores[scores["of_class"].isna() & (scores["space"] == JUDGE)]
    columns = ["score", "space", "samples_variance", *GROUP_COLUMNS]
    rows = overall.merge(influences[columns], on=["score", "space"], how="left").to_dict("records")
    return {row["score"]: row for row in rows if row["score"] in (DECIDING, *GUARDED)}


def decide(verdict: str, ours: Scores, champion: Scores | None) -> Decision:
    """Choose the alias of a generator.

    It becomes the champion if it has no verdict and its Frechet distance at infinite N is better than the champion's,
    by the 95 % interval of their difference, while neither label accuracy nor diversity within classes is worse; or if
    it is the champion's own model, scored anew. Nothing else makes a champion.

    Args:
        verdict: on the generator; empty if there is none.
        ours: its `compared_scores`.
        champion: those of the present champion; None without one.
    """
    if verdict:
        return Decision("challenger", f"its verdict is {verdict!r}, and no model with a verdict can be made champion")
    if outcome(_apart(ours, ours, DECIDING)) == UNKNOWN:
        title = SCORES[DECIDING].title
        return Decision("challenger", f"its {title} has no interval, so nothing could be compared with it")
    if champion is None:
        return Decision("champion", "it is the first model without a verdict")
    if ours[DECIDING]["model"] == champion[DECIDING]["model"]:
        return Decision("champion", "it is the champion's own model, with the scores of now")
    if problem := _not_comparable(ours[DECIDING], champion[DECIDING]):
        return Decision("challenger", f"it cannot be compared with the champion: {problem}")
    return _compare(ours, champion)


def _compare(ours: Scores, champion: Scores) -> Decision:
    found = {score: outcome(_apart(ours, champion, score)) for score in (DECIDING, *GUARDED)}
    if found[DECIDING] != BETTER:
        word = {EQUAL: "not told apart from", WORSE: "worse than", UNKNOWN: "not comparable with"}[found[DECIDING]]
        return Decision("challenger", f"its {_values(ours, champion, DECIDING)} is {word} the champion's")
    worse = [_values(ours, champion, score) for score in GUARDED if found[score] == WORSE]
    if worse:
        return Decision("challenger", f"it is worse than the champion in {' and '.join(worse)}")
    return Decision(
        "champion", f"its {_values(ours, champion, DECIDING)} is better than the champion's, and nothing else is worse"
    )


def _apart(ours: Scores, theirs: Scores, score: str) -> tuple[float, float, float] | None:
    if score not in ours or score not in theirs:
        return None
    return difference(ours[score], theirs[score], SCORES[score].better)


def _values(ours: Scores, theirs: Scores, score: str) -> str:
    return f"{SCORES[score].title} ({ours[score]['value']:.4g} against {theirs[score]['value']:.4g})"


def _not_comparable(ours: Mapping[Any, Any], theirs: Mapping[Any, Any]) -> str:
    """What measured two scores differently; empty if nothing did."""
    return ", ".join(
        f"another {what} ({own}, the champion's {other})"
        for (what, own), (_, other) in zip(_measured_by(ours), _measured_by(theirs), strict=True)
        if own != other
    )


def _measured_by(row: Mapping[Any, Any]) -> Iterator[tuple[str, str]]:
    """Judge, images that were scored against, and count, from the columns that say what made a score."""
    yield "judge", str(row["judge"]).partition("+")[0]
    yield "set of test images", str(row["data"]).rpartition("+")[2]
    yield "number of samples", str(row["samples"])
