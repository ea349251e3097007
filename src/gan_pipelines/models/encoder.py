"""The encoder: a classifier whose blocks the generators invert (SGAN, section 3.1)."""

import logging
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from gan_pipelines.data.images import Representation
from gan_pipelines.models.blocks import build_network, initialise, require_shape
from gan_pipelines.models.layers import Shape
from gan_pipelines.models.provenance import Provenance
from gan_pipelines.parameters import LABELS, PIXELS, ExperimentError, Initialisation, Network, Schema
from gan_pipelines.parameters.base import Name, Rate, Width
from gan_pipelines.tensor_file import digest_tensors

logger = logging.getLogger(__name__)


class EncoderSpec(Schema):
    """Everything needed to rebuild an encoder.

    Attributes:
        blocks: the layers of each block E_i by the representation it outputs, from the pixels up; the last is `labels`.
        initialisation: how the weights start.
        image_shape: (channels, height, width).
        classes: names of the classes.
        data_digest: digest of the training images.
        units: the unit of each representation, as a multiple of the network's own; 1 if it is missing.
        provenance: what decided its weights; None before training.
    """

    kind: Literal["encoder"] = "encoder"
    blocks: dict[Name, Network]
    initialisation: Initialisation
    image_shape: tuple[Width, Width, Width]
    classes: tuple[str, ...] = Field(min_length=1)
    data_digest: str
    units: dict[str, Rate] = Field(default_factory=dict)
    provenance: Provenance | None = None


class Scale(nn.Module):
    """Multiply by a constant."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, values: Tensor) -> Tensor:
        """The product."""
        return values * self.factor


class Encoder(nn.Module):
    """Blocks E_i in order, from the pixels up to the labels; the last one outputs logits.

    Args:
        spec: blocks, shape of an image, names of the classes.

    Raises:
        ExperimentError: the blocks do not fit the images.
    """

    def __init__(self, spec: EncoderSpec) -> None:
        super().__init__()
        self.spec = spec
        self.shapes: dict[str, Shape] = {PIXELS: spec.image_shape}
        blocks: dict[str, nn.Module] = {}
        shape: Shape = spec.image_shape
        for name, network in spec.blocks.items():
            if hasattr(nn.ModuleDict(), name):
                raise ExperimentError(
                    f"blocks.{name}: PyTorch's containers have a method of this name; choose another."
                )
            blocks[name], shape = build_network(network, shape, (len(spec.classes),), f"blocks.{name}")
            self.shapes[name] = shape
        require_shape(shape, (len(spec.classes),), f"blocks.{LABELS}")
        self.blocks = nn.ModuleDict(blocks)
        initialise(self, spec.initialisation)

    def forward(self, images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch classes"]:
        """Class logits of images in [0, 1]."""
        logits: Tensor = self.segment(PIXELS, LABELS)(images)
        return logits

    def representations(self, images: Float[Tensor, "batch channels height width"]) -> dict[str, Tensor]:
        """All representations of images in [0, 1] by name; `labels` holds the logits."""
        result = {PIXELS: images}
        for (below, _), (name, _) in pairwise(self.shapes.items()):
            result[name] = self.segment(below, name)(result[below])
        return result

    def segment(self, lower: str, upper: str) -> nn.Sequential:
        """The blocks that map the representation `lower` to `upper`: E_i if they are neighbours in the stack.

        Both are in their units.

        Raises:
            ValueError: a name is unknown, or `lower` is not below `upper`.
        """
        names = list(self.shapes)
        if lower not in names or upper not in names or names.index(lower) >= names.index(upper):
            raise ValueError(
                f"no segment from {lower!r} to {upper!r}; the representations are, from the bottom up, {names}"
            )
        blocks = [self.blocks[name] for name in names[names.index(lower) + 1 : names.index(upper) + 1]]
        units = self.spec.units
        below = [Scale(units[lower])] if lower in units else []
        above = [Scale(1 / units[upper])] if upper in units else []
        return nn.Sequential(*below, *blocks, *above)

    def digest(self) -> str:
        """SHA-256 of its spec, which includes the digest of its data, and of its weights."""
        unused = None if self.spec.units else {"units"}  # encoders and judges of earlier versions keep their digests
        return digest_tensors(self.state_dict(), self.spec.model_dump_json(exclude=unused))

    def freeze(self) -> "Encoder":
        """Switch to evaluation mode and stop gradients on the weights; gradients still reach the input."""
        return self.eval().requires_grad_(False)


@torch.no_grad()
def encode(
    encoder: Encoder, pixels: Representation, names: Sequence[str], batch_size: int = 500
) -> list[Representation]:
    """Compute representations of all images in one pass.

    Args:
        encoder: frozen.
        pixels: the images; converted to floats one batch at a time.
        names: the representations wanted.
        batch_size: images per batch.

    Returns:
        The representations on the CPU, in the order of `names`.
    """
    rows: dict[str, list[Tensor]] = {name: [] for name in names}
    for found in _batches(encoder, pixels, batch_size):
        for name in names:
            rows[name].append(found[name].cpu())
    digest = encoder.digest()
    return [Representation(name, torch.cat(batches), digest) for name, batches in rows.items()]


@torch.no_grad()
def set_units(encoder: Encoder, pixels: Representation, batch_size: int = 500) -> None:
    """Set the unit of each representation between pixels and labels so that its mean square over these images is 1.

    The scale of a classifier's representation says nothing: its weights may be divided by a number, and those above
    multiplied by it. In this unit a level's losses, and the share of its noise beside its condition, do not depend on
    it.

    Args:
        encoder: frozen; its spec is changed, its answers are not.
        pixels: the training images.
        batch_size: images per batch.

    Raises:
        ExperimentError: a representation is 0 in all images.
    """
    encoder.spec = encoder.spec.model_copy(update={"units": {}})
    squares = {name: 0.0 for name in encoder.shapes if name not in (PIXELS, LABELS)}
    for found in _batches(encoder, pixels, batch_size):
        for name in squares:
            squares[name] += found[name].double().square().mean().item() * len(found[name]) / len(pixels.values)
    for name, square in squares.items():
        if square == 0:
            raise ExperimentError(
                f"classifier.blocks.{name}: all its features are 0 in all training images, so no level can generate "
                f"it. Train the classifier longer, or with a lower learning rate."
            )
    # four digits, so that the order of addition rarely matters
    units = {name: float(f"{square**0.5:.4g}") for name, square in squares.items()}
    encoder.spec = encoder.spec.model_copy(update={"units": units})


def _batches(encoder: Encoder, pixels: Representation, batch_size: int) -> Iterator[dict[str, Tensor]]:
    """All representations of all images, a batch at a time, on the encoder's device."""
    device = next(encoder.parameters()).device
    for index in torch.arange(len(pixels.values)).split(batch_size):
        yield encoder.representations(pixels.batch(index).to(device))


def report_dead_features(representation: Representation) -> None:
    """Warn of features that are the same in all images: a level must generate them, and learns nothing from it."""
    values = representation.values.flatten(1)
    dead = int((values == values[0]).all(dim=0).sum())
    if dead:
        count = values.shape[1]
        message = "classifier.blocks.%s: %d of its %d features are the same in all training images"
        logger.warning(message, representation.name, dead, count)
