"""One level of the stack: G_i, and D_i and Q_i on one trunk (SGAN, section 3.2)."""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gan_pipelines.models.blocks import Shape, build_network, initialise, pass_together, require_shape
from gan_pipelines.models.latent import Latent
from gan_pipelines.models.provenance import Provenance
from gan_pipelines.parameters import DiscriminatorParameters, ExperimentError, GeneratorParameters, Schema
from gan_pipelines.parameters.sgan import UNCONDITIONAL, LevelParameters
from gan_pipelines.tensor_file import digest_tensors


class LevelSpec(Schema):
    """All that it takes to rebuild a level.

    Attributes:
        target: the representation that it generates.
        target_shape: shape of one target.
        condition_shape: shape of one condition; (classes,) for labels, (0,) where there is none.
        parameters: the level's YAML.
        data_digest: digest of the images behind it.
        encoder_digest: digest of the encoder behind it.
        provenance: of the training that it came out of last, alone or joint; None before any.
    """

    kind: Literal["level"] = "level"
    target: str
    target_shape: Shape
    condition_shape: Shape
    parameters: LevelParameters
    data_digest: str
    encoder_digest: str = ""
    provenance: Provenance | None = None

    @property
    def conditional(self) -> bool:
        """Whether it generates from anything but noise."""
        return self.parameters.condition != UNCONDITIONAL


class DiscriminatorOutput(NamedTuple):
    """What D_i and Q_i say of a batch of representations."""

    logits: Float[Tensor, "batch 1"]
    """Logit of being real."""
    recovered_noise: Float[Tensor, "batch noise"]
    """Mean of Q_i(z | h)."""


class Generator(nn.Module):
    """G_i(h_{i+1}, z_i): condition and noise branches, joined along channels, then the trunk.

    An empty condition, of shape (0,), joins any noise.
    """

    def __init__(
        self, parameters: GeneratorParameters, condition: Shape, noise_size: int, target: Shape, where: str
    ) -> None:
        super().__init__()
        self.condition, condition_shape = build_network(parameters.condition, condition, target, f"{where}.condition")
        self.noise, noise_shape = build_network(parameters.noise, (noise_size,), target, f"{where}.noise")
        self.conditional = condition != (0,)
        if not self.conditional:
            condition_shape = (0, *noise_shape[1:])
        if condition_shape[1:] != noise_shape[1:]:
            raise ExperimentError(
                f"{where}: the condition and the noise branch must end in the same height and width to be joined; "
                f"found {condition_shape} and {noise_shape}. A linear layer flattens, a project layer makes a map."
            )
        joined = (condition_shape[0] + noise_shape[0], *condition_shape[1:])
        self.trunk, output = build_network(parameters.trunk, joined, target, f"{where}.trunk")
        require_shape(output, target, f"{where}.trunk")

    def forward(
        self, condition: Float[Tensor, "batch *condition"], noise: Float[Tensor, "batch noise"]
    ) -> Float[Tensor, "batch *target"]:
        """Generate one representation for each condition and noise."""
        joined = self.noise(noise)
        if self.conditional:
            joined = torch.cat([self.condition(condition), joined], dim=1)
        generated: Tensor = self.trunk(joined)
        return generated


class Discriminator(nn.Module):
    """D_i and Q_i: two heads on one trunk."""

    def __init__(self, parameters: DiscriminatorParameters, noise_size: int, target: Shape, where: str) -> None:
        super().__init__()
        self.trunk, shape = build_network(parameters.trunk, target, target, f"{where}.trunk")
        self.adversarial, logits = build_network(parameters.adversarial, shape, (1,), f"{where}.adversarial")
        self.noise, noise = build_network(parameters.noise, shape, (noise_size,), f"{where}.noise")
        require_shape(logits, (1,), f"{where}.adversarial")
        require_shape(noise, (noise_size,), f"{where}.noise")

    def forward(self, representation: Float[Tensor, "batch *target"], batches: int = 1) -> DiscriminatorOutput:
        """Judge representations and read their noise back.

        Args:
            representation: what is judged.
            batches: equal batches of which it is made up, which go through batch norm apart from each other.
        """
        features = pass_together(self.trunk, representation, batches)
        heads = (pass_together(head, features, batches) for head in (self.adversarial, self.noise))
        return DiscriminatorOutput(*heads)


def build_latent(spec: LevelSpec) -> Latent:
    """z_i of a level."""
    return Latent({"noise": spec.parameters.noise})


def build_generator(spec: LevelSpec) -> Generator:
    """G_i of a level, with new weights.

    Raises:
        ExperimentError: networks that do not produce the target's shape.
    """
    where = f"sgan.levels.{spec.target}.generator"
    parameters = spec.parameters
    return Generator(parameters.generator, spec.condition_shape, parameters.noise.size, spec.target_shape, where)


class LevelGAN(nn.Module):
    """Generator, averaged generator where there is one, discriminator.

    Args:
        spec: what it is made of.

    Raises:
        ExperimentError: networks that do not produce the target's or the noise's shape.
    """

    def __init__(self, spec: LevelSpec) -> None:
        super().__init__()
        self.spec = spec
        self.latent = build_latent(spec)
        self.generator = build_generator(spec)
        self.discriminator = Discriminator(
            spec.parameters.discriminator,
            self.latent.size,
            spec.target_shape,
            f"sgan.levels.{spec.target}.discriminator",
        )
        self._initialise()
        self.averaged_generator: Generator | None = None
        if spec.parameters.training.ema_decay:
            self.averaged_generator = build_generator(spec)
            self.averaged_generator.load_state_dict(self.generator.state_dict())

    def digest(self) -> str:
        """SHA-256 of its spec and of its weights."""
        return digest_tensors(self.state_dict(), self.spec.model_dump_json())

    def _initialise(self) -> None:
        initialise(self.generator, self.spec.parameters.initialisation)
        initialise(self.discriminator, self.spec.parameters.initialisation)

    @property
    def sampling_generator(self) -> Generator:
        """The averaged generator where averaging is on, the trained one otherwise."""
        return self.averaged_generator or self.generator
