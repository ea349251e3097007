"""Differences of scores, paired and unpaired, the places that follow from them, and Welch's test over seeds."""

import math
import random
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from gan_pipelines.metrics.comparisons import (
    GROUP_COLUMNS,
    average_seeds,
    difference,
    influence_table,
    outcome,
    rank_scores,
)
from gan_pipelines.metrics.intervals import GROUPS, first_order, normal_interval, share_interval
from gan_pipelines.metrics.scores import Score, missing_score, smooth_score

NAN = math.nan
COLUMNS = ["run", "generator", "score", "space", "samples", "value", "low", "high"]
Row = tuple[str, str, str, str, int, float, float, float]


def unpaired(value: float, low: float, high: float, expected: float = NAN) -> dict[str, float]:
    return {"value": value, "low": low, "high": high, "expected": expected}


def paired(value: float, groups: np.ndarray, samples_variance: float = 0.0, expected: float = NAN) -> dict[str, Any]:
    groups = groups - groups.mean()
    variance = samples_variance + (groups**2).sum() * GROUPS / (GROUPS - 1)
    ends = normal_interval(value, variance)
    return unpaired(value, *ends, expected) | {
        "samples_variance": samples_variance,
        **dict(zip(GROUP_COLUMNS, groups, strict=True)),
    }


@pytest.fixture
def groups() -> np.ndarray:
    return np.random.default_rng(1).normal(size=GROUPS)


def test_the_squares_of_independent_intervals_add_up() -> None:
    found = difference(unpaired(5, 2, 8), unpaired(3, -1, 7), "lower")
    assert found == pytest.approx((2, 2 - 5, 2 + 5))
    assert difference(unpaired(5, 2, 8), unpaired(3, -1, 7), "higher") == pytest.approx((-2, -7, 3))


def test_the_difference_of_two_shares_has_the_interval_of_newcombe() -> None:
    """Newcombe 1998, table II, method 10: 56 of 70 against 48 of 80, and 10 of 10 against 0 of 20."""
    for (count, total), (other, others), expected in (
        ((56, 70), (48, 80), (0.0524, 0.3339)),
        ((10, 10), (0, 20), (0.6791, 1.0)),
    ):
        rows = [unpaired(a / n, *share_interval(a / n, n)) for a, n in ((count, total), (other, others))]
        found = difference(*rows, "lower")
        assert found is not None
        assert found[1:] == pytest.approx(expected, abs=1e-4)
        mirrored = difference(*rows, "higher")
        assert mirrored == pytest.approx((-found[0], -found[2], -found[1]))


def test_what_moves_both_scores_alike_cancels(groups: np.ndarray) -> None:
    ours, theirs = paired(5.0, groups, 0.03), paired(4.0, groups, 0.01)
    half = stats.t.ppf(0.975, GROUPS - 1) * math.sqrt(0.04)
    assert difference(ours, theirs, "lower") == pytest.approx((1, 1 - half, 1 + half))
    assert outcome(difference(ours, theirs, "lower")) == "worse"
    without = {name: value for name, value in theirs.items() if name != "samples_variance"}
    assert outcome(difference(ours, without, "lower")) == "not told apart"  # the groups alone move each by 4.5


def test_groups_that_move_scores_apart_count_as_the_variance_of_their_difference(groups: np.ndarray) -> None:
    other = np.random.default_rng(2).normal(size=GROUPS)
    apart = groups - other
    half = stats.t.ppf(0.975, GROUPS - 1) * math.sqrt(np.var(apart, ddof=1) * GROUPS)
    for better, sign in (("lower", 1), ("higher", -1)):
        found = difference(paired(5.0, groups), paired(4.0, other), better)
        assert found == pytest.approx((sign, sign - half, sign + half))


def test_the_paired_difference_of_two_means_is_that_of_the_t_test_on_pairs() -> None:
    """Of two scores that are means over the same 20 test images, one a group."""
    draw = torch.Generator().manual_seed(1)
    common = torch.randn(GROUPS, generator=draw).double()
    sides = [common + 0.1 * torch.randn(GROUPS, generator=draw).double() + shift for shift in (0, 0.1)]
    strata, no_samples = torch.zeros(GROUPS).long(), torch.zeros(1)
    rows = []
    for side in sides:
        uncertainty = first_order(no_samples, strata[:1], side, strata)
        rows.append(paired(side.mean().item(), uncertainty.groups.numpy()))
    expected = stats.ttest_rel(*(side.numpy() for side in sides)).confidence_interval(0.95)
    found = difference(*rows, "lower")
    assert found is not None
    assert found[1:] == pytest.approx((expected.low, expected.high))


def test_distances_from_what_is_expected_are_compared_if_that_is_best(groups: np.ndarray) -> None:
    found = difference(unpaired(0.7, 0.4, 0.9, 1.0), unpaired(1.2, 1.1, 1.6, 1.0), "near expected")
    # 0.3 - 0.2; ours may be better by 0.2, and theirs worse by 0.4; ours worse by 0.3, and theirs better by 0.1
    assert found == pytest.approx((0.1, 0.1 - math.hypot(0.2, 0.4), 0.1 + math.hypot(0.3, 0.1)))
    either_side = difference(paired(0.7, groups, 0, 1.0), paired(1.2, -groups, 0, 1.0), "near expected")
    assert either_side == pytest.approx((0.1, 0.1, 0.1))
    assert outcome(either_side) == "worse"


@pytest.mark.parametrize(
    ("row", "better"),
    [
        (unpaired(1, NAN, NAN), "lower"),
        (unpaired(NAN, NAN, NAN), "lower"),
        (unpaired(1, 0, 2), "neither"),
        (unpaired(1, 0, 2), "near expected"),  # of which nobody knows what it is
    ],
)
def test_a_score_without_an_interval_or_a_direction_is_not_compared(row: dict[str, float], better: Any) -> None:
    other = unpaired(2, 1, 3, 1.0)
    assert difference(row, other, better) is difference(other, row, better) is None
    assert outcome(None) == "no interval"


def test_an_outcome_is_certain_if_the_interval_of_the_difference_excludes_0() -> None:
    assert outcome((1, 0.1, 1.9)) == "worse"
    assert outcome((-1, -1.9, -0.1)) == "better"
    assert outcome((1, -0.1, 2.1)) == outcome((0, 0, 0)) == "not told apart"


def test_the_outcome_at_equal_laws_is_certain_in_about_5_percent_of_cases() -> None:
    """Two generators of equal merit on the same test images, whose influence is larger than that of the samples."""
    draw, certain = np.random.default_rng(1), 0
    for _ in range(1000):
        shared = draw.normal(size=(GROUPS, 1)) + 0.2 * draw.normal(size=(GROUPS, 2))
        noise = 0.5 * draw.normal(size=2)
        ours, theirs = (paired(10 + shared[:, i].sum() + noise[i], shared[:, i], 0.25) for i in range(2))
        certain += outcome(difference(ours, theirs, "lower")) != "not told apart"
    assert 0.02 < certain / 1000 < 0.07


def table(*rows: Row) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=COLUMNS).assign(judge="", reference="", expected=NAN)


NO_INFLUENCES = influence_table([]).assign(run="", generator="")


def ranked(scores: pd.DataFrame, influences: pd.DataFrame = NO_INFLUENCES) -> tuple[list[str], list[str]]:
    found = rank_scores(scores, influences)
    assert found.index.equals(scores.index)
    return found["place"].tolist(), found["outcome"].tolist()


def of_runs(score: str, *intervals: tuple[float, float, float]) -> pd.DataFrame:
    rows = [(f"R{run}", "stack", score, "judge", 100, *ends) for run, ends in enumerate(intervals)]
    return table(*rows)


def test_a_generator_with_a_verdict_is_not_the_best_while_there_is_one_without() -> None:
    scores = of_runs("frechet_distance", *around(1, 5, 9)).assign(verdict=["copies", "", ""])
    assert ranked(scores) == (["1", "2", "3"], ["better", "best", "worse"])
    assert ranked(scores.assign(verdict="copies"))[1] == ["best", "worse", "worse"]


def around(*values: float, half: float = 1.0) -> list[tuple[float, float, float]]:
    return [(value, value - half, value + half) for value in values]


@pytest.mark.parametrize(
    ("score", "values", "places", "outcomes"),
    [
        ("frechet_distance", (1, 3, 5), ["1", "2", "3"], ["best", "worse", "worse"]),
        ("recall", (1, 3, 5), ["3", "2", "1"], ["worse", "worse", "best"]),
        ("frechet_distance", (1, 3, 3.5), ["1", "2-3", "2-3"], ["best", "worse", "worse"]),
        ("frechet_distance", (5, 1, 2), ["3", "1-2", "1-2"], ["worse", "best", "not told apart"]),
        ("frechet_distance", (1, 2, 3), ["1-2", "1-3", "2-3"], ["best", "not told apart", "worse"]),
        ("recall", (1, 1.5, 2), ["1-3"] * 3, ["not told apart", "not told apart", "best"]),
        ("frechet_distance", (1,), ["1"], ["not told apart"]),
    ],
)
def test_places_follow_from_pairs(score: str, values: tuple[float, ...], places: Any, outcomes: Any) -> None:
    """Of intervals of 1 on either side, two scores are told apart from a difference of the square root of 2 on."""
    assert ranked(of_runs(score, *around(*values))) == (places, outcomes)


def test_a_place_counts_those_that_are_certainly_better_and_certainly_worse() -> None:
    draw = random.Random(0)
    for _ in range(30):
        intervals = [
            (value, value - draw.uniform(0, 1), value + draw.uniform(0, 1)) for value in draw.choices(range(4), k=6)
        ]
        places, _ = ranked(of_runs("frechet_distance", *intervals))
        rows = [unpaired(*ends) for ends in intervals]
        for place, row in zip(places, rows, strict=True):
            results = [outcome(difference(row, other, "lower")) for other in rows]
            first, last = 1 + results.count("worse"), 6 - results.count("better")
            assert place == (f"{first}" if first == last else f"{first}-{last}")


def test_a_score_without_an_interval_has_no_place_leads_nobody_and_does_not_affect_others() -> None:
    without = (0.0, NAN, NAN)
    places, outcomes = ranked(of_runs("frechet_distance", *around(1), without, *around(3)))
    assert (places, outcomes) == (["1", "no interval", "2"], ["best", "no interval", "worse"])
    assert ranked(of_runs("frechet_distance", without, without)) == (["no interval"] * 2, ["no interval"] * 2)
    assert ranked(of_runs("frechet_distance", (NAN, NAN, NAN), *around(3))) == (
        ["no interval", "no interval"],
        ["no interval", "not told apart"],
    )


def test_scores_that_only_describe_have_neither_leader_nor_place() -> None:
    assert ranked(of_runs("prior_entropy_nats", *around(1, 5))) == (["", ""], ["", ""])


def test_the_one_nearest_to_what_is_expected_leads() -> None:
    scores = of_runs("density", *around(0.2, 0.9, 2.2, half=0.1)).assign(expected=1.0)
    assert ranked(scores) == (["2", "1", "3"], ["worse", "best", "worse"])


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
    places, outcomes = ranked(scores)
    assert places == ["1", "", "2", "1", "1", "2", "1"]
    assert outcomes == ["best", "", "worse", "not told apart", "not told apart", "worse", "best"]


@pytest.mark.parametrize("column", ["judge", "reference"])
def test_scores_of_two_judges_or_of_two_sets_of_test_images_have_separate_places(column: str) -> None:
    scores = of_runs("frechet_distance", (2, 1.5, 2.5), (5, 4, 6), (0, 0, 0.5), (9, 8, 9))
    assert ranked(scores.assign(**{column: ["a", "a", "b", "b"]}))[0] == ["1", "2", "1", "2"]
    assert ranked(scores.assign(**{column: "a"}))[0] == ["2", "3", "1", "4"]
    assert ranked(scores.assign(**{column: [None, None, "b", "b"]}))[0] == ["1", "2", "1", "2"]


def test_influences_of_the_same_test_images_tell_apart_what_intervals_alone_do_not(groups: np.ndarray) -> None:
    scores = of_runs("frechet_distance", *around(5, 4, half=9))
    influences = pd.DataFrame([paired(0, groups, 0.01), paired(0, groups, 0.01)])
    influences = influences[["samples_variance", *GROUP_COLUMNS]].assign(
        run=["R0", "R1"], generator="stack", score="frechet_distance", space="judge"
    )
    assert ranked(scores) == (["1-2", "1-2"], ["not told apart", "best"])
    assert ranked(scores, influences) == (["2", "1"], ["worse", "best"])
    assert ranked(scores, influences[:1])[0] == ["1-2", "1-2"]


def test_the_table_of_influences_has_a_row_for_each_score_that_test_images_move(rng: torch.Generator) -> None:
    values, strata = torch.randn(50, generator=rng), torch.arange(50) % 2
    both, alone = first_order(values, strata, 2 * values, strata), first_order(values, strata)
    moved = smooth_score("frechet_distance", "judge", 50, 1.0, both)
    found = influence_table(
        [
            moved,
            smooth_score("inception_score", "judge", 50, 1.0, alone),
            missing_score("recall", "judge", 50, "none"),
            Score("within_class_diversity", "judge", 50, 1.0, of_class="7", uncertainty=both),
        ]
    )
    (row,) = found.to_dict("records")
    assert (row["score"], row["space"], row["samples_variance"]) == ("frechet_distance", "judge", both.samples)
    assert [row[column] for column in GROUP_COLUMNS] == pytest.approx(both.groups.tolist())
    assert difference({**vars(moved), **row}, {**vars(moved), **row}, "lower") == pytest.approx(
        (0, *normal_interval(0.0, 2 * both.samples, freedom=GROUPS - 1))
    )


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
    assert averaged["outcome"].tolist() == ["", ""]
    assert average_seeds(scores, [], seeds).empty


def recipes(score: str, *values: tuple[float, ...]) -> list[str]:
    """Outcomes of settings with these scores, one per seed."""
    names = [[f"R{setting}{seed}" for seed in range(len(of))] for setting, of in enumerate(values)]
    rows = [
        (name, "stack", score, "judge", 100, value, NAN, NAN)
        for runs, of in zip(names, values, strict=True)
        for name, value in zip(runs, of, strict=True)
    ]
    seeds = pd.Series({name: name[-1] for runs in names for name in runs})
    found: list[str] = average_seeds(table(*rows), names, seeds)["outcome"].tolist()
    return found


@pytest.mark.parametrize("shift", [0.3, 0.6, 0.9, 1.2, 3.0])
def test_recipes_are_told_apart_by_welch_s_test(shift: float) -> None:
    ours, theirs = np.array([0.0, 0.5, 1.0, 0.2]), shift + np.array([0.1, 0.3, 0.9])
    mean, other = ours.mean(), theirs.mean()
    errors = ours.var(ddof=1) / 4, theirs.var(ddof=1) / 3
    freedom = sum(errors) ** 2 / (errors[0] ** 2 / 3 + errors[1] ** 2 / 2)
    certain = abs(mean - other) / math.sqrt(sum(errors)) > stats.t.ppf(0.975, freedom)
    expected = "worse" if certain else "not told apart"
    assert certain == (shift > 0.7)
    assert recipes("frechet_distance", tuple(ours), tuple(theirs)) == ["best", expected]
    assert recipes("recall", tuple(theirs), tuple(ours)) == ["best", expected]


def test_recipes_with_fewer_than_three_seeds_have_no_outcome_and_lead_nobody() -> None:
    few, good, bad = (0.0, 0.1), (1.0, 1.1, 1.2), (5.0, 5.1, 5.2)
    assert recipes("frechet_distance", few, good, bad) == ["", "best", "worse"]
    assert recipes("frechet_distance", few, good) == recipes("frechet_distance", few, few) == ["", ""]


def test_recipes_whose_seeds_agree_exactly_differ_if_their_values_do() -> None:
    assert recipes("recall", (0.0,) * 3, (0.0,) * 3) == ["best", "not told apart"]
    assert recipes("recall", (0.5,) * 3, (0.0,) * 3) == ["best", "worse"]


@pytest.mark.parametrize("score", ["density", "prior_entropy_nats"])
def test_recipes_are_not_compared_by_scores_without_a_direction(score: str) -> None:
    assert recipes(score, (1.0, 1.1, 1.2), (5.0, 5.1, 5.2)) == ["", ""]
