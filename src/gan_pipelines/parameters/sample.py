"""Which pictures are drawn from a trained generator."""

from pathlib import PurePath
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from gan_pipelines.parameters.base import Count, Natural, Number, Schema

MODEL_FILE = "sampled_model"
"""The dataset of a model that is no dataset of the experiment."""
SUFFIX = ".safetensors"


def _list_names(value: Any) -> Any:
    """One name stands for itself, and YAML reads the names 3 and 7 as numbers."""
    names = value if isinstance(value, list | tuple) else [value]
    return [str(name) if isinstance(name, int) and not isinstance(name, bool) else name for name in names]


class SampleParameters(Schema):
    """Pictures of a stack or an InfoGAN.

    Attributes:
        model: a dataset of the experiment, such as `joint_stack`, or the path of a model file.
        count: how many pictures.
        first: the number of the first one; a picture depends on its number, the seed and the model alone.
        classes: names of classes, which pictures have in turn; empty takes all of them.
        codes: values of an InfoGAN's codes, a category by its number; the others are drawn.
        seed: from which noise and codes are drawn.
    """

    model: Annotated[str, Field(min_length=1)] = "joint_stack"
    count: Count = 100
    first: Annotated[Natural, Field(le=10**15)] = 0
    classes: Annotated[tuple[str, ...], BeforeValidator(_list_names)] = ()
    codes: dict[str, Number] = Field(default_factory=dict)
    seed: Natural = 0

    @property
    def file(self) -> str | None:
        """The path of a model file; None for a dataset of the experiment."""
        return self.model if self.model.endswith(SUFFIX) else None

    @property
    def name(self) -> str:
        """What the model is called in figures."""
        return PurePath(self.model).stem if self.file else self.model

    @property
    def dataset(self) -> str:
        """The dataset that holds the model."""
        return MODEL_FILE if self.file else self.model
