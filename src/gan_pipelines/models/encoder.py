"""The encoder: a classifier whose blocks the generators invert (SGAN, section 3.1)."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gan_pipelines.data.images import Representation
from gan_pipelines.models.blocks import build_network, initialise, require_shape
from gan_pipelines.models.layers import Shape
from gan_pipelines.models.provenance import Provenance
from gan_pipelines.parameters import LABELS, PIXELS, ExperimentError, Initialisation, Network, Schema
from gan_pipelines.tensor_file import digest_tensors


class EncoderSpec(Schema):
    """Everything needed to rebuild an encoder.

    Attributes:
        blocks: the layers of each block E_i by the representation it outputs, from the pixels up; the last is `labels`.
        initialisation: how the weights start.
        image_shape: (channels, height, width).
        classes: names of the classes.
        data_digest: digest of the training images.
        provenance: what decided its weights; None before training.
    """

    kind: Literal["encoder"] = "encoder"
    blocks: dict[str, Network]
    initialisation: Initialisation
    image_shape: tuple[int, int, int]
    classes: tuple[str, ...]
    data_digest: str
    provenance: Provenance | None = None


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

        Raises:
            ValueError: a name is unknown, or `lower` is not below `upper`.
        """
        names = list(self.shapes)
        if lower not in names or upper not in names or names.index(lower) >= names.index(upper):
            raise ValueError(
                f"no segment from {lower!r} to {upper!r}; the representations are, from the bottom up, {names}"
            )
        return nn.Sequential(*(self.blocks[name] for name in names[names.index(lower) + 1 : names.index(upper) + 1]))

    def digest(self) -> str:
        """SHA-256 of its spec, which includes the digest of its data, and of its weights."""
        return digest_tensors(self.state_dict(), self.spec.model_dump_json())

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
    device = next(encoder.parameters()).device
    rows: dict[str, list[Tensor]] = {name: [] for name in names}
    for index in torch.arange(len(pixels.values)).split(batch_size):
        found = encoder.representations(pixels.batch(index).to(device))
        for name in names:
            rows[name].append(found[name].cpu())
    digest = encoder.digest()
    return [Representation(name, torch.cat(batches), digest) for name, batches in rows.items()]
