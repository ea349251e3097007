"""Bad input is refused before anything runs, and a run keeps to one version of every file."""

import tempfile
from pathlib import Path
from typing import Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from gan_pipelines import project
from gan_pipelines.data.images import LabelledImages
from gan_pipelines.datasets import CheckpointDataset
from gan_pipelines.hooks.versions import VersionedDataset, folder, pin_input, pin_output, versioned_files
from gan_pipelines.metrics import require_networks
from gan_pipelines.models.origin import require_same_images
from gan_pipelines.models.requirements import check_experiment, check_rows
from gan_pipelines.parameters import Experiment, ExperimentError
from gan_pipelines.parameters.ablation import row_settings
from gan_pipelines.pipelines.compare import READS_THE_RECORD
from gan_pipelines.pipelines.pictures import find_folder
from gan_pipelines.training.interruption import stop_on_signals
from gan_pipelines.training.machine import require_machine

ROW_SETTINGS = "ablation_rows"
"""The parameter block with the settings of each row of the ablation, derived from the others."""


class CheckHooks:
    """Checks parameters when a session begins, machine, folders and files before a run, images when they are made."""

    experiment: Experiment
    runs_rows = False

    @hook_impl(tryfirst=True)
    def after_context_created(self, context: KedroContext) -> None:
        """Check all parameters, derive those of the ablation's rows, and make the experiment the active one."""
        loader = context.config_loader
        experiment = self.experiment = Experiment.read(loader["parameters"])
        rows = row_settings(experiment.run, experiment.sgan, experiment.ablation)
        loader["parameters"] = {**experiment.model_dump(mode="json"), ROW_SETTINGS: rows}
        project.enter(context.project_path, experiment)

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Check machine, folders and files, pin versions, and look at what the pipeline starts from."""
        if not only_reads_the_record(pipeline):
            require_machine(self.experiment.run)
        self.runs_rows = any(name.startswith(f"params:{ROW_SETTINGS}.") for name in pipeline.inputs())
        self._require_what_is_scored(pipeline)
        outputs = versioned_files(pipeline.all_outputs(), catalog)
        for name, dataset in outputs.items():
            _require_writable(name, folder(dataset))
        for checkpoints in checkpoint_folders(pipeline, catalog):
            checkpoints.version = run_params["run_id"]
        stop_on_signals()
        if not run_params["only_missing_outputs"]:  # with it, Kedro goes by what lies there
            for dataset in outputs.values():
                pin_output(dataset)
        inputs = versioned_files(pipeline.inputs(), catalog)
        if "train_images" in inputs:
            inputs |= versioned_files([self._scored_images], catalog)
        for name, dataset in inputs.items():
            pin_input(name, dataset)
        self._check_start(inputs)

    def _require_what_is_scored(self, pipeline: Pipeline) -> None:
        """Check the networks that a pipeline scores with, and the folder of pictures that it scores."""
        evaluation, root = self.experiment.evaluation, project.project_folder()
        if any({"params:evaluation", "judge"} <= set(node.inputs) for node in pipeline.nodes):
            weights = root / evaluation.inception_weights if evaluation.inception_weights else None
            require_networks(evaluation.networks, weights)
        if "pictures_samples" in pipeline.all_outputs():
            find_folder(evaluation)

    def _check_start(self, inputs: dict[str, VersionedDataset]) -> None:
        """Check that the files that a pipeline starts from fit the experiment and each other."""
        start = {name: dataset.load() for name, dataset in inputs.items()}
        if "train_images" not in start:
            return
        scored = self._scored_images
        ours, theirs = (inputs[name].resolve_load_version() for name in ("train_images", scored))
        if ours != theirs:
            raise ExperimentError(
                f"{scored}: must be of the same version as train_images, since other splits may share images; found "
                f"{theirs}, and train_images of {ours}. Run the pipeline data_preparation again."
            )
        train_images = start["train_images"]
        self._check_images(train_images, start[scored])
        for name in sorted({"judge", "second_judge", "infogan"} & set(start)):
            require_same_images(name, start[name], train_images)

    @hook_impl
    def after_node_run(self, node: Node, outputs: dict[str, Any]) -> None:
        """Check new images against the whole experiment before they are saved."""
        if node.name == "data.prepare_images":
            self._check_images(outputs["train_images"], outputs[self._scored_images])

    @property
    def _scored_images(self) -> str:
        """The dataset of the images against which everything is scored."""
        return f"{self.experiment.evaluation.split}_images"

    def _check_images(self, train_images: LabelledImages, scored_images: LabelledImages) -> None:
        check_experiment(self.experiment, train_images, scored_images)
        if self.runs_rows:
            check_rows(self.experiment, train_images)

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """All is made and saved: nobody needs the checkpoints of this run any more."""
        for checkpoints in checkpoint_folders(pipeline, catalog):
            checkpoints.load().clear()


def only_reads_the_record(pipeline: Pipeline) -> bool:
    """Whether a run trains and samples nothing; it leaves no trace in the record that it reads."""
    return all(READS_THE_RECORD in node.tags for node in pipeline.nodes)


def checkpoint_folders(pipeline: Pipeline, catalog: DataCatalog) -> list[CheckpointDataset]:
    """Where the trainings of a pipeline keep their checkpoints."""
    datasets = [catalog.get(name) for name in sorted(pipeline.inputs()) if not name.startswith("params:")]
    return [dataset for dataset in datasets if isinstance(dataset, CheckpointDataset)]


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
