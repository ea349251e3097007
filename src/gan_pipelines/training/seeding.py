"""Randomness by stage: a stage's draws depend on the experiment's seed and the stage's name, on nothing else."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from gan_pipelines.parameters import ExperimentError, RunParameters

_GLOBAL_STATE = threading.RLock()


@dataclass(frozen=True)
class Stage:
    """Where a stage runs and what it draws from.

    Attributes:
        name: the stage's name, such as `encoder` or `pixels`.
        device: where its tensors live.
        rng: CPU generator for batches and noise, the same draws on every device.
    """

    name: str
    device: torch.device
    rng: torch.Generator


def stage_seed(seed: int, name: str) -> int:
    """A 63-bit seed out of the experiment's seed and a name."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8]) >> 1


@contextmanager
def seeded_stage(run: RunParameters, name: str) -> Iterator[Stage]:
    """Run a stage on its own random streams, leaving torch's global state and thread count as they were.

    The global state is seeded too, since initialisation and dropout draw from it, with a seed of its own. There is
    one such state in a process, so stages that run in threads wait for each other.
    """
    device = find_device(run.device)
    with _GLOBAL_STATE, torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        threads = torch.get_num_threads()
        torch.set_num_threads(run.threads or threads)
        try:
            torch.manual_seed(stage_seed(run.seed, f"{name}/weights"))
            yield Stage(name, device, torch.Generator().manual_seed(stage_seed(run.seed, name)))
        finally:
            torch.set_num_threads(threads)


def find_device(name: str) -> torch.device:
    """The device of that name.

    Raises:
        ExperimentError: this machine has no such device.
    """
    device = torch.device(name)
    found = {
        "cpu": 1,
        "cuda": torch.cuda.device_count() if device.type == "cuda" else 0,
        "mps": int(device.type == "mps" and torch.backends.mps.is_available()),
    }
    if (device.index or 0) >= found[device.type]:
        raise ExperimentError(
            f"run.device: {name!r} is not there; this machine has cpu and {torch.cuda.device_count()} CUDA devices. "
            f"Allowed are cpu, cuda, cuda:<index> and mps, as far as they exist."
        )
    return device
