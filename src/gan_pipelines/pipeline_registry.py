"""Every pipeline by name; the levels of the stack come from the active experiment's YAML."""

import os

from kedro.config import OmegaConfigLoader
from kedro.pipeline import Pipeline

from gan_pipelines.parameters import ExperimentError
from gan_pipelines.pipelines import (
    classifier,
    compare,
    data_preparation,
    infogan_evaluation,
    infogan_training,
    judge,
    sgan_evaluation,
    sgan_joint,
    sgan_levels,
)
from gan_pipelines.project import active_experiment, project_folder


def level_names() -> list[str]:
    """The levels of the active experiment, from the labels down to the pixels.

    Raises:
        ExperimentError: its YAML has no mapping `sgan.levels`.
    """
    active_experiment()
    conf, env = str(project_folder() / "conf"), os.environ.get("KEDRO_ENV")
    loader = OmegaConfigLoader(conf, env=env, base_env="base", default_run_env="local")
    sgan = loader["parameters"].get("sgan")
    levels = sgan.get("levels") if isinstance(sgan, dict) else None
    if not isinstance(levels, dict) or not levels:
        raise ExperimentError(
            f"sgan.levels: must map at least one representation to its level; found {levels!r} "
            f"in the experiment {active_experiment()!r}."
        )
    return list(levels)


def register_pipelines() -> dict[str, Pipeline]:
    """The pipelines that `kedro run --pipeline=NAME` knows."""
    levels = level_names()
    shared = {"data_preparation": data_preparation.create_pipeline(), "judge": judge.create_pipeline()}
    sgan = {
        "classifier": classifier.create_pipeline(levels),
        "sgan_levels": sgan_levels.create_pipeline(levels),
        "sgan_joint": sgan_joint.create_pipeline(levels),
        "sgan_evaluation": sgan_evaluation.create_pipeline(levels),
    }
    infogan = {
        "infogan_training": infogan_training.create_pipeline(),
        "infogan_evaluation": infogan_evaluation.create_pipeline(),
    }
    return {
        **shared,
        **sgan,
        **infogan,
        "sgan": _sum(shared, sgan),
        "infogan": _sum(shared, infogan),
        "compare": compare.create_pipeline(),
        "__default__": _sum(shared, sgan, infogan),
    }


def _sum(*parts: dict[str, Pipeline]) -> Pipeline:
    return sum((pipeline for part in parts for pipeline in part.values()), Pipeline([]))
