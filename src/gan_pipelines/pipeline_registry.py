"""Every pipeline by name; the levels of the stack and the ablation's seeds come from the active experiment's YAML."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from kedro.config import OmegaConfigLoader
from kedro.pipeline import Pipeline
from pydantic import ValidationError

from gan_pipelines.parameters import AblationParameters, ExperimentError
from gan_pipelines.parameters.base import explain
from gan_pipelines.parameters.sgan import UNCONDITIONAL
from gan_pipelines.pipelines import (
    ablation,
    classifier,
    compare,
    data_preparation,
    evaluation,
    infogan_evaluation,
    infogan_training,
    judge,
    pictures,
    sgan_evaluation,
    sgan_joint,
    sgan_levels,
)
from gan_pipelines.project import active_experiment, project_folder


def read_parameters() -> Mapping[str, Any]:
    """The parameters in the active experiment's YAML, as they stand there."""
    active_experiment()
    conf, env = str(project_folder() / "conf"), os.environ.get("KEDRO_ENV")
    loader = OmegaConfigLoader(conf, env=env, base_env="base", default_run_env="local")
    parameters: Mapping[str, Any] = loader["parameters"]
    return parameters


def level_names(parameters: Mapping[str, Any]) -> list[str]:
    """The levels of an experiment, from the top down to the pixels.

    Raises:
        ExperimentError: its YAML has no mapping `sgan.levels`.
    """
    sgan = parameters.get("sgan")
    levels = sgan.get("levels") if isinstance(sgan, dict) else None
    if not isinstance(levels, dict) or not levels:
        raise ExperimentError(
            f"sgan.levels: must map at least one representation to its level; found {levels!r} "
            f"in the experiment {active_experiment()!r}."
        )
    return list(levels)


def ablation_seeds(parameters: Mapping[str, Any]) -> Sequence[int]:
    """The seeds of an experiment's ablation.

    Raises:
        ExperimentError: its YAML has no valid block `ablation`.
    """
    raw = parameters.get("ablation")
    try:
        return AblationParameters.model_validate(raw).seeds
    except ValidationError as error:
        raise ExperimentError(explain(error, raw, "ablation")) from None


def register_pipelines() -> dict[str, Pipeline]:
    """The pipelines that `kedro run --pipeline=NAME` knows."""
    parameters = read_parameters()
    levels, seeds = level_names(parameters), ablation_seeds(parameters)
    labelled = parameters["sgan"]["levels"][levels[0]].get("condition") != UNCONDITIONAL
    parts = {
        "data_preparation": data_preparation.create_pipeline(),
        "judge": judge.create_pipeline(),
        "yardstick": evaluation.create_yardstick(),
        "classifier": classifier.create_pipeline(levels),
        "sgan_levels": sgan_levels.create_pipeline(levels),
        "sgan_joint": sgan_joint.create_pipeline(levels),
        "sgan_evaluation": sgan_evaluation.create_pipeline(levels)
        + evaluation.create_pipeline("independent_stack", "independent", labelled)
        + evaluation.create_pipeline("joint_stack", "joint", labelled),
        "infogan_training": infogan_training.create_pipeline(),
        "infogan_evaluation": infogan_evaluation.create_pipeline()
        + evaluation.create_pipeline("infogan", "infogan", labelled=False),
    }
    shared = ("data_preparation", "judge", "yardstick")
    sgan = ("classifier", "sgan_levels", "sgan_joint", "sgan_evaluation")
    infogan = ("infogan_training", "infogan_evaluation")

    def together(*names: str) -> Pipeline:
        return sum((parts[name] for name in names), Pipeline([]))

    return {
        **parts,
        "sgan": together(*shared, *sgan),
        "infogan": together(*shared, *infogan),
        "ablation": together(*shared, "classifier") + ablation.create_pipeline(levels, seeds),
        "compare": compare.create_pipeline(),
        "pictures": pictures.create_pipeline() + evaluation.create_scoring("pictures", "pictures"),
        "__default__": together(*shared, *sgan, *infogan),
    }
