"""Checkpoints: which training they belong to, how many are kept, slots, broken files and full disks."""

import logging
import multiprocessing
import os
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from gan_pipelines.models.provenance import Provenance
from gan_pipelines.parameters import CheckpointParameters
from gan_pipelines.tensor_file import FileError
from gan_pipelines.training import checkpoint
from gan_pipelines.training.checkpoint import OWNER, Checkpoint, CheckpointFolder
from tests.conftest import PROVENANCE
from tests.pipelines.rights import plain_user

NEVER = CheckpointParameters(every_seconds=None, every_steps=None)
CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "parameters": (
        {"parameters": {"training": {"steps": 12, "learning_rate": 0.002}}},
        "parameters.training.learning_rate was 0.001, is 0.002",
    ),
    "a parameter more": (
        {"parameters": {"training": {"steps": 12, "learning_rate": 0.001, "more": None}}},
        "parameters.training.more was absent, is null",
    ),
    "data": ({"inputs": {"images": "xyz", "encoder": "def"}}, "inputs.images was abc, is xyz"),
    "seed": ({"seed": 2}, "seed was 1, is 2"),
    "code": ({"code": "0.1.0+xyz"}, "code was 0.1.0+abc, is 0.1.0+xyz"),
    "torch": ({"torch": "2.1"}, "torch was 2.0, is 2.1"),
    "device": ({"device": "cpu (AVX512)"}, "device was cpu (AVX2), is cpu (AVX512)"),
    "threads": ({"threads": 3}, "threads was 2, is 3"),
    "workers": ({"workers": 2}, "workers was 1, is 2"),
    "precision": ({"precision": "bfloat16"}, "precision was float32, is bfloat16"),
    "compile": ({"compile": "default"}, "compile was off, is default"),
    "deterministic": ({"deterministic": True}, "deterministic was false, is true"),
    "start": (
        {"initial": {"initial": PROVENANCE}},
        "initial.initial.stage was absent, is pixels; initial.initial.parameters.training.steps was absent, is 12; "
        "initial.initial.parameters.training.learning_rate was absent, is 0.001; and 11 more",
    ),
}


def tensors(value: float) -> dict[str, Tensor]:
    return {"weights": torch.full((3, 4), float(value)), "random": torch.arange(5, dtype=torch.uint8)}


def other(**changed: Any) -> Provenance:
    return PROVENANCE.model_copy(update=changed)


@pytest.fixture
def folder(tmp_path: Path) -> CheckpointFolder:
    return CheckpointFolder(tmp_path / "checkpoints", "first")


def leave(folder: CheckpointFolder, provenance: Provenance, *steps: int) -> None:
    """Write what an interrupted training leaves behind."""
    with folder.open(provenance, NEVER) as opened:
        for step in steps:
            opened.write(step, tensors(step), {"step": step})


def newest(folder: CheckpointFolder, provenance: Provenance = PROVENANCE) -> Checkpoint | None:
    with folder.open(provenance, NEVER) as opened:
        return opened.newest()


def files(folder: CheckpointFolder) -> list[str]:
    """All files except locks and owners."""
    found = [path for path in folder.path.rglob("*") if path.is_file() and path.suffix and path.suffix != ".lock"]
    return sorted(path.relative_to(folder.path).as_posix() for path in found)


def messages(log: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in log.records if record.name == checkpoint.__name__]


def test_at_first_there_is_nothing_to_resume(folder: CheckpointFolder, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with folder.open(PROVENANCE, NEVER) as opened:
        assert opened.newest() is None
        assert opened.describe_newest() == "There is no checkpoint yet."
    assert messages(caplog) == []


def test_the_newest_checkpoint_is_read_back_completely(folder: CheckpointFolder) -> None:
    rows = [{"step": 5, "loss": 0.1 + 0.2}, {"step": 10, "loss": 1e-300}]
    with folder.open(PROVENANCE, NEVER) as opened:
        opened.write(9, tensors(1.0), {"rows": rows[:1]})
        opened.write(10, tensors(2.0), {"rows": rows})
    found = newest(CheckpointFolder(folder.path, "second"))
    assert found is not None
    assert (found.step, found.version, found.values) == (10, "first", {"rows": rows})
    assert set(found.tensors) == {"weights", "random"}
    assert torch.equal(found.tensors["weights"], torch.full((3, 4), 2.0))
    assert torch.equal(found.tensors["random"], torch.arange(5, dtype=torch.uint8))


def test_steps_are_sorted_as_numbers(folder: CheckpointFolder) -> None:
    leave(folder, PROVENANCE, 9, 10, 99, 1_000_000)
    found = newest(folder)
    assert found is not None
    assert found.step == 1_000_000


def test_the_two_newest_checkpoints_of_a_training_are_kept(folder: CheckpointFolder) -> None:
    with folder.open(PROVENANCE, NEVER) as opened:
        for step in range(1, 8):
            opened.write(step, tensors(step), {})
            assert len(files(folder)) == min(step, 2)
        last = opened.describe_newest()
    names = [Path(file).name for file in files(folder)]
    assert names == ["step_000000006.safetensors", "step_000000007.safetensors"]
    assert last == f"The last good checkpoint is {folder.path / files(folder)[-1]}."


@pytest.mark.parametrize(("every", "due"), [(1, [1, 2, 3, 4, 5, 6, 7]), (3, [3, 6]), (9, []), (None, [])])
def test_a_checkpoint_is_due_after_a_number_of_steps(
    folder: CheckpointFolder, every: int | None, due: list[int]
) -> None:
    with folder.open(PROVENANCE, CheckpointParameters(every_seconds=None, every_steps=every)) as opened:
        assert [step for step in range(1, 8) if opened.is_due(step)] == due


def test_a_checkpoint_is_due_some_seconds_after_the_last_one(
    folder: CheckpointFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now[0])
    with folder.open(PROVENANCE, CheckpointParameters(every_seconds=60)) as opened:
        found = []
        for step, now[0] in enumerate([100.0, 159.0, 160.0, 219.0, 225.0, 284.0, 286.0], start=1):
            found.append(opened.is_due(step))
            if found[-1]:
                opened.write(step, tensors(step), {})
    assert found == [False, False, True, False, True, False, True]


def test_steps_and_seconds_can_be_combined(folder: CheckpointFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now[0])
    with folder.open(PROVENANCE, CheckpointParameters(every_seconds=60, every_steps=4)) as opened:
        found = []
        for step, now[0] in enumerate([100.0, 170.0, 100.0, 100.0], start=1):
            found.append(opened.is_due(step))
    assert found == [False, True, False, True]


def test_checkpoints_are_written_every_minute_by_default() -> None:
    assert CheckpointParameters() == CheckpointParameters(every_seconds=60, every_steps=None)


def test_a_training_resumes_with_any_frequency_of_checkpoints(folder: CheckpointFolder) -> None:
    leave(folder, PROVENANCE, 5)
    for every in (CheckpointParameters(every_steps=3), CheckpointParameters(every_seconds=None), NEVER):
        with folder.open(PROVENANCE.model_copy(deep=True), every) as opened:
            found = opened.newest()
        assert found is not None
        assert found.step == 5


@pytest.mark.parametrize(("changed", "said"), CHANGES.values(), ids=CHANGES)
def test_another_training_starts_from_scratch_and_says_what_changed(
    folder: CheckpointFolder, caplog: pytest.LogCaptureFixture, changed: dict[str, Any], said: str
) -> None:
    caplog.set_level(logging.INFO)
    leave(folder, PROVENANCE, 5)
    assert messages(caplog) == []
    assert newest(folder, other(**changed)) is None
    (message,) = messages(caplog)
    assert message == f"pixels: starts from scratch; the existing checkpoints belong to another training ({said})"
    found = newest(folder)
    assert found is not None, "the first training's checkpoints must stay its own"
    assert found.step == 5


def test_every_field_of_the_provenance_changes_the_key() -> None:
    changed = [other(**fields) for fields, _ in CHANGES.values()]
    assert {name for fields, _ in CHANGES.values() for name in fields} == {*Provenance.model_fields} - {"stage"}
    digests = [provenance.digest() for provenance in [PROVENANCE, other(stage="fc3"), *changed]]
    assert len(set(digests)) == len(digests)
    assert PROVENANCE.model_copy(deep=True).digest() == digests[0]


def test_another_stage_never_sees_these_checkpoints(folder: CheckpointFolder, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    leave(folder, PROVENANCE, 5)
    assert newest(folder, other(stage="fc3")) is None
    assert messages(caplog) == []  # there is nothing of that stage
    assert newest(folder) is not None


def test_three_changes_are_named_and_the_rest_counted(
    folder: CheckpointFolder, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    leave(folder, PROVENANCE, 5)
    newest(folder, other(seed=2, code="new", torch="3", threads=9, deterministic=True))
    (message,) = messages(caplog)
    assert message.endswith("(seed was 1, is 2; code was 0.1.0+abc, is new; torch was 2.0, is 3; and 2 more)")


def test_three_interrupted_trainings_are_kept_and_the_oldest_is_removed(
    folder: CheckpointFolder, caplog: pytest.LogCaptureFixture
) -> None:
    for age, seed in enumerate((10, 11, 12, 13, 14)):
        leave(folder, other(seed=seed), 5)
        training = folder.path / "pixels" / "0" / other(seed=seed).digest()[:16]
        os.utime(training, (1000 + age, 1000 + age))  # a file system may give simultaneous files the same time
        assert len(files(folder)) == min(age + 1, 3)
    caplog.set_level(logging.INFO)
    caplog.clear()
    kept = [
        seed
        for seed in (10, 11, 12, 13, 14)
        if (folder.path / "pixels" / "0" / other(seed=seed).digest()[:16]).exists()
    ]
    assert kept == [12, 13, 14]
    leave(folder, other(seed=13), 6)  # one of the three trainings does not displace another
    assert len(files(folder)) == 4
    assert not [message for message in messages(caplog) if "removed" in message]
    leave(folder, other(seed=15), 5)
    gone = [message for message in messages(caplog) if "removed as the oldest interrupted training" in message]
    assert len(gone) == 1
    assert other(seed=12).digest()[:16] in gone[0]


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def alter(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(bytes(content))


@pytest.mark.parametrize("spoil", [cut, empty, alter])
def test_a_broken_checkpoint_is_reported_and_its_predecessor_used(
    folder: CheckpointFolder, caplog: pytest.LogCaptureFixture, spoil: Callable[[Path], None]
) -> None:
    leave(folder, PROVENANCE, 5, 6)
    bad = folder.path / files(folder)[-1]
    spoil(bad)
    found = newest(folder)
    assert found is not None
    assert (found.step, float(found.tensors["weights"].mean())) == (5, 5.0)
    (message,) = messages(caplog)
    assert message.startswith(f"pixels: a broken checkpoint is skipped. {bad}: ")
    assert not bad.exists()
    spoil(folder.path / files(folder)[-1])
    assert newest(folder) is None
    assert files(folder) == []


def test_an_unreadable_checkpoint_is_skipped(folder: CheckpointFolder, caplog: pytest.LogCaptureFixture) -> None:
    unreadable = Path("/proc/self/mem")  # not even for root
    if not unreadable.exists():
        pytest.skip("this system has no such file")
    leave(folder, PROVENANCE, 5)
    (folder.path / files(folder)[-1]).with_name("step_000000006.safetensors").symlink_to(unreadable)
    found = newest(folder)
    assert found is not None
    assert found.step == 5
    (message,) = messages(caplog)
    assert "step_000000006.safetensors" in message


def test_an_intact_file_of_another_kind_is_skipped(folder: CheckpointFolder, caplog: pytest.LogCaptureFixture) -> None:
    from gan_pipelines.tensor_file import write_tensors

    leave(folder, PROVENANCE, 5)
    foreign = (folder.path / files(folder)[-1]).with_name("step_000000009.safetensors")
    write_tensors(foreign, tensors(9), {"kind": "encoder"})
    found = newest(folder)
    assert found is not None
    assert found.step == 5
    assert "a broken checkpoint is skipped" in messages(caplog)[0]


def test_what_is_no_slot_and_no_checkpoint_is_passed_over(folder: CheckpointFolder) -> None:
    leave(folder, PROVENANCE, 5)
    training = (folder.path / files(folder)[-1]).parent
    shutil.copytree(training.parent, training.parents[1] / "0 backup")
    for name in ("step_000000006 (copy).safetensors", "step_.safetensors", "step_000000007.safetensors.bak"):
        shutil.copy(training / "step_000000005.safetensors", training / name)
    (training.parent / "notes.txt").write_text("not a training")
    found = newest(folder)
    assert found is not None
    assert found.step == 5
    folder.clear()
    assert sorted(path.name for path in training.parents[1].iterdir()) == ["0", "0 backup", "0.lock"]
    assert newest(folder) is None


def test_a_folder_where_a_lock_should_be_costs_its_slot(
    folder: CheckpointFolder, caplog: pytest.LogCaptureFixture
) -> None:
    (folder.path / "pixels" / "0.lock").mkdir(parents=True)
    leave(folder, PROVENANCE, 5)
    assert [Path(file).parts[1] for file in files(folder)] == ["1"]
    assert "0.lock: a folder is where a lock should be" in messages(caplog)[0]
    folder.clear()
    assert files(folder) == []


def test_an_owner_that_is_no_text_is_not_ours(folder: CheckpointFolder) -> None:
    leave(folder, PROVENANCE, 5)
    owner = (folder.path / files(folder)[-1]).parent / OWNER
    owner.write_bytes(b"\xff\xfe")
    folder.clear()
    assert newest(folder) is not None


def test_nothing_is_written_through_a_link(folder: CheckpointFolder, tmp_path: Path) -> None:
    leave(folder, PROVENANCE, 5)
    owner = (folder.path / files(folder)[-1]).parent / OWNER
    owner.unlink()
    (tmp_path / "elsewhere").write_text("untouched")
    owner.symlink_to(tmp_path / "elsewhere")
    assert newest(folder) is not None
    assert (tmp_path / "elsewhere").read_text() == "untouched"
    assert owner.read_text() == "first"
    assert not owner.is_symlink()


@pytest.mark.parametrize("levels", range(4), ids=["checkpoints", "stage", "slot", "training"])
def test_a_link_in_place_of_a_folder_is_refused(folder: CheckpointFolder, tmp_path: Path, levels: int) -> None:
    leave(folder, PROVENANCE, 5)
    training = (folder.path / files(folder)[-1]).parent
    linked = [folder.path, *reversed(training.parents[:2]), training][levels]
    elsewhere = linked.rename(tmp_path / "elsewhere")
    linked.symlink_to(elsewhere)
    before = sorted(elsewhere.rglob("*"))
    with pytest.raises(FileError, match=r": is a symbolic link, .* Nothing was trained\.$") as caught:
        leave(folder, PROVENANCE, 6)
    assert str(caught.value).startswith(f"{linked}:")
    assert sorted(elsewhere.rglob("*")) == before
    linked.unlink()
    leave(folder, PROVENANCE, 6)  # the lock is free


def test_a_link_as_a_lock_is_refused_and_its_target_untouched(folder: CheckpointFolder, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("untouched")
    (folder.path / "pixels").mkdir(parents=True)
    (folder.path / "pixels" / "0.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileError, match=r"0\.lock: .*Nothing was trained\.$"):
        leave(folder, PROVENANCE, 5)
    folder.clear()
    assert (tmp_path / "elsewhere").read_text() == "untouched"


def test_a_folder_named_like_a_checkpoint_is_passed_over(folder: CheckpointFolder) -> None:
    leave(folder, PROVENANCE, 5)
    (folder.path / files(folder)[-1]).with_name("step_000000006.safetensors").mkdir()
    found = newest(folder)
    assert found is not None
    assert found.step == 5


def test_what_another_user_left_stays_when_a_run_clears_its_own(
    folder: CheckpointFolder, caplog: pytest.LogCaptureFixture
) -> None:
    leave(folder, PROVENANCE, 5)
    leave(folder, other(stage="fc3"), 5)
    leave(folder, other(stage="joint"), 5)
    theirs = [folder.path / "fc3" / "0.lock", next((folder.path / "joint" / "0").iterdir())]
    theirs[0].chmod(0)
    theirs[1].chmod(0o555)
    with plain_user():
        folder.clear()
    theirs[1].chmod(0o755)
    assert {Path(file).parts[0] for file in files(folder)} == {"fc3", "joint"}
    assert "some of its checkpoints stay" in messages(caplog)[0]


@pytest.mark.parametrize("part", ["", "pixels", "pixels/0", "pixels/0.lock"])
def test_a_folder_without_rights_is_refused_before_the_training(folder: CheckpointFolder, part: str) -> None:
    leave(folder, PROVENANCE, 5)
    (folder.path / part).chmod(0)
    try:
        with plain_user(), pytest.raises(FileError, match=r"Permission denied.*Nothing was trained\.$"):
            leave(folder, PROVENANCE, 6)
    finally:
        (folder.path / part).chmod(0o755)


def test_partial_files_of_a_killed_writer_are_removed(folder: CheckpointFolder) -> None:
    leave(folder, PROVENANCE, 5)
    whole = folder.path / files(folder)[0]
    half = whole.with_name("step_000000006.safetensors.partial")
    half.write_bytes(whole.read_bytes()[:50])
    found = newest(folder)
    assert found is not None
    assert found.step == 5
    assert not half.exists()


@contextmanager
def full_disk() -> Iterator[None]:
    """Limit the size of this process's files to a few bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_loses_one_checkpoint_but_neither_the_training_nor_earlier_ones(
    folder: CheckpointFolder, caplog: pytest.LogCaptureFixture
) -> None:
    with folder.open(PROVENANCE, NEVER) as opened:
        opened.write(5, tensors(5), {})
        with full_disk():
            opened.write(6, tensors(6), {})
        (message,) = messages(caplog)
        assert message.startswith("pixels: the checkpoint of step 6 failed; the training continues. ")
        assert "cannot be written" in message
        assert [Path(file).name for file in files(folder)] == ["step_000000005.safetensors"]
        opened.write(7, tensors(7), {})
    found = newest(folder)
    assert found is not None
    assert found.step == 7


def test_after_a_failed_write_the_next_checkpoint_waits_the_usual_time(
    folder: CheckpointFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now[0])
    with folder.open(PROVENANCE, CheckpointParameters(every_seconds=60)) as opened:
        now[0] = 160.0
        with full_disk():
            opened.write(6, tensors(6), {})
        assert not opened.is_due(7)  # otherwise every step would try again
        now[0] = 220.0
        assert opened.is_due(8)


@pytest.mark.parametrize("obstacle", ["a file", "a read-only file system"])
def test_an_unwritable_folder_is_a_clear_error_before_the_training(tmp_path: Path, obstacle: str) -> None:
    folder = tmp_path / "checkpoints"
    if obstacle == "a file":
        folder.write_text("in the way")
    elif Path("/sys/kernel").exists():
        folder = Path("/sys/kernel/checkpoints")
    else:
        pytest.skip("this system has no such file system")
    with pytest.raises(FileError) as error, CheckpointFolder(folder).open(PROVENANCE, NEVER):
        pass
    assert str(error.value).startswith(f"{folder / 'pixels'}: cannot be written (")
    assert str(error.value).endswith("Nothing was trained.")
    assert "\n" not in str(error.value)


def test_simultaneous_trainings_use_different_slots(folder: CheckpointFolder) -> None:
    others = [CheckpointFolder(folder.path, f"run {number}") for number in range(3)]
    with ExitStack() as stack:
        opened = [stack.enter_context(run.open(PROVENANCE, NEVER)) for run in others]
        for step, one in enumerate(opened, start=1):
            assert one.newest() is None
            one.write(step, tensors(step), {})
        for step, one in enumerate(opened, start=1):
            found = one.newest()
            assert found is not None
            assert found.step == step
    assert sorted({Path(file).parts[1] for file in files(folder)}) == ["0", "1", "2"]


def test_a_training_finds_the_slot_with_its_own_checkpoints(folder: CheckpointFolder) -> None:
    foreign = other(seed=2)
    with folder.open(foreign, NEVER):
        leave(folder, PROVENANCE, 5)  # in slot 1
    leave(folder, foreign, 3)  # in slot 0
    assert {Path(file).parts[1]: int(Path(file).stem[-9:]) for file in files(folder)} == {"0": 3, "1": 5}
    found = newest(folder)
    assert found is not None
    assert found.step == 5
    with folder.open(PROVENANCE, NEVER):  # its slot is taken, so an equal training starts from scratch in another one
        assert newest(folder) is None
    found = newest(folder, foreign)
    assert found is not None
    assert found.step == 3


@pytest.mark.parametrize("first", [(), (2, 3)], ids=["nothing", "less"])
def test_of_two_equal_interrupted_trainings_the_more_advanced_one_resumes(
    folder: CheckpointFolder, first: tuple[int, ...]
) -> None:
    """Whatever slot it holds, even if the other one was interrupted before its first checkpoint."""
    with folder.open(PROVENANCE, NEVER) as in_slot_0:
        leave(folder, PROVENANCE, 4, 5)  # in slot 1
        for step in first:
            in_slot_0.write(step, tensors(step), {})
    found = newest(folder)
    assert found is not None
    assert found.step == 5


def test_slots_are_sorted_as_numbers(folder: CheckpointFolder) -> None:
    with ExitStack() as stack:
        for _ in range(11):
            stack.enter_context(folder.open(PROVENANCE, NEVER)).write(1, tensors(1), {})
    assert {int(Path(file).parts[1]) for file in files(folder)} == set(range(11))
    with folder.open(PROVENANCE, NEVER), folder.open(PROVENANCE, NEVER), folder.open(PROVENANCE, NEVER) as third:
        third.write(2, tensors(2), {})
    assert [Path(file).parts[1] for file in files(folder) if file.endswith("2.safetensors")] == ["2"]


def _hold(folder: CheckpointFolder, ready: Any) -> None:
    with folder.open(PROVENANCE, NEVER) as opened:
        opened.write(5, tensors(5), {})
        ready.set()
        signal.pause()


@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_the_slot_of_a_killed_training_is_free_at_once(folder: CheckpointFolder) -> None:
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    holder = context.Process(target=_hold, args=(folder, ready), daemon=True)
    holder.start()
    assert ready.wait(60)
    assert newest(folder) is None  # slot 0 is held
    holder.kill()
    holder.join()
    found = newest(folder)
    assert found is not None
    assert found.step == 5


def test_a_successful_run_removes_its_own_checkpoints_and_no_others(folder: CheckpointFolder) -> None:
    second, third = (CheckpointFolder(folder.path, version) for version in ("second", "third"))
    leave(folder, PROVENANCE, 5, 6)
    leave(folder, other(stage="fc3"), 5)
    leave(second, other(seed=2), 5)
    leave(third, other(stage="fc3", seed=3), 5)
    second.clear()
    assert newest(folder, other(seed=2)) is None
    assert newest(folder) is not None
    folder.clear()
    assert newest(folder) is None
    assert newest(folder, other(stage="fc3")) is None
    found = newest(folder, other(stage="fc3", seed=3))
    assert found is not None
    assert found.version == "third"
    CheckpointFolder(folder.path, "fourth").clear()
    assert newest(folder, other(stage="fc3", seed=3)) is not None


def test_a_training_resumed_by_a_successful_run_is_removed_completely(folder: CheckpointFolder) -> None:
    leave(folder, PROVENANCE, 5)
    second = CheckpointFolder(folder.path, "second")
    leave(second, PROVENANCE, 6)
    assert len(files(folder)) == 2
    second.clear()
    assert files(folder) == []


def test_a_slot_held_by_another_training_is_not_cleared(folder: CheckpointFolder) -> None:
    leave(folder, PROVENANCE, 5)
    with CheckpointFolder(folder.path, "second").open(PROVENANCE, NEVER) as opened:
        folder.clear()
        found = opened.newest()
        assert found is not None
        assert found.step == 5


def test_clearing_an_empty_folder_does_nothing(tmp_path: Path) -> None:
    CheckpointFolder(tmp_path / "absent", "first").clear()
    assert list(tmp_path.iterdir()) == []


def test_a_slot_is_released_when_a_training_fails(folder: CheckpointFolder) -> None:
    with pytest.raises(ZeroDivisionError), folder.open(PROVENANCE, NEVER) as opened:
        opened.write(5, tensors(5), {})
        raise ZeroDivisionError
    found = newest(folder)
    assert found is not None
    assert {Path(file).parts[1] for file in files(folder)} == {"0"}
