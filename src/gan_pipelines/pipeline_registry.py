"""Every pipeline by name; its graph follows the active experiment: its levels, its first condition, its seeds.

Other installed packages bring pipelines too: their `pyproject.toml` names a function of each, without arguments.

    [project.entry-points."gan_pipelines.pipelines"]
    brightness = "brightness:create_pipeline"
"""

from collections.abc import Collection

from kedro.pipeline import Pipeline

from gan_pipelines.parameters import ExperimentError, TableSource
from gan_pipelines.parameters.base import in_short
from gan_pipelines.parameters.own_blocks import PIPELINES, describe, find_entries, load
from gan_pipelines.pipelines import (
    ablation,
    classifier,
    compare,
    data_preparation,
    export,
    infogan,
    infogan_training,
    judge,
    pictures,
    real_evaluation,
    register,
    sample,
    sgan,
    sgan_joint,
    sgan_levels,
    sgan_unsupervised,
    sweep_report,
)
from gan_pipelines.project import active_experiment


def register_pipelines() -> dict[str, Pipeline]:
    """The pipelines that `kedro run --pipelines=NAME` knows.

    Raises:
        ExperimentError: the experiment's parameters are invalid, or so is a pipeline that another package brings.
    """
    experiment = active_experiment()
    validation = experiment.data.validation_fraction > 0
    listed = isinstance(experiment.data.source, TableSource)
    initial = experiment.initial_models
    watch_joint, watch_infogan = bool(experiment.sgan.joint.watch), bool(experiment.infogan.watch)
    levels, labelled = list(experiment.sgan.levels), experiment.sgan.conditional
    parts = {
        "data_preparation": data_preparation.create_pipeline(validation, listed),
        "judge": judge.create_pipeline(),
        "real_evaluation": real_evaluation.create_pipeline(),
        "classifier": classifier.create_pipeline(levels, initial),
    }
    shared = parts["data_preparation"] + parts["judge"] + parts["real_evaluation"]
    whole = {
        "sgan": shared + sgan.create_pipeline(levels, labelled, initial, watch_joint),
        "infogan": shared + infogan.create_pipeline(initial, watch_infogan),
        "sgan_unsupervised": shared + sgan_unsupervised.create_pipeline(levels, labelled, initial),
    }
    found = {
        **parts,
        "sgan_levels": sgan_levels.create_pipeline(levels, initial),
        "sgan_joint": sgan_joint.create_pipeline(levels, initial, watch_joint),
        "sgan_evaluation": sgan.create_evaluation(levels, labelled),
        "infogan_training": infogan_training.create_pipeline(initial, watch_infogan),
        "infogan_evaluation": infogan.create_evaluation(),
        "unsupervised_training": sgan_unsupervised.create_training(levels, initial),
        "unsupervised_evaluation": sgan_unsupervised.create_evaluation(levels, labelled),
        **whole,
        "ablation": shared + parts["classifier"] + ablation.create_pipeline(levels, experiment.ablation.seeds),
        "compare": compare.create_pipeline(),
        "sweep_report": sweep_report.create_pipeline(),
        "pictures": pictures.create_pipeline(),
        "sample": sample.create_pipeline(experiment.sample.dataset, own=experiment.sample.file is None),
        "export": export.create_pipeline(experiment.export.dataset, own=experiment.export.file is None),
        "register": register.create_pipeline(experiment.registry.model),
        "__default__": whole["sgan"] + whole["infogan"],
    }
    found |= _read_own_pipelines(found)
    if experiment.evaluation.split == "test":
        return found
    return {name: _score_against_validation(pipeline) for name, pipeline in found.items()}


def _read_own_pipelines(ours: Collection[str]) -> dict[str, Pipeline]:
    """The pipelines that other packages bring.

    Raises:
        ExperimentError: one cannot be imported or made, is no pipeline, or has the name of one of ours.
    """
    found = {}
    for entry in find_entries(PIPELINES):
        if entry.name in ours:
            raise ExperimentError(f"{describe(entry)}: gan_pipelines has a pipeline of this name; choose another one.")
        create = load(entry)
        try:
            pipeline = create() if callable(create) else create
        except Exception as error:  # whatever the other package does
            raise ExperimentError(f"{describe(entry)}: failed ({type(error).__name__}: {in_short(error)}).") from error
        if not isinstance(pipeline, Pipeline):
            raise ExperimentError(f"{describe(entry)}: must be a function that makes a Pipeline; found {pipeline!r}.")
        found[entry.name] = pipeline
    return found


def _score_against_validation(pipeline: Pipeline) -> Pipeline:
    """The same pipeline, in which every node that takes the test images takes the validation images instead."""
    readers = Pipeline([node for node in pipeline.nodes if "test_images" in node.inputs])
    if not readers.nodes:
        return pipeline
    return pipeline - readers + Pipeline(readers, inputs={"test_images": "validation_images"})
