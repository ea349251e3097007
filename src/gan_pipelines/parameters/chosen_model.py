"""How a trained generator is named: by a dataset of the experiment, or by a model file.

A model that a training starts from (`start.py`) may be an older version of what the run makes, so it is a dataset
beside the graph, and its version is part of its name. This one is in the graph under its own name: its scores and its
data come with it, and `--load-versions` chooses the version of each.
"""

from pathlib import PurePath
from typing import Annotated, ClassVar

from pydantic import Field

from gan_pipelines.parameters.base import Schema

SUFFIX = ".safetensors"


class ChosenModel(Schema):
    """A stack or an InfoGAN.

    Attributes:
        model: a dataset of the experiment, such as `joint_stack`, or the path of a model file.
    """

    file_dataset: ClassVar[str]
    """The dataset of a model that is no dataset of the experiment."""

    model: Annotated[str, Field(min_length=1)] = "joint_stack"

    @property
    def file(self) -> str | None:
        """The path of a model file; None for a dataset of the experiment."""
        return self.model if self.model.endswith(SUFFIX) else None

    @property
    def name(self) -> str:
        """What the model is called in figures and texts."""
        return PurePath(self.model).stem if self.file else self.model

    @property
    def dataset(self) -> str:
        """The dataset that holds the model."""
        return self.file_dataset if self.file else self.model
