"""InfoGAN: G(z, c), and D and Q on a shared trunk (Chen et al. 2016, sections 5 and 6)."""

from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from gan_pipelines.data.images import to_bytes
from gan_pipelines.models.blocks import SAMPLING_BATCH, build_exact, build_network, initialise
from gan_pipelines.models.latent import Latent
from gan_pipelines.models.layers import forward_batches
from gan_pipelines.models.provenance import Provenance
from gan_pipelines.parameters import CategoricalCode, CodeDiscriminatorParameters, InfoGANParameters, Schema
from gan_pipelines.parameters.base import Width
from gan_pipelines.tensor_file import digest_tensors


class InfoGANSpec(Schema):
    """Everything needed to rebuild an InfoGAN.

    Attributes:
        parameters: its YAML.
        image_shape: (channels, height, width).
        data_digest: digest of the training images.
        provenance: what decided its weights; None before training.
    """

    kind: Literal["infogan"] = "infogan"
    parameters: InfoGANParameters
    image_shape: tuple[Width, Width, Width]
    data_digest: str
    provenance: Provenance | None = None


def category_names(count: int) -> tuple[str, ...]:
    """What categories are called, which have no names of their own."""
    return tuple(f"category {number}" for number in range(count))


class CodeDiscriminatorOutput(NamedTuple):
    """Output of D for a batch of images, and the features from which Q infers the codes."""

    logits: Float[Tensor, "batch 1"]
    """Logits of D; positive means real."""
    features: Float[Tensor, "batch *features"]
    """The trunk's output."""


class CodeDiscriminator(nn.Module):
    """D and Q: two heads on a shared trunk; `codes` maps the trunk's features to the parameters of Q(c|x)."""

    def __init__(
        self, parameters: CodeDiscriminatorParameters, head_size: int, image_shape: tuple[int, int, int]
    ) -> None:
        super().__init__()
        where = "infogan.discriminator"
        self.trunk, features = build_network(parameters.trunk, image_shape, image_shape, f"{where}.trunk")
        self.adversarial = build_exact(parameters.adversarial, features, (1,), f"{where}.adversarial")
        self.codes = build_exact(parameters.codes, features, (head_size,), f"{where}.codes")

    def forward(
        self, images: Float[Tensor, "batch channels height width"], batches: int = 1
    ) -> CodeDiscriminatorOutput:
        """Judge images. Q's head is applied separately, so that a loss can detach the features first.

        Args:
            images: values in [0, 1].
            batches: number of equal batches in them, each with its own batch-norm statistics.
        """
        features = forward_batches(self.trunk, images, batches)
        return CodeDiscriminatorOutput(forward_batches(self.adversarial, features, batches), features)


class InfoGAN(nn.Module):
    """Generator, discriminator, the latents z and c and, if averaging is on, the averaged generator.

    Args:
        spec: networks, codes, shape of an image.

    Raises:
        ExperimentError: a network does not fit the images or the codes.
    """

    def __init__(self, spec: InfoGANSpec) -> None:
        super().__init__()
        self.spec = spec
        self.noise = Latent({"noise": spec.parameters.noise})
        self.codes = Latent(spec.parameters.single_codes)
        self.generator = self._build_generator()
        self.discriminator = CodeDiscriminator(spec.parameters.discriminator, self.codes.head_size, spec.image_shape)
        initialise(self.generator, spec.parameters.initialisation)
        initialise(self.discriminator, spec.parameters.initialisation)
        self.averaged_generator: nn.Sequential | None = None
        if spec.parameters.training.ema_decay:
            self.averaged_generator = self._build_generator()
            self.averaged_generator.load_state_dict(self.generator.state_dict())

    def _build_generator(self) -> nn.Sequential:
        latent_shape = (self.noise.size + self.codes.size,)
        return build_exact(self.spec.parameters.generator, latent_shape, self.spec.image_shape, "infogan.generator")

    def digest(self) -> str:
        """SHA-256 of its spec and its weights."""
        return digest_tensors(self.state_dict(), self.spec.model_dump_json())

    @property
    def sampling_generator(self) -> nn.Sequential:
        """The averaged generator if averaging is on, the trained one otherwise."""
        return self.averaged_generator or self.generator

    @torch.no_grad()
    def pictures(
        self, noise: Float[Tensor, "count noise"], codes: Float[Tensor, "count codes"], batch_size: int = 500
    ) -> Float[Tensor, "count channels height width"]:
        """Generate images in [0, 1] on the CPU from noise and codes, with running batch-norm statistics."""
        generator, device = self.sampling_generator.eval(), next(self.parameters()).device
        latents = torch.cat([noise, codes], dim=1)
        return torch.cat([generator(batch.to(device)).cpu() for batch in latents.split(batch_size)])

    def sample(
        self, count: int, rng: torch.Generator, follow: Callable[[Sequence[Tensor]], Iterable[Tensor]] = iter
    ) -> tuple[UInt8[Tensor, "count channels height width"], Float[Tensor, "count codes"]]:
        """Generate images as bytes on the CPU from noise and codes drawn from `rng`; returns the codes too.

        Works batch by batch, so that memory beyond the result itself does not grow with `count`. `follow` passes the
        batches on, and sees how far the sampling is.
        """
        pictures = torch.empty(count, *self.spec.image_shape, dtype=torch.uint8)
        codes = torch.empty(count, self.codes.size)
        for bytes_, drawn in zip(follow(pictures.split(SAMPLING_BATCH)), codes.split(SAMPLING_BATCH), strict=True):
            noise = self.noise.sample(len(drawn), rng)
            drawn.copy_(self.codes.sample(len(drawn), rng))
            bytes_.copy_(to_bytes(self.pictures(noise, drawn)))
        return pictures, codes

    def code_values(self, code: str, points: int) -> Float[Tensor, "points part_size"]:
        """All categories as one-hot rows, or `points` evenly spaced values over a continuous code's traversal."""
        part = self.spec.parameters.single_codes[code]
        return (
            torch.eye(part.classes)
            if isinstance(part, CategoricalCode)
            else torch.linspace(*part.traversal, points)[:, None]
        )

    def vary(
        self, code: str, values: Float[Tensor, "points part_size"], bases: int, rng: torch.Generator
    ) -> tuple[Float[Tensor, "bases*points noise"], Float[Tensor, "bases*points codes"]]:
        """Noise and codes in which one code takes the given values while everything else stays fixed.

        Args:
            code: name of the code to vary.
            values: its values, one row per point; one-hot rows for a categorical code.
            bases: number of random settings of everything else.
            rng: draws the bases.

        Returns:
            Noise and codes of all points of the first base, then of the second, and so on.
        """
        points = len(values)
        noise = self.noise.sample(bases, rng).repeat_interleave(points, dim=0)
        codes = self.codes.sample(bases, rng).repeat_interleave(points, dim=0)
        self.codes.split(codes)[code].copy_(values.repeat(bases, 1))
        return noise, codes

    @torch.no_grad()
    def infer(
        self, images: Float[Tensor, "count channels height width"], batch_size: int = 500
    ) -> Float[Tensor, "count head_size"]:
        """Q's output for images in [0, 1], on the CPU, with running batch-norm statistics."""
        discriminator, device = self.discriminator.eval(), next(self.parameters()).device
        return torch.cat(
            [discriminator.codes(discriminator(batch.to(device)).features).cpu() for batch in images.split(batch_size)]
        )
