"""The classifier whose blocks the generators invert (SGAN, section 3.1)."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gan_pipelines.data.images import Representation
from gan_pipelines.models.blocks import Shape, build_network, initialise, require_shape
from gan_pipelines.models.provenance import Provenance
from gan_pipelines.parameters import LABELS, PIXELS, ExperimentError, Initialisation, Network, Schema
from gan_pipelines.tensor_file import digest_tensors


class EncoderSpec(Schema):
    """All that it takes to rebuild an encoder; `provenance` is of its training, None before it."""

    kind: Literal["encoder"] = "encoder"
    stages: dict[str, Network]
    initialisation: Initialisation
    image_shape: tuple[int, int, int]
    classes: tuple[str, ...]
    data_digest: str
    provenance: Provenance | None = None


class Encoder(nn.Module):
    """Ordered stages from the pixels up to the labels; the last one gives logits.

    Args:
        spec: stages, shape of an image, names of the classes.

    Raises:
        ExperimentError: stages that do not fit the images.
    """

    def __init__(self, spec: EncoderSpec) -> None:
        super().__init__()
        self.spec = spec
        self.shapes: dict[str, Shape] = {PIXELS: spec.image_shape}
        stages: dict[str, nn.Module] = {}
        shape: Shape = spec.image_shape
        for name, network in spec.stages.items():
            if hasattr(nn.ModuleDict(), name):
                raise ExperimentError(
                    f"stages.{name}: PyTorch's containers have a method of this name; choose another."
                )
            stages[name], shape = build_network(network, shape, (len(spec.classes),), f"stages.{name}")
            self.shapes[name] = shape
        require_shape(shape, (len(spec.classes),), f"stages.{LABELS}")
        self.stages = nn.ModuleDict(stages)
        initialise(self, spec.initialisation)

    def forward(self, images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch classes"]:
        """Class logits of images in [0, 1]."""
        logits: Tensor = self.segment(PIXELS, LABELS)(images)
        return logits

    def representations(self, images: Float[Tensor, "batch channels height width"]) -> dict[str, Tensor]:
        """Every representation of images in [0, 1], by name; `labels` holds the logits."""
        result = {PIXELS: images}
        for (below, _), (name, _) in pairwise(self.shapes.items()):
            result[name] = self.segment(below, name)(result[below])
        return result

    def segment(self, lower: str, upper: str) -> nn.Sequential:
        """E_i: the part of the encoder that takes the representation `lower` to `upper`.

        Raises:
            ValueError: an unknown name, or `lower` not below `upper`.
        """
        names = list(self.shapes)
        if lower not in names or upper not in names or names.index(lower) >= names.index(upper):
            raise ValueError(f"no segment from {lower!r} to {upper!r}; the representations are, upwards, {names}")
        return nn.Sequential(*(self.stages[name] for name in names[names.index(lower) + 1 : names.index(upper) + 1]))

    def digest(self) -> str:
        """SHA-256 of its spec, which names its data, and of its weights."""
        return digest_tensors(self.state_dict(), self.spec.model_dump_json())

    def freeze(self) -> "Encoder":
        """Evaluation mode and no gradient on the weights; a gradient still passes through to the input."""
        return self.eval().requires_grad_(False)


@torch.no_grad()
def encode(
    encoder: Encoder, pixels: Representation, names: Sequence[str], batch_size: int = 500
) -> list[Representation]:
    """Representations of all images, in one pass over them.

    Args:
        encoder: frozen.
        pixels: the images; they become floats one batch at a time.
        names: which representations.
        batch_size: images held as floats at once.
    """
    device = next(encoder.parameters()).device
    rows: dict[str, list[Tensor]] = {name: [] for name in names}
    for index in torch.arange(len(pixels.values)).split(batch_size):
        found = encoder.representations(pixels.read(index).to(device))
        for name in names:
            rows[name].append(found[name].cpu())
    digest = encoder.digest()
    return [Representation(name, torch.cat(batches), digest) for name, batches in rows.items()]
