"""Runs are named by what sets them apart, and tell what they measured."""

from collections import defaultdict
from typing import Any

import pytest
from kedro.io import DataCatalog, MemoryDataset

from gan_pipelines.hooks.describing import name_run
from gan_pipelines.hooks.showing import describe_made

MADE = {"run": {"seed": 1}, "sgan": {"joint": {"upstream_weight": 1.0}, "levels": {"fc3": {"condition": "labels"}}}}
OTHERS = {"sgan": {"joint": {"upstream_weight": 0.5, "a": 1, "b": 2}}, "run": {"device": "cpu", "seed": 9}}


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ({}, "default seed=1"),
        ({"pipeline_names": ["sgan"]}, "sgan seed=1"),
        ({"pipeline_names": ["sgan", "infogan"]}, "sgan+infogan seed=1"),
        ({"namespaces": ["fc3", "pixels"]}, "fc3+pixels seed=1"),
        ({"pipeline_names": ["sgan"], "node_names": ["joint.train_joint_levels"]}, "joint.train_joint_levels seed=1"),
        ({"pipeline_names": ["sgan"], "from_nodes": ["a"], "to_outputs": ["b"]}, "sgan seed=1 from=a to=b"),
        ({"runtime_params": {"run": {"seed": 9}}}, "default seed=1"),  # the models at hand were made with seed 1
        ({"runtime_params": {"_widths": {"dense": "x" * 30}}}, f"default seed=1 _widths.dense={'x' * 24}..."),
        ({"runtime_params": OTHERS}, "default seed=1 joint.upstream_weight=1.0 joint.a=1 joint.b=2 and 1 more"),
    ],
)
def test_a_run_is_named_by_what_ran_its_seed_and_what_was_asked_for(asked: dict[str, Any], name: str) -> None:
    nothing = {"pipeline_names": None, "runtime_params": {}, "namespaces": None, "node_names": None, "tags": None}
    assert name_run({**nothing, **asked}, MADE) == name


def test_numbers_that_no_training_measured_are_told() -> None:
    made = defaultdict(dict, {"metrics": {"joint_stack": "shares"}})
    catalog = DataCatalog({"shares": MemoryDataset({name: place / 4 for place, name in enumerate("abcdefghijkl")})})
    (line,) = describe_made(made, ["shares"], catalog)
    assert line == "shares: a 0, b 0.25, c 0.5, d 0.75, e 1, f 1.25, g 1.5, h 1.75, i 2, j 2.25, and 2 more"
