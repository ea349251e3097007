"""Tables and curves show the numbers that they get."""

from collections.abc import Callable
from dataclasses import replace

import pandas as pd
import pytest
import torch
from kedro.io import DataCatalog

from gan_pipelines.metrics import Score, missing_score
from gan_pipelines.metrics.comparisons import influence_table
from gan_pipelines.metrics.intervals import Uncertainty
from gan_pipelines.reporting.tables import (
    format_codes,
    format_pairs,
    format_summary,
    missing_scores,
    overall,
    score_table,
    table_verdict,
)

CODES = [
    Score("information_nats", "category", 100, 2.25, 2.125, 2.375),
    Score("prior_entropy_nats", "category", 100, 2.3026),
    Score("slant_share", "category", 2000, 0.5, 0.25, 0.75),
    Score("information_nats", "style_1", 100, 1.5, 1.25, 1.75),
    Score("slant_share", "style_1", 2000, 0.75, 0.5, 1.0),
]


def generator(low: float = 0.7, copies: float = 0.1, samples: int = 10000) -> pd.DataFrame:
    """A table with a missing score and a score of a single class."""
    return score_table(
        [
            Score("frechet_distance_infinity", "judge", samples, 1234.56, 1134.56, 1334.56),
            Score("kernel_distance", "judge", samples, 0.5, 0.25, 0.75),
            Score("label_accuracy", "judge", samples, 0.9876, 0.8876, 1.0),
            Score("label_accuracy", "judge", samples // 2, 0.25, 0.0, 0.5, of_class="cat"),
            Score("within_class_diversity", "judge", samples, 0.2, low - 0.05, low + 0.05),
            Score("copies", "pixels", samples, copies, copies, copies),
            missing_score("neighbour_distance", "judge", samples, "nothing near"),
        ]
    )


@pytest.mark.parametrize(
    ("low", "copied", "word"),
    [(0.7, 0.1, ""), (0.2, 0.1, "collapsed"), (0.28, 0.1, ""), (0.7, 0.6, "copies"), (0.2, 0.6, "collapsed, copies")],
)
def test_a_verdict_needs_an_interval_that_leaves_no_doubt(
    kept: Callable[..., pd.DataFrame], low: float, copied: float, word: str
) -> None:
    assert table_verdict(kept(generator(low, copied))) == word


def test_missing_scores_have_a_reason(kept: Callable[..., pd.DataFrame]) -> None:
    (sentence,) = missing_scores(kept(generator()))
    assert all(part in sentence for part in ("distance to training", "judge", "nothing near"))


def test_scores_of_one_space_that_are_missing_for_one_reason_share_a_sentence(
    kept: Callable[..., pd.DataFrame],
) -> None:
    missing = [("precision", "judge"), ("recall", "judge"), ("copies", "pixels")]
    table = score_table([missing_score(score, space, 10, "no luck") for score, space in missing])
    assert list(missing_scores(kept(table))) == [
        "precision, recall (judge): not measured; no luck",
        "copies (pixels): not measured; no luck",
    ]


@pytest.mark.parametrize(
    "classes",
    [
        ("None", "null", "NA", "nan", "N/A", "-"),
        ("0", "007", "1e5", "-1"),
        ("true", "false"),
        ("a,b", 'say "x"', "two\nlines", "cat\r", " x ", "Käse", "猫"),
        ("007",),
    ],
)
def test_class_names_survive_in_a_table_of_scores(kept: Callable[..., pd.DataFrame], classes: tuple[str, ...]) -> None:
    scores = [Score("label_accuracy", "judge", 10, 0.5, 0.25, 0.75)]
    scores += [Score("label_accuracy", "judge", 5, 0.5, 0.0, 1.0, of_class=name) for name in classes]
    table = kept(score_table(scores))
    assert overall(table).index.tolist() == [0]
    assert table["of_class"].tolist()[1:] == list(classes)
    assert table["value"].dtype == float
    assert table["samples"].tolist() == [10, *[5] * len(classes)]


def test_names_of_codes_and_stages_survive_in_a_table(kept: Callable[..., pd.DataFrame]) -> None:
    names = ["nan", "NA", "true"]
    table = kept(score_table([Score("information_nats", name, 10, 1.0) for name in names]))
    assert table["space"].tolist() == names
    assert table["low"].isna().all()
    history = kept(pd.DataFrame({"step": [1, 2], "generator.entropy": [0.5, float("inf")], "stage": "null"}))
    assert history["stage"].tolist() == ["null", "null"]
    assert history["generator.entropy"].tolist() == [0.5, float("inf")]


def test_texts_survive_in_the_tables_of_a_comparison(catalog: DataCatalog) -> None:
    table = pd.DataFrame({"name": ["None", "007", "true"], "R1": ["nan", "", None]}, dtype=object)
    catalog["compared_parameters"].save(table)
    found = catalog["compared_parameters"].load()
    assert found["name"].tolist() == ["None", "007", "true"]
    assert found["R1"].tolist()[:2] == ["nan", ""]
    assert pd.isna(found["R1"][2])


def test_the_summary_fits_80_columns_with_real_images_last_and_verdicts(
    kept: Callable[..., pd.DataFrame],
) -> None:
    without = generator(samples=200)
    without = without[without["score"] != "label_accuracy"]
    without.loc[without["score"] == "frechet_distance_infinity", ["value", "low", "high"]] = float("nan")
    tables = {"independent_stack": generator(0.2, 0.6), "real": generator(0.95, 0.1, 60000), "infogan": without}
    text = format_summary({name: kept(table) for name, table in tables.items()}, "validation")
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    rows = [line.split() for line in lines[1:4]]
    assert [row[0] for row in rows] == ["independent_stack", "infogan", "real"]
    assert rows[0][1:] == ["10000", *["0.988", "+-", "0.056", "1234.56", "+-", "100.00", "0.20", "+-", "0.05"]]
    assert lines[4] == "independent_stack: collapsed (pictures that are alike); copies (60% of samples)"
    assert rows[1][1:] == ["200", "-", "-", "0.20", "+-", "0.05"]
    assert rows[2][1:] == ["60000", *["0.988", "+-", "0.056", "1234.56", "+-", "100.00", "0.20", "+-", "0.05"]]


def test_the_printed_table_of_codes_has_a_column_per_code_and_dashes_where_a_score_does_not_apply() -> None:
    lines = [line.split() for line in format_codes(score_table(CODES)).splitlines()]
    assert lines[0] == ["category", "style_1"]
    assert {line[0]: line[1:] for line in lines[1:]} == {
        "information_nats": ["2.2500", "+-", "0.1250", "1.5000", "+-", "0.2500"],
        "prior_entropy_nats": ["2.3026", "-"],
        "slant_share": ["0.5000", "+-", "0.2500", "0.7500", "+-", "0.2500"],
    }


def test_generators_are_compared_by_what_the_same_test_images_do_to_both() -> None:
    """The intervals overlap; that of the difference excludes 0 only if the test images move both scores alike."""
    groups = [0.1 * (-1) ** group for group in range(20)]
    for sign, word in ((1, "better"), (-1, "not told apart")):
        tables, influences = {}, {}
        for name, value, towards in (("a", 1.0, 1), ("b", 1.5, sign)):
            score = Score("frechet_distance_infinity", "judge", 100, value, value - 1, value + 1)
            tables[name] = score_table([score])
            moved = Uncertainty(1e-4, groups=torch.tensor(groups).double() * towards)
            influences[name] = influence_table([replace(score, uncertainty=moved)])
        assert format_pairs(tables, influences) == f"a against b: {word}: Frechet at infinity."


def test_readers_of_tables_take_no_note_of_what_made_them(kept: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    made = {"data": "sha256:1234+5678", "judge": "sha256:123456789012", "model": None}
    codes, table = score_table(CODES), generator(low=0.1)
    assert format_codes(kept(codes.assign(**made))) == format_codes(kept(codes))
    assert table_verdict(kept(table.assign(**made))) == table_verdict(table) == "collapsed"
    assert format_summary({"joint": kept(table.assign(**made))}, "test") == format_summary({"joint": table}, "test")
