"""Tables of scores, pictures and figures say what made them, whichever node makes them.

Tables get three columns, PNG files text chunks and figures an entry `meta`, always by the same names:

    data: sha256:<digest of the training images>+<digest of those scored against>, as far as they decide
    judge: sha256:<digest of the judge>+<digest of the second judge>, if they were used
    model: sha256:<digest of the generator>; several, of levels or stacks, in the order of the node's inputs

The history of a training gets the column `model` alone, with the digests of what was trained.
"""

from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from kedro.framework.hooks import hook_impl
from PIL import Image

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.hooks.belonging import GENERATOR, SHORT, Remedy, made_from
from gan_pipelines.model_file import Model
from gan_pipelines.models import InfoGAN, LevelGAN, StackedGenerator
from gan_pipelines.parameters import ExperimentError

SCORED = {"score"}
"""A table of scores has this column."""
IMAGES = ("train_images", "test_images", "validation_images")
JUDGES = ("judge", "second_judge")
PREFIX = "sha256:"
"""Digests begin so, since one of digits alone would be read from CSV as a number."""
HISTORY = {"step", "stage"}
"""The history of a training has these columns."""


class StampingHooks:
    """Marks what a node has made before it is saved."""

    @hook_impl
    def after_node_run(self, inputs: dict[str, Any], outputs: dict[str, Any]) -> None:
        """Stamp the outputs in place."""
        reports = [data for data in outputs.values() if _is_report(data)]
        stamp = describe_makers(inputs) if reports else {}
        for data in reports if any(stamp.values()) else ():  # others, such as a comparison of runs, have no makers
            _mark(data, stamp)
        trained = [output for output in outputs.values() if isinstance(output, Model)]
        for data in outputs.values():
            if trained and isinstance(data, pd.DataFrame) and {*data} >= HISTORY:
                data["model"] = _join(" ", [model.digest()[:SHORT] for model in trained])


def describe_makers(inputs: Mapping[str, Any]) -> dict[str, str]:
    """What decides a score or a picture, as short digests: `data`, `judge`, `model`, as far as there are any.

    Args:
        inputs: of the node that makes it, by name.
    """
    sources: dict[str, str] = {}
    for name, data in inputs.items():
        sources |= made_from(name, data)
    sources |= {name: inputs[name].digest() for name in (*IMAGES, *JUDGES) if name in inputs}
    images = [sources[name][:SHORT] for name in IMAGES if name in sources]
    judges = [sources[name][:SHORT] for name in JUDGES if name in inputs]
    models = dict.fromkeys(filter(None, map(_model, inputs.values())))
    return {"data": _join("+", images), "judge": _join("+", judges), "model": _join(" ", models)}


def require_scores_of(data: Mapping[str, Any], remedy: Remedy) -> None:
    """Check that scores that lie on disk are those of the generators beside them, on the data of the card beside them.

    Args:
        data: datasets, by name.
        remedy: the command that makes a dataset anew.

    Raises:
        ExperimentError: names the scores, and what they were measured on.
    """
    for name, generator in data.items():
        if not isinstance(generator, StackedGenerator | InfoGAN):
            continue
        own = (f"{name}_scores", f"{name}_influences", *(["code_scores"] if name == "infogan" else []))
        tables = {key: data[key] for key in own if key in data}
        if tables and "data_card" in data:
            _require_card(name, data["data_card"], _stamp(next(iter(tables.values())), "data"))
        wanted = {"model": _join("", [generator.digest()[:SHORT]])}
        if "real_scores" in data:
            wanted["data"] = _stamp(data["real_scores"], "data")
        for table, (column, digest) in product(tables, wanted.items()):
            if (found := _stamp(data[table], column)) != digest:
                other = "real_scores" if column == "data" else name
                raise ExperimentError(
                    f"{table}: are of another {column} ({found}) than {other} ({digest}). Make them anew first "
                    f"(`{remedy(table)}`), or choose versions that belong together with --load-versions."
                )


def _stamp(table: pd.DataFrame, column: str) -> str:
    """What made a table, as it says itself; tables of earlier versions do not."""
    return str(table[column].iloc[0]) if column in table and len(table) else "not named"


def _require_card(name: str, card: Mapping[str, Any], stamp: str) -> None:
    digests = [card[split]["sha256"][:SHORT] for split in ("train", "test", "validation") if split in card]
    if not set(stamp.removeprefix(PREFIX).split("+")) <= set(digests):
        raise ExperimentError(
            f"data_card: {name}_scores were measured on other images ({stamp}) than it describes. Choose versions that "
            f"belong together with --load-versions."
        )


def _join(sign: str, digests: Iterable[str]) -> str:
    joined = sign.join(digests)
    return f"{PREFIX}{joined}" if joined else ""


def _model(data: Any) -> str:
    """The digest of a generator, or of the one that made samples, or of all that a training made."""
    match data:
        case LevelGAN() | StackedGenerator() | InfoGAN():
            return data.digest()[:SHORT]
        case LabelledImages():
            return data.made_from.get(GENERATOR, "")[:SHORT]
        case pd.DataFrame() if {*data} >= HISTORY | {"model"}:
            return str(data["model"].iloc[0]).removeprefix(PREFIX)
    return ""


def _is_report(data: Any) -> bool:
    return isinstance(data, Image.Image | go.Figure) or (isinstance(data, pd.DataFrame) and bool(SCORED & {*data}))


def _mark(data: Any, stamp: Mapping[str, str]) -> None:
    match data:
        case Image.Image():
            data.info |= {key: text for key, text in stamp.items() if text}
        case go.Figure():
            data.update_layout(meta={key: text for key, text in stamp.items() if text})
        case pd.DataFrame():
            for column, text in stamp.items():
                data[column] = text or None
