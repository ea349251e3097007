"""What the command line adds to Kedro's: lists among parameters."""

from typing import Any

import click
import pytest

from gan_pipelines.cli import run


def read(text: str) -> Any:
    return run.make_context("run", [f"--params={text}"]).params["params"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("run.seed=3", {"run": {"seed": 3}}),
        ("sample.classes=[3,7],sample.count=2", {"sample": {"classes": [3, 7], "count": 2}}),
        ("a.b=[x, y z],a.c=[]", {"a": {"b": ["x", "y z"], "c": []}}),
        ("compare.filter=params.`a` = 'b', x=1", {"compare": {"filter": "params.`a` = 'b'"}, "x": 1}),
        ("path=/some/where", {"path": "/some/where"}),
        ("empty=", {"empty": None}),
        ("", {}),
    ],
)
def test_parameters_are_read_as_kedro_reads_them_and_lists_too(text: str, found: dict[str, Any]) -> None:
    assert read(text) == found


@pytest.mark.parametrize("text", ["run.seed", "=3", "a=1,b", " =1"])
def test_what_is_no_assignment_is_refused(text: str) -> None:
    with pytest.raises(click.UsageError, match="key=value"):
        read(text)
