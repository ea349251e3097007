"""Every pipeline by name; the levels of the stack come from the active experiment's YAML."""

import os

from kedro.config import OmegaConfigLoader
from kedro.pipeline import Pipeline

from gan_pipelines.parameters import ExperimentError
from gan_pipelines.pipelines import classifier, data_preparation, evaluation, sgan_joint, sgan_levels
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
    parts = {
        "data_preparation": data_preparation.create_pipeline(),
        "classifier": classifier.create_pipeline(levels),
        "sgan_levels": sgan_levels.create_pipeline(levels),
        "sgan_joint": sgan_joint.create_pipeline(levels),
        "evaluation": evaluation.create_pipeline(levels),
    }
    sgan = sum(parts.values(), Pipeline([]))
    return {**parts, "sgan": sgan, "__default__": sgan}
