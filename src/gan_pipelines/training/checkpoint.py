"""Checkpoints: where they are stored, which training they belong to, and when they are due.

    <folder>/<stage>/<slot>.lock                     held by the training that uses the slot
    <folder>/<stage>/<slot>/<provenance>/step_*      the two newest checkpoints of one training

A checkpoint belongs to one provenance: configuration, data, code, device. A training takes the slot that holds its own
checkpoints, or else the first free one, so trainings that run at the same time never share a slot. What else lies in
the folder is passed over; a broken checkpoint is removed with a warning.
"""

import logging
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pydantic import ValidationError
from torch import Tensor

from gan_pipelines.models.provenance import Provenance
from gan_pipelines.parameters import CheckpointParameters
from gan_pipelines.parameters.base import Count, Schema, flatten
from gan_pipelines.tensor_file import FileError, read_description, read_tensors, replacing, write_tensors

logger = logging.getLogger(__name__)

KEPT_CHECKPOINTS = 2
"""Per training: the newest one, and its predecessor in case the newest is broken."""
OWNER = "version"
"""File beside the checkpoints of a training: the version of the last run that wrote or resumed them."""
KEY_LETTERS = 16
"""So many letters of its digest name the folder of a training."""
KEPT_TRAININGS = 3
"""Interrupted trainings per slot; older ones are removed."""
SLOT, STEP = re.compile(r"[0-9]{1,9}", re.ASCII), re.compile(r"step_[0-9]{9,}\.safetensors", re.ASCII)


class Described(Schema):
    """The description of a checkpoint's file."""

    provenance: dict[str, Any]
    version: str
    step: Count
    values: dict[str, Any]


@dataclass(frozen=True)
class Checkpoint:
    """The state of a training after a step.

    Attributes:
        step: the last completed step.
        version: version of the run that wrote it.
        tensors: state of players, random streams, batches and sums.
        values: the rest of the state, as JSON.
        file: where it was read from.
    """

    step: int
    version: str
    tensors: Mapping[str, Tensor]
    values: Mapping[str, Any]
    file: Path


@dataclass(frozen=True)
class CheckpointFolder:
    """The folder of checkpoints of one or more stages.

    Attributes:
        path: the folder.
        version: version of the current run.
    """

    path: Path
    version: str = ""

    @contextmanager
    def open(self, provenance: Provenance, every: CheckpointParameters) -> "Iterator[StageCheckpoints]":
        """Reserve a slot for one training.

        Args:
            provenance: identifies the checkpoints that may be resumed.
            every: when a checkpoint is due.

        Raises:
            FileError: the folder cannot be written.
        """
        stage, key = self.path / provenance.stage, provenance.digest()[:KEY_LETTERS]
        try:
            _require_no_links(self.path, stage)
            stage.mkdir(parents=True, exist_ok=True)
            lock, slot = _take_slot(stage, key)
        except OSError as error:
            raise _not_writable(stage, error) from None
        try:
            _require_no_links(slot, slot / key)
            _explain_others(slot, key, provenance)
            _remove_old_trainings(slot, key)
            opened = StageCheckpoints(slot / key, provenance, self.version, every)
        except (OSError, FileError) as error:
            lock.release()
            raise error if isinstance(error, FileError) else _not_writable(stage, error) from None
        try:
            yield opened
        finally:
            lock.release()

    def holds(self, provenance: Provenance) -> bool:
        """Whether there are checkpoints of a training: the run that it belongs to has not come to its end."""
        return any(_newest_first(folder) for folder in self.path.rglob(provenance.digest()[:KEY_LETTERS]))

    def clear(self) -> None:
        """Remove the checkpoints of this version's trainings; called when the whole run has succeeded."""
        for slot in self.path.rglob("*.lock"):
            lock = FileLock(slot)
            try:
                lock.acquire(timeout=0)
            # a later training holds the slot and will remove old checkpoints itself, or it is no slot of this user
            except (Timeout, OSError):
                continue
            try:
                for owner in slot.with_suffix("").glob(f"*/{OWNER}"):
                    if owner.is_file() and owner.read_bytes() == self.version.encode():
                        shutil.rmtree(owner.parent)
            except OSError as error:
                logger.warning("%s: some of its checkpoints stay (%s)", slot.with_suffix(""), error)
            finally:
                lock.release()


def _require_no_links(*folders: Path) -> None:
    """Refuse symbolic links: a training would write, and remove, what lies behind them."""
    for folder in folders:
        if folder.is_symlink():
            raise FileError(
                f"{folder}: is a symbolic link, and checkpoints are not written through one. Remove the link. Nothing "
                f"was trained."
            )


def _not_writable(stage: Path, error: OSError) -> FileError:
    place, reason = error.filename or stage, error.strerror or error
    return FileError(
        f"{stage}: cannot be written ({place}: {reason}), so no checkpoints can be kept. Nothing was trained."
    )


def _take_slot(stage: Path, key: str) -> tuple[FileLock, Path]:
    """The free slot with the newest checkpoint of this training, or else the first free one."""
    own = [folder for folder in stage.glob(f"*/{key}") if SLOT.fullmatch(folder.parent.name)]
    own.sort(key=lambda folder: (-_newest_step(folder), int(folder.parent.name)))
    names = [folder.parent.name for folder in own]
    number = 0
    while True:
        name = names.pop(0) if names else str(number)
        number += not names
        lock = FileLock(stage / f"{name}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        except IsADirectoryError:
            logger.warning("%s: a folder is where a lock should be; the slot is passed over.", stage / f"{name}.lock")
            continue
        return lock, stage / name


def _explain_others(slot: Path, key: str, provenance: Provenance) -> None:
    """Log why existing checkpoints are not resumed, if this training has none of its own."""
    others = [file for folder in _trainings(slot) for file in _newest_first(folder)[:1]]
    if not others or (slot / key).is_dir():
        return
    try:
        theirs = dict(flatten(read_description(others[0])["provenance"]))
    except (FileError, KeyError, TypeError):
        return
    ours = dict(flatten(provenance.model_dump(mode="json")))
    changed = [name for name in {**theirs, **ours} if theirs.get(name) != ours.get(name)]
    shown = "; ".join(f"{name} was {theirs.get(name, 'absent')}, is {ours.get(name, 'absent')}" for name in changed[:3])
    logger.info(
        "%s: starts from scratch; the existing checkpoints belong to another training (%s%s)",
        provenance.stage,
        shown,
        f"; and {len(changed) - 3} more" if len(changed) > 3 else "",
    )


def _remove_old_trainings(slot: Path, key: str) -> None:
    others = [folder for folder in _trainings(slot) if folder.name != key]
    empty = [folder for folder in others if not _newest_first(folder)]  # interrupted before their first checkpoint
    old = [folder for folder in others if folder not in empty][KEPT_TRAININGS - 1 :]
    for folder in old:
        logger.info("%s: removed as the oldest interrupted training", folder)
    for folder in [*empty, *old]:
        shutil.rmtree(folder)


def _trainings(slot: Path) -> list[Path]:
    """Folders of the trainings in a slot, newest first."""
    found = [path for path in slot.glob("*") if path.is_dir() and not path.is_symlink()]
    return sorted(found, key=lambda folder: folder.stat().st_mtime_ns, reverse=True)


def _newest_first(folder: Path) -> list[Path]:
    found = [file for file in folder.glob("step_*") if STEP.fullmatch(file.name) and file.is_file()]
    return sorted(found, key=_step_of, reverse=True)


def _step_of(file: Path) -> int:
    return int(file.stem.removeprefix("step_"))


def _newest_step(folder: Path) -> int:
    return max((_step_of(file) for file in _newest_first(folder)), default=0)


class StageCheckpoints:
    """The checkpoints of one training, protected by its lock.

    Args:
        folder: where they are stored.
        provenance: what decides this training's result.
        version: version of the current run.
        every: when a checkpoint is due.
    """

    def __init__(self, folder: Path, provenance: Provenance, version: str, every: CheckpointParameters) -> None:
        self._folder, self._provenance, self._version, self._every = folder, provenance, version, every
        self._written = time.monotonic()
        for partial in folder.glob("*.partial"):  # its writer was killed
            partial.unlink()
        with replacing(folder / OWNER) as partial:
            partial.write_text(version)

    def newest(self) -> Checkpoint | None:
        """The newest intact checkpoint; broken ones are logged and removed."""
        for file in _newest_first(self._folder):
            try:
                tensors, description = read_tensors(file)
                described = Described.model_validate(description, strict=True)
            except FileError as error:
                self.skip(file, str(error))
                continue
            except ValidationError as error:
                self.skip(file, f"{file}: {error.errors()[0]['loc']}: {error.errors()[0]['msg']}.")
                continue
            return Checkpoint(described.step, described.version, tensors, described.values, file)
        return None

    def skip(self, file: Path, reason: str) -> None:
        """Log that a checkpoint cannot be used, and remove it."""
        logger.warning("%s: a broken checkpoint is skipped. %s", self._provenance.stage, reason)
        with suppress(OSError):  # it may be a folder
            file.unlink()

    def is_due(self, step: int) -> bool:
        """Whether a checkpoint should be written after this step."""
        by_count = self._every.every_steps is not None and step % self._every.every_steps == 0
        seconds = self._every.every_seconds
        return by_count or (seconds is not None and time.monotonic() - self._written >= seconds)

    def write(self, step: int, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
        """Write a checkpoint durably and remove all but the newest two; a failure is logged and the training continues.

        Args:
            step: the last completed step.
            tensors: state of players, random streams, batches and sums.
            values: the rest of the state; must be JSON.
        """
        provenance = self._provenance.model_dump(mode="json")
        described = {"provenance": provenance, "version": self._version, "step": step, "values": values}
        try:
            write_tensors(self._folder / f"step_{step:09d}.safetensors", tensors, described)
            for file in _newest_first(self._folder)[KEPT_CHECKPOINTS:]:
                file.unlink()
        except (FileError, OSError) as error:
            stage = self._provenance.stage
            logger.warning("%s: the checkpoint of step %d failed; the training continues. %s", stage, step, error)
        self._written = time.monotonic()

    def describe_newest(self) -> str:
        """One sentence about the newest checkpoint."""
        files = _newest_first(self._folder)
        return f"The last good checkpoint is {files[0]}." if files else "There is no checkpoint yet."
