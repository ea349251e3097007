"""Reads MLflow's record: which runs there are, their scores, parameters, curves and pictures, as pandas tables.

Runs get short names: R1 is the newest of those chosen, or the best one by the score that sorts them.
"""

import math
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from gan_pipelines.metrics.comparisons import influence_table
from gan_pipelines.metrics.definitions import JUDGED_BY, SCORES
from gan_pipelines.parameters import CompareParameters, ExperimentError
from gan_pipelines.tracking import names
from gan_pipelines.tracking.store import describe_error, mlflow_exception, reading

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

ABOUT = {
    "pipeline": names.PIPELINE,
    "commit": names.COMMIT,
    "changed": names.CHANGED,
    "data": names.DATA_SOURCE,
    "data_sha256": names.DATA_DIGEST,
}
"""Tags that say what a run is, by the column that shows them."""

PNG = b"\x89PNG\r\n\x1a\n"
PAGE_RUNS = 100


def find_runs(uri: str, compare: CompareParameters) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Find the chosen runs, in their order, and those among them that cannot be compared.

    All are scored against the same split of the data as the newest one.

    Args:
        uri: the store's absolute address.
        compare: which ones.

    Returns:
        Chosen runs: `run`, `name`, `experiment`, `run_id`, `seed`, `pipeline`, `commit`, `changed` (`true` if files
        had changed since that commit), `data`, `data_sha256`, `started`. Runs left out: `name`, `experiment`, `why`.

    Raises:
        ExperimentError: the store cannot be read, an experiment is unknown, the filter is invalid, or no run is left.
    """
    found, left_out, expected = list[tuple[float, dict[str, str]]](), list[dict[str, str]](), ""
    sign = sorting_sign("compare.sort_by", compare.sort_by) if compare.sort_by else 0
    with reading(uri) as client:
        experiments = _experiments(client, compare.experiments)
        for run in _search(client, list(experiments), compare.filter):
            tags = run.data.tags
            if names.PARENT in tags or not compare.tags.items() <= tags.items():
                continue
            name, experiment, why = run.info.run_name, experiments[run.info.experiment_id], _flaw(run, compare.sort_by)
            split = run.data.params.get(names.SPLIT, "test")
            if not why and expected not in ("", split):
                why = f"scored against {split} images, R1 against {expected} images"
            if why:
                left_out.append({"name": name, "experiment": experiment, "why": why})
                continue
            expected = split
            place = sign * _score(run, compare.sort_by) if sign else 0.0
            found.append((place, {"name": name, "experiment": experiment, **_about(run)}))
            if len(found) == compare.newest:
                break
    if not found:
        raise ExperimentError(_describe_none(compare, left_out))
    found.sort(key=lambda run: run[0])  # where all are alike, newest first
    rows = [{"run": f"R{number}", **about} for number, (_, about) in enumerate(found, 1)]
    return pd.DataFrame(rows), pd.DataFrame(left_out, columns=["name", "experiment", "why"])


def sorting_sign(place: str, name: str) -> int:
    """Of a score's sign when the best one stands first.

    Args:
        place: in the YAML, where the score is named.
        name: of the score, as `<generator>/<score>.<space>`.

    Raises:
        ExperimentError: it is no score, or neither high nor low values of it are better.
    """
    score = name.partition("/")[2].partition(".")[0]
    if score not in SCORES or SCORES[score].better not in ("higher", "lower"):
        raise ExperimentError(
            f"{place}: must be a score of which higher or lower values are better, as <generator>/<score>.<space>, "
            f"such as infogan/invariant_information.category; found {name!r}."
        )
    return 1 if SCORES[score].better == "lower" else -1


def _score(run: "Run", sort_by: str) -> float:
    """The score of a run that sorts it; NaN if it has none."""
    scores = _scores(run.data.metrics).items()
    found = [
        values["value"] for (generator, score, space, _), values in scores if f"{generator}/{score}.{space}" == sort_by
    ]
    return found[0] if found else math.nan


def _about(run: "Run") -> dict[str, str]:
    tags = {column: run.data.tags.get(tag, "") for column, tag in ABOUT.items()}
    started = datetime.fromtimestamp(run.info.start_time / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return {"run_id": run.info.run_id, "seed": run.data.params.get(names.SEED, ""), **tags, "started": started}


def _flaw(run: "Run", sort_by: str) -> str:
    """Why a run cannot be compared; empty if it can."""
    if run.info.status != "FINISHED":
        return f"not finished: {run.info.status}"
    if not any(map(names.parse_metric_name, run.data.metrics)):
        return "without scores"
    return f"without {sort_by}" if sort_by and math.isnan(_score(run, sort_by)) else ""


def _describe_none(chosen: CompareParameters, left_out: list[dict[str, str]]) -> str:
    wanted = f"filter {chosen.filter!r}, tags {chosen.tags}"
    flaws = "; ".join(f"{run['name']!r} is {run['why']}" for run in left_out[:5]) or "nothing else"
    return (
        f"compare.experiments: no run of {', '.join(chosen.experiments)} can be compared with {wanted}; found {flaws}. "
        f"Allowed are finished runs with scores, such as those of `kedro run`, but not their child runs."
    )


def _experiments(client: "MlflowClient", wanted: tuple[str, ...]) -> dict[str, str]:
    """Names of experiments by their ids."""
    known = {experiment.name: str(experiment.experiment_id) for experiment in client.search_experiments()}
    for name in wanted:
        if name not in known:
            raise ExperimentError(
                f"compare.experiments: {name!r} is not in the record; found {', '.join(sorted(known)) or 'none'}. "
                f"Allowed are experiments with runs in MLflow."
            )
    return {known[name]: name for name in wanted}


def _search(client: "MlflowClient", experiments: list[str], query: str) -> Iterator["Run"]:
    """All runs that match, newest first."""
    token = None
    while True:
        try:
            page = client.search_runs(
                experiments, query, max_results=PAGE_RUNS, order_by=["attributes.start_time DESC"], page_token=token
            )
        except mlflow_exception() as error:
            if error.error_code != "INVALID_PARAMETER_VALUE":
                raise
            raise ExperimentError(
                f"compare.filter: MLflow does not understand it (found {query!r}): {describe_error(error)} Allowed is "
                f"MLflow's search, such as params.`run.seed` = '0' and tags.pipeline = 'sgan'."
            ) from None
        yield from page
        token = page.token
        if not token:
            return


def read_scores(uri: str, runs: pd.DataFrame) -> pd.DataFrame:
    """Read the scores of chosen runs, one per row, in the order of reports.

    Returns:
        `run`, `name`, `run_id`, `generator`, `verdict` (such as `collapsed`, or empty), `score`, `space` (the network
        or representation), `samples`, `value`, and, where recorded, `low` and `high` (ends of the interval) and
        `spread`. `reference` is the digest of the test images, and in a judge's space `judge` is its digest; where none
        was recorded, they are the run itself.
    """
    rows = []
    with reading(uri) as client:
        for label, record in _records(client, runs):
            for (generator, *measured), values in _scores(record.data.metrics).items():
                about = [label, record.info.run_name, record.info.run_id, generator]
                judges = JUDGED_BY.get(str(measured[1]), ())
                judge = " ".join(record.data.tags.get(names.judge_tag(name), label) for name in judges)
                reference = record.data.tags.get(names.REFERENCE_DIGEST, label)
                verdict = record.data.tags.get(names.verdict_tag(generator), "")
                rows.append([*about, verdict, *measured, *(values.get(part) for part in names.PARTS), judge, reference])
    about = ["run", "name", "run_id", "generator", "verdict"]
    columns = [*about, "score", "space", "samples", *names.PARTS, "judge", "reference"]
    table = pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(names.PARTS, float))
    places = {name: place for place, name in enumerate([*SCORES, *runs["run"]])}
    order = ["score", "space", "samples", "generator", "run"]
    return table.sort_values(order, key=lambda column: column.map(lambda x: places.get(x, x)), ignore_index=True)


def read_influences(uri: str, runs: pd.DataFrame) -> pd.DataFrame:
    """Read how far each group of test images moves the scores of chosen runs; see `metrics.comparisons`.

    Returns:
        `run`, `generator`, and the columns of `influence_table`; empty if none were recorded.
    """
    tables = [influence_table([]).assign(run="", generator="")]
    with reading(uri) as client, tempfile.TemporaryDirectory() as folder:
        for label, record in _records(client, runs):
            try:
                files = client.list_artifacts(record.info.run_id, names.INFLUENCES)
                paths = [client.download_artifacts(record.info.run_id, file.path, folder) for file in files]
                found = {Path(path).stem: pd.read_csv(path) for path in paths}
            except (OSError, ValueError, mlflow_exception()):
                continue  # without them scores are compared as if they had been measured on different images
            tables += [table.assign(run=label, generator=generator) for generator, table in found.items()]
    return pd.concat([table for table in tables if len(table)] or tables, ignore_index=True)


def _scores(metrics: Mapping[str, float]) -> dict[tuple[str, str, str, int], dict[str, float]]:
    """The parts of each score by generator, score, space and sample count; other metrics are left out."""
    scores: dict[tuple[str, str, str, int], dict[str, float]] = {}
    for name, value in metrics.items():
        if found := names.parse_metric_name(name):
            scores.setdefault(found[:4], {})[found.part] = value
    return scores


def read_parameters(uri: str, runs: pd.DataFrame) -> pd.DataFrame:
    """Read parameters and tags of chosen runs: `kind`, `name`, and one column per run, empty where a run has none."""
    columns = {}
    with reading(uri) as client:
        for label, record in _records(client, runs):
            tags = {name: value for name, value in record.data.tags.items() if names.is_setting(name)}
            kinds = {"parameter": record.data.params, "tag": tags}
            columns[label] = {(kind, name): value for kind, values in kinds.items() for name, value in values.items()}
    table = pd.DataFrame(columns, dtype=object).sort_index().rename_axis(["kind", "name"])
    return table.reset_index()


def read_histories(uri: str, runs: pd.DataFrame) -> pd.DataFrame:
    """Read what the trainings of chosen runs reported: `run`, `stage`, `term`, `step`, `value`."""
    rows = []
    with reading(uri) as client:
        for label, record in _records(client, runs):
            stages = client.search_runs(
                [record.info.experiment_id],
                f"tags.`{names.PARENT}` = '{record.info.run_id}'",
                order_by=["attributes.start_time ASC"],
            )
            for stage in stages:
                for term in sorted(set(stage.data.metrics) - {names.SPEED}):
                    history = client.get_metric_history(stage.info.run_id, term)
                    name = names.parse_training_name(stage.info.run_name)
                    rows += [[label, name, term, point.step, point.value] for point in history]
    table = pd.DataFrame(rows, columns=["run", "stage", "term", "step", "value"])
    return table.astype({"step": int, "value": float})


def read_pictures(uri: str, runs: pd.DataFrame) -> pd.DataFrame:
    """Read the pictures of chosen runs: `run`, `picture`, `png` (bytes, if any), `gap` (why there are none)."""
    rows = list[list[object]]()
    with reading(uri) as client, tempfile.TemporaryDirectory() as folder:
        for label, record in _records(client, runs):
            paths, gap = _list_pictures(client, record.info.run_id)
            if gap:
                rows.append([label, None, None, gap])
            pictures = {Path(path).stem: _read_picture(client, record.info.run_id, path, folder) for path in paths}
            rows += [[label, name, *picture] for name, picture in pictures.items()]
    return pd.DataFrame(rows, columns=["run", "picture", "png", "gap"])


def _list_pictures(client: "MlflowClient", run_id: str) -> tuple[list[str], str]:
    """Paths of a run's pictures, or why there are none."""
    try:
        files = client.list_artifacts(run_id, names.FIGURES)
        if not files and not client.list_artifacts(run_id):
            return [], "the files of this run are gone"
    except (OSError, mlflow_exception()) as error:
        return [], f"the files of this run cannot be read: {describe_error(error)}"
    paths = [file.path for file in files if file.path.endswith(".png")]
    return paths, "" if paths else "this run has no pictures"


def _read_picture(client: "MlflowClient", run_id: str, path: str, folder: str) -> tuple[bytes | None, str]:
    try:
        content = Path(client.download_artifacts(run_id, path, folder)).read_bytes()
    except (OSError, mlflow_exception()) as error:
        return None, f"cannot be read: {describe_error(error)}"
    return (content, "") if content.startswith(PNG) else (None, "not a PNG file")


def _records(client: "MlflowClient", runs: pd.DataFrame) -> Iterator[tuple[str, "Run"]]:
    """The runs themselves, with their short names."""
    for label, name, run_id in zip(runs["run"], runs["name"], runs["run_id"], strict=True):
        record = None
        try:
            record = client.get_run(run_id)
        except mlflow_exception() as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
        if record is None or record.info.lifecycle_stage != "active":
            raise ExperimentError(
                f"compare.experiments: the run {name!r} ({run_id}) was chosen, and is no longer in the record. "
                f"Run the whole pipeline `compare` again, so that it chooses among the runs there are."
            )
        yield label, record
