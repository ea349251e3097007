"""What happens around a run: parameters are checked, versions pinned, files looked at, and all of it recorded."""

import atexit
import logging
import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

import plotly.graph_objects as go
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog, DatasetError, Version
from kedro.io.core import AbstractVersionedDataset
from kedro.pipeline import Pipeline
from pydantic import ValidationError

from gan_pipelines import tracking
from gan_pipelines.datasets import PictureDataset
from gan_pipelines.parameters import Experiment, ExperimentError
from gan_pipelines.parameters.base import explain
from gan_pipelines.project import active_experiment
from gan_pipelines.reporting.tables import flat_scores, format_scores
from gan_pipelines.training.engine import TrainingDiverged
from gan_pipelines.training.seeding import find_device

logger = logging.getLogger(__name__)


class ExperimentHooks:
    """Refuses bad input before anything runs, and keeps a run to one version of every file."""

    experiment: Experiment

    @hook_impl(tryfirst=True)
    def after_context_created(self, context: KedroContext) -> None:
        """Tell the pipeline registry which experiment is active, and check all of its parameters."""
        sys.excepthook = _show_expected_errors_plainly
        if context.env:
            os.environ["KEDRO_ENV"] = context.env
        active_experiment()
        self.experiment = Experiment.read(context.config_loader["parameters"])

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Check the device, pin versions, and look at every file that the pipeline starts from."""
        find_device(self.experiment.run.device)
        made, needed = _files(pipeline.all_outputs(), catalog), _files(pipeline.inputs(), catalog)
        for dataset in made.values():
            saved = dataset.resolve_save_version()
            asked = dataset._version.load if dataset._version else None
            dataset._version = Version(load=asked or saved, save=saved)
        for name, dataset in needed.items():
            if not dataset.exists():
                raise ExperimentError(
                    f"{name}: this pipeline starts from it, and there is no version of it at {dataset._filepath}. "
                    f"Run the pipeline that makes it first, or `kedro run --pipeline=sgan` for all of them."
                )
            dataset._version = Version(load=dataset.resolve_load_version(), save=dataset.resolve_save_version())
            dataset.load()


def _files(names: set[str], catalog: DataCatalog) -> dict[str, AbstractVersionedDataset[Any, Any]]:
    """The versioned datasets among the names."""
    datasets = {name: catalog.get(name) for name in sorted(names)}
    return {name: found for name, found in datasets.items() if isinstance(found, AbstractVersionedDataset)}


class TrackingHooks:
    """Records a run in MLflow and prints its scores."""

    settings: tracking.Settings
    parameters: dict[str, Any]
    project: Path

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Read where runs are recorded."""
        try:
            self.settings = tracking.Settings.model_validate(context.config_loader["mlflow"])
        except ValidationError as error:
            raise ExperimentError(explain(error, context.config_loader["mlflow"], "mlflow")) from None
        self.parameters = Experiment.read(context.config_loader["parameters"]).model_dump(mode="json")
        self.project = context.project_path

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Open the parent run."""
        name = "+".join(run_params["pipeline_names"] or ["__default__"])
        tags = {"mlflow.runName": f"{name} {run_params['run_id']}", "pipeline": name, "version": run_params["run_id"]}
        tracking.start_run(self.settings, self.project, active_experiment(), self.parameters, tags)
        atexit.register(_end_interrupted_run, os.getpid())
        start = _files(pipeline.inputs(), catalog)
        if "train_images" in start:
            version = start["train_images"].resolve_load_version()
            try:
                tracking.log_tags(_data_tags(catalog.load("data_card", version)))
            except DatasetError:
                logger.warning("The data card of version %s is missing; the run gets no data digest.", version)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any) -> None:
        """Record scores, accuracies and figures as they are made."""
        if dataset_name == "data_card":
            tracking.log_tags(_data_tags(data))
        elif dataset_name == "scores":
            tracking.log_scores(flat_scores(data))
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
        tracking.finish_run(failed=False)
        if "scores" in pipeline.all_outputs():
            print(format_scores(catalog.load("scores")))
        for path in paths:
            print(f"Picture: {os.path.relpath(path)}")
        print("Compare runs in MLflow: make ui")

    @hook_impl
    def on_pipeline_error(self) -> None:
        """End the run as failed."""
        tracking.finish_run(failed=True)


def _data_tags(card: dict[str, Any]) -> dict[str, str]:
    return {"data_source": card["source"], "data_sha256": card["train"]["sha256"]}


def _end_interrupted_run(process: int) -> None:
    """A run that was interrupted from the keyboard must not seem to go on."""
    if os.getpid() == process:
        tracking.finish_run(failed=True)


def _show_expected_errors_plainly(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    """Errors that explain themselves are printed without a traceback."""
    if isinstance(error, ExperimentError | TrainingDiverged | DatasetError):
        print(f"Error: {error}", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, traceback)
