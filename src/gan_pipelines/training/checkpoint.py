"""Checkpoints of a training: where they lie, whose they are, when they are due, and what a broken one does.

    <folder>/<stage>/<slot>.lock                     held by the training that writes into the slot
    <folder>/<stage>/<slot>/<provenance>/step_*      the two newest checkpoints of one training, and whose they are

In a branch's folder below it the same holds again, so that many trainings of one stage do not crowd each other out.
A checkpoint belongs to one provenance: configuration, data, code, device. A training takes the slot in which its own
checkpoints lie, or else the first that no other training holds, so two that run at once never share one.
"""

import logging
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from torch import Tensor

from gan_pipelines.models.provenance import Provenance
from gan_pipelines.parameters import CheckpointParameters
from gan_pipelines.parameters.base import flatten
from gan_pipelines.tensor_file import FileError, read_description, read_tensors, write_tensors

logger = logging.getLogger(__name__)

KEPT_CHECKPOINTS = 2
"""Of one training: the newest, and the one before, should the newest turn out to be broken."""
OWNER = "version"
"""File beside the checkpoints of a training: the version of the run that writes or went on from them last."""
KEPT_TRAININGS = 3
"""Interrupted trainings in a slot; older ones are removed."""


@dataclass(frozen=True)
class Checkpoint:
    """A training as it stood after a step.

    Attributes:
        step: after which it was taken.
        version: of the run that wrote it.
        tensors: state of players, random streams, batches, sums.
        values: the rest of its state, which is JSON.
    """

    step: int
    version: str
    tensors: Mapping[str, Tensor]
    values: Mapping[str, Any]


@dataclass(frozen=True)
class CheckpointFolder:
    """Where all checkpoints of an experiment lie.

    Attributes:
        path: the folder.
        version: of the run that writes now.
    """

    path: Path
    version: str = ""

    @contextmanager
    def open(self, provenance: Provenance, every: CheckpointParameters) -> "Iterator[StageCheckpoints]":
        """Hold a slot for one training.

        Args:
            provenance: whose checkpoints may be taken up.
            every: when one is due.

        Raises:
            FileError: the folder cannot be written.
        """
        stage, key = self.path / provenance.stage, provenance.digest()[:16]
        try:
            stage.mkdir(parents=True, exist_ok=True)
            lock, slot = _take_slot(stage, key)
        except OSError as error:
            raise _refuse(stage, error) from None
        try:
            _explain_others(slot, key, provenance)
            _remove_old_trainings(slot, key)
            opened = StageCheckpoints(slot / key, provenance, self.version, every)
        except OSError as error:
            lock.release()
            raise _refuse(stage, error) from None
        try:
            yield opened
        finally:
            lock.release()

    def branch(self, name: str) -> "CheckpointFolder":
        """A folder below, for trainings whose stages bear the same names as others'."""
        return replace(self, path=self.path / name)

    def clear(self) -> None:
        """Remove what the trainings of this version wrote; called when the whole run has come to a good end."""
        for slot in self.path.rglob("*.lock"):
            lock = FileLock(slot)
            try:
                lock.acquire(timeout=0)
            except Timeout:  # a later training holds the slot; what is left there is removed as an old one some day
                continue
            try:
                for owner in slot.with_suffix("").glob(f"*/{OWNER}"):
                    if owner.read_text() == self.version:
                        shutil.rmtree(owner.parent)
            finally:
                lock.release()


def _refuse(stage: Path, error: OSError) -> FileError:
    reason = error.strerror or error
    return FileError(f"{stage}: cannot be written ({reason}), and checkpoints belong there. Nothing was trained.")


def _take_slot(stage: Path, key: str) -> tuple[FileLock, Path]:
    """The slot with this training's newest checkpoint if it is free, else the first free one; slots have no end."""
    known = sorted(stage.glob(f"*/{key}"), key=lambda folder: (-_newest_step(folder), int(folder.parent.name)))
    names = [folder.parent.name for folder in known]
    number = 0
    while True:
        name = names.pop(0) if names else str(number)
        number += not names
        lock = FileLock(stage / f"{name}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        return lock, stage / name


def _explain_others(slot: Path, key: str, provenance: Provenance) -> None:
    """Say why checkpoints that lie there are not taken up, where there are none of this training's own."""
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
        "%s: starts anew; the checkpoints that lie there are of another training (%s%s)",
        provenance.stage,
        shown,
        f"; and {len(changed) - 3} more" if len(changed) > 3 else "",
    )


def _remove_old_trainings(slot: Path, key: str) -> None:
    others = [folder for folder in _trainings(slot) if folder.name != key]
    empty = [folder for folder in others if not _newest_first(folder)]  # broken off before their first checkpoint
    old = [folder for folder in others if folder not in empty][KEPT_TRAININGS - 1 :]
    for folder in old:
        logger.info("%s: the oldest interrupted training is removed", folder)
    for folder in [*empty, *old]:
        shutil.rmtree(folder)


def _trainings(slot: Path) -> list[Path]:
    """Folders of trainings in a slot, the newest first."""
    return sorted(slot.glob("*"), key=lambda folder: folder.stat().st_mtime_ns, reverse=True)


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("step_*.safetensors"), reverse=True)


def _newest_step(folder: Path) -> int:
    return max((int(file.stem.removeprefix("step_")) for file in _newest_first(folder)), default=0)


class StageCheckpoints:
    """The checkpoints of one training, under its lock.

    Args:
        folder: where they lie.
        provenance: what decides this training.
        version: of the run that writes now.
        every: when one is due.
    """

    def __init__(self, folder: Path, provenance: Provenance, version: str, every: CheckpointParameters) -> None:
        self._folder, self._provenance, self._version, self._every = folder, provenance, version, every
        self._written = time.monotonic()
        for partial in folder.glob("*.partial"):  # its writer was killed
            partial.unlink()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / OWNER).write_text(version)

    def newest(self) -> Checkpoint | None:
        """The newest checkpoint that is whole; broken ones are named in the log and removed."""
        for file in _newest_first(self._folder):
            try:
                tensors, description = read_tensors(file)
                step, version, values = (description[name] for name in ("step", "version", "values"))
            except (FileError, KeyError, TypeError) as error:
                logger.warning("%s: a broken checkpoint is passed over. %s", self._provenance.stage, error)
                file.unlink()
                continue
            return Checkpoint(step, version, tensors, values)
        return None

    def is_due(self, step: int) -> bool:
        """Whether a checkpoint should be written after this step."""
        by_count = self._every.every_steps is not None and step % self._every.every_steps == 0
        seconds = self._every.every_seconds
        return by_count or (seconds is not None and time.monotonic() - self._written >= seconds)

    def write(self, step: int, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
        """Write one, durably, then remove all but the newest two; where that fails, say so and let the training go on.

        Args:
            step: after which the state was taken.
            tensors: state of players, random streams, batches, sums.
            values: the rest of it; must be JSON.
        """
        provenance = self._provenance.model_dump(mode="json")
        described = {"provenance": provenance, "version": self._version, "step": step, "values": values}
        try:
            write_tensors(self._folder / f"step_{step:09d}.safetensors", tensors, described)
            for file in _newest_first(self._folder)[KEPT_CHECKPOINTS:]:
                file.unlink()
        except (FileError, OSError) as error:
            stage = self._provenance.stage
            logger.warning("%s: no checkpoint of step %d, and the training goes on. %s", stage, step, error)
        self._written = time.monotonic()

    def describe_last(self) -> str:
        """One sentence on what lies there."""
        files = _newest_first(self._folder)
        return f"The last good checkpoint is {files[0]}." if files else "There is no checkpoint yet."
