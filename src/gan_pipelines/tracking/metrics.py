"""Tables of scores as MLflow's metrics."""

from collections.abc import Mapping

import pandas as pd

from gan_pipelines.metrics.definitions import JUDGE
from gan_pipelines.tracking.names import PARTS, metric_name


def score_metrics(table: pd.DataFrame, generator: str) -> dict[str, float]:
    """The scores of all classes together by metric name; all values come first, then their intervals and spreads.

    MLflow lists metrics in the order in which they were recorded.
    """
    rows = table[table["of_class"].isna()].to_dict("records")
    return {
        metric_name(generator, row["score"], row["space"], row["samples"], part): float(row[part])
        for part in PARTS
        for row in rows
        if part in row and pd.notna(row[part])
    }


def ablation_metrics(table: pd.DataFrame) -> dict[str, float]:
    """The means of an ablation's rows by metric name, and their standard deviations as `spread`.

    Args:
        table: columns `row`, `samples`, and for each score `<score>` and `<score>_std`.
    """
    scores = [column.removesuffix("_std") for column in table.columns if column.endswith("_std")]
    return {
        metric_name(row["row"], score, JUDGE, row["samples"], part): float(row[score + column])
        for _, row in table.iterrows()
        for score in scores
        for part, column in (("value", ""), ("spread", "_std"))
        if pd.notna(row[score + column])
    }


def stage_metrics(values: Mapping[str, float], stage: str) -> dict[str, float]:
    """What was measured at the end of a training stage, such as its test accuracy, as `<stage>.<measure>`."""
    return {f"{stage}.{measure}": value for measure, value in values.items()}
