"""Versions that cannot be read, lie in the future, are taken, or lie behind a link are refused by name."""

from pathlib import Path

import pytest
from kedro.io import Version

from gan_pipelines.datasets import ModelDataset
from gan_pipelines.hooks.versions import (
    pin_input,
    pin_output,
    remove_output,
    require_local,
    require_past,
    require_writable,
)
from gan_pipelines.parameters import ExperimentError
from gan_pipelines.text_datasets import JSONDataset
from tests.pipelines.rights import plain_user

OLD, NEW, FUTURE = "2026-01-31T10.00.00.001Z", "2026-01-31T10.00.00.002Z", "2999-01-01T00.00.00.000Z"


def dataset(folder: Path, load: str | None = None, save: str | None = None) -> JSONDataset:
    return JSONDataset(filepath=str(folder / "scores.json"), version=Version(load, save))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """The folder of a dataset with two versions."""
    for version in (OLD, NEW):
        dataset(tmp_path, save=version).save({"version": version})
    return tmp_path / "scores.json"


@pytest.mark.parametrize(("part", "mode"), [(".", 0), (NEW, 0), (NEW, 0o444), (OLD, 0)])
def test_an_older_version_does_not_stand_in_for_one_that_may_not_be_read(saved: Path, part: str, mode: int) -> None:
    (saved / part).chmod(mode)
    try:
        with plain_user(), pytest.raises(ExperimentError, match=r"^scores: .*cannot be read \(Permission") as caught:
            pin_input("scores", dataset(saved.parent), "")
        assert str((saved / part).resolve()) in str(caught.value)
        if part == OLD:
            with plain_user():
                pin_input("scores", dataset(saved.parent, load=NEW), "")
    finally:
        (saved / part).chmod(0o755)


def test_a_link_in_place_of_the_versions_is_refused(saved: Path, tmp_path: Path) -> None:
    require_writable("scores", saved)
    for target in (saved, tmp_path / "nowhere", tmp_path / "link"):
        (tmp_path / "link").symlink_to(target)
        with pytest.raises(ExperimentError, match=r"^scores: .*/link is a symbolic link"):
            require_writable("scores", tmp_path / "link")
        (tmp_path / "link").unlink()


def test_a_place_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    require_local("scores", dataset(tmp_path))
    require_local("encoder", ModelDataset(filepath=str(tmp_path / "encoder.safetensors")))
    version = Version(None, NEW)
    remote = ModelDataset(filepath="s3://bucket/06_models/encoder.safetensors", version=version)
    with pytest.raises(ExperimentError, match=r"^encoder: .*found s3://bucket/06_models/encoder\.safetensors\. "):
        require_local("encoder", remote)
    with pytest.raises(ExperimentError, match=r"^scores: .*found memory://"):
        require_local("scores", JSONDataset(filepath="memory://scores.json", version=version))


def test_a_version_of_the_future_is_refused_and_other_names_are_not(saved: Path) -> None:
    (saved / NEW).rename(saved / "newest of all")
    require_past("scores", dataset(saved.parent))
    (saved / "newest of all").rename(saved / FUTURE)
    with pytest.raises(ExperimentError, match=rf"^scores: .*{FUTURE} is a version of the future"):
        require_past("scores", dataset(saved.parent))


def test_a_version_that_another_run_has_saved_is_refused_before_anything_runs(saved: Path) -> None:
    with pytest.raises(ExperimentError, match=rf"scores\.json: version {NEW} is there already"):
        pin_output(dataset(saved.parent, save=NEW))


def test_what_a_killed_attempt_has_saved_is_removed_and_no_other_version(saved: Path) -> None:
    again = dataset(saved.parent, load=NEW, save=NEW)
    remove_output(again)
    again.save({"version": "again"})
    assert again.load() == {"version": "again"}
    assert dataset(saved.parent, load=OLD).load() == {"version": OLD}
    remove_output(dataset(saved.parent, save=FUTURE))
    assert {path.name for path in saved.iterdir()} == {OLD, NEW}
