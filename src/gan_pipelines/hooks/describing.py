"""What a run is called in MLflow, and what its page there says at the top, in Markdown."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pandas as pd
from kedro.io import DataCatalog

from gan_pipelines.hooks.showing import describe_made
from gan_pipelines.parameters.base import flatten
from gan_pipelines.reporting.ablation import format_ablation
from gan_pipelines.reporting.comparison import GRID
from gan_pipelines.reporting.tables import explained_verdict, summary_markdown
from gan_pipelines.tracking import names

DEFAULT = "__default__"
LONGEST_VALUE = 24
"""Letters of a parameter's value in the name of a run."""
MOST_VALUES = 3


def pipeline_name(run_params: Mapping[str, Any]) -> str:
    """The pipelines that a run was asked for, such as `sgan+infogan`."""
    return "+".join(run_params["pipeline_names"] or [DEFAULT])


def what_ran(run_params: Mapping[str, Any]) -> str:
    """The pipeline, or the namespaces, nodes or tags of it that were selected, such as `pixels`."""
    parts = next((run_params[key] for key in ("namespaces", "node_names", "tags") if run_params.get(key)), None)
    return "+".join(parts) if parts else pipeline_name(run_params).replace(DEFAULT, "default")


def name_run(run_params: Mapping[str, Any], made: Mapping[str, Any]) -> str:
    """Name a run by what sets it apart: what ran, the seed, and what else was given on the command line.

    Args:
        run_params: what Kedro was asked for.
        made: the parameters that made the models; their values count, not those asked for.
    """
    found, given = dict(flatten(made)), run_params.get("runtime_params")
    asked = {key: found.get(key, value) for key, value in flatten(given)} if given else {}
    seed = asked.pop(names.SEED, found[names.SEED])
    ends = {"from": ("from_nodes", "from_inputs"), "to": ("to_nodes", "to_outputs")}
    others = [f"{end}={'+'.join(run_params[key])}" for end, keys in ends.items() for key in keys if run_params.get(key)]
    others += [f"{'.'.join(key.split('.')[-2:])}={_short(value)}" for key, value in asked.items()]
    if len(others) > MOST_VALUES:
        others[MOST_VALUES:] = [f"and {len(others) - MOST_VALUES} more"]
    return names.run_name(what_ran(run_params), seed, others)


def _short(value: str) -> str:
    return value if len(value) <= LONGEST_VALUE else f"{value[:LONGEST_VALUE]}..."


def describe_run(
    run_params: Mapping[str, Any],
    experiment: str,
    run_id: str,
    made: Mapping[str, Mapping[str, str]],
    files: Mapping[str, Path],
    catalog: DataCatalog,
) -> Iterator[str]:
    """What a run was, its verdicts and main scores, and its grids of samples, as paragraphs of Markdown.

    Args:
        run_params: what Kedro was asked for.
        experiment: its experiment.
        run_id: in MLflow, which serves the pictures.
        made: the datasets that it saved, by what is recorded of them and what they are about.
        files: where it saved them.
        catalog: loads them.
    """
    tables: dict[str, pd.DataFrame] = {under: catalog.load(name) for under, name in made["scores"].items()}
    if tables:  # first, since MLflow folds all but the beginning
        yield summary_markdown(tables)
        yield "Measured by the judge; +-: half of a 95 % interval, over other pictures of the same generator."
    yield f"**{what_ran(run_params)}** of the experiment `{experiment}`, version `{run_params['run_id']}`."
    for name, table in tables.items():
        if said := explained_verdict(table):
            yield f"Verdict on {name}: {said}."
    for name in made["ablation_scores"].values():
        yield f"```text\n{format_ablation(catalog.load(name))}\n```"
    if not tables and (found := describe_made(made, files, catalog)):
        yield "\n".join(f"- {line}" for line in found)
    pictures = {name: f"{names.FIGURES}/{files[name].name}" for name in made["picture"].values() if name.endswith(GRID)}
    for name, path in pictures.items():
        yield f"![{name}](get-artifact?{urlencode({'path': path, 'run_uuid': run_id})})"
    if made["picture"] or made["figure"]:
        yield f"All pictures and figures: *Artifacts*, folder `{names.FIGURES}`."
