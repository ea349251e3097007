"""What is published of a trained generator."""

from typing import Annotated, ClassVar

from pydantic import Field

from gan_pipelines.parameters.chosen_model import ChosenModel


class ExportParameters(ChosenModel):
    """A folder as the Hugging Face hub expects it.

    Attributes:
        license: of the weights, as the hub spells it, such as `mit` or `cc-by-sa-3.0`; who publishes them chooses it.
        onnx: whether the program is written as `model.onnx` too.
    """

    file_dataset: ClassVar[str] = "exported_model"

    license: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.+-]{0,99}$")] = "unknown"
    onnx: bool = False
