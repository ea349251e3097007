"""One file format for everything made of tensors: safetensors, with a JSON description and a digest in its header.

A model file holds the weights and the spec to rebuild the module; reading it needs no other file and runs no code
out of it. Files are written whole or not at all, and a file that was cut or altered is refused.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, cast

import torch
from pydantic import Field, TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from gan_pipelines import __version__
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
from gan_pipelines.models.blocks import digest_tensors
from gan_pipelines.parameters import ExperimentError

AnySpec = EncoderSpec | LevelSpec | StackSpec | InfoGANSpec
ModelSpec = Annotated[AnySpec, Field(discriminator="kind")]
Model = Encoder | LevelGAN | StackedGenerator | InfoGAN

_SPECS: TypeAdapter[AnySpec] = TypeAdapter(ModelSpec)


HEADER = "gan_pipelines"
"""Key in the safetensors header under which description, SHA-256 of the tensors, and code version stand as JSON."""


class FileError(ExperimentError):
    """A file that is missing, cut, altered, or not what it should be; the message is one paragraph."""


def write_tensors(path: Path, tensors: Mapping[str, Tensor], description: Mapping[str, Any]) -> None:
    """Write tensors with a JSON description, atomically.

    Args:
        path: the file; its folder is made.
        tensors: what to store.
        description: what they are; must be JSON.
    """
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    # one key, since the order of several in the header is not fixed, and equal models are to be equal files
    described = json.dumps(description)
    header = {"description": described, "sha256": digest_tensors(plain, described), "version": __version__}
    metadata = {HEADER: json.dumps(header)}
    write_whole(path, save(plain, metadata))


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_bytes(content)
    os.replace(partial, path)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read tensors and their description.

    Raises:
        FileError: the file is missing, cut, altered or of another format.
    """
    if not path.is_file():
        raise FileError(f"{path}: there is no such file. Run the pipeline that makes it first.")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no mapping
    except SafetensorError as error:
        raise FileError(f"{path}: is no whole safetensors file ({error}). Make it anew.") from None
    if HEADER not in metadata:
        raise FileError(f"{path}: is a safetensors file without a description, so it is not one of this project's.")
    try:
        header = json.loads(metadata[HEADER])
        described, sha256 = header["description"], header["sha256"]
        description = json.loads(described)
    except (ValueError, KeyError, TypeError):
        raise FileError(f"{path}: its header cannot be read. Make it anew.") from None
    if sha256 != digest_tensors(tensors, described):
        raise FileError(f"{path}: its contents do not have the SHA-256 that was stored with them. Make it anew.")
    return tensors, description


def write_model(path: Path, model: Model) -> None:
    """Write a model with the spec that rebuilds it."""
    write_tensors(path, model.state_dict(), model.spec.model_dump(mode="json"))


def read_model(path: Path) -> Model:
    """Rebuild a model, frozen and in evaluation mode, on the CPU.

    Raises:
        FileError: the file is broken, its spec is unknown, or its tensors do not fit its spec.
    """
    tensors, description = read_tensors(path)
    try:
        spec = _SPECS.validate_python(description)
    except ValidationError as error:
        kinds = "encoder, level, stack and InfoGAN"
        raise FileError(f"{path}: its spec is none of {kinds} ({error.error_count()} fields do not fit).") from None
    with torch.device("meta"):  # shapes alone: no weights are drawn, no random state is touched
        model = _build(spec)
    _require_same_tensors(path, model, tensors)
    model.load_state_dict(tensors, strict=True, assign=True)
    model.requires_grad_(False).eval()
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
    wanted = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in tensors.items()}
    if wanted == found:
        return
    name = next(name for name in sorted({*wanted, *found}) if wanted.get(name) != found.get(name))
    shown = [cast(object, shapes.get(name, "nothing")) for shapes in (found, wanted)]
    raise FileError(f"{path}: its tensors do not fit its spec; {name} is {shown[0]} and the spec asks for {shown[1]}.")
