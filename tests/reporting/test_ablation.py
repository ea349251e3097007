"""SGAN's table 1: means over seeds in closed form, the paper's scores, one panel per row."""

import math

import pandas as pd
import pytest

from gan_pipelines.metrics import Score
from gan_pipelines.parameters.ablation import ROWS
from gan_pipelines.reporting.ablation import (
    ORDER,
    PAPER,
    ablation_order,
    ablation_table,
    format_ablation,
    format_order,
)
from gan_pipelines.reporting.tables import score_table


def scores(inception: float, distance: float, diversity: float = 0.9, accuracy: float | None = None) -> pd.DataFrame:
    values = {"inception_score": inception, "frechet_distance": distance, "within_class_diversity": diversity}
    found = [Score(name, "judge", 200, value, value, value) for name, value in values.items()]
    found.append(Score("frechet_distance", "inception_v3", 200, 999.0, 999.0, 999.0))
    if accuracy is not None:
        found.append(Score("label_accuracy", "judge", 200, accuracy, accuracy, accuracy))
        found.append(Score("label_accuracy", "judge", 20, 0.0, 0.0, 0.0, of_class="cat"))
    return score_table(found)


@pytest.fixture
def table() -> pd.DataFrame:
    return ablation_table(
        {
            "adv": [scores(2.0, 10.0, 0.1), scores(4.0, 13.0), scores(9.0, 16.0, 0.2)],
            "joint": [scores(8.0, 1.0, accuracy=0.5), scores(8.0, 1.0, accuracy=0.7), scores(8.0, 1.0, accuracy=0.9)],
            "real": [scores(9.5, 0.5, 1.0, accuracy=0.99)],
        }
    )


def test_a_row_has_mean_and_standard_deviation_over_its_seeds(table: pd.DataFrame) -> None:
    adv, joint, real = table.to_dict("records")
    assert (adv["row"], adv["samples"], adv["seeds"], real["seeds"]) == ("adv", 200, 3, 1)
    assert (adv["inception_score"], adv["frechet_distance"]) == (5.0, 13.0)
    assert adv["inception_score_std"] == pytest.approx(math.sqrt((9 + 1 + 16) / 2))
    assert adv["frechet_distance_std"] == pytest.approx(3.0)
    assert math.isnan(adv["label_accuracy"])
    assert (joint["label_accuracy"], joint["label_accuracy_std"]) == (pytest.approx(0.7), pytest.approx(0.2))
    assert joint["inception_score_std"] == 0.0


def test_a_single_seed_has_no_deviation(table: pd.DataFrame) -> None:
    real = table.set_index("row").loc["real"]
    assert real["frechet_distance"] == 0.5
    assert real[[name for name in table.columns if name.endswith("_std")]].isna().all()


def test_a_row_has_the_verdicts_of_its_seeds(table: pd.DataFrame) -> None:
    assert table["verdict"].tolist() == ["collapsed; collapsed", "", ""]


def test_a_row_names_what_made_the_scores_of_its_seeds() -> None:
    seeds = [scores(2.0, 10.0).assign(data="sha256:d", judge="sha256:j", model=f"sha256:{n}") for n in (1, 2)]
    (row,) = ablation_table({"adv": seeds}).to_dict("records")
    assert (row["data"], row["judge"], row["model"]) == ("sha256:d", "sha256:j", "sha256:1 sha256:2")


def test_every_row_has_the_result_of_the_paper(table: pd.DataFrame) -> None:
    assert set(PAPER) == {*ROWS, "real"}
    assert table["paper_inception_score"].tolist() == ["6.16 +- 0.07", "8.59 +- 0.12", "11.24 +- 0.12"]


def test_the_printed_table_fits_80_columns_and_marks_missing_scores() -> None:
    rows = {row: [scores(10.25, 1234.5, 0.5), scores(10.75, 1236.5, 0.5)] for row in ROWS}
    without = scores(9.0, 0.0)
    without.loc[without["score"] == "frechet_distance", "value"] = float("nan")
    lines = format_ablation(ablation_table({**rows, "real": [without]})).splitlines()
    assert len(lines) == 1 + len(ROWS) + 1
    assert max(map(len, lines)) <= 80
    assert lines[1].split() == [
        "adv",
        "6.16",
        "+-",
        "0.07",
        "10.50",
        "+-",
        "0.35",
        "1235.50",
        "+-",
        "1.41",
        "0.50",
        "+-",
        "0.00",
    ]
    assert lines[-1].split() == ["real", "11.24", "+-", "0.12", "9.00", "-", "0.90"]


def test_rows_are_compared_by_a_paired_test_over_their_seeds() -> None:
    tables = {row: [scores(9.0, 2.0), scores(8.0, 3.0), scores(7.0, 4.0)] for row in ROWS}
    tables["independent"] = [scores(8.0, 4.0), scores(6.0, 5.0), scores(7.0, 3.0)]
    table = ablation_order(tables).set_index(["row", "other", "score"])
    assert list(dict.fromkeys((row, other) for row, other, _ in table.index)) == list(ORDER)
    found = table.loc["joint", "independent", "inception_score"]
    assert (found["difference"], found["seeds"], found["seeds_better"]) == (1.0, 3, 2)
    # differences 1, 2, 0: deviation 1, so t = sqrt(3) with 2 degrees of freedom, whose 97.5 % quantile is 4.3027
    assert found["high"] - 1 == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)
    assert 1 - found["low"] == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)
    assert found["p"] == pytest.approx(0.225403, abs=1e-6)  # 1 - sqrt(3 / 5)
    distance = table.loc["joint", "independent", "frechet_distance"]
    assert (distance["difference"], distance["seeds_better"]) == (-1.0, 2)
    assert max(map(len, format_order(ablation_order(tables)).splitlines())) <= 80


def test_a_diversity_is_better_if_it_is_nearer_to_that_of_real_images() -> None:
    tables = {row: [scores(9.0, 2.0, 1.3).assign(expected=1.0)] * 3 for row in ROWS}
    tables["independent"] = [scores(9.0, 2.0, diversity).assign(expected=1.0) for diversity in (0.9, 1.2, 0.5)]
    found = ablation_order(tables).set_index(["row", "other", "score"])
    assert found.loc[("joint", "independent", "within_class_diversity"), "seeds_better"] == 1


@pytest.mark.parametrize("seeds", [1, 2])
def test_few_seeds_have_no_interval(seeds: int) -> None:
    table = ablation_order({row: [scores(9.0, 2.0 + seed) for seed in range(seeds)] for row in ROWS})
    assert table[["low", "high", "p"]].isna().all(axis=None)
    assert set(table["seeds"]) == {seeds}
    assert set(table["seeds_better"]) == {0}
    assert f"0 of {seeds}" in format_order(table)


def test_a_seed_without_a_score_is_left_out_of_the_order() -> None:
    tables = {row: [scores(9.0, 2.0, accuracy=0.5 + 0.1 * seed) for seed in range(4)] for row in ROWS}
    tables["joint"] = [scores(9.0, 2.0), *(scores(9.0, 2.0, accuracy=accuracy) for accuracy in (0.7, 0.9, 0.9))]
    accuracy = ablation_order(tables).set_index(["row", "other", "score"]).loc["joint", "independent", "label_accuracy"]
    assert (accuracy["seeds"], accuracy["seeds_better"]) == (3, 3)
    assert accuracy["difference"] == pytest.approx((0.1 + 0.2 + 0.1) / 3)
