"""InfoGAN: G(z, c), and D and Q on one trunk (Chen et al. 2016, sections 5 and 6)."""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from gan_pipelines.data.images import to_bytes
from gan_pipelines.models.blocks import SAMPLING_BATCH, build_network, initialise, pass_together, require_shape
from gan_pipelines.models.latent import Latent
from gan_pipelines.models.provenance import Provenance
from gan_pipelines.parameters import CategoricalCode, CodeDiscriminatorParameters, InfoGANParameters, Schema


class InfoGANSpec(Schema):
    """All that it takes to rebuild an InfoGAN.

    Attributes:
        parameters: its YAML.
        image_shape: (channels, height, width).
        data_digest: digest of the images behind it.
        provenance: of its training; None before it.
    """

    kind: Literal["infogan"] = "infogan"
    parameters: InfoGANParameters
    image_shape: tuple[int, int, int]
    data_digest: str
    provenance: Provenance | None = None


class CodeDiscriminatorOutput(NamedTuple):
    """What D says of a batch of pictures, and what Q may read the codes from."""

    logits: Float[Tensor, "batch 1"]
    """Logit of being real."""
    features: Float[Tensor, "batch *features"]
    """The trunk's output."""


class CodeDiscriminator(nn.Module):
    """D and Q: two heads on one trunk; `codes` turns the trunk's features into the parameters of Q(c|x)."""

    def __init__(
        self, parameters: CodeDiscriminatorParameters, head_size: int, image_shape: tuple[int, int, int]
    ) -> None:
        super().__init__()
        where = "infogan.discriminator"
        self.trunk, features = build_network(parameters.trunk, image_shape, image_shape, f"{where}.trunk")
        self.adversarial, logits = build_network(parameters.adversarial, features, (1,), f"{where}.adversarial")
        self.codes, head = build_network(parameters.codes, features, (head_size,), f"{where}.codes")
        require_shape(logits, (1,), f"{where}.adversarial")
        require_shape(head, (head_size,), f"{where}.codes")

    def forward(
        self, images: Float[Tensor, "batch channels height width"], batches: int = 1
    ) -> CodeDiscriminatorOutput:
        """Judge pictures in [0, 1].

        Args:
            images: the pictures.
            batches: equal batches of which they are made up, which go through batch norm apart from each other.
        """
        features = pass_together(self.trunk, images, batches)
        return CodeDiscriminatorOutput(pass_together(self.adversarial, features, batches), features)


class InfoGAN(nn.Module):
    """Generator, averaged generator where there is one, discriminator; the latents of noise z and of codes c.

    Args:
        spec: what it is made of.

    Raises:
        ExperimentError: networks that do not fit the pictures or the codes.
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
        where, image_shape = "infogan.generator", self.spec.image_shape
        latent_shape = (self.noise.size + self.codes.size,)
        generator, output = build_network(self.spec.parameters.generator, latent_shape, image_shape, where)
        require_shape(output, image_shape, where)
        return generator

    @property
    def sampling_generator(self) -> nn.Sequential:
        """The averaged generator where averaging is on, the trained one otherwise."""
        return self.averaged_generator or self.generator

    @torch.no_grad()
    def pictures(
        self, noise: Float[Tensor, "count noise"], codes: Float[Tensor, "count codes"], batch_size: int = 500
    ) -> Float[Tensor, "count channels height width"]:
        """Pictures in [0, 1] on the CPU from given noise and codes, with running batch-norm statistics."""
        generator, device = self.sampling_generator.eval(), next(self.parameters()).device
        latents = torch.cat([noise, codes], dim=1)
        return torch.cat([generator(batch.to(device)).cpu() for batch in latents.split(batch_size)])

    def sample(
        self, count: int, rng: torch.Generator
    ) -> tuple[UInt8[Tensor, "count channels height width"], Float[Tensor, "count codes"]]:
        """Pictures as bytes on the CPU, and the codes they were made from; noise and codes drawn from `rng`.

        Batch by batch, so that besides these two no number of pictures takes more memory than another.
        """
        pictures = torch.empty(count, *self.spec.image_shape, dtype=torch.uint8)
        codes = torch.empty(count, self.codes.size)
        for bytes_, drawn in zip(pictures.split(SAMPLING_BATCH), codes.split(SAMPLING_BATCH), strict=True):
            noise = self.noise.sample(len(drawn), rng)
            drawn.copy_(self.codes.sample(len(drawn), rng))
            bytes_.copy_(to_bytes(self.pictures(noise, drawn)))
        return pictures, codes

    def code_values(self, code: str, points: int) -> Float[Tensor, "points part_size"]:
        """Every category one-hot; or as many values from one end of a continuous code's traversal to the other."""
        part = self.spec.parameters.single_codes[code]
        return (
            torch.eye(part.classes)
            if isinstance(part, CategoricalCode)
            else torch.linspace(*part.traversal, points)[:, None]
        )

    def vary(
        self, code: str, values: Float[Tensor, "points part_size"], bases: int, rng: torch.Generator
    ) -> tuple[Float[Tensor, "bases*points noise"], Float[Tensor, "bases*points codes"]]:
        """Noise and codes in which one code takes the given values and nothing else changes, base after base.

        Args:
            code: its name.
            values: what it takes, one row a point; one-hot rows for a category.
            bases: random settings of everything else.
            rng: draws them.
        """
        points = len(values)
        noise = self.noise.sample(bases, rng).repeat_interleave(points, dim=0)
        codes = self.codes.sample(bases, rng).repeat_interleave(points, dim=0)
        self.codes.split(codes)[code].copy_(values.repeat(bases, 1))
        return noise, codes

    @torch.no_grad()
    def read(
        self, images: Float[Tensor, "count channels height width"], batch_size: int = 500
    ) -> Float[Tensor, "count head_size"]:
        """Q's output for pictures in [0, 1], on the CPU, with running batch-norm statistics."""
        discriminator, device = self.discriminator.eval(), next(self.parameters()).device
        return torch.cat(
            [discriminator.codes(discriminator(batch.to(device)).features).cpu() for batch in images.split(batch_size)]
        )
