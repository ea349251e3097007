"""What every source of images returns, and how it refuses."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.parameters import ExperimentError

SPLITS = ("train", "test")
"""Those that a source may have by itself; validation images are set aside later."""


@dataclass(frozen=True)
class SourceData:
    """Training and test images of a source; the rest is for the data card.

    Attributes:
        train: training images.
        test: test images.
        origin: whose images they are.
        licence: of the images.
        reading: what was left out, changed or taken for granted while reading.
    """

    train: LabelledImages
    test: LabelledImages
    origin: str
    licence: str = "not stated"
    reading: Mapping[str, Any] = field(default_factory=dict)


@contextmanager
def refusing(before: str, after: str = "") -> Iterator[None]:
    """Turn any failure into an ExperimentError, its message between two texts; decoders may raise any exception."""
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise ExperimentError(before + reason + after) from error


def contiguous(array: NDArray[Any]) -> Tensor:
    """An array as a tensor of its own layout."""
    return torch.from_numpy(np.ascontiguousarray(array))
