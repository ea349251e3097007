"""One file format for everything made of tensors: safetensors, with a JSON description and a digest in its header.

Files are written whole or not at all: what lies at a path stays there until its successor is safe on the disk. A
file that was cut or altered is refused.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from gan_pipelines import __version__
from gan_pipelines.parameters import ExperimentError

HEADER = "gan_pipelines"
"""Key in the safetensors header under which description, SHA-256 of the tensors, and code version stand as JSON."""


class FileError(ExperimentError):
    """A file that is missing, cut, altered, not what it should be, or cannot be written; one paragraph."""


def digest_tensors(tensors: Mapping[str, Tensor], description: str) -> str:
    """SHA-256 over names, types, shapes and values, and over a description."""
    digest = hashlib.sha256(description.encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def write_tensors(path: Path, tensors: Mapping[str, Tensor], description: Mapping[str, Any]) -> None:
    """Write tensors with a JSON description, atomically and durably.

    Args:
        path: the file; its folder is made.
        tensors: what to store.
        description: what they are; must be JSON.

    Raises:
        FileError: the file cannot be written; what lay there before is untouched.
    """
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    # one key, since the order of several in the header is not fixed, and equal models are to be equal files
    described = json.dumps(description)
    header = {"description": described, "sha256": digest_tensors(plain, described), "version": __version__}
    with replacing(path) as partial:
        save_file(plain, partial, {HEADER: json.dumps(header)})


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file to fill, which takes the place of `path` when it is whole and on the disk.

    Args:
        path: the file to make or replace; its folder is made.

    Raises:
        FileError: it cannot be written; nothing is left of the attempt, and what lay there before is untouched.
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        _flush(partial)
        os.replace(partial, path)
        _flush(path.parent)
    except (OSError, SafetensorError) as error:
        _discard(partial)
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise FileError(
            f"{path}: cannot be written ({reason}). What lay there before, if anything, is untouched."
        ) from None
    except BaseException:
        _discard(partial)
        raise


def _flush(path: Path) -> None:
    """Bring a file, or the names in a folder, onto the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _discard(partial: Path) -> None:
    try:
        partial.unlink()
    except OSError:  # it was never made, or its folder cannot be written either
        return


def read_description(path: Path) -> dict[str, Any]:
    """What a file says of itself, without its tensors.

    Raises:
        FileError: the file is missing, cut or of another format.
    """
    return _read_header(path)[0]


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read tensors and their description.

    Raises:
        FileError: the file is missing, cut, altered or of another format.
    """
    description, described, sha256 = _read_header(path)
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no mapping
    except (OSError, SafetensorError) as error:
        raise FileError(f"{path}: cannot be read ({error}). Make it anew.") from None
    if sha256 != digest_tensors(tensors, described):
        raise FileError(f"{path}: its contents do not have the SHA-256 that was stored with them. Make it anew.")
    return tensors, description


def _read_header(path: Path) -> tuple[dict[str, Any], str, str]:
    """The description, the text that it was read from, and the digest of tensors and text."""
    if not path.is_file():
        raise FileError(f"{path}: there is no such file. Run the pipeline that makes it first.")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error}). Make it anew.") from None
    except SafetensorError as error:
        raise FileError(f"{path}: is no whole safetensors file ({error}). Make it anew.") from None
    if HEADER not in metadata:
        raise FileError(f"{path}: is a safetensors file without a description, so it is not one of this project's.")
    try:
        header = json.loads(metadata[HEADER])
        described, sha256 = header["description"], header["sha256"]
        return json.loads(described), described, sha256
    except (ValueError, KeyError, TypeError):
        raise FileError(f"{path}: its header cannot be read. Make it anew.") from None
