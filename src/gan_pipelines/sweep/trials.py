"""A sweep is a row of ordinary runs: each trial is a Kedro session per seed, with other values, recorded like any."""

import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any, cast

import pandas as pd
from kedro.framework.project import settings
from kedro.framework.session import KedroSession
from kedro.io import DataCatalog

from gan_pipelines import tracking
from gan_pipelines.configuration import overlay
from gan_pipelines.parameters import ClusterLost, ExperimentError
from gan_pipelines.project import active_experiment
from gan_pipelines.reporting.sweep import NOTE, SCORES, VERSIONS
from gan_pipelines.sweep.experiments import best_names, write_experiment
from gan_pipelines.sweep.plan import VALIDATION, Plan, define, make_plan, nest
from gan_pipelines.sweep.pruning import SEQUENTIAL, BrokenOff, follow
from gan_pipelines.sweep.study import (
    SHARED_VERSION,
    ended_trials,
    known_results,
    next_trial,
    open_study,
    require_optuna,
    require_same,
)
from gan_pipelines.tracking import names
from gan_pipelines.training.divergence import TrainingDiverged

logger = logging.getLogger(__name__)

REPORT = "sweep_report"
"""The pipeline that shows what a sweep has found."""


def run_sweep(
    project: Path,
    env: str | None,
    given: Mapping[str, Any],
    runner: partial[Any] = SEQUENTIAL,
) -> None:
    """Run the trials that are missing, write the report, and make experiments of the best trials.

    Args:
        project: the project's folder.
        env: the experiment.
        given: parameters of the command line.
        runner: makes what runs the nodes of each run.

    Raises:
        ExperimentError: something about the sweep is wrong; nothing was run.
    """
    require_optuna()
    with _session(project, env, overlay(given, VALIDATION)) as session:
        plan = make_plan(session.load_context(), active_experiment(), given, runner)
    with open_study(plan.study, plan.definition, plan.direction) as study:
        if SHARED_VERSION not in study.user_attrs:
            study.set_user_attr(SHARED_VERSION, _run_shared(plan))
        while len(ended_trials(study)) < plan.sweep.trials:
            require_same(plan.study.path, plan.definition, define(plan.read()))  # as every trial reads the YAML
            _run_trial(plan, study, next_trial(study, plan.sweep))
        with _session(project, plan.experiment, plan.parameters) as session:
            session.run(pipeline_names=[REPORT])
        _write_best(plan, study)


@contextmanager
def _session(project: Path, env: str | None, parameters: Mapping[str, Any]) -> Iterator[KedroSession]:
    session: KedroSession = settings.SESSION_CLASS.create(project, env=env, runtime_params=dict(parameters))
    with session:
        yield session


def _run_shared(plan: Plan) -> str:
    """Make what all trials start from; returns its version."""
    with tracking.tagged(_tags(plan, "shared")), _session(plan.project, plan.experiment, plan.parameters) as session:
        if plan.sweep.shared:
            session.run(pipeline_names=list(plan.sweep.shared), runner=plan.new_runner())
        return str(session.session_id)


def _run_trial(plan: Plan, study: Any, trial: Any) -> None:
    """Train and score with the values of a trial, once with each seed; what is known already is not found again.

    Raises:
        ExperimentError: the values are refused, and no trial before has come to its end.
    """
    from optuna.trial import TrialState

    said = ", ".join(f"{place}={value!r}" for place, value in trial.params.items())
    logger.info("trial %d (%d of %d ended): %s", trial.number, len(ended_trials(study)), plan.sweep.trials, said)
    scores, versions = known_results(study, trial)
    try:
        for seed in plan.sweep.seeds:
            if str(seed) not in scores:
                scores[str(seed)], versions[str(seed)] = _run_seed(plan, study, trial, seed)
            trial.set_user_attr(VERSIONS, versions)
            trial.set_user_attr(SCORES, scores)
    except BrokenOff as error:
        tracking.finish_run("KILLED", str(error))
        _give_up(study, trial, str(error))
        return
    except ClusterLost:
        raise
    except (TrainingDiverged, ExperimentError) as error:
        if isinstance(error, ExperimentError) and not study.get_trials(states=(TrialState.COMPLETE,)):
            raise
        _give_up(study, trial, f"{type(error).__name__}: {error}")
        return
    score = fmean(scores[str(seed)] for seed in plan.sweep.seeds)
    if not math.isfinite(score):
        _give_up(study, trial, f"{plan.sweep.score} could not be measured")
        return
    study.tell(trial, score)
    logger.info("trial %d: %s = %.4g", trial.number, plan.sweep.score, score)


def _give_up(study: Any, trial: Any, why: str) -> None:
    """A trial without a score; optuna takes it for worse than all that have one."""
    from optuna.trial import TrialState

    logger.warning("trial %d has no score, and the sweep goes on without it. %s", trial.number, why)
    trial.set_user_attr(NOTE, why)
    study.tell(trial, state=TrialState.PRUNED)


def _run_seed(plan: Plan, study: Any, trial: Any, seed: int) -> tuple[float, str]:
    """Score and version of one ordinary run."""
    values = nest({**trial.params, "run.seed": seed})
    pinned = dict.fromkeys(plan.shared, study.user_attrs[SHARED_VERSION])
    parameters = overlay(plan.parameters, values)
    pruned = plan.sweep.pruning and seed == plan.sweep.seeds[0]
    follower = follow(trial, plan.sweep.score, plan.direction) if pruned else None
    with (
        tracking.tagged(_tags(plan, trial.number)),
        tracking.followed(follower),
        _session(plan.project, plan.experiment, parameters) as session,
    ):
        session.run(pipeline_names=list(plan.sweep.pipelines), load_versions=pinned, runner=plan.new_runner())
        return _read_score(plan, session), str(session.session_id)


def _read_score(plan: Plan, session: KedroSession) -> float:
    """The score in the tables that a run has saved; NaN if it could not be measured.

    Raises:
        ExperimentError: they have no such score.
    """
    catalog, version = cast("DataCatalog", session.load_context().catalog), session.session_id
    found = dict[str, float]()
    for dataset, generator in plan.tables.items():
        table: pd.DataFrame = catalog.load(dataset, version)
        rows = table[table["of_class"].isna()] if "of_class" in table else table
        measured = zip(rows["score"], rows["space"], rows["value"], strict=True)
        found |= {f"{generator}/{score}.{space}": float(value) for score, space, value in measured}
    if plan.sweep.score not in found:
        raise ExperimentError(f"sweep.score: trials have no {plan.sweep.score!r}; found {', '.join(sorted(found))}.")
    return found[plan.sweep.score]


def _tags(plan: Plan, trial: int | str) -> dict[str, str]:
    return {names.SWEEP: plan.experiment, names.TRIAL: str(trial)}


def _write_best(plan: Plan, study: Any) -> None:
    """Make experiments of the best trials; of those with equal values the first."""
    from optuna.trial import TrialState

    sign = 1 if plan.direction == "minimize" else -1
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    ranked: list[Any] = []
    for trial in sorted(complete, key=lambda trial: sign * trial.value):
        if all(trial.params != other.params for other in ranked):
            ranked.append(trial)
    given = {name: block for name, block in plan.given.items() if name != "sweep"}
    for name, trial in zip(best_names(plan.experiment, plan.sweep.best), ranked, strict=False):
        about = f"trial {trial.number}, {plan.sweep.score} = {trial.value:.4g} on validation images."
        write_experiment(plan.conf, name, plan.experiment, about, overlay(given, nest(trial.params)))
        print(f"Experiment: kedro run --env={name}, {about}")
