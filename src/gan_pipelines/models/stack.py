"""The stack of generators: p(h_0 .. h_{N-1} | h_N) as a product of levels (SGAN, section 3.4)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, Self

import torch
from jaxtyping import Float, Int, UInt8
from pydantic import Field, model_validator
from torch import Tensor, nn

from gan_pipelines.data.images import no_condition, one_hot, to_bytes
from gan_pipelines.models.blocks import SAMPLING_BATCH
from gan_pipelines.models.level import LevelGAN, LevelSpec, build_generator, build_latent
from gan_pipelines.parameters import PIXELS, Schema
from gan_pipelines.tensor_file import digest_tensors


class StackSpec(Schema):
    """Everything needed to rebuild a stack of generators.

    Attributes:
        levels: from the top down to the pixels.
        classes: names of the classes.
        averaged: whether the weights are running averages of the trained ones.
        data_digest: digest of the training images.
        level_digests: digest of each level it was assembled from, by target; empty in files of earlier versions.
    """

    kind: Literal["stack"] = "stack"
    levels: tuple[LevelSpec, ...] = Field(min_length=1)
    classes: tuple[str, ...]
    averaged: bool
    data_digest: str
    level_digests: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_chain(self) -> Self:
        targets = [level.target for level in self.levels]
        if len(set(targets)) < len(targets):
            raise ValueError(f"levels: targets must differ; found {targets}")
        top = (len(self.classes) if self.conditional else 0,)
        above = [top, *(level.target_shape for level in self.levels)]
        for level, shape in zip(self.levels, above, strict=False):
            if level.condition_shape != shape:
                raise ValueError(
                    f"levels: the condition of {level.target} must have the shape {shape}, of what is above it; found "
                    f"{level.condition_shape}"
                )
        return self

    @property
    def name(self) -> str:
        """`joint_stack` if its levels were trained end to end, `independent_stack` otherwise."""
        stages = {level.provenance.stage for level in self.levels if level.provenance}
        return "joint_stack" if "joint" in stages else "independent_stack"

    @property
    def conditional(self) -> bool:
        """Whether it generates images of given classes; otherwise it starts from noise alone."""
        return self.levels[0].conditional


def assemble_stack(levels: Sequence[LevelGAN], classes: tuple[str, ...]) -> "StackedGenerator":
    """Combine the sampling generators of trained levels into one stack.

    Args:
        levels: from the top down to the pixels.
        classes: names of the classes.
    """
    spec = StackSpec(
        levels=tuple(level.spec for level in levels),
        classes=classes,
        averaged=all(level.averaged_generator is not None for level in levels),
        data_digest=levels[0].spec.data_digest,
        level_digests={level.spec.target: level.digest() for level in levels},
    )
    stack = StackedGenerator(spec)
    for own, level in zip(stack.generators.values(), levels, strict=True):
        own.load_state_dict(level.sampling_generator.state_dict())
    return stack.requires_grad_(False).eval()


class StackedGenerator(nn.Module):
    """G_{N-1} .. G_0 in order; any N >= 1.

    Args:
        spec: the levels.
    """

    def __init__(self, spec: StackSpec) -> None:
        super().__init__()
        self.spec = spec
        self.latents = {level.target: build_latent(level) for level in spec.levels}
        self.generators = nn.ModuleDict({level.target: build_generator(level) for level in spec.levels})

    def digest(self) -> str:
        """SHA-256 of its spec and its weights."""
        return digest_tensors(self.state_dict(), self.spec.model_dump_json())

    def sample_noise(self, count: int, rng: torch.Generator) -> dict[str, Tensor]:
        """Draw z_i of every level for `count` images."""
        return {name: latent.sample(count, rng) for name, latent in self.latents.items()}

    def conditions(self, labels: Int[Tensor, "batch"]) -> Float[Tensor, "batch size"]:
        """The first level's condition for class indices; an unconditional stack uses only their number."""
        return one_hot(labels, len(self.spec.classes)) if self.spec.conditional else no_condition(labels)

    def forward(
        self, labels: Int[Tensor, "batch"], noise: Mapping[str, Float[Tensor, "batch size"]]
    ) -> dict[str, Tensor]:
        """Generate every representation, from the top down to the pixels in [0, 1].

        Args:
            labels: class indices; an unconditional stack ignores them.
            noise: z_i of each level by its name.
        """
        condition = self.conditions(labels)
        result: dict[str, Tensor] = {}
        for name, generator in self.generators.items():
            condition = result[name] = generator(condition, noise[name])
        return result

    @torch.no_grad()
    def sample(
        self,
        labels: Int[Tensor, "count"],
        rng: torch.Generator,
        follow: Callable[[Sequence[Tensor]], Iterable[Tensor]] = iter,
    ) -> UInt8[Tensor, "count channels height width"]:
        """Generate images as bytes on the CPU, with running batch-norm statistics and noise drawn from `rng`.

        An unconditional stack ignores the labels. Works batch by batch, so that memory beyond the bytes themselves does
        not grow with their number. `follow` passes the batches on, and sees how far the sampling is.
        """
        self.eval()
        pictures = torch.empty(len(labels), *self.spec.levels[-1].target_shape, dtype=torch.uint8)
        for bytes_, batch in zip(follow(pictures.split(SAMPLING_BATCH)), labels.split(SAMPLING_BATCH), strict=True):
            noise = {name: values.to(labels.device) for name, values in self.sample_noise(len(batch), rng).items()}
            bytes_.copy_(to_bytes(self(batch, noise)[PIXELS]))
        return pictures
