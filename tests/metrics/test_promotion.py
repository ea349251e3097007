"""Which generator becomes champion, and what is said where it does not."""

import math
from typing import Any

import pandas as pd
import pytest

from gan_pipelines.metrics.comparisons import GROUP_COLUMNS, influence_table
from gan_pipelines.metrics.promotion import DECIDING, compared_scores, decide

MADE_BY = {"data": "sha256:aaa+bbb", "judge": "sha256:ccc+ddd", "model": "sha256:eee"}
Scores = dict[str, dict[Any, Any]]


def scored(distance: float = 4.0, accuracy: float = 0.9, diversity: float = 0.8, **made_by: str) -> Scores:
    """Scores whose differences have a standard error of about 0.1, 0.01 and 0.01, of a model of their own."""
    values = {
        DECIDING: (distance, 0.1),
        "label_accuracy": (accuracy, 0.01),
        "within_class_diversity": (diversity, 0.01),
    }
    about = {"space": "judge", "samples": 200, "expected": 1.0, "of_class": None}
    rows = [
        {"score": score, "value": value, "low": value - error, "high": value + error, **about}
        for score, (value, error) in values.items()
    ]
    scores = pd.DataFrame(rows).assign(**{**MADE_BY, "model": f"sha256:{distance}/{accuracy}/{diversity}", **made_by})
    influences = pd.DataFrame([[score, "judge", error**2 / 2] for score, (_, error) in values.items()])
    influences.columns = ["score", "space", "samples_variance"]
    return compared_scores(scores, influences.assign(**dict.fromkeys(GROUP_COLUMNS, 0.0), **MADE_BY))


def test_the_first_without_a_verdict_is_champion() -> None:
    assert decide("", scored(), None).alias == "champion"


@pytest.mark.parametrize("champion", [None, scored(100.0)])
def test_a_verdict_never_makes_a_champion(champion: Scores | None) -> None:
    found = decide("collapsed, copies", scored(), champion)
    assert found.alias == "challenger"
    assert "'collapsed, copies'" in found.reason


@pytest.mark.parametrize(
    ("ours", "alias", "says"),
    [
        (scored(3.5), "champion", "3.5 against 4"),
        (scored(3.9), "challenger", "not told apart"),
        (scored(4.5), "challenger", "worse"),
        (scored(3.5, accuracy=0.85), "challenger", "0.85 against 0.9"),
        (scored(3.5, diversity=0.7), "challenger", "0.7 against 0.8"),
        (scored(3.5, accuracy=0.89, diversity=0.79), "champion", "nothing else is worse"),
        (scored(3.9, accuracy=0.99, diversity=0.99), "challenger", "not told apart"),
    ],
)
def test_it_takes_a_better_distance_and_nothing_worse(ours: Scores, alias: str, says: str) -> None:
    found = decide("", ours, scored(4.0))
    assert found.alias == alias
    assert says in found.reason


@pytest.mark.parametrize(
    ("made_by", "says"),
    [({"judge": "sha256:other+ddd"}, "another judge"), ({"data": "sha256:aaa+other"}, "another set of test images")],
)
def test_what_another_judge_or_other_images_measured_is_not_compared(made_by: dict[str, str], says: str) -> None:
    found = decide("", scored(0.1, **made_by), scored(4.0))
    assert found.alias == "challenger"
    assert says in found.reason


def test_other_training_images_and_another_second_judge_do_not_matter() -> None:
    assert decide("", scored(0.1, data="sha256:x+bbb", judge="sha256:ccc+x"), scored(4.0)).alias == "champion"


def test_the_champion_itself_stays_champion_with_the_scores_of_another_judge() -> None:
    anew = scored(9.0, judge="sha256:other+ddd", model="sha256:same")
    assert decide("", anew, scored(4.0, model="sha256:same")).alias == "champion"


def test_a_champion_without_labels_is_compared_in_what_both_have() -> None:
    ours, champion = scored(3.0), scored(4.0)
    del champion["label_accuracy"]
    assert decide("", ours, champion).alias == "champion"


def test_a_model_with_which_nothing_could_be_compared_is_no_champion() -> None:
    ours = scored()
    ours[DECIDING]["low"] = math.nan
    assert decide("", ours, None).alias == "challenger"
    del ours[DECIDING]
    assert decide("", ours, None).alias == "challenger"


def test_scores_of_single_classes_and_other_spaces_decide_nothing() -> None:
    rows = [("label_accuracy", "judge", "3"), ("label_accuracy", "second_judge", None), ("recall", "judge", None)]
    table = pd.DataFrame(rows, columns=["score", "space", "of_class"])
    assert compared_scores(table, influence_table([])) == {}
