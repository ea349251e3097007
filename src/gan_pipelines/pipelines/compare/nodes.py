"""Rank, average and draw what was found in the record; nodes that only read it are functions of `tracking`."""

import pandas as pd
import plotly.graph_objects as go

from gan_pipelines.metrics.ranking import average_seeds, rank_scores
from gan_pipelines.reporting.curves import overlaid_curves
from gan_pipelines.tracking import read_scores, same_but_for_seed


def compare_scores(tracking_uri: str, runs: pd.DataFrame) -> pd.DataFrame:
    """One row a score, each with its rank where intervals allow one."""
    scores = read_scores(tracking_uri, runs)
    return scores.assign(rank=rank_scores(scores))


def compare_seeds(runs: pd.DataFrame, scores: pd.DataFrame, parameters: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard deviation of each score over runs that differ in nothing but their seed."""
    return average_seeds(scores, same_but_for_seed(parameters), runs.set_index("run")["seed"])


def draw_curves(runs: pd.DataFrame, histories: pd.DataFrame) -> go.Figure:
    """The curves of all runs, one panel a stage and term."""
    return overlaid_curves(histories, dict(zip(runs["run"], runs["name"], strict=True)))
