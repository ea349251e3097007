"""Tables and curves carry the numbers that they were given."""

import pandas as pd

from gan_pipelines.metrics import Scores
from gan_pipelines.reporting.curves import loss_curves
from gan_pipelines.reporting.tables import flat_scores, format_scores, score_table

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
