"""Kedro's settings: hooks, and how configuration is read."""

import atexit
import gc
import sys

from gan_pipelines import progress

# what a run imports takes seconds, and a person wants to know sooner that something happens
if sys.argv[1:2] in (["run"], ["sweep"]):
    progress.announce()

from gan_pipelines.configuration import LOADER_ARGUMENTS, ExperimentLoader
from gan_pipelines.hooks import ProjectHooks
from gan_pipelines.project import show_expected_errors_plainly
from gan_pipelines.session import ExperimentSession

sys.excepthook = show_expected_errors_plainly
atexit.register(gc.freeze)  # else two seconds pass after the last line: the interpreter looks for cycles in all modules

HOOKS = ProjectHooks()

SESSION_CLASS = ExperimentSession

CONFIG_LOADER_CLASS = ExperimentLoader
CONFIG_LOADER_ARGS = LOADER_ARGUMENTS
