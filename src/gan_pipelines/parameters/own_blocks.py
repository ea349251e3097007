"""Blocks of the YAML that other installed packages bring, each with the schema that it must fit.

A package names them in its `pyproject.toml`, by the name of the block:

    [project.entry-points."gan_pipelines.parameters"]
    brightness = "brightness:BrightnessParameters"
"""

import sys
from functools import cache
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from typing import Any

from gan_pipelines.parameters.base import ExperimentError, Schema, in_short

PARAMETERS, PIPELINES = "gan_pipelines.parameters", "gan_pipelines.pipelines"
"""Groups of entry points by which packages bring blocks and pipelines."""


def read_own_blocks() -> dict[str, type[Schema]]:
    """The schemas of other packages by the name of their block.

    Raises:
        ExperimentError: one cannot be imported, or is no `Schema`.
    """
    found = {}
    for entry in find_entries(PARAMETERS):
        schema = load(entry)
        if not (isinstance(schema, type) and issubclass(schema, Schema)):
            raise ExperimentError(
                f"{describe(entry)}: must be a class derived from gan_pipelines.parameters.Schema; found {schema!r}."
            )
        found[entry.name] = schema
    return found


def find_entries(group: str) -> EntryPoints:
    """The entry points of a group, of all packages that are installed."""
    return _find_entries(group, tuple(sys.path))


@cache
def _find_entries(group: str, path: tuple[str, ...]) -> EntryPoints:  # noqa: ARG001 - by which the cache is told apart
    return entry_points(group=group)  # takes 15 ms, whatever is found


def load(entry: EntryPoint) -> Any:
    """What an entry point of another package names.

    Raises:
        ExperimentError: it cannot be imported.
    """
    try:
        return entry.load()
    except Exception as error:  # whatever the other package does when it is imported
        raise ExperimentError(
            f"{describe(entry)}: cannot be imported ({type(error).__name__}: {in_short(error)}). Mend or uninstall the "
            f"package that names it."
        ) from error


def describe(entry: EntryPoint) -> str:
    """An entry point with the package that has it, for messages."""
    package = f" of the package {entry.dist.name}" if entry.dist else ""
    return f"{entry.group}: {entry.name} = {entry.value}{package}"
