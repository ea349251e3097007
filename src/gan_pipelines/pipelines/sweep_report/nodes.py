"""Read a sweep's trials, rate its parameters, draw both, write the page."""

from typing import Any

import pandas as pd

from gan_pipelines.parameters import SweepParameters
from gan_pipelines.reporting.sweep import sweep_figure, sweep_page, trial_table

__all__ = ["list_trials", "rate_parameters", "sweep_figure", "sweep_page"]

FEWEST = 10
"""Trials with a score, before which nothing is said of importance; optuna draws as many at random."""


def list_trials(sweep: SweepParameters, study: Any) -> pd.DataFrame:
    """One row per trial, best first; `study` is an `optuna.Study`."""
    return trial_table(sweep, study.get_trials(deepcopy=False), study.direction.name == "MINIMIZE")


def rate_parameters(sweep: SweepParameters, trials: pd.DataFrame, study: Any) -> pd.DataFrame:
    """`parameter` and `importance`, greatest first: the share of each in the variance of scores over all its values.

    It is optuna's fANOVA (Hutter et al. 2014), a random forest, rather than its default, PED-ANOVA: that compares the
    best trials with all, so it overlooks a parameter of which the sampler soon tries nothing but good values.

    Args:
        sweep: what was tried.
        trials: from `list_trials`; if fewer than `FEWEST` have a score, or all have the same, nothing is rated.
        study: an `optuna.Study`.
    """
    scores, shares = trials["value"].dropna(), dict[str, float]()
    if len(scores) >= FEWEST and scores.nunique() > 1:
        from optuna.importance import FanovaImportanceEvaluator, get_param_importances

        shares = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))
    table = pd.DataFrame({"parameter": list(sweep.parameters)})
    table["importance"] = table["parameter"].map(shares).astype(float)
    return table.sort_values("importance", ascending=False, kind="stable", ignore_index=True)
