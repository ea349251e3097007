"""What a run makes has an entry in the catalog that can hold it, or the run is refused."""

from collections.abc import Callable
from typing import Any, Protocol

import pandas as pd
import plotly.graph_objects as go
import pytest
from kedro.io import DataCatalog
from kedro.pipeline import Node, Pipeline
from kedro_datasets import pandas as tables
from PIL import Image

from gan_pipelines.datasets import ImagesDataset, ModelDataset, PictureDataset
from gan_pipelines.hooks.outputs import require_places
from gan_pipelines.models import Encoder, InfoGAN
from gan_pipelines.parameters import ExperimentError
from gan_pipelines.text_datasets import CSVDataset, FigureDataset, JSONDataset, ParquetDataset, TextDataset

CATALOG = {
    "images": ImagesDataset(filepath="a.safetensors"),
    "model": ModelDataset(filepath="b.safetensors"),
    "picture": PictureDataset(filepath="c.png"),
    "table": CSVDataset(filepath="d.csv"),
    "other_table": ParquetDataset(filepath="e.parquet"),
    "plain_table": tables.CSVDataset(filepath="f.csv"),
    "numbers": JSONDataset(filepath="g.json"),
    "figure": FigureDataset(filepath="h.json"),
    "page": TextDataset(filepath="i.html"),
}


def check(returned: Any, outputs: str | list[str] | dict[str, str], *others: Pipeline) -> None:
    def make(): ...

    make.__annotations__["return"] = returned
    pipeline = Pipeline([Node(make, None, outputs, name="make")])
    require_places(pipeline, [pipeline, *others], DataCatalog(CATALOG))


@pytest.mark.parametrize(
    ("returned", "outputs"),
    [
        (pd.DataFrame, "table"),
        (pd.DataFrame, "other_table"),
        (pd.DataFrame | None, "plain_table"),
        (dict[str, float], "numbers"),
        (list[int], "numbers"),
        (go.Figure, "figure"),
        (str, "page"),
        (Image.Image, "picture"),
        (Encoder | InfoGAN, "model"),
        (InfoGAN, "model"),
        (object, "table"),
        (Any, "images"),
        (tuple[pd.DataFrame, go.Figure], ["table", "figure"]),
        (tuple[pd.DataFrame, ...], ["table", "figure"]),
        (dict[str, pd.DataFrame], {"made": "table"}),
    ],
)
def test_what_an_entry_can_hold_is_let_through(returned: Any, outputs: str | list[str] | dict[str, str]) -> None:
    check(returned, outputs)


@pytest.mark.parametrize(
    ("returned", "outputs", "names"),
    [
        (dict[str, float], "table", ("table: ", "CSVDataset", "DataFrame", "dict")),
        (pd.DataFrame, "numbers", ("numbers: ", "JSONDataset", "DataFrame")),
        (go.Figure, "picture", ("picture: ", "PictureDataset", "Image", "Figure")),
        (pd.DataFrame, "model", ("model: ", "ModelDataset", "InfoGAN", "DataFrame")),
        (tuple[pd.DataFrame, str], ["table", "figure"], ("figure: ", "FigureDataset", "Figure", "str")),
    ],
)
def test_what_an_entry_cannot_hold_is_said(returned: Any, outputs: str | list[str], names: tuple[str, ...]) -> None:
    with pytest.raises(ExperimentError) as refused:
        check(returned, outputs)
    assert str(refused.value).startswith(names[0])
    assert all(name in str(refused.value) for name in (*names, "node make"))


def test_an_end_without_an_entry_is_said_and_what_another_node_takes_may_stay_in_memory() -> None:
    with pytest.raises(ExperimentError, match=r"^lost: the node make .* no catalog has an entry"):
        check(pd.DataFrame, "lost")
    taking: Callable[[Any], Any] = lambda data: data  # noqa: E731 - a function without hints
    check(pd.DataFrame, "lost", Pipeline([Node(taking, "lost", "table", name="take")]))


def test_a_protocol_is_let_through() -> None:
    class Drawn(Protocol):
        def draw(self) -> None: ...

    check(Drawn, "figure")


def test_a_function_whose_hints_cannot_be_read_is_let_through() -> None:
    def make() -> "Unknown": ...

    pipeline = Pipeline([Node(make, None, "table", name="make")])
    require_places(pipeline, [pipeline], DataCatalog(CATALOG))
