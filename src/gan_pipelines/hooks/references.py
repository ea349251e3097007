"""Models that an experiment names in its YAML: where they are, and whether they are what is asked of them."""

from pathlib import Path
from typing import Any

from kedro.framework.project import pipelines
from kedro.io import AbstractDataset, DataCatalog, Version
from kedro.pipeline import Pipeline

from gan_pipelines.datasets import CheckpointDataset, ModelDataset
from gan_pipelines.hooks.versions import folder, known_versions
from gan_pipelines.models.program import ONNX_PACKAGES
from gan_pipelines.models.provenance import Provenance
from gan_pipelines.parameters import Experiment, ExperimentError
from gan_pipelines.parameters.chosen_model import SUFFIX
from gan_pipelines.parameters.packages import require_packages
from gan_pipelines.tensor_file import FileError, read_description


def find_model(where: str, reference: str, catalog: DataCatalog, project: Path) -> ModelDataset:
    """The dataset of a model that an experiment names.

    Args:
        where: the place in the YAML, for messages.
        reference: the path of a .safetensors file, from the project's folder on; or a dataset of the catalog, in its
            newest version as `level_fc3`, or in another as `level_fc3:<version>`.
        catalog: knows the datasets.
        project: the project's folder.

    Raises:
        ExperimentError: there is no such model.
    """
    if reference.endswith(SUFFIX):
        path = project / reference
        if not path.is_file():
            raise ExperimentError(f"{where}: there is no file {path}.")
        return ModelDataset(filepath=path.as_posix())
    name, _, version = reference.partition(":")
    known = catalog.get(name) if name else None
    if not isinstance(known, ModelDataset):
        raise ExperimentError(
            f"{where}: must name a model of the catalog, such as level_pixels or level_pixels:<version>, or a file "
            f"that ends in {SUFFIX}; found {reference!r}."
        )
    versions = known_versions(known)
    if (version or not versions) and version not in versions:
        found = ", ".join(versions) or "none"
        raise ExperimentError(f"{where}: there is no version {version or 'yet'} of {name}; found {found}.")
    chosen = version or _newest_finished(folder(known), versions, catalog)
    shown = {"kedro-viz": (known.metadata or {}).get("kedro-viz", {})}
    return ModelDataset(
        filepath=folder(known).as_posix(), holds=known.holds, version=Version(chosen, None), metadata=shown
    )


def require_generators(experiment: Experiment, pipeline: Pipeline, catalog: DataCatalog) -> None:
    """Check that what a pipeline samples, exports or registers is a stack or an InfoGAN, and can be.

    Args:
        experiment: names the models.
        pipeline: that runs.
        catalog: knows the datasets.

    Raises:
        ExperimentError: a model is no generator of the experiment, has no scores where it needs some, or a package that
            its export needs is missing.
    """
    asked = {block: chosen.model for block, chosen in experiment.chosen_models.items() if not chosen.file}
    asked["registry"] = experiment.registry.model
    for block, model in asked.items():
        if f"params:{block}" not in pipeline.inputs():
            continue
        made = {name for each in pipelines.values() for name in each.all_outputs()}
        known = sorted(name for name in made if _is_generator(catalog.get(name)))
        if block == "registry":
            known = [name for name in known if f"{name}_scores" in made]
        if model not in known:
            file = "" if block == "registry" else ", or the path of a model file, such as joint_stack.safetensors"
            raise ExperimentError(f"{block}.model: must be one of {', '.join(known)}{file}; found {model!r}.")
    if "params:export" in pipeline.inputs() and experiment.export.onnx:
        require_packages("export.onnx", ONNX_PACKAGES, "gan_pipelines[onnx]")


def _is_generator(dataset: AbstractDataset[Any, Any] | None) -> bool:
    return isinstance(dataset, ModelDataset) and dataset.holds.get("kind") in ("stack", "infogan")


def _newest_finished(file: Path, versions: list[str], catalog: DataCatalog) -> str:
    """The newest version that is not part of an interrupted run.

    Such a run goes on from its checkpoints. Were its own result the start of its training, the same command would train
    another time from there.
    """
    checkpoints = catalog.get("checkpoints")
    if isinstance(checkpoints, CheckpointDataset):
        for version in versions:
            made = _provenance(file / version / file.name)
            if made is None or not made.initial or not checkpoints.load().holds(made):
                return version
    return versions[0]


def _provenance(file: Path) -> Provenance | None:
    """What decided a model's weights; None if the file does not say, which reading it as a model will tell."""
    try:
        return Provenance.model_validate(read_description(file)["provenance"])
    except (FileError, KeyError, TypeError, ValueError):
        return None
