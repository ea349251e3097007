"""The report as a reader sees it: the HTML is parsed, and it needs no other file."""

import base64
import tomllib
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import pandas as pd
import pytest
import torch
from PIL import Image

from gan_pipelines.metrics.definitions import SCORES
from gan_pipelines.reporting import light
from gan_pipelines.reporting.comparison import comparison_page, format_comparison
from gan_pipelines.reporting.curves import overlaid_curves
from gan_pipelines.reporting.leaders import find_leaders, leader_sentences
from gan_pipelines.reporting.light import curve_panels

ROOT = Path(__file__).parents[2]
NAN = float("nan")
HISTORIES = pd.DataFrame([["R1", "fc3", "a", 10, 2.0], ["R1", "fc3", "a", 20, 1.0]])
HISTORIES.columns = pd.Index(["run", "stage", "term", "step", "value"])
EVIL = "<script>alert('run')</script>"
ADDRESSES = {"src", "href", "action", "data", "srcset", "poster"}


class Page(HTMLParser):
    """Text, tables, pictures, scripts and addresses of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.text, self.scripts, self.pictures = "", list[str](), list[str]()
        self.addresses, self.classes = list[str](), list[str]()
        self.tag, self.in_cell = "", False
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tag = tag
        named = {name: value or "" for name, value in attributes}
        self.addresses += [value for name, value in named.items() if name in ADDRESSES]
        self.classes.append(named.get("class", ""))
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
            self.in_cell = True
        elif tag == "script":
            self.scripts.append("")
        elif tag == "img":
            self.pictures.append(named["src"])

    def handle_endtag(self, tag: str) -> None:
        self.tag = ""
        self.in_cell = self.in_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self.tag == "script":
            self.scripts[-1] += data
        elif self.tag != "style":
            self.text += data
            if self.in_cell:
                self.rows[-1][-1] = " ".join(f"{self.rows[-1][-1]} {data}".split())


def png() -> bytes:
    buffer = BytesIO()
    Image.new("L", (4, 4), 7).save(buffer, format="PNG")
    return buffer.getvalue()


RUNS = pd.DataFrame(
    {
        "run": ["R1", "R2"],
        "name": [EVIL, "second"],
        "experiment": "base",
        "run_id": ["1" * 32, "2" * 32],
        "seed": ["0", "1"],
        "pipeline": "sgan",
        "commit": ["c0ffee0000ff", ""],
        "changed": ["true", ""],
        "data": ["mnist_5k", ""],
        "data_sha256": ["da7a" * 16, ""],
        "started": "2026-01-01 10:00 UTC",
    }
)
COLUMNS = ["run", "generator", "verdict", "score", "space", "samples", "value", "low", "high", "spread", "place"]
COLUMNS += ["outcome", "judge"]
REFERENCE = {"reference": "t", "expected": NAN}
SCORE_ROWS = [
    ["R1", "joint_stack", "", "frechet_distance", "judge", 100, 5.12345, 4.5, 5.5, 0.25, "1", "best", "a"],
    ["R2", "joint_stack", "collapsed & <b>", "frechet_distance", "judge", 100, 7.0, 6.5, 7.5, NAN, "2", "worse", "a"],
    ["R1", "real", "", "frechet_distance", "judge", 100, 0.5, NAN, NAN, NAN, "", "", "a"],
    ["R2", "infogan", "", "coverage", "fc3", 100, NAN, NAN, NAN, NAN, "no interval", "", ""],
]
PICTURES = pd.DataFrame(
    [["R1", "joint_sample_grid", png(), ""], ["R2", None, None, "the files of this run are gone"]],
    columns=["run", "picture", "png", "gap"],
)


def write(
    left_out: pd.DataFrame | None = None,
    seeds: pd.DataFrame | None = None,
    not_averaged: pd.DataFrame | None = None,
    differing: pd.DataFrame | None = None,
    histories: pd.DataFrame | None = None,
    pictures: pd.DataFrame = PICTURES,
) -> str:
    nothing = pd.DataFrame()
    return comparison_page(
        RUNS,
        nothing if left_out is None else left_out,
        pd.DataFrame(SCORE_ROWS, columns=COLUMNS).assign(**REFERENCE),
        nothing if seeds is None else seeds,
        nothing if not_averaged is None else not_averaged,
        pd.DataFrame(columns=["kind", "name", "R1", "R2"]) if differing is None else differing,
        HISTORIES.iloc[:0] if histories is None else histories,
        pictures,
    )


def test_a_score_has_interval_place_spread_and_verdict_and_missing_ones_are_marked() -> None:
    page = Page(write())
    assert ["network", "N", "generator", f"R1 {EVIL}", "R2 second"] in page.rows
    distance = "5.123 [4.5, 5.5] spread 0.25 place 1, best"
    assert ["judge", "100", "joint_stack", distance, "7 [6.5, 7.5] place 2, worse collapsed & <b>"] in page.rows
    assert ["judge", "100", "real images", "0.5 no interval", "not recorded"] in page.rows
    assert ["fc3", "100", "infogan", "not recorded", "not a number no interval"] in page.rows
    assert page.classes.count("real") == 2  # in the summary and among the details
    for score in ("frechet_distance", "coverage"):
        assert SCORES[score].meaning in page.text
    assert page.text.index("Frechet distance, lower is better") < page.text.index("coverage, higher is better")


def test_runs_are_described_and_unrecorded_facts_are_marked() -> None:
    rows = Page(write()).rows
    first = [EVIL + " " + "1" * 32, "base", "sgan", "0", "c0ffee0000 with changes", "mnist_5k da7ada7ada7a"]
    assert ["R1", *first, "2026-01-01 10:00 UTC"] in rows
    assert next(row for row in rows if row[:1] == ["R2"])[5:7] == ["not recorded"] * 2


def test_runs_left_out_are_named_with_their_reason() -> None:
    left_out = pd.DataFrame([["tried", "base", "without scores"]], columns=["name", "experiment", "why"])
    assert "tried of base: without scores" in Page(write(left_out)).text
    assert "Left out" not in Page(write()).text


def test_differences_and_seeds_have_their_own_tables() -> None:
    differing = pd.DataFrame([["parameter", "a.b", "1", None], ["tag", "device", "cpu", "cuda"]])
    differing.columns = pd.Index(["kind", "name", "R1", "R2"])
    columns = ["runs", "seeds", "generator", "score", "space", "samples", "mean", "deviation", "count"]
    row = ["R1, R2", "0, 1", "infogan", "recall", "judge", 100, 0.25, 0.0123456, 2]
    seeds = pd.DataFrame([[*row, "not told apart"]], columns=[*columns, "outcome"])
    rows = Page(write(seeds=seeds, differing=differing)).rows
    assert ["a.b", "1", "not set"] in rows
    assert ["device tag", "cpu", "cuda"] in rows
    assert ["recall", "judge", "100", "infogan", "R1, R2", "0, 1", "0.25 ± 0.01235 (2 seeds)", "not told apart"] in rows
    assert "all recorded parameters and tags are the same" in Page(write()).text


def test_runs_that_are_not_averaged_are_listed_with_the_reason() -> None:
    listed = pd.DataFrame([["R1, R2", "2 judges: no mean"]], columns=["runs", "why"])
    assert "R1, R2: 2 judges: no mean" in Page(write(not_averaged=listed)).text
    assert "what they were measured by" not in Page(write()).text


def test_pictures_are_embedded_side_by_side_and_missing_ones_are_explained() -> None:
    page = Page(write())
    (picture,) = page.pictures
    with Image.open(BytesIO(base64.b64decode(picture.removeprefix("data:image/webp;base64,")))) as shown:
        assert shown.size == (4, 4)
        assert shown.getpixel((0, 0)) == pytest.approx((7, 7, 7), abs=3)
    assert "the files of this run are gone" in page.text
    only_gaps = PICTURES.assign(picture=None, png=None, gap=["this run has no pictures", "gone"])
    page = Page(write(pictures=only_gaps))
    assert page.pictures == []
    assert "this run has no pictures" in page.text
    assert page.classes.count("gap") >= 2


def test_a_page_of_large_pictures_stays_light_and_shows_grids_of_samples_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert light.PICTURE_BYTES * 4 / 3 < 1_000_000  # in base64, beside tables and curves
    monkeypatch.setattr(light, "PICTURE_BYTES", 100_000)
    noise = torch.randint(256, (600, 600, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    buffer = BytesIO()
    Image.fromarray(noise.numpy()).save(buffer, "PNG", compress_level=0)
    kinds = ["a_nearest_images", "joint_stack_sample_grid", "c", "d"]
    rows = [[run, kind, buffer.getvalue(), ""] for run in ("R1", "R2") for kind in kinds]
    page = Page(write(pictures=pd.DataFrame(rows, columns=PICTURES.columns)))
    assert 2 <= len(page.pictures) < len(rows)
    assert sum(map(len, page.pictures)) < 140_000
    assert page.text.count("so that this page stays light") == len(rows) - len(page.pictures)
    assert page.text.index("joint stack sample grid") < page.text.index("a nearest images")


def test_the_answer_stands_first_and_details_are_folded() -> None:
    text = Page(write()).text
    order = ["By Frechet distance", "What differs", "Pictures", "How to read the scores", "All scores", "Curves"]
    places = [text.index(heading) for heading in order]
    assert places == sorted(places)
    assert write().count("<details open>") == 2  # the grids of samples, and what is missing


BEST = [
    ["R1", "a", "", 5.0, "best", "j"],
    ["R2", "a", "", 5.2, "not told apart", "j"],
    ["R2", "b", "collapsed", 5.1, "not told apart", "j"],
    ["R1", "b", "", 9.0, "worse", "j"],
    ["R3", "a", "", 1.0, "best", "another"],
    ["R3", "b", "copies", 2.0, "better", "j"],
]


@pytest.mark.parametrize(
    ("chosen", "who", "why"),
    [
        (
            [0, 1, 2, 3, 4],
            "any of these may be the best: a of R1, first (5); a of R2, second (5.2).",
            ["not told apart", "ruled out by a verdict: R2 b (collapsed)", "excludes 0: R1 b;", "test images: R3 a."],
        ),
        ([0, 5], "a of R1, first (5) is the best.", ["Ruled out by a verdict: R3 b (copies)."]),
        ([0, 3], "a of R1, first (5) is the best.", ["Certainly worse, by an interval that excludes 0: R1 b."]),
        ([1], "a of R2, second (5.2) is the best.", ["There is no other one to compare it with."]),
        ([2], "no run may be called the best.", ["Ruled out by a verdict: R2 b (collapsed)."]),
    ],
)
def test_two_sentences_say_which_runs_may_be_the_best_and_why_no_more_is_known(
    chosen: list[int], who: str, why: list[str]
) -> None:
    columns = ["run", "generator", "verdict", "value", "outcome", "judge"]
    measured = {"score": "frechet_distance", "space": "judge", "samples": 100, "reference": "t", "expected": NAN}
    scores = pd.DataFrame(BEST, columns=columns).assign(**measured).iloc[chosen]
    found = leader_sentences(find_leaders(scores), {"R1": "first", "R2": "second", "R3": "third"})
    assert found[0] == f"By Frechet distance (judge, N = 100) {who}"
    for reason in why:
        assert reason in found[1]
    nothing = leader_sentences(find_leaders(scores.assign(score="recall")), {})
    assert "none has a Frechet distance" in nothing[0]


def test_the_summary_sets_generators_of_one_kind_below_each_other_the_best_first() -> None:
    rows = [row for row in Page(write()).rows if row[0].startswith(("joint_stack ", "real images "))][:3]
    assert rows == [
        [f"joint_stack R1 {EVIL}", "the best", "5.123 ± 0.5", "none"],
        ["joint_stack R2 second", "worse", "7 ± 0.5", "collapsed & <b>"],
        [f"real images R1 {EVIL}", "", "0.5", ""],
    ]


def test_names_are_escaped_in_text_and_curves_and_the_page_runs_and_loads_nothing() -> None:
    histories = HISTORIES.assign(stage=EVIL)
    found = write(histories=histories)
    page = Page(found)
    assert EVIL in page.text
    assert EVIL not in found
    assert page.scripts == []
    assert all(address.startswith("data:") for address in page.addresses)


def test_curves_of_the_page_are_lines_from_the_first_to_the_last_step() -> None:
    steps = pd.DataFrame({"run": "R1", "stage": "fc3", "term": "a", "step": range(1, 1001), "value": range(1000)})
    (panel,) = curve_panels(pd.concat([steps, steps.assign(run="R2", value=NAN)]), ["R2", "R1"])
    assert (panel["title"], panel["low"], panel["high"], panel["last"]) == ("fc3: a", 0, 999, 1000)
    (line,) = panel["lines"]
    points = [tuple(map(int, point.split(","))) for point in line["points"].split()]
    assert len(points) <= 51
    assert (points[0], points[-1]) == ((0, 110), (300, 0))


def test_curves_have_one_panel_per_term_and_one_colour_per_run() -> None:
    rows = [[run, "fc3", term, step, step / 10] for run in ("R2", "R1") for term in "ab" for step in (20, 10)]
    rows.append(["R2", "joint", "a", 5, 1.0])
    histories = pd.DataFrame(rows, columns=["run", "stage", "term", "step", "value"])
    figure = overlaid_curves(histories, {"R1": "first", "R2": "second"})
    assert [title.text for title in figure.layout.annotations] == ["fc3: a", "fc3: b", "joint: a"]
    lines = {(line.legendgroup, line.xaxis): line for line in figure.data}
    assert len(lines) == len(figure.data) == 5
    assert list(lines["R1", "x"].x) == [10, 20]
    assert list(lines["R1", "x"].y) == [1.0, 2.0]
    assert [line.name for line in figure.data if line.showlegend] == ["R1 first", "R2 second"]
    colours = {run: {line.line.color for line in figure.data if line.legendgroup == run} for run in ("R1", "R2")}
    assert [len(colour) for colour in colours.values()] == [1, 1]
    assert colours["R1"] != colours["R2"]
    assert len(overlaid_curves(histories.iloc[:0], {"R1": "first"}).data) == 0


def test_the_short_table_names_who_leads_within_80_columns() -> None:
    space, equal = "efficientnet_lite0", "not told apart"
    rows = [
        ["R1", "independent_stack", "", "classification_accuracy", space, 10000, 0.98, 0, 1, NAN, "1", "best"],
        [
            "R10",
            "a_generator_with_a_very_long_name",
            "",
            "classification_accuracy",
            space,
            10000,
            0.9,
            0,
            0,
            NAN,
            "2",
            "",
        ],
        ["R1", "infogan", "", "recall", "judge", 100, 0.5, 0.4, 0.6, NAN, "1-2", "best"],
        ["R2", "infogan", "", "recall", "judge", 100, 0.5, 0.4, 0.6, NAN, "1-2", equal],
        ["R3", "infogan", "", "recall", "judge", 100, 0.1, 0.1, 0.1, NAN, "3", "worse"],
        ["R1", "infogan", "", "copies", "judge", 100, 0.1, NAN, NAN, NAN, "no interval", "no interval"],
        ["R2", "infogan", "", "copies", "judge", 100, 0.1, NAN, NAN, NAN, "no interval", "no interval"],
        ["R1", "infogan", "", "prior_entropy_nats", "category", 100, 2.3, NAN, NAN, NAN, "", ""],
        ["R2", "infogan", "", "prior_entropy_nats", "category", 100, 2.3, NAN, NAN, NAN, "", ""],
        ["R1", "infogan", "", "purity", "category", 100, 0.9, 0.8, 1.0, NAN, "1", ""],
        ["R1", "real", "", "near_duplicates", "judge", 100, 0.0, 0.1, 0.1, NAN, "", ""],
    ]
    text = format_comparison(pd.DataFrame(rows, columns=COLUMNS[:-1]).assign(judge="a", **REFERENCE))
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert [" ".join(line.split()) for line in lines] == [
        "score.network.samples best + others not told apart",
        f"classification_accuracy.{space}.10000 R1 independent_stack 0.98",
        "recall.judge.100 R1 infogan 0.5 + 1",
        "copies.judge.100 no interval",
    ]


@pytest.mark.parametrize(
    ("measured_by", "mark", "refusal"),
    [("judge", "another judge", "2 judges,"), ("reference", "other test images", "2 sets of test")],
)
def test_a_score_that_something_else_measured_is_marked_and_has_no_common_leader(
    measured_by: str, mark: str, refusal: str
) -> None:
    rows = [
        ["R1", "joint_stack", "", "recall", "judge", 100, 0.5, 0.4, 0.6, NAN, "1", "best"],
        ["R1", "infogan", "", "recall", "judge", 100, 0.2, 0.1, 0.3, NAN, "2", "worse"],
        ["R2", "joint_stack", "", "recall", "judge", 100, 0.9, 0.8, 1.0, NAN, "1", "best"],
    ]
    same = {"judge": "a", "reference": "a", "expected": NAN}
    scores = pd.DataFrame(rows, columns=COLUMNS[:-1]).assign(**{**same, measured_by: ["a", "a", "b"]})
    nothing = pd.DataFrame()
    differing = pd.DataFrame(columns=["kind", "name", "R1", "R2"])
    page = Page(comparison_page(RUNS, nothing, scores, nothing, nothing, differing, HISTORIES, PICTURES))
    marked = f"0.9 [0.8, 1] place 1, best {mark}"
    assert ["judge", "100", "joint_stack", "0.5 [0.4, 0.6] place 1, best", marked] in page.rows
    assert ["judge", "100", "infogan", "0.2 [0.1, 0.3] place 2, worse", "not recorded"] in page.rows
    assert format_comparison(scores).splitlines()[1].split(maxsplit=1)[1].startswith(refusal)


def test_the_template_comes_with_the_package() -> None:
    source = ROOT / "src" / "gan_pipelines"
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    files = {file for pattern in setuptools["package-data"]["gan_pipelines"] for file in source.glob(pattern)}
    assert source / "reporting" / "comparison.html" in files
