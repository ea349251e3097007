"""From which weights a training starts."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from gan_pipelines.parameters.base import LONGEST_PATH, Schema

ModelReference = Annotated[str, Field(min_length=1, max_length=LONGEST_PATH)]
"""Names a model: a dataset of the catalog, as `level_fc3` or with a version, `level_fc3:<version>`, or the path of a
file that ends in .safetensors."""


class StartFrom(Schema):
    """A trained model whose weights a training takes over; its optimisers start fresh.

    Attributes:
        model: in the YAML called `from`.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    model: ModelReference = Field(alias="from")


Start = Annotated[Literal["scratch"] | StartFrom, Field(exclude_if=lambda found: found == "scratch")]
"""`scratch` is left out of files and provenances, as in those of earlier versions."""
