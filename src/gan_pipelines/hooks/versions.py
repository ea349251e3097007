"""One version of each file per run; these lines alone know Kedro's private attributes of versioned datasets."""

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kedro.io import DataCatalog, Version
from kedro.io.core import AbstractVersionedDataset, generate_timestamp

from gan_pipelines.parameters import ExperimentError
from gan_pipelines.versioned import VERSION

VersionedDataset = AbstractVersionedDataset[Any, Any]
LOCAL = "file"
"""What fsspec calls the file system of this machine."""


def versioned_files(names: Iterable[str], catalog: DataCatalog) -> dict[str, VersionedDataset]:
    """The datasets among the names that keep versions."""
    datasets = {name: catalog.get(name) for name in sorted(names)}
    return {name: x for name, x in datasets.items() if isinstance(x, AbstractVersionedDataset) and x._version}


def folder(dataset: VersionedDataset) -> Path:
    """Where its versions lie."""
    return Path(dataset._filepath)


def pin_output(dataset: VersionedDataset) -> None:
    """Load what this run saves, whatever other runs save meanwhile.

    Raises:
        ExperimentError: another run has saved this version.
    """
    saved = dataset.resolve_save_version()
    if (folder(dataset) / str(saved)).exists():
        raise ExperimentError(
            f"{folder(dataset)}: version {saved} is there already, of a run that began at the same time. Run the "
            f"command again. Nothing was run."
        )
    dataset._version = Version(load=_version(dataset).load or saved, save=saved)


def remove_output(dataset: VersionedDataset) -> None:
    """Remove what a run that was killed has left of the version that it saves, which is never written twice."""
    shutil.rmtree(folder(dataset) / str(dataset.resolve_save_version()), ignore_errors=True)


def pin_input(name: str, dataset: VersionedDataset, maker: str) -> None:
    """Load the newest version of now, or the one that was asked for, until the end of the run.

    Args:
        name: of the dataset.
        dataset: whose version is pinned.
        maker: the command that makes it; empty if none does.

    Raises:
        ExperimentError: it is not there.
    """
    if not _version(dataset).load:
        _require_all_readable(name, folder(dataset))
    if not dataset.exists():
        raise ExperimentError(_describe_missing(name, dataset, maker))
    dataset._version = Version(load=dataset.resolve_load_version(), save=dataset.resolve_save_version())


def _require_all_readable(name: str, versions: Path) -> None:
    """Refuse to choose the newest version among those that can be read: Kedro passes over the others."""
    try:
        for version in versions.iterdir() if versions.exists() else ():
            (version / versions.name).exists()
    except PermissionError as error:
        raise ExperimentError(
            f"{name}: {error.filename} cannot be read ({error.strerror}), and its newest version is what this pipeline "
            f"starts from. Allow this user to read it, or choose a version with --load-versions. Nothing was run."
        ) from None


def require_local(name: str, dataset: VersionedDataset) -> None:
    """Refuse a place that is no folder: versions are pinned, written whole, removed and recorded as local files.

    Raises:
        ExperimentError: the catalog names one, such as `s3://bucket/encoder.safetensors`.
    """
    protocol = getattr(dataset, "_protocol", LOCAL)
    if protocol != LOCAL:
        raise ExperimentError(
            f"{name}: its filepath in the catalog must be a path of a file system; found "
            f"{protocol}://{folder(dataset)}. An MLflow server can keep models, scores and figures there instead "
            f"(docs/clusters.md). Nothing was run."
        )


def require_writable(name: str, versions: Path) -> None:
    """Better refuse now than lose the result of a night to a folder that takes no files.

    Raises:
        ExperimentError: the folder of the versions cannot be written, or is a symbolic link.
    """
    there = versions
    try:
        _require_no_link(name, versions)
        while not there.exists():
            there = there.parent
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise ExperimentError(
            f"{name}: {there} cannot be written ({error.strerror or error}), and the result belongs there. "
            f"Nothing was run."
        ) from None


def _require_no_link(name: str, versions: Path) -> None:
    """Results are not written through a symbolic link."""
    if versions.is_symlink():
        raise ExperimentError(
            f"{name}: {versions} is a symbolic link, and results are not written through one. Put a folder in its "
            f"place. A link may stand for data or a whole layer below it, such as data/06_models. Nothing was run."
        )


def require_past(name: str, dataset: VersionedDataset) -> None:
    """Refuse to write beside a version of the future, which would stay the newest.

    Raises:
        ExperimentError: there is one, as after a correction of the clock.
    """
    now = generate_timestamp()
    versions = [Path(path).parent for path in dataset._get_versions()]
    if later := [version for version in versions if version.name > now and VERSION.fullmatch(version.name)]:
        raise ExperimentError(
            f"{name}: {later[0]} is a version of the future: it is now {now}. What is made today would not be "
            f"the newest. Set the clock right, or, if it is right, move that folder away. Nothing was run."
        )


def loaded_version(name: str, catalog: DataCatalog) -> str:
    """The version of a dataset that this run loads."""
    return str(versioned_files([name], catalog)[name].resolve_load_version())


def known_versions(dataset: VersionedDataset) -> list[str]:
    """The versions that are there, the newest first."""
    return sorted((Path(path).parent.name for path in dataset._get_versions()), reverse=True)


def saved_files(names: Iterable[str], catalog: DataCatalog) -> dict[str, Path]:
    """The files, or folders, of this run's version that are there, by dataset."""
    files = versioned_files(names, catalog).items()
    paths = {name: folder(x) / str(x.resolve_save_version()) / folder(x).name for name, x in files}
    return {name: path for name, path in paths.items() if path.exists()}


def _describe_missing(name: str, dataset: VersionedDataset, maker: str) -> str:
    asked, known = _version(dataset).load, dataset._get_versions()
    if asked and known:
        versions = ", ".join(Path(path).parent.name for path in known)
        return f"{name}: --load-versions asks for {asked!r}, which is not there; found {versions}."
    remedy = f"`{maker}` makes it, and without --pipelines everything" if maker else "No pipeline makes it"
    return (
        f"{name}: this pipeline starts from it, and there is no version of it at {dataset._filepath}. "
        f"{remedy}. Nothing was run."
    )


def _version(dataset: VersionedDataset) -> Version:
    return dataset._version or Version(None, None)
