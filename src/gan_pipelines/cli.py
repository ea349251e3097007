"""Kedro's command line; its `run` takes lists as parameters and `--verbose`, and refuses unknown names at once."""

import inspect
import os
import re
from collections.abc import Mapping
from copy import copy
from functools import partial
from typing import Any

import click
import yaml
from kedro import runner as kedro_runners
from kedro.framework.cli.project import run as kedro_run
from kedro.framework.cli.registry import registry as kedro_registry
from kedro.runner import AbstractRunner
from kedro.utils import load_obj
from omegaconf import OmegaConf

from gan_pipelines import progress
from gan_pipelines.parameters import ExperimentError
from gan_pipelines.parameters.base import in_short
from gan_pipelines.pipelines import known_names
from gan_pipelines.session import require_known

VERBOSE = click.Option(
    ["--verbose"], is_flag=True, help="Show all numbers of a training, not the two that matter most."
)


@click.group(name="gan_pipelines")
def cli() -> None:
    """Commands of this project, in place of Kedro's of the same name."""


class Run(click.Command):
    """Kedro's command, which looks at the names of runner and pipelines first."""

    def invoke(self, context: click.Context) -> Any:
        """Check, then run."""
        if context.params.pop("verbose"):
            os.environ[progress.VERBOSE] = "1"  # worker processes inherit it
        require_runner(context.params["runner"], context.params["runner_params"])
        asked = [context.params["pipeline"]] if context.params["pipeline"] else context.params["pipelines"]
        require_known("--pipelines", "a pipeline", asked, known_names())
        return super().invoke(context)


def require_runner(name: str | None, arguments: Mapping[str, Any]) -> type[AbstractRunner]:
    """Refuse a runner that does not exist, or arguments that it does not take.

    Args:
        name: one of Kedro's, or the path of a class; None for Kedro's default.
        arguments: by which it is made.

    Returns:
        Its class.

    Raises:
        ExperimentError: it does not exist, is no runner, or does not take the arguments.
    """
    name = name or "SequentialRunner"
    known = [each for each in kedro_runners.__all__ if each not in ("AbstractRunner", "Task")]
    reason = ""
    try:
        runner = load_obj(name, "kedro.runner")
    except (AttributeError, ImportError, ValueError) as error:
        runner, reason = None, f" ({in_short(error)})"
    if not inspect.isclass(runner) or not issubclass(runner, AbstractRunner) or inspect.isabstract(runner):
        raise ExperimentError(
            f"--runner: {name!r} is no runner{reason}; Kedro has {', '.join(known)}, and one of your own is given by "
            f"its path, such as package.module.Runner."
        )
    try:
        inspect.signature(runner).bind(**arguments)
    except TypeError as error:
        taken = ", ".join(inspect.signature(runner).parameters)
        raise ExperimentError(f"--runner-params: {error}; {name} takes {taken}.") from None
    return runner


def split_params(context: click.Context, option: click.Parameter, value: Any) -> Any:
    """Read `--params` as Kedro does, but for commas in brackets, which separate the items of a list."""
    if isinstance(value, dict):  # from a file of options
        return value
    items = [item.partition("=") for item in re.split(r",(?![^\[\]]*\])", value or "") if item.strip()]
    if wrong := [key for key, sign, _ in items if not key.strip() or not sign]:
        context.fail(f"--{option.name}: must be made of key=value, separated by commas; found {wrong[0]!r}.")
    return OmegaConf.to_container(OmegaConf.from_dotlist([f"{key.strip()}={text}" for key, _, text in items]))


def _with_lists(option: click.Parameter) -> click.Parameter:
    """Kedro's option, or, in place of `--params`, one that reads lists."""
    if option.name != "params":
        return option
    changed = copy(option)
    changed.callback = split_params
    return changed


run = Run(
    name="run",
    params=[*(_with_lists(option) for option in kedro_run.params), VERBOSE],
    callback=kedro_run.callback,
    help=kedro_run.help,
)
cli.add_command(run)


registry = click.Group(name="registry", help=kedro_registry.help, commands={**kedro_registry.commands})
cli.add_command(registry)


@registry.command("list")
def list_pipelines() -> None:
    """List all pipelines, without making them as Kedro would, for which it would import PyTorch."""
    click.echo(yaml.dump(known_names()))


SWEEP_OPTIONS = ("env", "params", "runner", "runner_params")


@cli.command(params=[_with_lists(option) for option in kedro_run.params if option.name in SWEEP_OPTIONS])
def sweep(env: str | None, params: dict[str, Any], runner: str | None, runner_params: dict[str, Any]) -> None:
    """Train with other values as the experiment's block `sweep` says, and report which are best."""
    from gan_pipelines.project import project_folder  # these import all that runs need
    from gan_pipelines.sweep.trials import run_sweep

    run_sweep(project_folder(), env, params, partial(require_runner(runner, runner_params), **runner_params))
