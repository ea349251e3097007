"""Read the record, place, average and draw what is found there, write the page."""

import pandas as pd
import plotly.graph_objects as go

from gan_pipelines.metrics.comparisons import average_seeds, rank_scores
from gan_pipelines.reporting.comparison import comparison_page
from gan_pipelines.reporting.curves import overlaid_curves
from gan_pipelines.tracking.groups import differences, not_averaged, same_but_for_seed
from gan_pipelines.tracking.records import (
    find_runs,
    read_histories,
    read_influences,
    read_parameters,
    read_pictures,
    read_scores,
)

__all__ = [
    "compare_scores",
    "compare_seeds",
    "comparison_page",
    "differences",
    "draw_curves",
    "find_runs",
    "not_averaged",
    "read_histories",
    "read_parameters",
    "read_pictures",
]


def compare_scores(tracking_uri: str, runs: pd.DataFrame) -> pd.DataFrame:
    """One row per score, with its place among all runs, and what it is against the best one."""
    scores = read_scores(tracking_uri, runs)
    return scores.join(rank_scores(scores, read_influences(tracking_uri, runs)))


def compare_seeds(runs: pd.DataFrame, scores: pd.DataFrame, parameters: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard deviation of each score over runs that differ in nothing but their seed."""
    return average_seeds(scores, same_but_for_seed(parameters), runs.set_index("run")["seed"])


def draw_curves(runs: pd.DataFrame, histories: pd.DataFrame) -> go.Figure:
    """The curves of all runs, one panel a stage and term."""
    return overlaid_curves(histories, dict(zip(runs["run"], runs["name"], strict=True)))
