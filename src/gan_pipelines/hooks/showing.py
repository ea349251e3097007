"""What a person sees of a run: how far its stages are, and at its end what it made, main numbers and paths."""

import logging
import os
import textwrap
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from gan_pipelines import progress, tracking
from gan_pipelines.hooks.recorded import find_made, find_recorded
from gan_pipelines.hooks.stamping import HISTORY
from gan_pipelines.hooks.versions import saved_files
from gan_pipelines.metrics.definitions import REAL
from gan_pipelines.project import active_experiment
from gan_pipelines.reporting.ablation import format_ablation, format_order
from gan_pipelines.reporting.comparison import format_comparison, format_verdict
from gan_pipelines.reporting.sweep import format_sweep
from gan_pipelines.reporting.tables import format_codes, format_pairs, format_summary, main_scores, missing_scores
from gan_pipelines.tracking.store import SERVE_PORT
from gan_pipelines.tracking.telling import telling_numbers

logger = logging.getLogger(__name__)

REPORT = "comparison_report"
"""The page that compares runs; a short table of it is printed at the end of a run."""
PARAGRAPH = textwrap.TextWrapper(
    118, initial_indent="  ", subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
)
MOST_NUMBERS = 10
"""Of a table of numbers that a run measured."""
SPLITS = ("train", "validation", "test")
OPENED = {"pictures": "Pictures", "folder": "Folder", "page": "Page", "picture": "Picture"}
"""What a person wants to open next, whose paths are printed in full."""


class ShowingHooks:
    """Shows the stages of a run under way, and prints its results."""

    experiment: str
    split: str
    catalog: DataCatalog
    began: float
    titles: Mapping[str, str]
    """Of each stage, with its place in the run, by the name of its node."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Remember the experiment's name, and which images scores are measured against."""
        self.experiment, self.split = context.env or "base", active_experiment().evaluation.split

    @hook_impl
    def after_catalog_created(self, catalog: DataCatalog) -> None:
        """Keep the catalog, which says what datasets are."""
        self.catalog = catalog

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline) -> None:
        """Say what is about to run, before it is checked; number the stages."""
        self.began, nodes = time.monotonic(), pipeline.nodes
        self.titles = {node.name: f"{place} of {len(nodes)} {node.name}" for place, node in enumerate(nodes, 1)}
        logger.info(
            "%s: %d stages, version %s; input is checked first", self.experiment, len(nodes), run_params["run_id"]
        )

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """A stage begins."""
        progress.begin(self.titles[node.name])

    @hook_impl(trylast=True)
    def after_dataset_saved(self, dataset_name: str, data: Any, node: Node) -> None:
        """A stage ends when the last thing that it makes is saved; it tells the numbers that matter."""
        recorded = find_recorded(dataset_name, self.catalog)
        match recorded.record if recorded else None:
            case "metrics":
                progress.note(telling_numbers(data))
            case "scores":
                progress.note(main_scores(data))
        if dataset_name == node.outputs[-1]:
            progress.end()

    @hook_impl
    def on_node_error(self) -> None:
        """A stage breaks off."""
        progress.end(stopped=True)

    @hook_impl
    def on_pipeline_error(self) -> None:
        """What could not be saved breaks off too, before the error is told."""
        progress.end_all()

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Print what the run made, and where; then, nearest to the prompt, what it found."""
        files = saved_files(pipeline.all_outputs(), catalog)
        made = find_made(files, catalog)
        if files:
            print(_format_files(made, files, time.monotonic() - self.began), end="\n\n")
        for text in _results(made, files, catalog, self.split):
            print(text, end="\n\n")
        for name in made["registration"].values():
            print(_format_registration(catalog.load(name), self.experiment))


def _results(
    made: Mapping[str, Mapping[str, str]], files: Mapping[str, Path], catalog: DataCatalog, split: str
) -> Iterator[str]:
    """What a run found, as text: scores in one table, or else data and trainings; what codes mean; the ablation."""
    tables: dict[str, pd.DataFrame] = {under: catalog.load(name) for under, name in made["scores"].items()}
    if tables:
        influences = {under: catalog.load(name) for under, name in made["influences"].items()}
        yield format_summary(tables, split)
        if pairs := format_pairs({name: table for name, table in tables.items() if name in influences}, influences):
            yield pairs
    elif found := describe_made(made, files, catalog):
        yield "\n".join(found)
    notes = [f"{key}: {note}" for key, table in tables.items() if key != REAL for note in missing_scores(table)]
    if notes:
        yield "\n".join(notes)
    described = {
        "code_scores": format_codes,
        "ablation_scores": format_ablation,
        "ablation_order": format_order,
        "sweep_trials": format_sweep,
    }
    for kind, describe in described.items():
        for name in made[kind].values():
            yield describe(catalog.load(name))
    if REPORT in files:
        scores = catalog.load("compared_scores")
        yield format_comparison(scores)
        yield f"{format_verdict(catalog.load('compared_runs'), scores)}\nReport: {os.path.relpath(files[REPORT])}"


def describe_made(made: Mapping[str, Mapping[str, str]], files: Iterable[str], catalog: DataCatalog) -> list[str]:
    """Data, trainings and other measurements of a run, one line each."""
    return [
        *_describe_data(made, catalog),
        *_describe_trainings(made, files, catalog),
        *_describe_metrics(made, files, catalog),
    ]


def _describe_data(made: Mapping[str, Mapping[str, str]], catalog: DataCatalog) -> Iterator[str]:
    for name in made["data_card"].values():
        card = catalog.load(name)
        splits = ", ".join(f"{card[split]['images']} {split}" for split in SPLITS if split in card)
        yield f"{card['source']}: {splits} images; {len(card['classes'])} classes"


def _describe_trainings(
    made: Mapping[str, Mapping[str, str]], files: Iterable[str], catalog: DataCatalog
) -> Iterator[str]:
    """Length and main numbers of each training at its end."""
    for name in files:
        table = catalog.load(name) if "history_" in name else None
        if isinstance(table, pd.DataFrame) and {*table} >= HISTORY and len(table):  # as a table of others may not
            last = {str(column): value for column, value in table.iloc[-1].items()}
            metrics = catalog.load(made["metrics"][last["stage"]]) if last["stage"] in made["metrics"] else {}
            numbers = telling_numbers({**last, **metrics}).items()
            yield ", ".join([f"{last['stage']}: {last['step']} steps", *(f"{key} {x:.3g}" for key, x in numbers)])


def _describe_metrics(
    made: Mapping[str, Mapping[str, str]], files: Iterable[str], catalog: DataCatalog
) -> Iterator[str]:
    """The first numbers of what is measured outside trainings."""
    for under, name in made["metrics"].items():
        if f"history_{under}" not in files:
            numbers = [f"{key} {value:.3g}" for key, value in catalog.load(name).items()]
            more = [f"and {len(numbers) - MOST_NUMBERS} more"] if len(numbers) > MOST_NUMBERS else []
            yield f"{name}: {', '.join(numbers[:MOST_NUMBERS] + more)}"


def _format_files(made: Mapping[str, Mapping[str, str]], files: Mapping[str, Path], seconds: float) -> str:
    """The names of all files by their folder; then the paths of what a person opens next in full, one a line."""
    opened = [(label, name) for kind, label in OPENED.items() for name in made[kind].values()]
    lines, folders = list[str](), defaultdict[str, list[str]](list)
    for name in sorted(files.keys() - {REPORT, *(name for _, name in opened)}):
        folders[os.path.relpath(files[name].parents[2])].append(files[name].name)
    if folders:
        version = next(iter(files.values())).parent.name
        lines.append(f"Made in {seconds:.0f} s, each file at FOLDER/FILE/{version}/FILE:")
    for folder, found in sorted(folders.items()):
        lines += PARAGRAPH.wrap(f"{folder}: {', '.join(found)}")
    return "\n".join([*lines, *(f"{label}: {os.path.relpath(files[name])}" for label, name in opened)])


def _format_registration(registered: Mapping[str, str], experiment: str) -> str:
    """Which version a model became, why, and the command that serves it."""
    name, alias = registered["name"], registered["alias"]
    place = f"models:/{name}@{alias} --env-manager local --host 127.0.0.1 --port {SERVE_PORT}"
    commands = [f"MLFLOW_ALLOW_PICKLE_DESERIALIZATION=false mlflow models serve -m {place}"]
    if alias == tracking.CHAMPION:
        commands.insert(0, "make serve" if experiment == "base" else f"make serve ENV={experiment}")
    kept = f" The champion is still version {registered['champion']}." if registered["champion"] else ""
    return (
        f"Registered: {name}, version {registered['version']}, as {alias}: {registered['reason']}."
        f"{kept if alias != tracking.CHAMPION else ''}\nServe it: {', or '.join(commands)}"
    )
