"""Kedro datasets: images, representations, models, pictures, versioned and shown by kedro-viz; checkpoints."""

import base64
import io
from abc import abstractmethod
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from kedro.io import AbstractDataset, AbstractVersionedDataset, DatasetError, Version
from kedro.io.core import get_protocol_and_path
from kedro_datasets._typing import ImagePreview
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pydantic import Field
from torch import Tensor

from gan_pipelines.data.images import LabelledImages, Representation
from gan_pipelines.data.source import SPLITS
from gan_pipelines.metrics.features import LabelledFeatures, RealFeatures
from gan_pipelines.model_file import Model, read_model, write_model
from gan_pipelines.parameters import ExperimentError, FeatureNetworkName, Schema
from gan_pipelines.parameters.base import in_short
from gan_pipelines.reporting.pictures import sample_grid
from gan_pipelines.tensor_file import (
    FileError,
    read_described,
    replacing,
    require_rows,
    require_tensors,
    write_tensors,
)
from gan_pipelines.training.checkpoint import CheckpointFolder
from gan_pipelines.versioned import TimedVersions

Content = TypeVar("Content")
PARTS = ("features", "logits", "labels")
"""Of a `LabelledFeatures`, in the order of its fields."""


class ImagesDescription(Schema):
    """What a file of images says of them."""

    classes: tuple[str, ...]
    made_from: dict[str, str] = Field(default_factory=dict)
    seed: int | None = None


class RepresentationDescription(Schema):
    """What a file with a representation says of it."""

    name: str
    encoder_digest: str


class FeaturesDescription(Schema):
    """What a file of features says of them; files of earlier versions lack the last two."""

    networks: tuple[FeatureNetworkName, ...]
    spaces: tuple[str, ...]
    representation: str = ""
    made_from: dict[str, str] = Field(default_factory=dict)


class FileDataset(TimedVersions, AbstractVersionedDataset[Content, Content]):
    """A local file, versioned by Kedro.

    Args:
        filepath: the file, relative to the project.
        version: version to load and to save.
        metadata: for kedro-viz.
    """

    def __init__(
        self, *, filepath: str, version: Version | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        self.metadata = metadata
        self._protocol, path = get_protocol_and_path(filepath)
        super().__init__(filepath=PurePosixPath(path), version=version, exists_function=_exists, glob_function=_glob)

    def load(self) -> Content:
        """Read the file.

        Raises:
            DatasetError: one paragraph that names the file and what is wrong with it.
        """
        try:
            return self._read(Path(self._get_load_path()))
        except FileError as error:
            raise DatasetError(str(error)) from None
        except ExperimentError as error:
            raise DatasetError(f"{self._get_load_path()}: {error}") from None

    def save(self, data: Content) -> None:
        """Write the file whole or not at all.

        Raises:
            DatasetError: it cannot be written; one paragraph.
        """
        try:
            self._write(Path(self._get_save_path()), data)
        except FileError as error:
            raise DatasetError(str(error)) from None

    @abstractmethod
    def _read(self, path: Path) -> Content: ...

    @abstractmethod
    def _write(self, path: Path, data: Content) -> None: ...

    def _exists(self) -> bool:
        try:
            return Path(self._get_load_path()).is_file()
        except DatasetError:
            return False

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath), "version": self._version}


def _exists(path: str) -> bool:
    return Path(path).exists()


def _glob(pattern: str) -> list[str]:
    path = Path(pattern)
    return [str(found) for found in path.parent.parent.glob(f"*/{path.name}")]


class ModelDataset(FileDataset[Model]):
    """A model as one .safetensors file with the spec that rebuilds it; loaded frozen, on the CPU.

    Args:
        filepath: the file, relative to the project.
        holds: what it must be: its `kind`, and if wanted the `stage` that trained it, its `target`, its `name`.
        version: version to load and to save.
        metadata: for kedro-viz.
    """

    def __init__(
        self,
        *,
        filepath: str,
        holds: dict[str, str] | None = None,
        version: Version | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self.holds = holds or {}
        super().__init__(filepath=filepath, version=version, metadata=metadata)

    def _read(self, path: Path) -> Model:
        model = read_model(path)
        found = facts(model)
        for fact, wanted in self.holds.items():
            if (other := found.get(fact, "nothing")) != wanted:
                raise FileError(f"{path}: must hold a model of the {fact} {wanted}; found {other}.")
        return model

    def _write(self, path: Path, data: Model) -> None:
        write_model(path, data)


def facts(model: Model) -> dict[str, str]:
    """What a model says of itself, as far as it has it: kind, stage, target, name."""
    found: dict[str, str] = {"kind": model.spec.kind}
    provenance = getattr(model.spec, "provenance", None)
    if provenance is not None:
        found["stage"] = provenance.stage
    return found | {fact: getattr(model.spec, fact) for fact in ("target", "name") if hasattr(model.spec, fact)}


class ImagesDataset(FileDataset[LabelledImages]):
    """Labelled images, uint8, as one .safetensors file; samples say what made them."""

    def _read(self, path: Path) -> LabelledImages:
        tensors, description = read_described(path, ImagesDescription)
        require_tensors(path, tensors, {"images", "labels"})
        described = description.classes, description.made_from, description.seed
        return LabelledImages(tensors["images"], tensors["labels"], *described)

    def _write(self, path: Path, data: LabelledImages) -> None:
        description: dict[str, Any] = {"classes": data.classes, "made_from": dict(data.made_from)}
        description |= {} if data.seed is None else {"seed": data.seed}
        write_tensors(path, {"images": data.images, "labels": data.labels}, description)

    def preview(self) -> ImagePreview:
        """Ten pictures a class, for kedro-viz."""
        images, name = self.load(), PurePosixPath(self._filepath).stem
        title, caption = f"{name}: the first of each class", f"N = {len(images):,}."
        return _as_preview(sample_grid(images, 10, title, caption))


class RepresentationDataset(FileDataset[Representation]):
    """One representation of the training set, as one .safetensors file."""

    def _read(self, path: Path) -> Representation:
        tensors, description = read_described(path, RepresentationDescription)
        require_tensors(path, tensors, {"values"})
        if tensors["values"].ndim < 2:
            raise FileError(
                f"{path}: values must have a row per image; found the shape {tuple(tensors['values'].shape)}."
            )
        return Representation(description.name, tensors["values"], description.encoder_digest)

    def _write(self, path: Path, data: Representation) -> None:
        write_tensors(path, {"values": data.values}, {"name": data.name, "encoder_digest": data.encoder_digest})


class FeaturesDataset(FileDataset[RealFeatures]):
    """Features of the real images in every network, as one .safetensors file."""

    def _read(self, path: Path) -> RealFeatures:
        tensors, description = read_described(path, FeaturesDescription)
        if "second_opinion" not in tensors:
            raise FileError(f"{path}: lacks what the second judge sees. Run the pipeline real_evaluation again.")
        parts = {f"{split}.{network}.{part}" for split in SPLITS for network in description.networks for part in PARTS}
        distances = {f"distances.{space}" for space in description.spaces}
        require_tensors(path, tensors, {"second_opinion", *parts, *distances})
        read = [{name for name in parts if name.startswith(f"train.{network}.")} for network in description.networks]
        for names in (*read, set(tensors).difference(*read)):  # networks may have read other training images
            require_rows(path, {name: tensors[name] for name in sorted(names)})
        splits = {
            split: {
                str(network): LabelledFeatures(*(tensors[f"{split}.{network}.{part}"] for part in PARTS))
                for network in description.networks
            }
            for split in SPLITS
        }
        return RealFeatures(
            splits["train"],
            splits["test"],
            tensors["second_opinion"],
            {space: tensors[f"distances.{space}"] for space in description.spaces},
            description.representation,
            description.made_from,
        )

    def _write(self, path: Path, data: RealFeatures) -> None:
        tensors: dict[str, Tensor] = {}
        for split, by_network in (("train", data.train), ("test", data.test)):
            for network, features in by_network.items():
                values = (features.features, features.logits, features.labels.clone())  # networks may share the labels
                tensors |= dict(zip((f"{split}.{network}.{part}" for part in PARTS), values, strict=True))
        tensors["second_opinion"] = data.second_opinion
        tensors |= {f"distances.{space}": distances for space, distances in data.test_distances.items()}
        description = {"networks": list(data.train), "spaces": list(data.test_distances)}
        origin = {"representation": data.representation, "made_from": dict(data.made_from)}
        write_tensors(path, tensors, description | origin)


class PictureDataset(FileDataset[Image.Image]):
    """A picture as a PNG file, shown by kedro-viz; the texts in its `info` are text chunks of the file."""

    def _read(self, path: Path) -> Image.Image:
        try:
            with Image.open(path, formats=["PNG"]) as picture:
                return picture.copy()
        except Exception as error:  # decoders may raise any exception
            raise FileError(f"{path}: cannot be read as a PNG picture ({in_short(error)}). Create it again.") from None

    def _write(self, path: Path, data: Image.Image) -> None:
        with replacing(path) as partial:
            partial.write_bytes(png(data))

    def preview(self) -> ImagePreview:
        """The picture itself, for kedro-viz."""
        return _as_preview(self.load())


class CheckpointDataset(AbstractDataset[Any, CheckpointFolder]):
    """The folder in which trainings keep their checkpoints; they alone write there, and clear it when all is done.

    Args:
        filepath: the folder, relative to the project.
        metadata: for kedro-viz.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self.metadata = metadata
        self.version = ""
        self._filepath = Path(filepath)

    def load(self) -> CheckpointFolder:
        """Where to write, and for which run."""
        return CheckpointFolder(self._filepath, self.version)

    def save(self, data: Any) -> None:
        """Refuse the data.

        Raises:
            DatasetError: always.
        """
        del data
        raise DatasetError(f"{self._filepath}: checkpoints are written by trainings, not by nodes.")

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}


def png(picture: Image.Image) -> bytes:
    """A picture as a PNG file; the texts in its `info` become text chunks."""
    buffer = io.BytesIO()
    texts = PngInfo()
    for key, text in picture.info.items():
        if isinstance(text, str):
            texts.add_text(str(key), text)
    picture.save(buffer, format="PNG", pnginfo=texts)
    return buffer.getvalue()


def _as_preview(picture: Image.Image) -> ImagePreview:
    return ImagePreview(base64.b64encode(png(picture)).decode())
