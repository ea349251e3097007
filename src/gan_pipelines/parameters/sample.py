"""Which pictures are drawn from a trained generator."""

from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field

from gan_pipelines.parameters.base import Count, Natural, Number
from gan_pipelines.parameters.chosen_model import ChosenModel


def _list_names(value: Any) -> Any:
    """One name stands for itself, and YAML reads the names 3 and 7 as numbers."""
    names = value if isinstance(value, list | tuple) else [value]
    return [str(name) if isinstance(name, int) and not isinstance(name, bool) else name for name in names]


class SampleParameters(ChosenModel):
    """Pictures of a stack or an InfoGAN.

    Attributes:
        count: how many pictures.
        first: the number of the first one; a picture depends on its number, the seed and the model alone.
        classes: names of classes, which pictures have in turn; empty takes all of them.
        codes: values of an InfoGAN's codes, a category by its number; the others are drawn.
        seed: from which noise and codes are drawn.
    """

    file_dataset: ClassVar[str] = "sampled_model"

    count: Count = 100
    first: Annotated[Natural, Field(le=10**15)] = 0
    classes: Annotated[tuple[str, ...], BeforeValidator(_list_names)] = ()
    codes: dict[str, Number] = Field(default_factory=dict)
    seed: Natural = 0
