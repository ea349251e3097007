"""One level of the stack: G_i, and D_i and Q_i on a shared trunk (SGAN, section 3.2)."""

from copy import deepcopy
from typing import Annotated, Literal, NamedTuple, Self

import torch
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from gan_pipelines.models.blocks import build_exact, build_network, initialise
from gan_pipelines.models.latent import Latent
from gan_pipelines.models.layers import Shape, forward_batches, make_twice_differentiable
from gan_pipelines.models.provenance import Provenance
from gan_pipelines.parameters import (
    UNCONDITIONAL,
    DiscriminatorParameters,
    ExperimentError,
    GeneratorParameters,
    JointParameters,
    LevelParameters,
    Schema,
)
from gan_pipelines.parameters.base import GREATEST_SIZE, Name, Natural, Width
from gan_pipelines.parameters.networks import Activation, resolve_target_activation
from gan_pipelines.tensor_file import digest_tensors


class LevelSpec(Schema):
    """Everything needed to rebuild a level.

    Attributes:
        target: the representation it generates.
        target_shape: shape of one target.
        condition_shape: shape of one condition; (classes,) for labels, (0,) without a condition.
        classes: number of classes; 0 in files of earlier versions.
        target_activation: with which the encoder's block of the target ends; None if it has none, or for the pixels.
            None is left out of files, so that levels of earlier versions keep their digests.
        parameters: the level's YAML.
        data_digest: digest of the training images.
        encoder_digest: digest of the encoder it was trained with.
        provenance: what decided its weights in its last training, independent or joint; None before training.
    """

    kind: Literal["level"] = "level"
    target: Name
    target_shape: tuple[Width, ...] = Field(min_length=1)
    condition_shape: tuple[Annotated[Natural, Field(le=GREATEST_SIZE)], ...] = Field(min_length=1)
    classes: Natural = 0
    target_activation: Activation | None = Field(default=None, exclude_if=lambda found: found is None)
    parameters: LevelParameters
    data_digest: str
    encoder_digest: str = ""
    provenance: Provenance | None = None

    @property
    def conditional(self) -> bool:
        """Whether it generates from a condition; otherwise from noise alone."""
        return self.parameters.condition != UNCONDITIONAL

    @model_validator(mode="after")
    def _check_sizes(self) -> Self:
        if self.conditional == (0 in self.condition_shape):
            raise ValueError(
                f"condition_shape: must be (0,) for the condition {UNCONDITIONAL!r}, and have values for any other; "
                f"found {self.condition_shape} for {self.parameters.condition!r}"
            )
        if self.parameters.discriminator.classes and not self.classes:
            raise ValueError("classes: a discriminator with the head `classes` needs at least one; found 0")
        return self


class DiscriminatorOutput(NamedTuple):
    """Output of D_i and Q_i for a batch of representations."""

    logits: Float[Tensor, "batch 1"]
    """Logits of D_i; positive means real."""
    recovered_noise: Float[Tensor, "batch noise"]
    """Mean of Q_i(z | h)."""
    class_logits: Float[Tensor, "batch classes"] | None = None
    """Of a D_i that is aware of classes; `logits` are their logsumexp."""


class Generator(nn.Module):
    """G_i(h_{i+1}, z_i): a condition branch and a noise branch, concatenated along channels, then the trunk.

    With an empty condition, of shape (0,), the trunk receives the noise branch alone.
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
                f"{where}: the condition and the noise branch must end in the same height and width; "
                f"found {condition_shape} and {noise_shape}. A linear layer flattens, a project layer makes a map."
            )
        joined = (condition_shape[0] + noise_shape[0], *condition_shape[1:])
        self.trunk = build_exact(parameters.trunk, joined, target, f"{where}.trunk")

    def forward(
        self, condition: Float[Tensor, "batch *condition"], noise: Float[Tensor, "batch noise"]
    ) -> Float[Tensor, "batch *target"]:
        """Generate one representation per condition and noise."""
        joined = self.noise(noise)
        if self.conditional:
            joined = torch.cat([self.condition(condition), joined], dim=1)
        generated: Tensor = self.trunk(joined)
        return generated


class Discriminator(nn.Module):
    """D_i and Q_i: two heads on a shared trunk.

    A D_i that is aware of classes has a logit l_k for each (Salimans et al. 2016, section 5). An example is real with
    the odds sum_k exp(l_k), so D_i's own logit is their logsumexp; given that it is real, softmax(l) is its class.
    """

    def __init__(
        self, parameters: DiscriminatorParameters, noise_size: int, target: Shape, classes: int, where: str
    ) -> None:
        super().__init__()
        self.aware_of_classes = bool(parameters.classes)
        self.trunk, features = build_network(parameters.trunk, target, target, f"{where}.trunk")
        if self.aware_of_classes:
            self.classes = build_exact(parameters.classes, features, (classes,), f"{where}.classes")
        else:
            self.adversarial = build_exact(parameters.adversarial, features, (1,), f"{where}.adversarial")
        self.noise = build_exact(parameters.noise, features, (noise_size,), f"{where}.noise")

    def forward(self, representation: Float[Tensor, "batch *target"], batches: int = 1) -> DiscriminatorOutput:
        """Judge representations and recover their noise.

        Args:
            representation: the representations to judge.
            batches: number of equal batches in it, each with its own batch-norm statistics.
        """
        features = forward_batches(self.trunk, representation, batches)
        recovered_noise = forward_batches(self.noise, features, batches)
        if self.aware_of_classes:
            class_logits = forward_batches(self.classes, features, batches)
            logits = class_logits.float().logsumexp(dim=1, keepdim=True)
            return DiscriminatorOutput(logits, recovered_noise, class_logits)
        return DiscriminatorOutput(forward_batches(self.adversarial, features, batches), recovered_noise)


def build_latent(spec: LevelSpec) -> Latent:
    """The distribution of z_i of a level."""
    return Latent({"noise": spec.parameters.noise})


def build_generator(spec: LevelSpec) -> Generator:
    """G_i of a level, with new weights.

    Raises:
        ExperimentError: its networks do not produce the target's shape.
    """
    where = f"sgan.levels.{spec.target}.generator"
    generator, noise_size = spec.parameters.generator, spec.parameters.noise.size
    trunk = resolve_target_activation(generator.trunk, spec.target_activation)
    generator = generator.model_copy(update={"trunk": trunk})
    return Generator(generator, spec.condition_shape, noise_size, spec.target_shape, where)


class LevelGAN(nn.Module):
    """Generator, discriminator and, if averaging is on, the averaged generator.

    Args:
        spec: networks, shapes, noise.

    Raises:
        ExperimentError: a network does not produce the shape of the target or of the noise.
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
            spec.classes,
            f"sgan.levels.{spec.target}.discriminator",
        )
        self._initialise()
        if spec.parameters.loss_weights.gradient_penalty:
            make_twice_differentiable(self.discriminator)
        self.averaged_generator: Generator | None = None
        if spec.parameters.training.ema_decay:
            self.averaged_generator = build_generator(spec)
            self.averaged_generator.load_state_dict(self.generator.state_dict())

    def digest(self) -> str:
        """SHA-256 of its spec and its weights."""
        return digest_tensors(self.state_dict(), self.spec.model_dump_json())

    def _initialise(self) -> None:
        initialise(self.generator, self.spec.parameters.initialisation)
        initialise(self.discriminator, self.spec.parameters.initialisation)

    @property
    def sampling_generator(self) -> Generator:
        """The averaged generator if averaging is on, the trained one otherwise."""
        return self.averaged_generator or self.generator


def joint_start(level: LevelGAN, joint: JointParameters) -> LevelGAN:
    """A level as joint training starts from it: a copy, if asked for with other layers in D_i and Q_i, or new weights.

    Raises:
        ExperimentError: D_i and Q_i cannot take over the weights.
    """
    discriminator = joint.discriminators.get(level.spec.target)
    if joint.initialise == "scratch":
        return LevelGAN(_with_layers(level.spec, discriminator) if discriminator else level.spec)
    return with_discriminator(level, discriminator) if discriminator else deepcopy(level)


def with_discriminator(level: LevelGAN, discriminator: DiscriminatorParameters) -> LevelGAN:
    """The same level with other layers in D_i and Q_i, which take over its weights in their order.

    Args:
        level: the level; not changed.
        discriminator: the layers, with weights of the same shapes.

    Raises:
        ExperimentError: the shapes differ.
    """
    found = LevelGAN(_with_layers(level.spec, discriminator))
    found.generator.load_state_dict(level.generator.state_dict())
    if found.averaged_generator and level.averaged_generator:
        found.averaged_generator.load_state_dict(level.averaged_generator.state_dict())
    ours, theirs = found.discriminator.state_dict(), list(level.discriminator.state_dict().values())
    shapes = [[tuple(value.shape) for value in values] for values in (ours.values(), theirs)]
    if shapes[0] != shapes[1]:
        raise ExperimentError(
            f"sgan.joint.discriminators.{level.spec.target}: its weights must have the shapes of those of "
            f"sgan.levels.{level.spec.target}.discriminator, in their order, {shapes[1]}; found {shapes[0]}."
        )
    found.discriminator.load_state_dict(dict(zip(ours, theirs, strict=True)))
    return found


def _with_layers(spec: LevelSpec, discriminator: DiscriminatorParameters) -> LevelSpec:
    parameters = spec.parameters.model_copy(update={"discriminator": discriminator})
    return spec.model_copy(update={"parameters": parameters})
