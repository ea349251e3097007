"""Whether a run fits into the memory of this machine."""

from collections.abc import Sequence
from pathlib import Path

import psutil
import torch

from gan_pipelines.models.memory import Need, greatest_need
from gan_pipelines.parameters import ExperimentError, RunParameters
from gan_pipelines.training.machine import find_device

LARGEST_NEEDS = 3
"""So many are named when memory does not suffice."""


def require_memory(run: RunParameters, needs: Sequence[Need]) -> None:
    """Check that a run fits into the memory of this machine, and its trainings into that of the GPU, if they use one.

    Args:
        run: names the device.
        needs: what the run needs memory for.

    Raises:
        ExperimentError: names the largest needs, and what would make them smaller.
    """
    device = find_device(run.device)
    trainings = [need for need in needs if need.kind == "training"]
    if device.type == "cuda":
        _require_room(trainings, torch.cuda.mem_get_info(device)[0], str(device))
        needs = [need for need in needs if need not in trainings]
    # what this process has already taken is part of what it needs
    _require_room(needs, free_memory() + psutil.Process().memory_info().rss, "this machine")


def _require_room(needs: Sequence[Need], free: int, where: str) -> None:
    greatest = greatest_need(needs)
    if greatest <= free:
        return
    largest = sorted(needs, key=lambda need: -need.size)[:LARGEST_NEEDS]
    found = "; ".join(f"{need.what} {_gibibytes(need.size)} ({need.remedy})" for need in largest)
    raise ExperimentError(
        f"memory: the run needs about {_gibibytes(greatest)}, and {where} has {_gibibytes(free)} for it. The largest "
        f"parts, and what makes them smaller: {found}."
    )


def _gibibytes(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"


def free_memory(groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes that this process may still take: what is free, or what its control group leaves it.

    Args:
        groups: where Linux shows the control groups, as a container sees its own: of version 2, or of version 1.
    """
    free = int(psutil.virtual_memory().available)
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            free = min(free, max(int((groups / limit).read_text()) - int((groups / used).read_text()), 0))
        except (OSError, ValueError):  # no such group, or `max`: no limit
            continue
    return free
