"""A sweep is checked as a whole before anything runs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any, cast

from kedro.framework.context import KedroContext
from kedro.framework.project import pipelines
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline
from kedro.runner import AbstractRunner

from gan_pipelines.configuration import LOADER_ARGUMENTS, ExperimentLoader, overlay
from gan_pipelines.hooks.pipelines import blocks_in_use, blocks_read
from gan_pipelines.hooks.recorded import find_recorded
from gan_pipelines.hooks.versions import versioned_files
from gan_pipelines.metrics.definitions import JUDGED_BY
from gan_pipelines.models.provenance import code_version
from gan_pipelines.parameters import INITIAL, ClusterLost, Experiment, ExperimentError, Schema, SweepParameters
from gan_pipelines.parameters.base import flatten
from gan_pipelines.parameters.sweep import Value
from gan_pipelines.session import require_known
from gan_pipelines.sweep.experiments import require_free
from gan_pipelines.sweep.pruning import SEQUENTIAL, check_pruning
from gan_pipelines.sweep.study import StudyDataset
from gan_pipelines.tracking.records import sorting_sign

MEASURES = ("data", "judge", "second_judge", "evaluation")
"""Blocks that decide what trials are measured by, the seeds of data and judges among them."""
BESIDES = ("ablation", "compare", "sample", "export", "registry", "run")
"""Blocks that decide no score, or, in the case of `run`, only its last digits and its seed, which `sweep.seeds` has."""
TABLES = ("scores", "level_scores", "code_scores")
"""What the catalog says of a dataset in which a score may stand."""
VALIDATION: Mapping[str, Any] = {"evaluation": {"split": "validation"}}
"""What every run of a sweep is scored against."""


@dataclass(frozen=True)
class Plan:
    """What is the same in all trials.

    Attributes:
        project: the project's folder.
        experiment: its name.
        conf: the folder of all experiments.
        given: parameters of the command line.
        sweep: what is tried.
        study: where trials are kept.
        definition: all that decides whether trials compare, as text by its place.
        tables: datasets in which the score may stand, and the generator that each is about.
        shared: datasets that are made before all trials, and from which they start.
        runner: makes what runs the nodes.
    """

    project: Path
    experiment: str
    conf: Path
    given: Mapping[str, Any]
    sweep: SweepParameters
    study: StudyDataset
    definition: Mapping[str, str]
    tables: Mapping[str, str]
    shared: frozenset[str]
    runner: partial[Any] = SEQUENTIAL

    @property
    def parameters(self) -> dict[str, Any]:
        """Those with which each run of the sweep begins, before the values of a trial."""
        return overlay(self.given, VALIDATION)

    def read(self) -> Experiment:
        """The experiment as it now stands in the YAML."""
        return read_experiment(self.conf, self.experiment, self.parameters)

    @property
    def direction(self) -> str:
        """In which the score gets better, as optuna says it."""
        return "minimize" if sorting_sign("sweep.score", self.sweep.score) > 0 else "maximize"

    def new_runner(self) -> AbstractRunner:
        """What runs the nodes of one run.

        Raises:
            ClusterLost: it cannot be made, though the command line is right.
        """
        try:
            runner: AbstractRunner = self.runner()
        except ExperimentError as error:
            raise ClusterLost(str(error)) from None
        return runner


@dataclass(frozen=True)
class _Blocks:
    """The parameter blocks of what a sweep trains before all trials, and those that nodes of trials read."""

    trained_before: frozenset[str]
    read_by_trials: frozenset[str]


def make_plan(
    context: KedroContext,
    experiment: Experiment,
    given: Mapping[str, Any],
    runner: partial[Any] = SEQUENTIAL,
) -> Plan:
    """Check a sweep.

    Args:
        context: of a session with the parameters with which trials begin.
        experiment: that of the session.
        given: parameters of the command line.
        runner: makes what runs the nodes.

    Raises:
        ExperimentError: names the field, what was found and what is allowed.
    """
    loader, catalog = cast("ExperimentLoader", context.config_loader), cast("DataCatalog", context.catalog)
    conf, sweep = Path(loader.conf_source), experiment.sweep
    if context.env is None:
        raise ExperimentError(
            "--env: a sweep belongs to an experiment, a folder under conf/ with a block `sweep`; found none."
        )
    if not sweep.parameters:
        raise ExperimentError("sweep.parameters: must name at least one parameter and its values; found none.")
    for field, names in {"shared": sweep.shared, "pipelines": sweep.pipelines}.items():
        require_known(f"sweep.{field}", "a pipeline", names, dict(pipelines))
    shared, trial = (sum((pipelines[x] for x in names), Pipeline([])) for names in (sweep.shared, sweep.pipelines))
    blocks = _Blocks(blocks_in_use(shared) - {*MEASURES, *BESIDES}, blocks_read(trial.inputs()))
    for place, values in sweep.parameters.items():
        _check_parameter(place, values.extremes, experiment, loader, blocks)
    _require_made(trial, shared, catalog)
    tables = _find_tables(sweep.score, trial, catalog, experiment)
    if sweep.pruning:
        check_pruning(sweep.score, trial, experiment, runner)
    require_free(conf, context.env, sweep.best)
    return Plan(
        project=context.project_path,
        experiment=context.env,
        conf=conf,
        given=given,
        sweep=sweep,
        study=cast("StudyDataset", catalog.get("sweep_study")),
        definition=define(experiment),
        tables=tables,
        shared=frozenset(shared.all_outputs() & trial.inputs()),
        runner=runner,
    )


def define(experiment: Experiment) -> dict[str, str]:
    """All of an experiment that decides whether trials compare, as text by its place; more trials may be added."""
    deciding = experiment.model_dump(
        mode="json", exclude={**dict.fromkeys(BESIDES, True), "sweep": {"trials": True, "best": True}}
    )
    return {**dict(flatten(deciding)), "the code of trainings": code_version()}


def _check_parameter(
    place: str, values: Iterable[Value], experiment: Experiment, loader: ExperimentLoader, blocks: _Blocks
) -> None:
    """Check that a parameter exists, that all of its values are allowed, and that trials alone depend on it."""
    where = f"sweep.parameters: {place}"
    block, *rest = place.split(".")
    if not block.startswith("_") and not _exists(experiment, (block, *rest)):
        known = [name for name, _ in flatten(experiment.model_dump(mode="json", exclude={"sweep"}))]
        near = ", ".join(get_close_matches(place, known, n=3, cutoff=0.5))
        raise ExperimentError(f"{where}: there is no such parameter{f'; found {near} among others' if near else ''}.")
    changed = set[str]()
    for value in values:
        try:
            variant = read_experiment(
                Path(loader.conf_source), loader.experiment, overlay(loader.runtime_params or {}, nest({place: value}))
            )
        except ExperimentError as error:
            raise ExperimentError(f"{where}: the value {value!r} is not allowed. {error}") from None
        changed |= {
            name for name in type(experiment).model_fields if getattr(variant, name) != getattr(experiment, name)
        }
    if measures := sorted(changed.intersection(MEASURES)):
        raise ExperimentError(
            f"{where}: must leave alone what trials are measured by, or their scores would not compare; found that it "
            f"changes the block {measures[0]}. Allowed are parameters of trainings, such as those of sgan and infogan."
        )
    if besides := sorted(changed.intersection(BESIDES)):
        raise ExperimentError(
            f"{where}: found that it changes the block {besides[0]}, which decides no score. Seeds of trainings are "
            f"`sweep.seeds`."
        )
    if found := sorted(changed & blocks.trained_before):
        raise ExperimentError(
            f"{where}: found that it changes {found[0]}, which `sweep.shared` trains once for all trials. Move that "
            f"pipeline to `sweep.pipelines`."
        )
    if not changed & blocks.read_by_trials:
        read = ", ".join(sorted(blocks.read_by_trials - {*MEASURES, *BESIDES}))
        raise ExperimentError(f"{where}: changes nothing in `sweep.pipelines`, which read {read or 'no such block'}.")


def _exists(here: Any, place: Iterable[str]) -> bool:
    for part in place:
        if isinstance(here, Schema) and part in type(here).model_fields:
            here = getattr(here, part)
        elif isinstance(here, Mapping) and part in here:
            here = here[part]
        else:
            return False
    return True


def nest(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by their place as nested blocks, such as they stand in the YAML."""
    nested: dict[str, Any] = {}
    for place, value in values.items():
        *blocks, name = place.split(".")
        here = nested
        for block in blocks:
            here = here.setdefault(block, {})
        here[name] = value
    return nested


def read_experiment(conf: Path, name: str, parameters: Mapping[str, Any]) -> Experiment:
    """An experiment with other values than those of its YAML."""
    loader = ExperimentLoader(str(conf), name, runtime_params=dict(parameters), **LOADER_ARGUMENTS)
    return Experiment.read(loader["parameters"])


def _require_made(trial: Pipeline, shared: Pipeline, catalog: DataCatalog) -> None:
    """Refuse trials that would start from whatever lies there, which may change between them."""
    missing = trial.inputs() - shared.all_outputs()
    if found := versioned_files((name for name in missing if not name.startswith(INITIAL)), catalog):
        raise ExperimentError(
            f"sweep.pipelines: they start from {', '.join(found)}, which neither they nor `sweep.shared` make. Add the "
            f"pipeline that makes it to one of both."
        )


def _find_tables(score: str, pipeline: Pipeline, catalog: DataCatalog, experiment: Experiment) -> dict[str, str]:
    """The datasets of trials in which the score may stand, and the generator that each is about.

    Raises:
        ExperimentError: no trial measures such a score.
    """
    sorting_sign("sweep.score", score)
    recorded = {name: find_recorded(name, catalog) for name in sorted(pipeline.all_outputs())}
    tables = {name: found.under for name, found in recorded.items() if found and found.record in TABLES}
    generator, _, measured = score.partition("/")
    if generator not in tables.values():
        made = ", ".join(sorted({*tables.values()})) or "none"
        raise ExperimentError(f"sweep.score: `sweep.pipelines` score no {generator!r}; found {made}.")
    spaces = [*JUDGED_BY, *experiment.evaluation.networks, *experiment.sgan.levels, *experiment.infogan.single_codes]
    if (space := measured.partition(".")[2]) not in spaces:
        known = ", ".join(dict.fromkeys(spaces))
        raise ExperimentError(f"sweep.score: {space!r} is no space in which scores are measured; found {known}.")
    return {name: under for name, under in tables.items() if under == generator}
