"""A run that does not fit into memory is refused before anything runs."""

import shutil
from pathlib import Path

import psutil
import pytest

from gan_pipelines.hooks.memory import free_memory, require_memory
from gan_pipelines.models.memory import Need, greatest_need
from gan_pipelines.parameters import ExperimentError, RunParameters


def test_a_run_that_does_not_fit_is_refused_with_its_largest_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    needs = [
        Need("run", "always", "images", 2**30, "fewer pictures"),
        Need("sgan", "training", "training of sgan", 3 * 2**30, "smaller batches"),
        Need("infogan", "training", "training of infogan", 2 * 2**30, "narrower layers"),
        Need("sgan", "always", "representations", 2**20, "smaller blocks"),
    ]
    assert greatest_need(needs) == 4 * 2**30 + 2**20  # the trainings follow each other
    taken = psutil.Process().memory_info().rss

    def leave(free: int) -> None:
        monkeypatch.setattr("gan_pipelines.hooks.memory.free_memory", lambda: max(free - taken, 0))

    leave(4 * 2**30 + 2**29)
    require_memory(RunParameters(device="cpu"), needs)
    leave(4 * 2**30 - 2**29)
    with pytest.raises(ExperimentError) as caught:
        require_memory(RunParameters(device="cpu"), needs)
    message = str(caught.value)
    assert message.startswith("memory: the run needs about 4.0 GiB, and this machine has 3.")
    parts = ["training of sgan 3.0 GiB (smaller batches)", "training of infogan 2.0 GiB (narrower layers)"]
    assert "; ".join([*parts, "images 1.0 GiB (fewer pictures)."]) in message
    assert "representations" not in message


@pytest.mark.parametrize("files", [("memory.max", "memory.current"), ("limit_in_bytes", "usage_in_bytes")])
def test_the_limit_of_a_control_group_is_all_that_a_run_may_take(tmp_path: Path, files: tuple[str, str]) -> None:
    assert free_memory(tmp_path) > 2**20
    for name, size in zip(files, (3 * 2**10, 2**10), strict=True):
        file = tmp_path / name if name.startswith("memory.") else tmp_path / "memory" / f"memory.{name}"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"{size}\n")
    assert free_memory(tmp_path) == 2 * 2**10
    (tmp_path / "memory.max").write_text("max\n")
    shutil.rmtree(tmp_path / "memory", ignore_errors=True)
    assert free_memory(tmp_path) > 2**20
