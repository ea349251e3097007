"""Runs are chosen and read from a real sqlite store."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gan_pipelines.parameters import CompareParameters, ExperimentError
from gan_pipelines.tracking import (
    differences,
    find_runs,
    not_averaged,
    read_histories,
    read_parameters,
    read_pictures,
    read_scores,
    same_but_for_seed,
)

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")  # inside MLflow

FRECHET = "joint_stack/frechet_distance.judge.10000"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, record: Callable[[Path], Any]) -> Any:
    """Two seeds of one setting, another setting, an InfoGAN elsewhere, and runs that cannot be compared."""
    store = record(tmp_path_factory.mktemp("a project"))
    curves = {"fc3": {"generator.adversarial": [3.0, 2.0, 1.0]}, "joint": {"pixels.entropy": [0.5]}}
    store.add("seed 0", {FRECHET: (5.0, 4.5, 5.5), "real/frechet_distance.judge.10000": 0.5}, curves=curves)
    store.add("seed 1", {FRECHET: (6.0, 5.4, 6.5)}, seed=1, tags={"verdict.joint_stack": "collapsed"})
    store.add("heavy", {FRECHET: 7.0}, seed=2, parameters={"sgan.joint.upstream_weight": "1.0", "new": "x"})
    scores = {"infogan/coverage.fc3.500": (0.4, 0.3, 0.5), "uncertainty/infogan/coverage.fc3.500.spread": 0.02}
    store.add("codes", scores, experiment="mnist", tags={"pipeline": "infogan"}, pictures=["infogan_categories"])
    store.add("classifier", {})
    store.add("stopped", {FRECHET: 1.0}, status="KILLED")
    return store


def choose(store: Any, **chosen: Any) -> pd.DataFrame:
    return find_runs(store.uri, CompareParameters.model_validate({"experiments": ["base"], **chosen}))[0]


def refusal(uri: str, **chosen: Any) -> str:
    with pytest.raises(ExperimentError) as error:
        find_runs(uri, CompareParameters.model_validate({"experiments": ["base"], **chosen}))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_finished_runs_with_scores_are_found_newest_first_and_the_others_named(store: Any) -> None:
    runs, left_out = find_runs(store.uri, CompareParameters(experiments=("base",)))
    assert runs["name"].to_list() == ["heavy", "seed 1", "seed 0"]
    assert runs["run"].to_list() == ["R1", "R2", "R3"]
    assert runs["seed"].to_list() == ["2", "1", "0"]
    assert set(runs["experiment"]) == {"base"}
    assert set(runs["data"]) == {"mnist_5k"}
    assert set(runs["commit"]) == {"c0ffee" * 6}
    assert left_out.to_numpy().tolist() == [
        ["stopped", "base", "not finished: KILLED"],
        ["classifier", "base", "without scores"],
    ]


@pytest.mark.parametrize(
    ("chosen", "names"),
    [
        ({"experiments": ["base", "mnist"]}, ["codes", "heavy", "seed 1", "seed 0"]),
        ({"experiments": ["base", "mnist"], "tags": {"pipeline": "infogan"}}, ["codes"]),
        ({"newest": 2}, ["heavy", "seed 1"]),
        ({"filter": "params.`run.seed` = '1'"}, ["seed 1"]),
        ({"filter": "attributes.run_name LIKE 'seed%'"}, ["seed 1", "seed 0"]),
    ],
)
def test_runs_are_chosen_by_experiment_tag_filter_and_number(store: Any, chosen: Any, names: list[str]) -> None:
    assert choose(store, **chosen)["name"].to_list() == names


def test_runs_are_sorted_by_a_score_best_first_and_those_without_it_left_out(store: Any) -> None:
    def found(score: str, **chosen: Any) -> tuple[list[str], list[str], pd.DataFrame]:
        parameters = {"experiments": ["base", "mnist"], "sort_by": score, **chosen}
        runs, left_out = find_runs(store.uri, CompareParameters.model_validate(parameters))
        return runs["name"].to_list(), runs["run"].to_list(), left_out.set_index("name")["why"]

    names, labels, why = found("joint_stack/frechet_distance.judge")
    assert names == ["seed 0", "seed 1", "heavy"]
    assert labels == ["R1", "R2", "R3"]
    assert why["codes"] == "without joint_stack/frechet_distance.judge"
    assert found("infogan/coverage.fc3")[0] == ["codes"]
    assert found("joint_stack/frechet_distance.judge", newest=2)[0] == ["seed 1", "heavy"]


@pytest.mark.parametrize("score", ["frechet_distance", "joint_stack/loss.judge", "infogan/prior_entropy_nats.category"])
def test_what_no_run_can_be_sorted_by_is_refused(store: Any, score: str) -> None:
    message = refusal(store.uri, sort_by=score)
    assert message.startswith("compare.sort_by: must be a score")
    assert repr(score) in message


def test_runs_scored_against_another_split_than_the_newest_are_left_out(
    tmp_path: Path, record: Callable[[Path], Any]
) -> None:
    store, validation = record(tmp_path), {"evaluation.split": "validation"}
    store.add("old", {FRECHET: 4.0})  # of a version that had no other split
    store.add("tried", {FRECHET: 5.0}, parameters=validation)
    store.add("final", {FRECHET: 6.0}, parameters={"evaluation.split": "test"})
    runs, left_out = find_runs(store.uri, CompareParameters(experiments=("base",)))
    assert runs["name"].to_list() == ["final", "old"]
    assert left_out[["name", "why"]].to_numpy().tolist() == [
        ["tried", "scored against validation images, R1 against test images"]
    ]
    assert choose(store, filter="params.`evaluation.split` = 'validation'")["name"].to_list() == ["tried"]


def test_more_runs_than_fit_a_page_are_searched(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gan_pipelines.tracking.records.PAGE_RUNS", 1)
    assert choose(store)["name"].to_list() == ["heavy", "seed 1", "seed 0"]


@pytest.mark.parametrize(
    ("chosen", "field", "found", "allowed"),
    [
        ({"experiments": ["svhn"]}, "compare.experiments", "'svhn'", "base, mnist"),
        ({"filter": "seed equals 1"}, "compare.filter", "'seed equals 1'", "params.`run.seed` = '0'"),
        ({"tags": {"pipeline": "none"}}, "compare.experiments", "'none'", "finished runs with scores"),
        ({"filter": "attributes.run_name = 'classifier'"}, "compare.experiments", "without scores", "finished runs"),
        ({"filter": "attributes.run_name = 'stopped'"}, "compare.experiments", "KILLED", "finished runs"),
    ],
)
def test_a_choice_of_nothing_says_why(store: Any, chosen: Any, field: str, found: str, allowed: str) -> None:
    message = refusal(store.uri, **chosen)
    assert message.startswith(f"{field}: ")
    assert found in message
    assert allowed in message


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    assert "there is no record of runs" in refusal(f"sqlite:///{tmp_path}/none.db")
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database, but long enough to look like one " * 10)
    assert "cannot be read: file is not a database" in refusal(f"sqlite:///{tmp_path}/text.db")


def test_scores_are_tidy_and_other_metrics_are_none(store: Any) -> None:
    scores = read_scores(store.uri, choose(store))
    assert set(scores["score"]) == {"frechet_distance"}
    assert set(scores["space"]) == {"judge"}
    assert set(scores["samples"]) == {10000}
    rows = scores[["run", "generator", "verdict", "value", "low", "high"]].astype(object)
    assert rows.where(rows.notna(), None).to_numpy().tolist() == [
        ["R1", "joint_stack", "", 7.0, None, None],
        ["R2", "joint_stack", "collapsed", 6.0, 5.4, 6.5],
        ["R3", "joint_stack", "", 5.0, 4.5, 5.5],
        ["R3", "real", "", 0.5, None, None],
    ]
    (codes,) = read_scores(store.uri, choose(store, experiments=["mnist"])).to_dict("records")
    assert (codes["space"], codes["samples"], codes["spread"], codes["name"]) == ("fc3", 500, 0.02, "codes")
    assert (set(scores["judge"]), codes["judge"]) == ({"10d9e" * 12}, "")
    assert {*scores["reference"], codes["reference"]} == {"7e57" * 16}


@pytest.mark.parametrize(("tag", "column"), [("judge_sha256", "judge"), ("reference_sha256", "reference")])
def test_a_run_without_a_recorded_judge_or_test_images_has_its_own(
    tmp_path: Path, record: Callable[[Path], Any], tag: str, column: str
) -> None:
    store = record(tmp_path)
    for name, digest in (("same", "a"), ("other", "b"), ("unknown", ""), ("first", "a")):
        store.add(name, {FRECHET: 1.0}, tags={tag: digest} if digest else {})
    unknown = choose(store, filter="attributes.run_name = 'unknown'")["run_id"][0]
    store.client.delete_tag(unknown, tag)
    assert read_scores(store.uri, choose(store))[column].to_list() == ["a", "R2", "b", "a"]


def test_parameters_differ_where_they_are_not_the_same_in_all_runs(store: Any) -> None:
    parameters = read_parameters(store.uri, choose(store))
    named = set(zip(parameters["kind"], parameters["name"], strict=True))
    assert {("parameter", "run.seed"), ("tag", "data_sha256"), ("tag", "mlflow.source.git.commit")} <= named
    assert not parameters["name"].str.startswith(("mlflow.runName", "verdict.")).any()
    table = differences(parameters).astype(object)
    assert table.where(table.notna(), None).to_numpy().tolist() == [
        ["parameter", "new", "x", None, None],
        ["parameter", "run.seed", "2", "1", "0"],
        ["parameter", "sgan.joint.upstream_weight", "1.0", "0.01", "0.01"],
    ]
    assert differences(read_parameters(store.uri, choose(store, newest=1))).empty


def test_seeds_of_one_setting_have_all_else_in_common(tmp_path: Path, record: Callable[[Path], Any]) -> None:
    store = record(tmp_path)
    for name, seed, rest in [
        ("other code", 4, {"tags": {"code": "0.1.0+abc"}}),
        ("other data", 3, {"tags": {"data_sha256": "0" * 64}}),
        ("other test images", 3, {"tags": {"reference_sha256": "0" * 64}}),
        ("other commit", 3, {"tags": {"mlflow.source.git.commit": "0" * 40}}),
        ("other parameter", 3, {"parameters": {"new": "1"}}),
        ("again", 0, {}),
        ("another machine", 1, {"tags": {"host": "elsewhere"}, "parameters": {"seed.encoder": "1"}}),
        ("first", 0, {}),
    ]:
        store.add(name, {FRECHET: 1.0}, seed=seed, **rest)
    runs = choose(store)
    names = runs.set_index("run")["name"]
    groups = same_but_for_seed(read_parameters(store.uri, runs))
    assert [[names[run] for run in group] for group in groups] == [["first", "another machine"]]


@pytest.mark.parametrize(
    ("tag", "why"),
    [
        ("data_sha256", "2 sets of training images"),
        ("reference_sha256", "2 sets of test images"),
        ("judge_sha256", "2 judges"),
    ],
)
def test_runs_that_differ_only_in_what_measured_them_are_not_averaged_and_listed(
    tmp_path: Path, record: Callable[[Path], Any], tag: str, why: str
) -> None:
    store = record(tmp_path)
    store.add("other parameter", {FRECHET: 1.0}, seed=3, parameters={"new": "1"}, tags={tag: "0" * 64})
    store.add("first", {FRECHET: 1.0}, seed=0)
    store.add("second", {FRECHET: 1.0}, seed=1)
    assert not_averaged(read_parameters(store.uri, choose(store))).empty
    store.add("elsewhere", {FRECHET: 1.0}, seed=2, tags={tag: "0" * 64})
    (listed,) = not_averaged(read_parameters(store.uri, choose(store))).to_dict("records")
    assert listed["runs"] == "R1, R2, R3"
    assert listed["why"].startswith(why)


def test_histories_are_those_of_the_stages_without_speed(store: Any) -> None:
    assert read_histories(store.uri, choose(store)).to_numpy().tolist() == [
        ["R3", "fc3", "generator.adversarial", 10, 3.0],
        ["R3", "fc3", "generator.adversarial", 20, 2.0],
        ["R3", "fc3", "generator.adversarial", 30, 1.0],
        ["R3", "joint", "pixels.entropy", 10, 0.5],
    ]
    assert read_histories(store.uri, choose(store, newest=1)).empty


def test_pictures_are_read_and_what_lacks_is_a_gap(tmp_path: Path, record: Callable[[Path], Any]) -> None:
    store = record(tmp_path)
    store.add("drawn", {FRECHET: 1.0}, pictures=["joint_sample_grid", "infogan_categories"])
    store.add("none", {FRECHET: 1.0})
    gone = store.add("gone", {FRECHET: 1.0}, pictures=["joint_sample_grid"])
    torn = store.add("torn", {FRECHET: 1.0}, pictures=["joint_sample_grid"])
    shutil.rmtree(tmp_path / "mlartifacts" / "base" / gone)
    (tmp_path / "mlartifacts" / "base" / torn / "artifacts" / "figures" / "joint_sample_grid.png").write_text("no")
    pictures = read_pictures(store.uri, choose(store))
    read = pictures["png"].map(lambda png: png is not None and png[1:4] == b"PNG")
    names = pictures["picture"].fillna("")
    assert [list(row) for row in zip(pictures["run"], names, read, pictures["gap"], strict=True)] == [
        ["R1", "joint_sample_grid", False, "not a PNG file"],
        ["R2", "", False, "the files of this run are gone"],
        ["R3", "", False, "this run has no pictures"],
        ["R4", "infogan_categories", True, ""],
        ["R4", "joint_sample_grid", True, ""],
    ]


@pytest.mark.parametrize("read", [read_scores, read_parameters, read_histories, read_pictures])
def test_a_run_that_has_been_deleted_meanwhile_is_named(
    read: Callable[..., Any], tmp_path: Path, record: Callable[[Path], Any]
) -> None:
    store = record(tmp_path)
    run = store.add("short-lived", {FRECHET: 1.0})
    runs = choose(store)
    store.client.delete_run(run)
    with pytest.raises(ExperimentError, match=rf"^compare.experiments: the run 'short-lived' \({run}\) was chosen"):
        read(store.uri, runs)
    with pytest.raises(ExperimentError, match=r"^compare.experiments: .* is no longer in the record"):
        read(store.uri, runs.assign(run_id="0" * 32))


def test_what_both_judges_measure_is_comparable_between_runs_that_share_both(
    tmp_path: Path, record: Callable[[Path], Any]
) -> None:
    store, spaces = record(tmp_path), ("judge", "second_judge", "judges")
    for name, second in (("same", "c"), ("other", "d"), ("first", "c")):
        tags = {"judge_sha256": "a", "second_judge_sha256": second}
        store.add(name, {f"infogan/judge_agreement.{space}.10": 1.0 for space in spaces}, tags=tags)
    found = read_scores(store.uri, choose(store)).pivot(index="run", columns="space", values="judge")
    assert found.loc["R1"].equals(found.loc["R3"])
    assert found.loc["R2", list(spaces)].to_list() == ["a", "d", "a d"]
    assert found.loc["R1", list(spaces)].to_list() == ["a", "c", "a c"]
