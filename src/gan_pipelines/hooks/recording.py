"""A run is recorded in MLflow as the catalog says, and its results are printed at its end.

What is recorded of a dataset stands in its metadata, beside that of kedro-viz:

    metadata: {mlflow: {record: scores, under: joint_stack}}
"""

import atexit
import logging
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog, DatasetError, MemoryDataset
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from pydantic import ValidationError

from gan_pipelines import tracking
from gan_pipelines.datasets import ImagesDataset, ModelDataset
from gan_pipelines.hooks.checks import only_reads_the_record
from gan_pipelines.hooks.makers import find_makers, made_parameters, overridden, stage_parameters
from gan_pipelines.hooks.versions import VersionedDataset, loaded_version, newest_path, versioned_files
from gan_pipelines.metrics.definitions import JUDGE, REAL, SECOND_JUDGE
from gan_pipelines.parameters import EvaluationParameters, ExperimentError
from gan_pipelines.parameters.base import Schema, explain
from gan_pipelines.parameters.run import RunParameters
from gan_pipelines.project import active_experiment
from gan_pipelines.reporting.ablation import format_ablation, format_order
from gan_pipelines.reporting.comparison import format_comparison
from gan_pipelines.reporting.tables import format_codes, format_pairs, format_summary, missing_scores, table_verdict
from gan_pipelines.tracking import names
from gan_pipelines.tracking.store import SERVE_PORT
from gan_pipelines.training.machine import describe_machine

logger = logging.getLogger(__name__)

REPORT = "comparison_report"
"""The page that compares runs; where it is, and a short table, are printed at the end of a run."""


class Recorded(Schema):
    """What MLflow is told of a dataset.

    Attributes:
        record: what it is.
        under: the generator or classifier that it is about.
    """

    record: Literal[
        "scores",
        "level_scores",
        "code_scores",
        "ablation_scores",
        "ablation_order",
        "metrics",
        "data_card",
        "page",
        "model",
        "judge",
        "influences",
        "picture",
        "pictures",
        "folder",
        "figure",
        "registration",
    ]
    under: str = ""


class RecordingHooks:
    """Opens a run in MLflow, records what the catalog marks, ends it, prints its results."""

    settings: tracking.Settings
    parameters: dict[str, Any]
    run: RunParameters
    evaluation: EvaluationParameters
    project: Path
    experiment: str
    catalog: DataCatalog

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Read where runs are recorded."""
        loader = context.config_loader
        try:
            self.settings = tracking.Settings.model_validate(loader["mlflow"])
        except ValidationError as error:
            raise ExperimentError(explain(error, loader["mlflow"], "mlflow")) from None
        experiment = active_experiment()  # the checks, which go first, have read it
        self.run, self.evaluation = experiment.run, experiment.evaluation
        self.experiment, self.project = context.env or "base", context.project_path
        self.parameters = experiment.model_dump(mode="json", exclude={"compare", "registry"})  # which decide no result

    @hook_impl
    def after_catalog_created(self, catalog: DataCatalog) -> None:
        """Tell nodes where the record is, and the experiment's name; keep the catalog, which says what is recorded."""
        catalog["tracking_uri"] = MemoryDataset(tracking.find_store(self.settings, self.project))
        catalog["experiment_name"] = MemoryDataset(self.experiment)
        self.catalog = catalog

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Open the parent run, unless the record is only read."""
        for name in sorted(pipeline.all_outputs()):
            self._recorded(name)
        if only_reads_the_record(pipeline):
            return
        name = "+".join(run_params["pipeline_names"] or ["__default__"])
        version = run_params["run_id"]
        tags = {names.RUN_NAME: f"{name} {version}", names.PIPELINE: name, names.VERSION: version}
        tags |= describe_machine(self.run)
        atexit.register(_end_interrupted_run, os.getpid())
        start = versioned_files(pipeline.inputs(), catalog)
        models = find_makers(_load_made(start), catalog)
        made = made_parameters(self.parameters, models, self._trains(pipeline))
        if sentence := overridden(self.parameters, made):
            logger.warning(sentence)
        tracking.start_run(self.settings, self.project, self.experiment, made, tags)
        stages = {"seed.evaluation": str(self.run.seed)} if _evaluates(pipeline) else {}
        for model in models.values():
            stages |= stage_parameters(model)
        tracking.log_parameters(stages)
        described = ("train_images", self.evaluation.scored_images, "data_card")
        for images in [name for name in described if name in start][:1]:
            version = loaded_version(images, catalog)
            try:
                self._record_saved("data_card", catalog.load("data_card", version))
            except DatasetError:
                logger.warning(
                    "The data card of version %s is missing or cannot be read; the run gets no data digest.", version
                )
        tracking.log_tags(
            {names.judge_tag(name): models[name].digest() for name in (JUDGE, SECOND_JUDGE) if name in start}
        )

    def _trains(self, pipeline: Pipeline) -> bool:
        """Whether a pipeline trains models with the seed of the moment, besides classifiers that only evaluate."""
        kinds = {name: self._recorded(name) for name in pipeline.all_outputs()}
        trained = {name for node in pipeline.nodes if "checkpoints" in node.inputs for name in node.outputs}
        return any(kind and kind.record == "model" and name in trained for name, kind in kinds.items())

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Trainings are named for the namespace in which they run."""
        tracking.running_node(node.namespace)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any) -> None:
        """Record scores, accuracies and figures as they are made."""
        self._record_saved(dataset_name, data)

    def _recorded(self, name: str) -> Recorded | None:
        metadata = getattr(self.catalog.get(name), "metadata", None) or {}
        if "mlflow" not in metadata:
            return None
        try:
            return Recorded.model_validate(metadata["mlflow"])
        except ValidationError as error:
            raise ExperimentError(explain(error, metadata["mlflow"], f"catalog: {name}.metadata.mlflow")) from None

    def _record_saved(self, name: str, data: Any) -> None:
        recorded = self._recorded(name)
        if recorded is None:
            return
        match recorded.record:
            case "scores":
                tracking.log_scores(tracking.score_metrics(data, recorded.under))
                if word := table_verdict(data):
                    tracking.log_tags({names.verdict_tag(recorded.under): word})
            case "level_scores" | "code_scores":
                tracking.log_scores(tracking.score_metrics(data, recorded.under))
            case "influences":
                tracking.log_text(data.to_csv(index=False), f"{names.INFLUENCES}/{recorded.under}.csv")
            case "ablation_scores":
                tracking.log_scores(tracking.ablation_metrics(data))
            case "metrics":
                tracking.log_scores(tracking.stage_metrics(data, recorded.under))
            case "data_card":
                _record_data(data, self.evaluation.split)
            case "model":
                tracking.log_parameters(stage_parameters(data))
            case "judge":
                tracking.log_parameters(stage_parameters(data))
                tracking.log_tags({names.judge_tag(recorded.under): data.digest()})
            case "page":
                tracking.log_text(data, f"{names.FIGURES}/{name}.html")
            case "figure":
                tracking.log_text(data.to_html(include_plotlyjs=True), f"{names.FIGURES}/{name}.html")

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Record the pictures, end the run, print what it found and where to look further."""
        made = self._made(pipeline, catalog)
        files = versioned_files(pipeline.all_outputs(), catalog)
        pictures = [newest_path(files[name]) for name in made["picture"].values()]
        for path in pictures:
            tracking.log_artifact(path, names.FIGURES)
        address = tracking.finish_run("FINISHED")
        for text in _results(made, catalog, self.evaluation.split):
            print(text, end="\n\n")
        for name in made["registration"].values():
            print(_format_registration(catalog.load(name), self.experiment))
        for name in made["pictures"].values():
            print(f"Pictures: {os.path.relpath(newest_path(files[name]))}")
        for name in made["folder"].values():
            print(f"Folder: {os.path.relpath(newest_path(files[name]))}")
        for path in pictures:
            print(f"Picture: {os.path.relpath(path)}")
        if REPORT in files:
            print(format_comparison(catalog.load("compared_scores")), end="\n\n")
            print(f"Report: {os.path.relpath(newest_path(files[REPORT]))}")
        if address:
            print(f"MLflow: make ui, then open {address}")

    def _made(self, pipeline: Pipeline, catalog: DataCatalog) -> dict[str, dict[str, str]]:
        """Datasets that this run has made, by what is recorded of them and what they are about."""
        made: dict[str, dict[str, str]] = defaultdict(dict)
        for name in versioned_files(pipeline.all_outputs(), catalog):
            if recorded := self._recorded(name):
                made[recorded.record][recorded.under or name] = name
        return made

    @hook_impl
    def on_pipeline_error(self, error: Exception) -> None:
        """End the run as failed, and say why."""
        tracking.finish_run("FAILED", str(error))


def _record_data(card: dict[str, Any], split: str) -> None:
    digests = {names.DATA_DIGEST: card["train"]["sha256"], names.REFERENCE_DIGEST: card[split]["sha256"]}
    tracking.log_tags({names.DATA_SOURCE: card["source"], **digests})
    tracking.log_dataset(card["source"], card["train"]["sha256"], card["origin"], "training")


def _load_made(start: dict[str, VersionedDataset]) -> dict[str, Any]:
    """Models and samples, which say what made them."""
    return {name: x.load() for name, x in start.items() if isinstance(x, ModelDataset | ImagesDataset)}


def _evaluates(pipeline: Pipeline) -> bool:
    return any("params:evaluation" in node.inputs for node in pipeline.nodes)


def _results(made: dict[str, dict[str, str]], catalog: DataCatalog, split: str) -> Iterator[str]:
    """What a run found, as text: the scores of its generators in one table, what its codes mean, the ablation."""
    tables: dict[str, pd.DataFrame] = {under: catalog.load(name) for under, name in made["scores"].items()}
    if tables:
        influences = {under: catalog.load(name) for under, name in made["influences"].items()}
        yield format_summary(tables, split)
        if pairs := format_pairs({name: table for name, table in tables.items() if name in influences}, influences):
            yield pairs
    notes = [f"{key}: {note}" for key, table in tables.items() if key != REAL for note in missing_scores(table)]
    if notes:
        yield "\n".join(notes)
    described = {"code_scores": format_codes, "ablation_scores": format_ablation, "ablation_order": format_order}
    for kind, describe in described.items():
        for name in made[kind].values():
            yield describe(catalog.load(name))


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


def _end_interrupted_run(process: int) -> None:
    """A run that was interrupted or terminated must not seem to go on."""
    if os.getpid() == process:
        tracking.finish_run("KILLED", "The run was told to stop; the next one goes on from its checkpoints.")
