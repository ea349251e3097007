"""Curves have a panel and a scale per term, few colours, and say what happens at which step."""

import math

import pandas as pd
import plotly.graph_objects as go

from gan_pipelines.reporting.curves import (
    COLOURS,
    Onset,
    information_curve,
    loss_curves,
    overlaid_curves,
    watch_curve,
)

HISTORY = pd.DataFrame(
    {
        "step": [1, 2],
        "images_per_second": [9.0, 9.0],
        "discriminator.entropy": [6.6, 6.2],
        "generator.entropy": [6.5, 6.1],
        "generator.conditional": [0.5, 0.1],
        "variance_ratio": [0.3, 0.9],
        "stage": "fc3",
    }
)
JOINT = pd.DataFrame({"step": [1], "images_per_second": [9.0], "fc3.generator.entropy": [6.0]})
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


def caption(figure: go.Figure) -> str:
    """Title and caption, which are the last of the annotations."""
    return str(figure.layout.annotations[-1].text).replace("<br>", " ")


def test_title_caption_and_legend_stand_above_all_panels() -> None:
    figure = loss_curves({"fc3": HISTORY, "pixels": HISTORY}, "A caption.")
    title, titles = figure.layout.annotations[-1], figure.layout.annotations[:-1]
    top = max(axis.domain[1] for axis in figure.select_yaxes())
    assert top <= max(note.y for note in titles) < figure.layout.legend.y < title.y == 1
    assert (title.yref, title.yanchor) == ("paper", "top")  # not in the margin, which kedro-viz sets


def test_stages_with_one_term_share_a_row_and_each_level_has_its_own() -> None:
    classifier = pd.DataFrame({"step": [1], "images_per_second": [9.0], "classifier.cross_entropy": [0.5]})
    joint = pd.DataFrame({"step": [1], "images_per_second": [9.0]}).assign(
        **{f"{level}.generator.{term}": 1.0 for term in ("adversarial", "entropy") for level in ("fc3", "pixels")}
    )
    figure = loss_curves({"encoder": classifier, "judge": classifier, "fc3": HISTORY, "joint": joint}, "")
    rows: dict[float, list[str]] = {}
    for note in figure.layout.annotations[:-1]:
        rows.setdefault(round(note.y, 6), []).append(note.text)
    assert list(rows.values()) == [
        ["encoder: cross_entropy", "judge: cross_entropy"],
        ["fc3: entropy", "fc3: conditional", "fc3: variance_ratio"],
        ["joint: fc3.adversarial", "joint: fc3.entropy"],
        ["joint: pixels.adversarial", "joint: pixels.entropy"],
    ]


def test_each_term_of_a_stage_has_a_panel_and_each_player_a_line_of_its_own_colour() -> None:
    figure = loss_curves({"fc3": HISTORY, "pixels": HISTORY, "joint": JOINT}, "Trained with seed 0.")
    terms = ("entropy", "conditional", "variance_ratio")
    titles = ["joint: fc3.entropy"] + [f"{stage}: {term}" for stage in ("fc3", "pixels") for term in terms]
    assert [note.text for note in figure.layout.annotations][:-1] == titles
    assert len({line.yaxis for line in figure.data}) == len(titles)
    players = ["discriminator", "generator", "generator", "generated representations"]
    assert [line.name for line in figure.data] == [*players, *players, "generator"]
    assert list(figure.data[1].y) == [6.5, 6.1]
    assert figure.data[0].yaxis == figure.data[1].yaxis != figure.data[2].yaxis
    assert sum(line.showlegend for line in figure.data) == 3
    by_player = {(line.name, line.line.color) for line in figure.data}
    assert len(by_player) == len({colour for _, colour in by_player}) == 3
    assert "Trained with seed 0." in caption(figure)
    ones = [line.y0 for line in figure.layout.shapes if line.y0 == line.y1]
    assert ones == [1, 1]  # of the two ratios


def test_a_loss_panel_shows_the_step_at_which_its_term_sets_in() -> None:
    figure = loss_curves({"fc3": HISTORY}, "", {"conditional": [Onset(300, "something")]})
    (onset,) = (line for line in figure.layout.shapes if line.x0 == line.x1)
    assert onset.x0 == 300
    assert onset.xref == next(line.xaxis for line in figure.data if list(line.y) == [0.5, 0.1])


def test_the_information_has_a_line_per_code_and_one_for_the_sum() -> None:
    figure = information_curve(INFORMATION, {}, [], "Seed 0.")
    lines = {line.name: (list(line.x), list(line.y)) for line in figure.data}
    assert lines == {
        "a": ([10, 20], [0.1, 2.2]),
        "b": ([10, 20], [-0.3, 1.0]),
        "c": ([10, 20], [0.0, 2.0]),
        "sum of all codes": ([10, 20], [-0.2, 5.2]),
    }
    assert not figure.layout.shapes
    assert "nats" in figure.layout.yaxis.title.text
    assert "Seed 0." in caption(figure)
    assert "Below 0" in caption(figure)


def test_the_ceilings_of_the_information_are_lines_and_equal_ones_share_a_line() -> None:
    figure = information_curve(INFORMATION, {"a": math.log(10), "c": math.log(10), "d": math.log(2)}, [], "")
    assert [(line.y0, line.y1) for line in figure.layout.shapes] == [(math.log(10),) * 2, (math.log(2),) * 2]
    notes = [note.text.split(",  ")[0] for note in figure.layout.annotations[:-1]]
    assert [note.split(" nats")[0] for note in notes] == ["H(a, c) = 2.303", "H(d) = 0.693"]
    assert len(figure.data) == 4


def test_the_information_shows_the_steps_at_which_terms_set_in() -> None:
    figure = information_curve(INFORMATION, {}, [Onset(300, "L_I of a"), Onset(600, "L_I of b")], "")
    assert [(line.x0, line.x1) for line in figure.layout.shapes] == [(300, 300), (600, 600)]
    assert [note.text for note in figure.layout.annotations[:-1]] == [
        "from step 300: L_I of a",
        "from step 600: L_I of b",
    ]


def test_there_are_at_most_eight_colours_and_more_lines_are_dashed() -> None:
    many = pd.DataFrame({"step": [1], **{f"information.{place}": [0.0] for place in range(12)}})
    lines = [(line.line.color, line.line.dash) for line in information_curve(many, {}, [], "").data]
    assert len({colour for colour, _ in lines}) == len(COLOURS) == 8
    assert len(set(lines)) == 12
    runs = [f"R{place}" for place in range(12)]
    histories = pd.DataFrame(
        [(run, "fc3", "a", 1, 0.0) for run in runs], columns=["run", "stage", "term", "step", "value"]
    )
    overlaid = [(line.line.color, line.line.dash) for line in overlaid_curves(histories, dict.fromkeys(runs, "")).data]
    assert len({colour for colour, _ in overlaid}) == 8
    assert len(set(overlaid)) == 12


def test_scores_of_a_watched_training_have_panels_of_their_own_with_a_star_at_the_best_step() -> None:
    nothing = float("nan")
    scores = {
        "watch.frechet_distance": [nothing, 4.0, nothing, 3.0, 5.0],
        "watch.within_class_diversity": [nothing, 0.2, nothing, 0.6, 0.7],
    }
    history = pd.DataFrame({"step": [1, 2, 3, 4, 5], "images_per_second": 9.0, "generator.entropy": 6.5, **scores})
    figure = watch_curve(history, "1,000 samples.")
    assert [(list(trace.x), list(trace.y)) for trace in figure.data] == [
        ([2, 4, 5], [4.0, 3.0, 5.0]),
        ([4], [3.0]),
        ([2, 4, 5], [0.2, 0.6, 0.7]),
        ([4], [0.6]),
    ]
    assert [note.text for note in figure.layout.annotations][:2] == ["Frechet distance", "diversity"]
    assert "1,000 samples. Stars" in caption(figure)
    losses = loss_curves({"joint": history}, "Losses.")
    assert [note.text for note in losses.layout.annotations][:-1] == ["joint: entropy"]
