"""The block `sweep`: what may be tried, and what is refused with the field's path."""

from typing import Any

import pytest
from pydantic import ValidationError

from gan_pipelines.parameters import Experiment, ExperimentError, SweepParameters

RATE = "infogan.training.learning_rate"


def test_a_range_has_the_extremes_that_an_experiment_must_allow() -> None:
    ranges = {
        "a.uniform": {"distribution": "uniform", "low": -1, "high": 2},
        "a.log": {"distribution": "log_uniform", "low": 1e-4, "high": 1e-2},
        "a.whole": {"distribution": "integers", "low": 2, "high": 8, "step": 3},
        "a.few": {"distribution": "choices", "values": ["hinge", 3, None]},
        "a.removed": None,
    }
    sweep = SweepParameters.model_validate({"parameters": ranges})
    assert {place: values.extremes for place, values in sweep.parameters.items()} == {
        "a.uniform": (-1.0, 2.0), "a.log": (1e-4, 1e-2), "a.whole": (2, 8), "a.few": ("hinge", 3, None)
    }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"distribution": "uniform", "low": 1.0, "high": 1.0}, "high"),
        ({"distribution": "log_uniform", "low": 0.0, "high": 1.0}, "low"),
        ({"distribution": "log_uniform", "low": 0.2, "high": 0.1}, "high"),
        ({"distribution": "integers", "low": 2, "high": 2}, "high"),
        ({"distribution": "integers", "low": 2, "high": 9, "step": 3}, "step"),
        ({"distribution": "integers", "low": 0.5, "high": 9}, "low"),
        ({"distribution": "choices", "values": ["hinge"]}, "values"),
        ({"distribution": "choices", "values": [1, True]}, "values"),
        ({"distribution": "choices", "values": [1.0, float("nan")]}, "values"),
        ({"distribution": "gaussian", "low": 0, "high": 1}, ""),
    ],
)
def test_an_empty_or_unknown_range_is_refused_by_its_place(
    smoke_experiment: Experiment, values: dict[str, Any], field: str
) -> None:
    raw = smoke_experiment.model_dump()
    raw["sweep"]["parameters"] = {RATE: values}
    with pytest.raises(ExperimentError) as caught:
        Experiment.read(raw)
    assert f"sweep.parameters.{RATE}" in str(caught.value)
    assert field in str(caught.value)


@pytest.mark.parametrize(
    "changed",
    [{"trials": 0}, {"seeds": []}, {"seeds": [1, 1]}, {"pipelines": []}, {"parameters": {"rate": None, "a b.c": {}}}],
)
def test_a_sweep_that_cannot_be_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(changed))):
        SweepParameters.model_validate(changed)
