"""Bad input is refused before anything runs, and a run keeps to one version of every file."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines
from kedro.io import AbstractDataset, DataCatalog, DatasetError
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from gan_pipelines import project
from gan_pipelines.data.images import LabelledImages
from gan_pipelines.hooks.belonging import require_belonging, require_readable, require_same_levels
from gan_pipelines.hooks.memory import require_memory
from gan_pipelines.hooks.outputs import require_places
from gan_pipelines.hooks.pipelines import (
    blocks_in_use,
    checkpoint_folders,
    command_for,
    maker_command,
    only_reads_the_record,
)
from gan_pipelines.hooks.references import find_model, require_generators
from gan_pipelines.hooks.stamping import require_scores_of
from gan_pipelines.hooks.versions import (
    folder,
    loaded_version,
    pin_input,
    pin_output,
    require_local,
    require_past,
    require_writable,
    versioned_files,
)
from gan_pipelines.metrics import require_networks
from gan_pipelines.model_file import Model
from gan_pipelines.models import EncoderSpec, InfoGANSpec, LevelSpec
from gan_pipelines.models.initial import require_joint_start, require_start
from gan_pipelines.models.memory import plan_memory
from gan_pipelines.models.requirements import check_experiment, check_rows, check_unsupervised, check_watched
from gan_pipelines.parameters import INITIAL, Experiment, ExperimentError
from gan_pipelines.parameters.ablation import ROW_SETTINGS, row_settings
from gan_pipelines.parameters.unsupervised import UNSUPERVISED_STACK
from gan_pipelines.pipelines.data_preparation import PICTURE_TABLE
from gan_pipelines.pipelines.infogan_encoder import UNSUPERVISED
from gan_pipelines.pipelines.pictures import find_folder
from gan_pipelines.pipelines.watching import VALIDATION
from gan_pipelines.training.interruption import stop_on_signals
from gan_pipelines.training.machine import require_machine


class CheckHooks:
    """Checks parameters when a session begins, machine, folders and files before a run, what meets in each node."""

    experiment: Experiment
    env: str | None = None
    """The experiment's name, as `--env` gives it."""
    initial: Mapping[str, Model] = MappingProxyType({})
    """Models from which trainings of the run start, by dataset."""
    runs_rows = False
    runs_unsupervised = False
    used: frozenset[str] = frozenset()
    """Blocks of the YAML, such as `sgan`, by which the run trains or scores."""

    @hook_impl(tryfirst=True)
    def after_context_created(self, context: KedroContext) -> None:
        """Check all parameters, and make the experiment the active one."""
        loader = context.config_loader
        experiment = self.experiment = Experiment.read(loader["parameters"])
        loader["parameters"] = experiment.model_dump(mode="json")
        self.env = context.env
        project.enter(context.project_path, experiment)

    @hook_impl
    def after_catalog_created(self, catalog: DataCatalog) -> None:
        """Add the settings of the stack without labels and of the ablation's rows.

        Were they among the parameters, Kedro would add each of their thousands of values too, in half a second.
        """
        experiment = self.experiment
        catalog[f"params:{UNSUPERVISED_STACK}"] = experiment.unsupervised_sgan
        for place, settings in row_settings(experiment.run, experiment.sgan, experiment.ablation).items():
            catalog[f"params:{ROW_SETTINGS}.{place}"] = settings

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Check machine, folders and files, pin versions, and look at what the pipeline starts from."""
        if not only_reads_the_record(pipeline):
            require_machine(self.experiment.run)
        self.runs_rows = any(name.startswith(f"params:{ROW_SETTINGS}.") for name in pipeline.inputs())
        self.runs_unsupervised = any(name.startswith(f"{UNSUPERVISED}_") for name in pipeline.datasets())
        self.used = blocks_in_use(pipeline)
        if self.runs_unsupervised and "sgan" in self.used and self.experiment.watched:
            raise ExperimentError(
                f"{next(iter(self.experiment.watched))}: the judge that scores has learned from labels, and a stack "
                f"without labels is trained here, which must not be chosen by them. Leave it out. Nothing was run."
            )
        self._require_what_is_scored(pipeline)
        self._find_chosen_files(pipeline, catalog)
        require_generators(self.experiment, pipeline, catalog)
        require_places(pipeline, pipelines.values(), catalog)
        if PICTURE_TABLE in pipeline.inputs() and not catalog.exists(PICTURE_TABLE):
            raise ExperimentError(
                f"{PICTURE_TABLE}: there is no such file ({catalog.get(PICTURE_TABLE)}); data.source.name: table needs "
                f"one with a column path, and label and split if wanted. Nothing was run."
            )
        for name, dataset in versioned_files(pipeline.datasets(), catalog).items():
            require_local(name, dataset)
        outputs = versioned_files(pipeline.all_outputs(), catalog)
        for name, dataset in outputs.items():
            require_writable(name, folder(dataset))
            require_past(name, dataset)
        for checkpoints in checkpoint_folders(pipeline, catalog):
            checkpoints.version = run_params["run_id"]
        stop_on_signals()
        if not run_params["only_missing_outputs"]:  # with it, Kedro goes by what lies there
            for dataset in outputs.values():
                pin_output(dataset)
        made = set() if run_params["only_missing_outputs"] else pipeline.all_outputs()
        self._check_start(self._read_start(pipeline, catalog), made, catalog)

    def _read_start(self, pipeline: Pipeline, catalog: DataCatalog) -> dict[str, Any]:
        """Find the models from which trainings start; pin the versions of all other files, and read them."""
        starts = {name: start for name, start in self.experiment.initial_models.items() if name in pipeline.inputs()}
        for name, start in starts.items():
            catalog[name] = find_model(start.where, start.reference, catalog, project.project_folder())
        self.initial = {name: catalog[name].load() for name in starts}
        inputs = versioned_files(pipeline.inputs() - set(starts), catalog)
        if "train_images" in inputs:
            inputs |= versioned_files([self.experiment.evaluation.scored_images], catalog)
        for name, dataset in inputs.items():
            pin_input(name, dataset, maker_command(name, self.env))
        return {name: self._load(name, dataset) for name, dataset in inputs.items()}

    def _load(self, name: str, dataset: AbstractDataset[Any, Any]) -> Any:
        try:
            return dataset.load()
        except DatasetError as error:
            raise DatasetError(f"{str(error).rstrip('.')}. `{self._remedy(name)}` makes {name} anew.") from None

    def _remedy(self, name: str) -> str:
        return command_for(name, self.env)

    def _find_chosen_files(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Give model files that are sampled or exported a place in the catalog."""
        for block, chosen in self.experiment.chosen_models.items():
            if chosen.file and chosen.dataset in pipeline.inputs():
                catalog[chosen.dataset] = find_model(f"{block}.model", chosen.file, catalog, project.project_folder())

    def _require_what_is_scored(self, pipeline: Pipeline) -> None:
        """Check the networks that a pipeline scores with, and the folder of pictures that it scores."""
        evaluation, root = self.experiment.evaluation, project.project_folder()
        if any({"params:evaluation", "judge"} <= set(node.inputs) for node in pipeline.nodes):
            weights = root / evaluation.inception_weights if evaluation.inception_weights else None
            require_networks(evaluation.networks, weights)
        if "pictures_samples" in pipeline.all_outputs():
            find_folder(evaluation)

    def _check_start(self, start: dict[str, Any], made: set[str], catalog: DataCatalog) -> None:
        """Check that the files that a pipeline starts from fit the experiment and each other.

        Args:
            start: their content.
            made: what the pipeline makes anew.
            catalog: has the data card of the images, and the version of each.
        """
        scored = self.experiment.evaluation.scored_images
        if "train_images" in start:
            for split in sorted({scored, VALIDATION} & set(start)):
                ours, theirs = (loaded_version(name, catalog) for name in ("train_images", split))
                if ours != theirs:
                    raise ExperimentError(
                        f"{split}: must be of the same version as train_images, since other splits may share images; "
                        f"found {theirs}, and train_images of {ours}. Run the pipeline data_preparation again."
                    )
        for split in sorted({scored, VALIDATION} & set(start)):
            start[split] = _with_split(split, start[split], catalog)
        require_belonging(start, made, self._remedy)
        files = {chosen.file_dataset for chosen in self.experiment.chosen_models.values()}
        own = {name: data for name, data in start.items() if name not in files}
        require_same_levels(own, self.experiment.sgan, self._remedy)
        require_scores_of(start, self._remedy)
        if "real_features" in start:
            require_readable(start["real_features"], self.experiment.evaluation)
        if "train_images" in start:
            self._check_images(start["train_images"], start[scored], start.get(VALIDATION))

    @hook_impl
    def before_node_run(self, inputs: dict[str, Any]) -> None:
        """Check that what meets in a node belongs together, also if it was made or completed by this run."""
        require_belonging(inputs, (), self._remedy)

    @hook_impl
    def after_node_run(self, node: Node, outputs: dict[str, Any]) -> None:
        """Check new images against the whole experiment before they are saved."""
        if node.name == "data.prepare_images":
            scored = outputs[self.experiment.evaluation.scored_images]
            self._check_images(outputs["train_images"], scored, outputs.get(VALIDATION))

    def _check_images(
        self, train_images: LabelledImages, scored_images: LabelledImages, validation_images: LabelledImages | None
    ) -> None:
        experiment, count = self.experiment, len(train_images)
        if validation_images is not None:
            check_watched(experiment, validation_images, self.used)
        plan = check_experiment(experiment, train_images, scored_images, self.used)
        levels = plan.levels
        needs = plan_memory(plan, experiment.batch_sizes, experiment.watched, experiment.evaluation, count)
        require_memory(experiment.run, [need for need in needs if need.block in {"run", *self.used}])
        if self.runs_rows:
            check_rows(experiment, train_images)
        if self.runs_unsupervised:
            levels = check_unsupervised(plan, experiment.unsupervised_sgan, "evaluation" in self.used)
        self._check_initial_models({"encoder": plan.encoder.spec, "infogan": plan.infogan}, levels)

    def _check_initial_models(
        self, wanted: Mapping[str, EncoderSpec | InfoGANSpec], levels: Mapping[str, LevelSpec]
    ) -> None:
        """Check that the models from which trainings start are like those that will be trained."""
        for name, model in self.initial.items():
            where, stage = self.experiment.initial_models[name].where, name.removeprefix(INITIAL)
            if stage in wanted:
                require_start(where, model.spec, wanted[stage])
            elif stage.startswith("joint_level_"):
                level = levels[stage.removeprefix("joint_level_")]
                require_joint_start(where, model.spec, level, self.experiment.sgan.joint)
            else:
                require_start(where, model.spec, levels[stage.removeprefix("level_")])

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """All is made and saved: nobody needs the checkpoints of this run any more."""
        for checkpoints in checkpoint_folders(pipeline, catalog):
            checkpoints.load().clear()


def _with_split(name: str, images: LabelledImages, catalog: DataCatalog) -> LabelledImages:
    """Images with the digest of the training images that they were split from, if their data card is there."""
    try:
        card = catalog.load("data_card", loaded_version(name, catalog))
    except DatasetError:
        return images
    return replace(images, made_from={"train_images": card["train"]["sha256"]})
