"""One version of each file per run; these lines alone know Kedro's private attributes of versioned datasets."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kedro.io import DataCatalog, Version
from kedro.io.core import AbstractVersionedDataset

from gan_pipelines.parameters import ExperimentError

VersionedDataset = AbstractVersionedDataset[Any, Any]


def versioned_files(names: Iterable[str], catalog: DataCatalog) -> dict[str, VersionedDataset]:
    """The datasets among the names that keep versions."""
    datasets = {name: catalog.get(name) for name in sorted(names)}
    return {name: x for name, x in datasets.items() if isinstance(x, AbstractVersionedDataset) and x._version}


def folder(dataset: VersionedDataset) -> Path:
    """Where its versions lie."""
    return Path(dataset._filepath)


def pin_output(dataset: VersionedDataset) -> None:
    """Load what this run saves, whatever other runs save meanwhile."""
    saved = dataset.resolve_save_version()
    dataset._version = Version(load=_version(dataset).load or saved, save=saved)


def pin_input(name: str, dataset: VersionedDataset) -> None:
    """Load the newest version of now, or the one that was asked for, until the end of the run.

    Raises:
        ExperimentError: it is not there.
    """
    if not dataset.exists():
        raise ExperimentError(_describe_missing(name, dataset))
    dataset._version = Version(load=dataset.resolve_load_version(), save=dataset.resolve_save_version())


def loaded_version(name: str, catalog: DataCatalog) -> str:
    """The version of a dataset that this run loads."""
    return str(versioned_files([name], catalog)[name].resolve_load_version())


def newest_path(dataset: VersionedDataset) -> Path:
    """The file of the version that this run loads."""
    return Path(dataset._get_load_path())


def _describe_missing(name: str, dataset: VersionedDataset) -> str:
    asked, known = _version(dataset).load, dataset._get_versions()
    if asked and known:
        versions = ", ".join(Path(path).parent.name for path in known)
        return f"{name}: --load-versions asks for {asked!r}, which is not there; found {versions}."
    return (
        f"{name}: this pipeline starts from it, and there is no version of it at {dataset._filepath}. "
        f"Run the pipeline that makes it first, or `kedro run` for all of them."
    )


def _version(dataset: VersionedDataset) -> Version:
    return dataset._version or Version(None, None)
