"""Find runs in the record, read them, draw, write the report."""

import pandas as pd
import plotly.graph_objects as go

from gan_pipelines import records
from gan_pipelines.metrics.ranking import average_seeds, rank_scores
from gan_pipelines.parameters import CompareParameters
from gan_pipelines.reporting.comparison import comparison_page
from gan_pipelines.reporting.curves import overlaid_curves


def find_runs(compare: CompareParameters, tracking_uri: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The runs to compare, and those that match but cannot be compared.

    Args:
        compare: which runs.
        tracking_uri: where the record lies.
    """
    return records.find_runs(tracking_uri, compare)


def compare_scores(tracking_uri: str, runs: pd.DataFrame) -> pd.DataFrame:
    """One row a score, each with its rank where intervals allow one."""
    scores = records.read_scores(tracking_uri, runs)
    return scores.assign(rank=rank_scores(scores))


def read_parameters(tracking_uri: str, runs: pd.DataFrame) -> pd.DataFrame:
    """One row a parameter or tag, one column a run."""
    return records.read_parameters(tracking_uri, runs)


def find_differences(parameters: pd.DataFrame) -> pd.DataFrame:
    """The parameters and tags that are not the same in all runs."""
    return records.differences(parameters)


def compare_seeds(runs: pd.DataFrame, scores: pd.DataFrame, parameters: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard deviation of each score over runs that differ in nothing but their seed."""
    return average_seeds(scores, records.same_but_for_seed(parameters), runs.set_index("run")["seed"])


def read_histories(tracking_uri: str, runs: pd.DataFrame) -> pd.DataFrame:
    """What every stage reported over its steps."""
    return records.read_histories(tracking_uri, runs)


def draw_curves(runs: pd.DataFrame, histories: pd.DataFrame) -> go.Figure:
    """The curves of all runs, one panel a stage and term."""
    return overlaid_curves(histories, dict(zip(runs["run"], runs["name"], strict=True)))


def read_pictures(tracking_uri: str, runs: pd.DataFrame) -> pd.DataFrame:
    """Every picture of every run."""
    return records.read_pictures(tracking_uri, runs)


def write_report(
    runs: pd.DataFrame,
    left_out: pd.DataFrame,
    scores: pd.DataFrame,
    seeds: pd.DataFrame,
    differing: pd.DataFrame,
    curves: go.Figure,
    pictures: pd.DataFrame,
) -> str:
    """One HTML file that needs no other."""
    return comparison_page(runs, left_out, scores, seeds, differing, curves, pictures)
