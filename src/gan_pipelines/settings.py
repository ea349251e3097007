"""Kedro's settings: hooks, and where configuration is read."""

import sys

from kedro.config import OmegaConfigLoader

from gan_pipelines.hooks import ExperimentHooks, TrackingHooks
from gan_pipelines.project import active_experiment, show_expected_errors_plainly

sys.excepthook = show_expected_errors_plainly

HOOKS = (ExperimentHooks(), TrackingHooks())

CONFIG_LOADER_CLASS = OmegaConfigLoader
CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    "config_patterns": {"mlflow": ["mlflow*"]},
    # `${experiment:}` in the catalog keeps the files of one experiment apart from those of another
    "custom_resolvers": {"experiment": active_experiment},
}
