"""The file format: files are complete or absent, synced before they count, and refused if altered."""

import itertools
import json
import os
import resource
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from gan_pipelines import __version__
from gan_pipelines.tensor_file import FileError, read_description, read_tensors, replacing, write_tensors
from tests.pipelines.rights import plain_user

SYS = Path("/sys/kernel")
"""A file system of the kernel, in which not even root can create files."""


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Limit the size of this process's files, which then fail as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def some_tensors(rng: torch.Generator) -> dict[str, Tensor]:
    """One tensor of every kind that is stored anywhere."""
    return {
        "weights": torch.randn(3, 4, generator=rng),
        "convolution": torch.randn(2, 3, 4, 5, generator=rng).to(memory_format=torch.channels_last),
        "turned": torch.randn(4, 3, generator=rng).T,
        "double": torch.randn(2, generator=rng, dtype=torch.float64),
        "half": torch.randn(5, generator=rng).to(torch.bfloat16),
        "pictures": torch.randint(0, 256, (2, 1, 3, 3), generator=rng).to(torch.uint8),
        "counter": torch.tensor(7),
        "flags": torch.tensor([True, False]),
        "nothing": torch.empty(0, dtype=torch.int64),
        "odd": torch.tensor([float("inf"), float("nan"), -0.0]),
    }


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Bit for bit."""
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert (found[name].dtype, found[name].shape) == (value.dtype, value.shape), name
        assert found[name].contiguous().numpy(force=True).tobytes() == value.contiguous().numpy(force=True).tobytes()


def test_tensors_of_every_kind_are_read_back_bit_for_bit(tmp_path: Path, rng: torch.Generator) -> None:
    tensors = some_tensors(rng)
    tensors["half"] = tensors["half"].view(torch.int16)  # the comparison uses NumPy, which has no bfloat16
    write_tensors(tmp_path / "file", tensors, {"é": [1, 2.5, None, {"deep": "ü\n"}]})
    found, description = read_tensors(tmp_path / "file")
    assert_same(found, tensors)
    assert description == read_description(tmp_path / "file") == {"é": [1, 2.5, None, {"deep": "ü\n"}]}


def test_bfloat16_is_read_back(tmp_path: Path, rng: torch.Generator) -> None:
    values = torch.randn(9, generator=rng).to(torch.bfloat16)
    write_tensors(tmp_path / "file", {"x": values}, {})
    (found,) = read_tensors(tmp_path / "file")[0].values()
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, values)


def test_equal_content_gives_equal_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_tensors(tmp_path / name, some_tensors(torch.Generator().manual_seed(1)), {"two": 2, "one": 1})
    write_tensors(tmp_path / "c", some_tensors(torch.Generator().manual_seed(2)), {"two": 2, "one": 1})
    first, again, other = ((tmp_path / name).read_bytes() for name in "abc")
    assert first == again != other


def test_the_layout_in_memory_does_not_matter(tmp_path: Path, rng: torch.Generator) -> None:
    values = torch.randn(2, 3, 4, 5, generator=rng)
    write_tensors(tmp_path / "a", {"x": values}, {})
    write_tensors(tmp_path / "b", {"x": values.to(memory_format=torch.channels_last)}, {})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_any_safetensors_reader_can_open_the_file_and_its_description(tmp_path: Path) -> None:
    write_tensors(tmp_path / "file", {"x": torch.ones(2)}, {"kind": "toy"})
    with safe_open(tmp_path / "file", framework="pt") as file:
        assert list(file.keys()) == ["x"]
        header = json.loads(file.metadata()["gan_pipelines"])
    assert json.loads(header["description"]) == {"kind": "toy"}
    assert header["version"] == __version__


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"absent: the file does not exist"):
        read_tensors(tmp_path / "absent")


@pytest.mark.parametrize("read", [read_tensors, read_description])
def test_an_unreadable_file_is_named(tmp_path: Path, read: Callable[[Path], object]) -> None:
    unreadable = Path("/proc/self/mem")  # not even for root
    if not unreadable.exists():
        pytest.skip("this system has no such file")
    (tmp_path / "file").symlink_to(unreadable)
    with pytest.raises(FileError, match=r"file: ") as error:
        read(tmp_path / "file")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("read", [read_tensors, read_description])
@pytest.mark.parametrize("part", ["file", "."])
def test_a_file_without_rights_is_not_taken_for_a_missing_one(
    written: Path, part: str, read: Callable[[Path], object]
) -> None:
    (written.parent / part).chmod(0)
    try:
        with plain_user(), pytest.raises(FileError, match=r"file: cannot be read \(Permission denied\)"):
            read(written)
    finally:
        (written.parent / part).chmod(0o755)


@pytest.fixture
def written(tmp_path: Path, rng: torch.Generator) -> Path:
    tensors = {"weights": torch.randn(3, 4, generator=rng), "counter": torch.tensor(7)}
    write_tensors(tmp_path / "file", tensors, {"kind": "toy", "steps": 12})
    return tmp_path / "file"


def test_a_file_truncated_anywhere_is_refused(written: Path) -> None:
    whole = written.read_bytes()
    for kept in range(len(whole)):
        written.write_bytes(whole[:kept])
        with pytest.raises(FileError, match="is not a complete safetensors file"):
            read_tensors(written)


@settings(
    max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(where=st.floats(0, 1, exclude_max=True), bits=st.integers(1, 255))
def test_a_file_with_any_byte_altered_is_refused_or_reads_the_same(written: Path, where: float, bits: int) -> None:
    whole = written.with_name("whole")
    if not whole.exists():
        whole.write_bytes(written.read_bytes())
    content = bytearray(whole.read_bytes())
    content[int(where * len(content))] ^= bits
    written.write_bytes(bytes(content))
    expected, described = read_tensors(whole)
    try:
        found, description = read_tensors(written)
    except FileError:
        return
    assert_same(found, expected)  # such as when the altered byte is in the version
    assert description == described


def test_every_altered_byte_of_the_tensors_is_noticed(written: Path) -> None:
    whole = written.read_bytes()
    begin = 8 + int.from_bytes(whole[:8], "little")
    assert len(whole) - begin == 3 * 4 * 4 + 8
    for position in range(begin, len(whole)):
        written.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        with pytest.raises(FileError, match="SHA-256"):
            read_tensors(written)


def test_an_altered_description_is_noticed(written: Path) -> None:
    content = written.read_bytes()
    assert content.count(b"12}") == 1
    written.write_bytes(content.replace(b"12}", b"13}"))
    with pytest.raises(FileError, match="SHA-256"):
        read_tensors(written)


def test_a_foreign_safetensors_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "foreign.safetensors"
    save_file({"x": torch.zeros(2)}, path)
    with pytest.raises(FileError, match="without this project"):
        read_tensors(path)


@pytest.mark.parametrize("header", ["no JSON", "[]", "{}", '{"description": 3, "sha256": ""}'])
def test_a_header_without_a_description_is_refused(tmp_path: Path, header: str) -> None:
    save_file({"x": torch.zeros(2)}, tmp_path / "file", {"gan_pipelines": header})
    with pytest.raises(FileError, match="its header cannot be read"):
        read_tensors(tmp_path / "file")


def test_an_invalid_description_leaves_the_old_file(written: Path) -> None:
    before = written.read_bytes()
    with pytest.raises(TypeError):
        write_tensors(written, {"x": torch.zeros(1)}, {"not JSON": object()})
    assert written.read_bytes() == before
    assert list(written.parent.iterdir()) == [written]


def test_a_full_disk_leaves_the_old_file_and_no_partial_one(written: Path) -> None:
    before = written.read_bytes()
    with files_of_at_most(100_000), pytest.raises(FileError, match=r"file: cannot be written \(.*large") as error:
        write_tensors(written, {"x": torch.zeros(100_000)}, {})
    assert "The existing file, if there is one, is untouched." in str(error.value)
    assert "\n" not in str(error.value)
    assert written.read_bytes() == before
    assert list(written.parent.iterdir()) == [written]


def test_an_interruption_leaves_the_old_file_and_no_partial_one(written: Path) -> None:
    before = written.read_bytes()
    with pytest.raises(KeyboardInterrupt), replacing(written) as partial:
        partial.write_bytes(b"half")
        raise KeyboardInterrupt
    assert written.read_bytes() == before
    assert list(written.parent.iterdir()) == [written]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o002, 0o664), (0o077, 0o600)])
def test_the_umask_decides_who_may_read_a_file(tmp_path: Path, umask: int, mode: int) -> None:
    (tmp_path / "file.partial").touch(0o600)  # left by a process that was killed
    before = os.umask(umask)
    try:
        write_tensors(tmp_path / "file", {"x": torch.zeros(1)}, {})
        write_tensors(tmp_path / "file", {"x": torch.ones(1)}, {})
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == mode


@pytest.mark.parametrize("obstacle", ["a file", "a read-only file system"])
def test_a_folder_that_cannot_be_created_is_a_clear_error(tmp_path: Path, obstacle: str) -> None:
    if obstacle == "a file":
        (tmp_path / "folder").write_text("in the way")
    elif SYS.exists():
        (tmp_path / "folder").symlink_to(SYS)
    else:
        pytest.skip("this system has no such file system")
    with pytest.raises(FileError, match=r"x\.safetensors: cannot be written \(\w") as error:
        write_tensors(tmp_path / "folder" / "x.safetensors", {"x": torch.zeros(1)}, {})
    assert "\n" not in str(error.value)


def test_a_file_is_synced_before_it_replaces_the_old_one_and_the_folder_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, str]] = []
    fsync, replace = os.fsync, os.replace

    def watched_fsync(descriptor: int) -> None:
        calls.append(("fsync", Path(os.readlink(f"/proc/self/fd/{descriptor}")).name))
        fsync(descriptor)

    def watched_replace(source: Path, target: Path) -> None:
        calls.append(("replace", Path(source).name))
        replace(source, target)

    if not Path("/proc/self/fd").exists():
        pytest.skip("this system does not tell which file a descriptor is")
    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "replace", watched_replace)
    write_tensors(tmp_path / "file", {"x": torch.zeros(1)}, {})
    (partial,) = {name for what, name in calls if what == "replace"}
    assert partial != "file"
    assert calls == [("fsync", partial), ("replace", partial), ("fsync", tmp_path.name)]


def test_a_reader_never_sees_a_partial_file(tmp_path: Path) -> None:
    """Whenever the path is opened, the file is complete."""
    path, found, done, seen = tmp_path / "file", tmp_path / "found", threading.Event(), set[float]()
    write_tensors(path, {"x": torch.zeros(100_000)}, {})

    def read() -> None:
        try:
            while not done.is_set():
                found.write_bytes(path.read_bytes())
                values = read_tensors(found)[0]["x"]  # its digest is checked
                seen.add(float(values[0]))
        except (FileError, OSError) as error:
            failures.append(error)

    failures: list[Exception] = []
    reader = threading.Thread(target=read)
    reader.start()
    for number in itertools.count(1):
        write_tensors(path, {"x": torch.full((100_000,), float(number))}, {})
        if failures or (number >= 100 and len(seen) >= 10):
            break
    done.set()
    reader.join()
    assert failures == []
