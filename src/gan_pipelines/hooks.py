"""What happens around a run: parameters are checked, versions pinned, files looked at, and all of it recorded."""

import atexit
import logging
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import plotly.graph_objects as go
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog, DatasetError, MemoryDataset, Version
from kedro.io.core import AbstractVersionedDataset
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError
from yaml import YAMLError

from gan_pipelines import tracking
from gan_pipelines.datasets import CheckpointDataset, PictureDataset
from gan_pipelines.metrics import REAL, require_networks
from gan_pipelines.models import Encoder
from gan_pipelines.models.plan import check_experiment, require_same_images
from gan_pipelines.parameters import Branch, Experiment, ExperimentError
from gan_pipelines.parameters.ablation import plan_branches
from gan_pipelines.parameters.base import explain
from gan_pipelines.parameters.data import RunParameters
from gan_pipelines.pipelines.compare import READS_THE_RECORD
from gan_pipelines.pipelines.pictures import find_folder
from gan_pipelines.project import active_experiment, project_folder
from gan_pipelines.reporting.ablation import ablation_metrics, format_ablation
from gan_pipelines.reporting.comparison import format_comparison
from gan_pipelines.reporting.tables import (
    code_metrics,
    format_codes,
    format_summary,
    missing_scores,
    score_metrics,
    table_verdict,
)
from gan_pipelines.store import Settings
from gan_pipelines.training.interruption import stop_on_signals
from gan_pipelines.training.seeding import describe_machine, require_machine

logger = logging.getLogger(__name__)

CHECKPOINTS = "checkpoints"
"""The dataset that knows where checkpoints lie."""

JUDGE, CODE_SCORES, ABLATION_TABLE = "judge", "code_scores", "ablation_table"
GENERATOR_SCORES = re.compile(r"(?!ablation_|code_|compared_)(?P<generator>\w+?)(?P<of_levels>_level)?_scores")
"""Datasets with the scores of one generator; those of an ablation's branches come together in its own table."""


REPORT = "comparison_report"
"""The page that compares runs; its place, and a short table, are printed at the end of a run."""


class ExperimentHooks:
    """Refuses bad input before anything runs, and keeps a run to one version of every file."""

    experiment: Experiment

    @hook_impl(tryfirst=True)
    def after_context_created(self, context: KedroContext) -> None:
        """Tell the pipeline registry which experiment is active, and check all of its parameters."""
        if context.env:
            os.environ["KEDRO_ENV"] = context.env
        active_experiment()
        in_yaml, parameters = _read_parameters(context)
        self.experiment = Experiment.read(parameters)
        _require_seeds_of_graph(self.experiment, in_yaml)
        context.config_loader["parameters"] = parameters

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Check machine and folders, pin versions, and look at every file that the pipeline starts from."""
        if not _only_reads_the_record(pipeline):
            require_machine(self.experiment.run)
        self._require_what_is_scored(pipeline)
        for name, dataset in _files(pipeline.all_outputs(), catalog).items():
            _require_writable(name, Path(dataset._filepath))
        checkpoints = catalog.get(CHECKPOINTS)
        if isinstance(checkpoints, CheckpointDataset):
            checkpoints.version = run_params["run_id"]
        stop_on_signals()
        if not run_params["only_missing_outputs"]:  # with it, Kedro goes by what lies there
            for dataset in _files(pipeline.all_outputs(), catalog).values():
                saved = dataset.resolve_save_version()
                dataset._version = Version(load=_version(dataset).load or saved, save=saved)
        start = {}
        for name, dataset in _files(pipeline.inputs(), catalog).items():
            if not dataset.exists():
                raise ExperimentError(_describe_missing(name, dataset))
            dataset._version = Version(load=dataset.resolve_load_version(), save=dataset.resolve_save_version())
            start[name] = dataset.load()
        _require_planned(self.experiment, start)
        if "train_images" in start:
            test_images = start["test_images"] if "test_images" in start else catalog.load("test_images")
            check_experiment(self.experiment, start["train_images"], test_images)
            for name in sorted({"judge", "infogan"} & set(start)):
                require_same_images(name, start[name], start["train_images"])

    def _require_what_is_scored(self, pipeline: Pipeline) -> None:
        """Check the networks that a pipeline scores with, and the folder of pictures that it scores."""
        evaluation, folder = self.experiment.evaluation, project_folder()
        if any({"params:evaluation", "judge"} <= set(node.inputs) for node in pipeline.nodes):
            weights = folder / evaluation.inception_weights if evaluation.inception_weights else None
            require_networks(evaluation.networks, weights)
        if "pictures_samples" in pipeline.all_outputs():
            find_folder(evaluation)

    @hook_impl
    def after_node_run(self, node: Node, outputs: dict[str, Any]) -> None:
        """Check new images against the whole experiment before they are saved."""
        if node.name == "prepare_images":
            check_experiment(self.experiment, outputs["train_images"], outputs["test_images"])

    @hook_impl
    def after_pipeline_run(self, catalog: DataCatalog) -> None:
        """All is made and saved: nobody needs the checkpoints of this run any more."""
        catalog.load(CHECKPOINTS).clear()


def _require_writable(name: str, folder: Path) -> None:
    """Better refuse now than lose the result of a night to a folder that takes no files."""
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise ExperimentError(
            f"{name}: {there} cannot be written ({error.strerror or error}), and the result belongs there. "
            f"Nothing was run."
        ) from None


def _require_seeds_of_graph(experiment: Experiment, in_yaml: dict[str, Any]) -> None:
    """The graph has a branch for each seed in the YAML; `--params` comes too late to change it."""
    asked, there = list(experiment.ablation.seeds), in_yaml.get("ablation", {}).get("seeds")
    if asked != there:
        raise ExperimentError(
            f"ablation.seeds: --params cannot change them, since they make the graph; found {asked}, and the "
            f"experiment's YAML has {there}. Change them in conf/{active_experiment()}/."
        )


def _require_planned(experiment: Experiment, start: dict[str, Any]) -> None:
    """A branch trains with the settings that lie there; parameters changed since would be recorded, yet not used."""
    branches = plan_branches(experiment.run, experiment.sgan, experiment.ablation)
    planned = {f"ablation_{branch.name}_settings": branch for branch in branches}
    changed = [name for name, value in start.items() if isinstance(value, Branch) and value != planned[name]]
    if changed:
        raise ExperimentError(
            f"{changed[0]}: the parameters have changed since it was planned. Plan again "
            f"(kedro run --pipeline=ablation --nodes=plan_ablation), or keep them as they were."
        )


def _read_parameters(context: KedroContext) -> tuple[dict[str, Any], dict[str, Any]]:
    """The experiment's parameters as its YAML has them, and again with those of `--params` over them.

    Kedro would merge the latter into each folder of conf/ by itself, and a block that an experiment takes over from
    base would be left with nothing but the one value.
    """
    loader = context.config_loader
    try:
        runtime, loader.runtime_params = loader.runtime_params or {}, {}
        in_yaml = loader["parameters"]
        merged = OmegaConf.merge(OmegaConf.create(in_yaml), OmegaConf.create(runtime))
        loader.runtime_params = runtime
    except (ValueError, YAMLError, OmegaConfBaseException) as error:
        raise ExperimentError(f"conf: the parameters cannot be read: {' '.join(str(error).split())}") from None
    return in_yaml, cast("dict[str, Any]", OmegaConf.to_container(merged))


def _describe_missing(name: str, dataset: AbstractVersionedDataset[Any, Any]) -> str:
    asked, known = _version(dataset).load, dataset._get_versions()
    if asked and known:
        versions = ", ".join(Path(path).parent.name for path in known)
        return f"{name}: --load-versions asks for {asked!r}, which is not there; found {versions}."
    return (
        f"{name}: this pipeline starts from it, and there is no version of it at {dataset._filepath}. "
        f"Run the pipeline that makes it first, or `kedro run` for all of them."
    )


def _version(dataset: AbstractVersionedDataset[Any, Any]) -> Version:
    return dataset._version or Version(None, None)


def _files(names: set[str], catalog: DataCatalog) -> dict[str, AbstractVersionedDataset[Any, Any]]:
    """The datasets among the names that keep versions."""
    datasets = {name: catalog.get(name) for name in sorted(names)}
    return {name: x for name, x in datasets.items() if isinstance(x, AbstractVersionedDataset) and x._version}


def _only_reads_the_record(pipeline: Pipeline) -> bool:
    """Such a run trains and samples nothing, and leaves no trace in the record that it reads."""
    return all(READS_THE_RECORD in node.tags for node in pipeline.nodes)


class TrackingHooks:
    """Records a run in MLflow and prints its scores."""

    settings: Settings
    parameters: dict[str, Any]
    run: RunParameters
    project: Path

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Read where runs are recorded."""
        try:
            self.settings = Settings.model_validate(context.config_loader["mlflow"])
        except ValidationError as error:
            raise ExperimentError(explain(error, context.config_loader["mlflow"], "mlflow")) from None
        experiment = Experiment.read(context.config_loader["parameters"])
        self.run = experiment.run
        self.parameters = experiment.model_dump(mode="json", exclude={"compare"})  # which decides on nothing recorded
        self.project = context.project_path

    @hook_impl
    def after_catalog_created(self, catalog: DataCatalog) -> None:
        """Tell nodes that read the record where it lies."""
        catalog["tracking_uri"] = MemoryDataset(self.settings.locate(self.project, active_experiment())[0])

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Open the parent run, unless the record is only read."""
        if _only_reads_the_record(pipeline):
            return
        name = "+".join(run_params["pipeline_names"] or ["__default__"])
        tags = {"mlflow.runName": f"{name} {run_params['run_id']}", "pipeline": name, "version": run_params["run_id"]}
        tags |= describe_machine(self.run)
        atexit.register(_end_interrupted_run, os.getpid())
        tracking.start_run(self.settings, self.project, active_experiment(), self.parameters, tags)
        start = _files(pipeline.inputs(), catalog)
        if "train_images" in start:
            version = start["train_images"].resolve_load_version()
            try:
                tracking.log_tags(_data_tags(catalog.load("data_card", version)))
            except DatasetError:
                logger.warning("The data card of version %s is missing; the run gets no data digest.", version)
        if JUDGE in start:
            tracking.log_tags(_judge_tags(start[JUDGE].load()))

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any) -> None:
        """Record scores, accuracies and figures as they are made."""
        if dataset_name == "data_card":
            tracking.log_tags(_data_tags(data))
        elif dataset_name == JUDGE:
            tracking.log_tags(_judge_tags(data))
        elif dataset_name == CODE_SCORES:
            tracking.log_scores(code_metrics(data))
        elif dataset_name == ABLATION_TABLE:
            tracking.log_scores(ablation_metrics(data))
        elif found := GENERATOR_SCORES.fullmatch(dataset_name):
            tracking.log_scores(score_metrics(data, found["generator"]))
            if word := table_verdict(data):
                tracking.log_tags({f"verdict.{found['generator']}": word})
        elif dataset_name.endswith("_metrics"):
            stage = dataset_name.removesuffix("_metrics")
            tracking.log_scores({f"{stage}.{name}": value for name, value in data.items()})
        elif isinstance(data, go.Figure):
            tracking.log_text(data.to_html(include_plotlyjs=True), f"figures/{dataset_name}.html")

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Record the pictures, end the run well, show its scores and say where to look further."""
        pictures = [x for x in _files(pipeline.all_outputs(), catalog).values() if isinstance(x, PictureDataset)]
        paths = [Path(picture._get_load_path()) for picture in pictures]
        for path in paths:
            tracking.log_artifact(path, "figures")
        tracking.finish_run("FINISHED")
        for text in _results(pipeline.all_outputs(), catalog):
            print(text, end="\n\n")
        for path in paths:
            print(f"Picture: {os.path.relpath(path)}")
        if REPORT in pipeline.all_outputs():
            print(format_comparison(catalog.load("compared_scores")), end="\n\n")
            print(f"Report: {os.path.relpath(_files({REPORT}, catalog)[REPORT]._get_load_path())}")
        print("Compare runs in MLflow: make ui")

    @hook_impl
    def on_pipeline_error(self, error: Exception) -> None:
        """End the run as failed, and say why."""
        tracking.finish_run("FAILED", str(error))


def _results(made: set[str], catalog: DataCatalog) -> Iterator[str]:
    """What a run found out, as text: the scores of its generators in one table, what its codes mean, the ablation."""
    found = [match for match in map(GENERATOR_SCORES.fullmatch, sorted(made)) if match and not match["of_levels"]]
    tables = {match["generator"]: catalog.load(match[0]) for match in found}
    if tables:
        yield format_summary(tables)
    compared = {generator: table for generator, table in tables.items() if generator != REAL}
    notes = [f"{generator}: {note}" for generator, table in compared.items() for note in missing_scores(table)]
    if notes:
        yield "\n".join(notes)
    if CODE_SCORES in made:
        yield format_codes(catalog.load(CODE_SCORES))
    if ABLATION_TABLE in made:
        yield format_ablation(catalog.load(ABLATION_TABLE))


def _data_tags(card: dict[str, Any]) -> dict[str, str]:
    return {"data_source": card["source"], "data_sha256": card["train"]["sha256"]}


def _judge_tags(judge: Encoder) -> dict[str, str]:
    return {"judge_sha256": judge.digest()}


def _end_interrupted_run(process: int) -> None:
    """A run that was interrupted or terminated must not seem to go on."""
    if os.getpid() == process:
        tracking.finish_run("KILLED", "The run was told to stop; the next one goes on from its checkpoints.")
