"""The file format of everything made of tensors: safetensors with a JSON description and a digest in its header.

Files are written atomically: the old file stays in place until the new one is safely on the disk. Truncated or altered
files are refused.
"""

import hashlib
import json
import os
import stat
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from gan_pipelines.parameters import ExperimentError, Schema
from gan_pipelines.parameters.base import explain, in_short, shortened
from gan_pipelines.version import __version__

Description = TypeVar("Description", bound=Schema)

HEADER = "gan_pipelines"
"""Key in the safetensors header; its value is JSON with description, SHA-256 and version of this package."""


class FileError(ExperimentError):
    """A file is missing, truncated, altered, of the wrong kind, or cannot be written; the message is one paragraph."""


def digest_tensors(tensors: Mapping[str, Tensor], description: str) -> str:
    """SHA-256 over a description and the names, types, shapes and values of tensors."""
    digest = hashlib.sha256(description.encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def write_tensors(path: Path, tensors: Mapping[str, Tensor], description: Mapping[str, Any]) -> None:
    """Write tensors with a JSON description, atomically and durably.

    Args:
        path: the file; its folder is created.
        tensors: the tensors by name.
        description: what they are; must be JSON.

    Raises:
        FileError: the file cannot be written; an existing file is untouched.
    """
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    # a single key: the order of several keys is not fixed, and equal models should give equal files
    described = json.dumps(description)
    header = {"description": described, "sha256": digest_tensors(plain, described), "version": __version__}
    with replacing(path) as partial:
        save_file(plain, partial, {HEADER: json.dumps(header)})


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a temporary file that replaces `path` once it is complete and on the disk.

    The finished file has the permissions of any new file, whatever its writer set.

    Args:
        path: the file to create or replace; its folder is created.

    Yields:
        The path of the temporary file.

    Raises:
        FileError: the file cannot be written; the temporary file is removed and an existing file is untouched.
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.unlink(missing_ok=True)  # left by a process that was killed
        partial.touch()
        permissions = stat.S_IMODE(partial.stat().st_mode)
        yield partial
        partial.chmod(permissions)  # safetensors makes its files private
        sync(partial)
        os.replace(partial, path)
        sync(path.parent)
    except (OSError, SafetensorError) as error:
        _discard(partial)
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise FileError(
            f"{path}: cannot be written ({reason}). The existing file, if there is one, is untouched."
        ) from None
    except BaseException:
        _discard(partial)
        raise


def sync(path: Path) -> None:
    """Flush a file, or a folder's entries, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _discard(partial: Path) -> None:
    try:
        partial.unlink()
    except OSError:  # it was never created, or its folder cannot be written either
        return


def read_description(path: Path) -> dict[str, Any]:
    """Read the description of a file without its tensors.

    Raises:
        FileError: the file is missing, truncated or of another format.
    """
    return _read_header(path)[0]


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read tensors and their description.

    Raises:
        FileError: the file is missing, truncated, altered or of another format.
    """
    description, described, sha256 = _read_header(path)
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
    except (OSError, SafetensorError) as error:
        raise FileError(f"{path}: cannot be read ({in_short(error)}). Create it again.") from None
    if sha256 != digest_tensors(tensors, described):
        raise FileError(f"{path}: its contents do not match the stored SHA-256. Create it again.")
    return tensors, description


def read_described(path: Path, schema: type[Description]) -> tuple[dict[str, Tensor], Description]:
    """Tensors, and their description as its schema has it.

    Raises:
        FileError: the file is broken, or its description is of another form.
    """
    tensors, description = read_tensors(path)
    try:
        return tensors, schema.model_validate(description)
    except ValidationError as error:
        problem = explain(error, description).removeprefix("Invalid parameters: ")
        raise FileError(f"{path}: its description is none of this kind of file; {problem}") from None


def require_tensors(path: Path, tensors: Mapping[str, Tensor], names: Collection[str]) -> None:
    """Check that a file has these tensors and no others.

    Raises:
        FileError: one is missing, or is of another name.
    """
    if set(tensors) != set(names):
        lacking, strange = (
            sorted(map(shortened, found)) for found in (set(names) - set(tensors), set(tensors) - set(names))
        )
        raise FileError(
            f"{path}: its tensors are not those of this kind of file; lacking: {lacking}, unknown: {strange}."
        )


def require_rows(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Check that tensors have a row per picture: a whole number each for classes, else real numbers.

    Raises:
        FileError: one has other rows, or another number of them than the first.
    """
    counts = [len(tensor) if tensor.ndim else 0 for tensor in tensors.values()]
    for (name, tensor), count in zip(tensors.items(), counts, strict=True):
        is_class = name.endswith(("labels", "second_opinion"))
        fits = tensor.dtype == torch.int64 if is_class else tensor.is_floating_point()
        if not fits or tensor.ndim != (1 if is_class else 2) or count != counts[0]:
            raise FileError(
                f"{path}: {name} must have {counts[0]} rows, {'one class each' if is_class else 'of real numbers'}; "
                f"found {tensor.dtype} of shape {tuple(tensor.shape)}."
            )


def _read_header(path: Path) -> tuple[dict[str, Any], str, str]:
    """The description, its original text, and the stored digest of text and tensors."""
    try:
        if not path.is_file():
            raise FileError(f"{path}: the file does not exist. Run the pipeline that creates it first.")
        path.open("rb").close()  # safetensors takes what it may not open for what is not there
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except OSError as error:
        reason = error.strerror or in_short(error)
        raise FileError(f"{path}: cannot be read ({reason}). Allow this user to read it, or create it again.") from None
    except SafetensorError as error:
        raise FileError(f"{path}: is not a complete safetensors file ({in_short(error)}). Create it again.") from None
    if HEADER not in metadata:
        raise FileError(f"{path}: is a safetensors file without this project's description.")
    try:
        header = json.loads(metadata[HEADER])
        described, sha256 = header["description"], header["sha256"]
        return json.loads(described), described, sha256
    except (ValueError, KeyError, TypeError):
        raise FileError(f"{path}: its header cannot be read. Create it again.") from None
