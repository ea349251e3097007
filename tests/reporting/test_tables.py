"""Tables and curves carry the numbers that they were given."""

import math

import pandas as pd
import pytest

from gan_pipelines.metrics import CodeScores, Scores
from gan_pipelines.reporting.curves import information_curve, loss_curves
from gan_pipelines.reporting.tables import code_table, flat_scores, format_codes, format_scores, score_table

CODES = {
    "category": CodeScores(2.25, 2.3026, 0.06, 0.9, 0.94, 0.7, 0.5, 0.25, 0.125, 0.875, 0.03125),
    "style_1": CodeScores(1.5, None, slant_share=0.75, class_changes=0.0625),
}
SCORES = {"joint_stack": Scores(0.9, 0.8, 7.0, 9.0, 100), "real": Scores(0.98, 1.0, 1.0, 9.5, 50)}


def test_the_score_table_says_which_weights_were_scored() -> None:
    table = score_table(
        {**SCORES, "independent_stack": Scores(0.5, 0.5, 5, 5, 5)}, {"joint_stack": True, "independent_stack": False}
    )
    assert dict(zip(table["generator"], table["weights"], strict=True)) == {
        "joint_stack": "averaged",
        "real": "none",
        "independent_stack": "last",
    }


def test_flat_scores_have_stable_names() -> None:
    flat = flat_scores(score_table(SCORES, {"joint_stack": True}))
    assert flat["joint_stack.within_class_diversity"] == 0.8
    assert flat["real.frechet_distance"] == 1.0
    assert set(flat) == {
        f"{generator}.{score}"
        for generator in SCORES
        for score in ("label_accuracy", "within_class_diversity", "frechet_distance", "inception_score", "samples")
    }


def test_the_printed_table_shows_every_number() -> None:
    text = format_scores(score_table(SCORES, {"joint_stack": True}))
    assert len(text.splitlines()) == 3
    for shown in ("0.9000", "0.8000", "7.0000", "0.9800"):
        assert shown in text


def test_each_stage_has_its_panel_and_each_term_its_line() -> None:
    history = pd.DataFrame({"step": [1, 2], "images_per_second": [9.0, 9.0], "generator.entropy": [6.5, 6.1]})
    figure = loss_curves({"fc3": history, "pixels": history})
    assert [trace.name for trace in figure.data] == ["fc3: generator.entropy", "pixels: generator.entropy"]
    assert list(figure.data[1].y) == [6.5, 6.1]
    assert figure.data[0].yaxis != figure.data[1].yaxis


def test_the_table_of_codes_has_a_row_a_code_and_nothing_where_a_score_does_not_apply() -> None:
    table = code_table(CODES)
    assert list(table.columns) == ["code", *vars(CODES["category"])]
    assert table["code"].tolist() == ["category", "style_1"]
    assert table.set_index("code").loc["category"].to_dict() == vars(CODES["category"])
    empty = {name for name, value in table.iloc[1].items() if pd.isna(value)}
    assert empty == {name for name, value in vars(CODES["style_1"]).items() if value is None}


def test_flat_scores_have_neither_words_nor_what_is_empty() -> None:
    flat = flat_scores(code_table(CODES))
    assert flat["category.information_nats"] == 2.25
    assert {name: value for name, value in flat.items() if name.startswith("style_1.")} == {
        "style_1.information_nats": 1.5, "style_1.slant_share": 0.75, "style_1.class_changes": 0.0625
    }  # fmt: skip
    assert len(flat) == 11 + 3
    unlabelled = {"infogan": Scores(None, 0.5, 3.0, 9.0, 200), "real": Scores(0.98, 1.0, 1.0, 9.5, 50)}
    flat = flat_scores(score_table(unlabelled, {"infogan": True}))
    assert flat["infogan.frechet_distance"] == 3
    assert flat["real.label_accuracy"] == 0.98
    assert "infogan.label_accuracy" not in flat
    assert all(isinstance(value, float) for value in flat.values())
    assert not any(name.endswith(".weights") for name in flat)


def test_a_column_without_any_number_is_left_out_of_flat_scores() -> None:
    ranges = {"a": CodeScores(1.0, None), "b": CodeScores(2.0, None)}
    assert flat_scores(code_table(ranges)) == {"a.information_nats": 1, "b.information_nats": 2}


def test_the_printed_table_of_codes_has_a_column_a_code_and_a_dash_where_a_score_does_not_apply() -> None:
    lines = [line.split() for line in format_codes(code_table(CODES)).splitlines()]
    assert lines[0][-2:] == ["category", "style_1"]
    found = {line[0]: line[1:] for line in lines[1:]}
    assert list(found) == list(vars(CODES["category"]))
    assert found["information_nats"] == ["2.2500", "1.5000"]
    assert found["ceiling_nats"] == ["2.3026", "-"]
    assert found["slant_share"] == ["0.5000", "0.7500"]
    assert found["leakage"] == ["0.0312", "-"]


def test_the_printed_table_of_codes_leaves_out_scores_that_no_code_has() -> None:
    ranges = {"a": CodeScores(1.0, None, class_changes=0.25), "b": CodeScores(2.0, None)}
    rows = [line.split() for line in format_codes(code_table(ranges)).splitlines()[1:]]
    assert [row for row in rows if len(row) > 1] == [
        ["information_nats", "1.0000", "2.0000"],
        ["class_changes", "0.2500", "-"],
    ]


INFORMATION = pd.DataFrame(
    {
        "step": [10, 20],
        "discriminator.information.a": [-0.1, -0.2],
        "information.a": [0.1, 2.2],
        "information.b": [-0.3, 1.0],
        "information.c": [0.0, 2.0],
        "information.total": [-0.2, 5.2],
        "stage": "infogan",
    }
)


def test_the_information_has_a_line_a_code_and_one_for_the_total() -> None:
    figure = information_curve(INFORMATION, {})
    lines = {line.name: (list(line.x), list(line.y)) for line in figure.data}
    assert lines == {
        "information.a": ([10, 20], [0.1, 2.2]),
        "information.b": ([10, 20], [-0.3, 1.0]),
        "information.c": ([10, 20], [0.0, 2.0]),
        "information.total": ([10, 20], [-0.2, 5.2]),
    }
    assert not figure.layout.shapes
    assert "nats" in figure.layout.yaxis.title.text


def test_the_ceilings_of_the_information_are_lines_and_equal_ones_share_theirs() -> None:
    figure = information_curve(INFORMATION, {"a": math.log(10), "c": math.log(10), "d": math.log(2)})
    assert [(line.y0, line.y1) for line in figure.layout.shapes] == [(math.log(10),) * 2, (math.log(2),) * 2]
    assert [note.text for note in figure.layout.annotations] == ["H(a, c) = 2.303 nats", "H(d) = 0.693 nats"]
    assert len(figure.data) == 4


@pytest.mark.parametrize("term", ["information.a", "generator.adversarial"])
def test_a_loss_curve_names_measures_and_terms_as_the_history_does(term: str) -> None:
    history = pd.DataFrame({"step": [1], "images_per_second": [9.0], term: [0.5]})
    assert [trace.name for trace in loss_curves({"infogan": history}).data] == [f"infogan: {term}"]
