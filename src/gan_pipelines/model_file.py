"""Model files: weights, the spec that rebuilds the module, and the provenance of the weights.

Reading one needs no other file and executes no code from it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from pydantic import Field, TypeAdapter, ValidationError
from torch import Tensor, nn

from gan_pipelines.models import (
    Encoder,
    EncoderSpec,
    InfoGAN,
    InfoGANSpec,
    LevelGAN,
    LevelSpec,
    StackedGenerator,
    StackSpec,
)
from gan_pipelines.parameters.base import shortened
from gan_pipelines.tensor_file import FileError, read_tensors, write_tensors
from gan_pipelines.versioned import VERSION

AnySpec = EncoderSpec | LevelSpec | StackSpec | InfoGANSpec
ModelSpec = Annotated[AnySpec, Field(discriminator="kind")]
Model = Encoder | LevelGAN | StackedGenerator | InfoGAN

_SPECS: TypeAdapter[AnySpec] = TypeAdapter(ModelSpec)


def write_model(path: Path, model: Model) -> None:
    """Write a model with the spec that rebuilds it."""
    write_tensors(path, model.state_dict(), model.spec.model_dump(mode="json"))


def read_model(path: Path) -> Model:
    """Rebuild a model, frozen and in evaluation mode, on the CPU.

    Raises:
        FileError: the file is broken, its spec is unknown, or its tensors do not match its spec.
    """
    tensors, description = read_tensors(path)
    try:
        spec = _SPECS.validate_python(description)
    except ValidationError as error:
        kinds = "encoder, level, stack or InfoGAN"
        raise FileError(f"{path}: its spec is no {kinds} ({error.error_count()} invalid fields).") from None
    with torch.device("meta"):  # shapes only: no weights are drawn, no random state is changed
        model = _build(spec)
    _require_same_tensors(path, model, tensors)
    model.load_state_dict(tensors, strict=True, assign=True)
    model.requires_grad_(False).eval()
    return model


def read_generator(path: str | Path) -> StackedGenerator | InfoGAN:
    """Rebuild a stack or an InfoGAN.

    Args:
        path: a model file, or the folder of its versions, of which the newest is taken.

    Raises:
        FileError: there is no such file, it is broken, or it holds no generator.
    """
    file = Path(path)
    if file.is_dir():
        versions = sorted(found for found in file.glob(f"*/{file.name}") if VERSION.fullmatch(found.parent.name))
        if not versions:
            raise FileError(f"{file}: there is no version of a model in this folder.")
        file = versions[-1]
    return require_generator(read_model(file), str(file))


def require_generator(model: Model, where: str) -> StackedGenerator | InfoGAN:
    """A model that makes pictures.

    Args:
        model: any.
        where: its file, or the field that names it.

    Raises:
        FileError: it is an encoder or a single level.
    """
    if not isinstance(model, StackedGenerator | InfoGAN):
        raise FileError(f"{where}: must be a stack or an InfoGAN; found the kind {model.spec.kind}.")
    return model


def _build(spec: AnySpec) -> Model:
    match spec:
        case EncoderSpec():
            return Encoder(spec)
        case LevelSpec():
            return LevelGAN(spec)
        case StackSpec():
            return StackedGenerator(spec)
        case InfoGANSpec():
            return InfoGAN(spec)


def _require_same_tensors(path: Path, model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    wanted, found = (
        {name: f"{value.dtype} of shape {tuple(value.shape)}".removeprefix("torch.") for name, value in state.items()}
        for state in (model.state_dict(), tensors)
    )
    if wanted == found:
        for name, value in tensors.items():
            if not np.isfinite(value.numpy()).all():  # not torch: its threads must not start before a runner forks
                raise FileError(f"{path}: {name} has values that are not finite. Create it again.")
        return
    name = next(name for name in sorted({*wanted, *found}) if wanted.get(name) != found.get(name))
    shown = [described.get(name, "nothing") for described in (found, wanted)]
    raise FileError(
        f"{path}: its tensors do not match its spec; {shortened(name)} is {shown[0]}, but the spec requires {shown[1]}."
    )
