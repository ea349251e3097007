"""A run is recorded in MLflow as the catalog says; see `recorded`."""

import atexit
import logging
import os
from pathlib import Path
from typing import Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog, DatasetError, MemoryDataset
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from pydantic import ValidationError

from gan_pipelines import tracking
from gan_pipelines.datasets import ImagesDataset, ModelDataset
from gan_pipelines.hooks.describing import describe_run, name_run, pipeline_name
from gan_pipelines.hooks.makers import find_makers, made_parameters, overridden, stage_parameters
from gan_pipelines.hooks.pipelines import only_reads_the_record
from gan_pipelines.hooks.recorded import find_made, find_recorded
from gan_pipelines.hooks.versions import VersionedDataset, loaded_version, saved_files, versioned_files
from gan_pipelines.metrics.definitions import JUDGE, SECOND_JUDGE
from gan_pipelines.parameters import EvaluationParameters, ExperimentError
from gan_pipelines.parameters.base import explain
from gan_pipelines.parameters.run import RunParameters
from gan_pipelines.project import active_experiment
from gan_pipelines.reporting.tables import table_verdict
from gan_pipelines.tracking import names
from gan_pipelines.training.machine import describe_machine

logger = logging.getLogger(__name__)


class RecordingHooks:
    """Opens a run in MLflow, records what the catalog marks, ends it, says where to look at it."""

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
        decide_no_result = {"compare", "registry", "sweep"}
        self.parameters = experiment.model_dump(mode="json", exclude=decide_no_result)

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
            find_recorded(name, self.catalog)
        if only_reads_the_record(pipeline):
            return
        logger.info("checked; opening the record of runs")
        atexit.register(_end_interrupted_run, os.getpid())
        start = versioned_files(pipeline.inputs(), catalog)
        models = find_makers(_load_made(start), catalog)
        made = made_parameters(self.parameters, models, self._trains(pipeline))
        if sentence := overridden(self.parameters, made):
            logger.warning(sentence)
        tags = {
            names.RUN_NAME: name_run(run_params, made),
            names.PIPELINE: pipeline_name(run_params),
            names.VERSION: run_params["run_id"],
        }
        tracking.start_run(self.settings, self.project, self.experiment, made, tags | describe_machine(self.run))
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
        kinds = {name: find_recorded(name, self.catalog) for name in pipeline.all_outputs()}
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

    def _record_saved(self, name: str, data: Any) -> None:
        recorded = find_recorded(name, self.catalog)
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
    def after_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Record the pictures, describe and end the run, say where its page is."""
        files = saved_files(pipeline.all_outputs(), catalog)
        made = find_made(files, catalog)
        for name in made["picture"].values():
            tracking.log_artifact(files[name], names.FIGURES)
        run_id = tracking.active_run_id()
        note = describe_run(run_params, self.experiment, run_id, made, files, catalog) if run_id else ()
        if address := tracking.finish_run("FINISHED", "\n\n".join(note)):
            own = address.startswith(f"http://127.0.0.1:{tracking.PAGE_PORT}/")  # else a server shows its page itself
            print(f"MLflow: {'make ui, then open' if own else 'open'} {address}")

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


def _end_interrupted_run(process: int) -> None:
    """A run that was interrupted or terminated must not seem to go on."""
    if os.getpid() == process:
        tracking.finish_run("KILLED", "The run was told to stop; the next one goes on from its checkpoints.")
