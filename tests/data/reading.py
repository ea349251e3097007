"""Read a source as an experiment does, and take down how it is refused."""

from pathlib import Path

import pandas as pd
import pytest
import torch

from gan_pipelines.data.source import SourceData
from gan_pipelines.data.sources import read_source
from gan_pipelines.parameters import ExperimentError, Source


def read(source: Source, project: Path, seed: int = 0, table: pd.DataFrame | None = None) -> SourceData:
    return read_source(source, project, torch.Generator().manual_seed(seed), table)


def refusal(source: Source, project: Path, table: pd.DataFrame | None = None, start: str = "data.source.") -> str:
    """The error message of a source: always one paragraph that names a field of the YAML."""
    with pytest.raises(ExperimentError) as error:
        read(source, project, table=table)
    message = str(error.value)
    assert message.startswith(start)
    assert "\n" not in message
    return message
