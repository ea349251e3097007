"""Serves a model file with MLflow, which loads it through this module: no pickle, and nothing of Kedro.

A request has a row per picture, in columns that the model decides:

    stack with labels: `label`, the name of a class
    InfoGAN: one or more of its codes, such as `category` and `style_1`; the others are drawn
    stack without labels: `number`, the number of the picture, counted from `first`

Row i of the others is picture `first` + i. Equal models, seeds, numbers and values give equal bytes.
"""

import base64
import io
import threading
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from gan_pipelines.data.images import to_picture
from gan_pipelines.model_file import read_generator
from gan_pipelines.models.sampler import Asked, InfoGANSampler, Sampler, StackSampler, open_sampler
from gan_pipelines.parameters import CategoricalCode, ExperimentError

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.exceptions import MlflowException
    from mlflow.models import ModelSignature

REQUIREMENTS = ("jaxtyping", "mlflow", "numpy", "pandas", "pillow", "pydantic", "safetensors", "torch")
"""The packages that this module and what it imports need."""

MOST_ROWS = 1_000
"""Pictures of one request."""
GREATEST_SEED = 2**63 - 1
GREATEST_NUMBER = 10**15
FORMATS = ("array", "png")
LABEL, NUMBER = "label", "number"
DEFAULTS = {"seed": 0, "first": 0, "format": "array"}


class ServedGenerator:
    """What MLflow calls: draws the pictures of a request, one request at a time.

    Args:
        sampler: of a trained stack or InfoGAN.
    """

    def __init__(self, sampler: StackSampler | InfoGANSampler) -> None:
        self.sampler = sampler
        self._busy = threading.Lock()  # networks of two requests at once would fight for the same cores

    def predict(self, rows: "pd.DataFrame", params: Mapping[str, Any] | None = None) -> np.ndarray | list[str]:
        """Draw a picture per row.

        Args:
            rows: in the columns of `signature`.
            params: `seed`; `first`, the number of the first picture; `format`, `array` or `png`.

        Returns:
            uint8 of shape (rows, channels, height, width), or PNG files in base64.

        Raises:
            MlflowException: a value is not allowed; the server answers 400.
        """
        chosen = {**DEFAULTS, **(params or {})}
        try:
            numbers, asked = read_request(self.sampler, rows, chosen)
        except ExperimentError as error:
            raise _refusal(str(error)) from None
        with self._busy:
            pictures = torch.cat(list(_draw(self.sampler, numbers, asked)))
        return [_png(picture) for picture in pictures] if chosen["format"] == "png" else pictures.numpy()

    def get_raw_model(self) -> StackSampler | InfoGANSampler:
        """What draws the pictures; MLflow asks for it by this name."""
        return self.sampler


def _load_pyfunc(path: str) -> ServedGenerator:
    """Open a model file; MLflow finds this function by its name."""
    return ServedGenerator(open_sampler(read_generator(Path(path))))


def read_request(
    sampler: Sampler, rows: "pd.DataFrame", params: Mapping[str, Any]
) -> tuple[Int64[Tensor, "rows"], Asked]:
    """The numbers of the pictures that a request asks for, and what is asked of them.

    Raises:
        ExperimentError: one sentence with what was found and what is allowed.
    """
    if not 1 <= len(rows) <= MOST_ROWS:
        raise ExperimentError(f"rows: from 1 to {MOST_ROWS} pictures can be asked for at once; found {len(rows)}.")
    for name, greatest in (("seed", GREATEST_SEED), ("first", GREATEST_NUMBER)):
        if not 0 <= params[name] <= greatest:
            raise ExperimentError(f"{name}: must be a whole number from 0 to {greatest}; found {params[name]}.")
    if params["format"] not in FORMATS:
        raise ExperimentError(f"format: must be one of {', '.join(FORMATS)}; found {params['format']!r}.")
    numbers = int(params["first"]) + torch.arange(len(rows))
    labels, codes = torch.zeros(len(rows), dtype=torch.int64), {}
    if sampler.codes:
        codes = _read_codes(sampler, rows)
    elif sampler.classes:
        labels = torch.tensor([_read_label(sampler, name) for name in rows[LABEL]])
    else:
        numbers = int(params["first"]) + _read_numbers(rows)
    return numbers, Asked(int(numbers[0]), labels, codes, int(params["seed"]))


def _read_label(sampler: Sampler, name: Any) -> int:
    try:
        return sampler.read_class(name)
    except ExperimentError as error:
        raise ExperimentError(f"{LABEL}: {str(error).removeprefix('classes: ')}") from None


def _read_codes(sampler: Sampler, rows: "pd.DataFrame") -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for name, column in rows.items():
        values = column.to_numpy(dtype=float)
        if not np.isfinite(values).all():
            raise ExperimentError(
                f"{name}: must be a finite number in every row; found {values[~np.isfinite(values)][0]}."
            )
        try:
            found[str(name)] = torch.cat([sampler.read_code(str(name), value) for value in values.tolist()])
        except ExperimentError as error:
            raise ExperimentError(str(error).removeprefix("codes: ").removeprefix("codes.")) from None
    return found


def _read_numbers(rows: "pd.DataFrame") -> Int64[Tensor, "rows"]:
    numbers = torch.tensor(rows[NUMBER].to_numpy(dtype=np.int64))
    if wrong := [number for number in numbers.tolist() if not 0 <= number <= GREATEST_NUMBER]:
        raise ExperimentError(f"{NUMBER}: must be a whole number from 0 to {GREATEST_NUMBER}; found {wrong[0]}.")
    return numbers


def _draw(sampler: Sampler, numbers: Int64[Tensor, "rows"], asked: Asked) -> Iterator[Tensor]:
    """The pictures of the rows, those with numbers that follow each other at once."""
    breaks = (torch.nonzero(numbers.diff() != 1).flatten() + 1).tolist()
    for begin, end in pairwise([0, *breaks, len(numbers)]):
        codes = {name: values[begin:end] for name, values in asked.codes.items()}
        yield from sampler.batches(Asked(int(numbers[begin]), asked.labels[begin:end], codes, asked.seed))


def _png(pixels: Tensor) -> str:
    buffer = io.BytesIO()
    to_picture(pixels).save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _refusal(message: str) -> "MlflowException":
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

    return MlflowException(message, error_code=INVALID_PARAMETER_VALUE)


def make_signature(sampler: Sampler) -> "ModelSignature":
    """What MLflow checks of a request, and shows on the model's page."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema, TensorSpec

    if sampler.codes:
        kinds = {name: "long" if isinstance(x, CategoricalCode) else "double" for name, x in sampler.codes.items()}
        columns = [ColSpec(kind, name, required=False) for name, kind in kinds.items()]
    else:
        columns = [ColSpec("string", LABEL) if sampler.classes else ColSpec("long", NUMBER)]
    types = {"seed": "long", "first": "long", "format": "string"}
    return ModelSignature(
        Schema(columns),
        Schema([TensorSpec(np.dtype("uint8"), (-1, *sampler.image_shape))]),
        ParamSchema([ParamSpec(name, types[name], default) for name, default in DEFAULTS.items()]),
    )


def make_example(sampler: Sampler) -> tuple["pd.DataFrame", dict[str, Any]]:
    """A request for three pictures, and its parameters."""
    import pandas as pd

    if sampler.codes:
        kinds = {name: isinstance(x, CategoricalCode) for name, x in sampler.codes.items()}
        columns: dict[str, list[Any]] = {
            name: [0, 1, 1] if whole else [-1.0, 0.0, 1.0] for name, whole in kinds.items()
        }
    elif sampler.classes:
        columns = {LABEL: [sampler.classes[row % len(sampler.classes)] for row in range(3)]}
    else:
        columns = {NUMBER: [0, 1, 2]}
    return pd.DataFrame(columns), dict(DEFAULTS)
