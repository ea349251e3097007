"""Places where intervals do not overlap, in closed form; means over seeds."""

import math
import random

import pandas as pd
import pytest
from gan_pipelines.metrics.places import average_seeds, place_scores, places

NAN = math.nan


@pytest.mark.parametrize(
    ("better", "low", "high", "expected"),
    [
        ("lower", [1, 3, 5], [2, 4, 6], ["1", "2", "3"]),
        ("higher", [1, 3, 5], [2, 4, 6], ["3", "2", "1"]),
        ("lower", [1, 3, 3.5], [2, 4, 6], ["1", "2-3", "2-3"]),
        ("lower", [1, 2, 5], [3, 4, 6], ["1-2", "1-2", "3"]),
        ("lower", [1, 2, 3.5], [2.5, 4, 5], ["1-2", "1-3", "2-3"]),  # the middle one overlaps both
        ("lower", [1, 2], [2, 3], ["no order", "no order"]),  # they touch
        ("higher", [1, 1.5, 2], [3, 3.5, 4], ["no order"] * 3),
        ("lower", [1], [2], ["no order"]),
        ("near 1", [0.9, 1.4, 0.2], [1.1, 1.5, 0.3], ["1", "2", "3"]),
        ("near 1", [0.7, 1.2], [0.8, 1.3], ["no order", "no order"]),  # equally far, on either side
        ("near 1", [0.9, 1.05], [1.3, 1.06], ["no order", "no order"]),  # the first contains 1 and is 0 to 0.3 away
        ("near 1", [0.85, 0.5], [1.3, 0.6], ["1", "2"]),
    ],
)
def test_places_in_closed_form(better: str, low: list[float], high: list[float], expected: list[str]) -> None:
    assert places(low, high, better) == expected


def test_a_value_without_an_interval_has_no_place_and_does_not_affect_others() -> None:
    assert places([1, NAN, 3], [2, NAN, 4], "lower") == ["1-2", "no interval", "2-3"]
    assert places([1, 3], [2, NAN], "lower") == ["no order", "no interval"]
    assert places([NAN], [NAN], "higher") == ["no interval"]


@pytest.mark.parametrize("better", ["lower", "higher", "near 1"])
def test_a_place_counts_the_values_that_are_certainly_better_and_certainly_worse(better: str) -> None:
    draw = random.Random(0)
    badness = {"lower": lambda x: x, "higher": lambda x: -x, "near 1": lambda x: abs(x - 1)}[better]
    for _ in range(50):
        intervals = [sorted((draw.uniform(0, 2), draw.uniform(0, 2))) for _ in range(6)]
        # the best and the worst point of each interval, found on a fine grid
        points = [[badness(low + (high - low) * i / 999) for i in range(1000)] for low, high in intervals]
        best, worst = [min(row) for row in points], [max(row) for row in points]
        expected = []
        for i in range(6):
            first = 1 + sum(worst[j] < best[i] for j in range(6))
            last = 6 - sum(worst[i] < best[j] for j in range(6))
            expected.append(f"{first}" if first == last else f"{first}-{last}")
        if set(expected) == {"1-6"}:
            expected = ["no order"] * 6
        assert places([low for low, _ in intervals], [high for _, high in intervals], better) == expected


def table(*rows: tuple[str, str, str, str, int, float, float, float]) -> pd.DataFrame:
    columns = ["run", "generator", "score", "space", "samples", "value", "low", "high"]
    return pd.DataFrame(rows, columns=columns).assign(judge="", reference="")


def test_places_compare_equal_score_space_and_count_and_real_images_have_none() -> None:
    scores = table(
        ("R1", "joint_stack", "frechet_distance", "judge", 100, 2, 1, 3),
        ("R1", "real", "frechet_distance", "judge", 100, 0, 0, 0),
        ("R2", "infogan", "frechet_distance", "judge", 100, 5, 4, 6),
        ("R2", "infogan", "frechet_distance", "judge", 200, 1, 0, 2),
        ("R2", "infogan", "frechet_distance", "pixels", 100, 1, 0, 2),
        ("R1", "joint_stack", "coverage", "judge", 100, 0.2, 0.1, 0.3),
        ("R2", "infogan", "coverage", "judge", 100, 0.5, 0.4, 0.6),
    )
    scores.index = scores.index[::-1]
    assert place_scores(scores).to_list() == ["1", "", "2", "no order", "no order", "2", "1"]
    assert place_scores(scores).index.equals(scores.index)


def test_scores_of_two_judges_or_of_other_test_images_have_separate_places() -> None:
    score = ("joint_stack", "frechet_distance", "judge", 100)
    scores = table(("R1", *score, 2, 1, 3), ("R2", *score, 5, 4, 6), ("R3", *score, 0, 0, 0.5), ("R4", *score, 9, 8, 9))
    assert place_scores(scores.assign(judge=["a", "a", "b", "b"])).to_list() == ["1", "2", "1", "2"]
    assert place_scores(scores.assign(reference=["a", "a", "b", "b"])).to_list() == ["1", "2", "1", "2"]
    assert place_scores(scores.assign(judge="a")).to_list() == ["2", "3", "1", "4"]


def test_mean_and_deviation_over_the_seeds_of_a_setting() -> None:
    score = ("joint_stack", "recall", "judge", 100)
    scores = table(
        ("R1", *score, 0.1, NAN, NAN),
        ("R2", *score, 0.2, NAN, NAN),
        ("R3", *score, 0.6, NAN, NAN),
        ("R4", *score, 9.0, NAN, NAN),
        ("R1", "infogan", *score[1:], 0.5, NAN, NAN),  # of a single seed
        ("R1", "real", *score[1:], 0.5, NAN, NAN),
        ("R2", "real", *score[1:], NAN, NAN, NAN),
        ("R3", "real", *score[1:], 0.7, NAN, NAN),
    )
    seeds = pd.Series({"R1": "2", "R2": "1", "R3": "0", "R4": "0"})
    averaged = average_seeds(scores, [["R1", "R2", "R3"]], seeds)
    stack, real = averaged.to_dict("records")
    assert (stack["runs"], stack["seeds"], stack["generator"], stack["count"]) == ("R1, R2, R3", "2, 1, 0", score[0], 3)
    assert stack["mean"] == pytest.approx(0.3)
    assert stack["deviation"] == pytest.approx(math.sqrt((0.04 + 0.01 + 0.09) / 2))
    assert (real["runs"], real["count"], real["deviation"]) == ("R1, R3", 2, pytest.approx(0.2 / math.sqrt(2)))
    assert average_seeds(scores, [], seeds).empty


@pytest.mark.parametrize("measured_by", ["judge", "reference"])
def test_seeds_are_averaged_only_among_scores_that_were_measured_alike(measured_by: str) -> None:
    score = ("joint_stack", "recall", "judge", 100)
    scores = table(*((f"R{n}", *score, value, NAN, NAN) for n, value in enumerate((0.1, 0.3, 0.9), start=1)))
    seeds = pd.Series({"R1": "0", "R2": "1", "R3": "2"})
    (averaged,) = average_seeds(scores.assign(**{measured_by: ["a", "a", "b"]}), [["R1", "R2", "R3"]], seeds).to_dict(
        "records"
    )
    assert (averaged["runs"], averaged["mean"]) == ("R1, R2", pytest.approx(0.2))
