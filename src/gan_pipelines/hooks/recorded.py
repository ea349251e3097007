"""What the catalog says that MLflow is told of a dataset.

It stands in the dataset's metadata, beside that of kedro-viz:

    metadata: {mlflow: {record: scores, under: joint_stack}}
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Literal

from kedro.io import DataCatalog
from pydantic import ValidationError

from gan_pipelines.parameters import ExperimentError
from gan_pipelines.parameters.base import Schema, explain


class Recorded(Schema):
    """What MLflow is told of a dataset.

    Attributes:
        record: what it is.
        under: the generator or classifier that it is about.
    """

    record: Literal[
        "scores",
        "level_scores",
        "code_scores",
        "ablation_scores",
        "ablation_order",
        "metrics",
        "data_card",
        "page",
        "model",
        "judge",
        "influences",
        "picture",
        "pictures",
        "folder",
        "figure",
        "registration",
        "sweep_trials",
    ]
    under: str = ""


def find_recorded(name: str, catalog: DataCatalog) -> Recorded | None:
    """What the catalog says of a dataset; None if MLflow is told nothing.

    Raises:
        ExperimentError: it says something else than it can.
    """
    metadata: dict[str, Any] = getattr(catalog.get(name), "metadata", None) or {}
    if "mlflow" not in metadata:
        return None
    try:
        return Recorded.model_validate(metadata["mlflow"])
    except ValidationError as error:
        raise ExperimentError(explain(error, metadata["mlflow"], f"catalog: {name}.metadata.mlflow")) from None


def find_made(files: Iterable[str], catalog: DataCatalog) -> dict[str, dict[str, str]]:
    """The datasets among those that a run has saved, by what is recorded of them and what they are about."""
    made: dict[str, dict[str, str]] = defaultdict(dict)
    for name in files:
        if recorded := find_recorded(name, catalog):
            made[recorded.record][recorded.under or name] = name
    return made
