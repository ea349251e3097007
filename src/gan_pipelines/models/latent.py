"""Noise and codes: their priors, and the posterior Q that recovers them.

A latent is a sequence of named parts. Each part has a prior and defines how Q's output parametrises a density: for
SGAN's noise, the mean of a Gaussian of fixed standard deviation (SGAN, section 3.3); for InfoGAN's codes, the logits of
a softmax, or the mean and log standard deviation of a Gaussian (InfoGAN, section 6).
"""

import math
from collections.abc import Mapping
from typing import assert_never

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.nn import functional

from gan_pipelines.parameters import (
    CategoricalCode,
    ContinuousCode,
    GaussianNoise,
    GaussianPrior,
    UniformNoise,
    UniformPrior,
)

Part = UniformPrior | GaussianPrior | CategoricalCode | ContinuousCode


class Latent:
    """Named parts of noise and codes, concatenated into one vector; a category is a one-hot vector in it.

    Args:
        parts: the prior of each part by its name, in order; every code on its own, with `count` 1.
    """

    def __init__(self, parts: Mapping[str, Part]) -> None:
        self.parts = dict(parts)

    @property
    def sizes(self) -> list[int]:
        """Number of entries of each part."""
        return [_size(part) for part in self.parts.values()]

    @property
    def size(self) -> int:
        """Length of one latent vector."""
        return sum(self.sizes)

    @property
    def head_size(self) -> int:
        """Length of Q's output."""
        return sum(_head_size(part) for part in self.parts.values())

    def sample(self, count: int, rng: torch.Generator) -> Float[Tensor, "count size"]:
        """Draw latent vectors from the prior, on the device of `rng`."""
        return torch.cat([_sample(part, count, rng) for part in self.parts.values()], dim=1)

    def split(self, value: Float[Tensor, "batch size"]) -> dict[str, Float[Tensor, "batch part_size"]]:
        """The entries of each part by name."""
        return dict(zip(self.parts, value.split(self.sizes, dim=1), strict=True))

    def interpolate(
        self, start: Float[Tensor, "batch size"], end: Float[Tensor, "batch size"], share: float
    ) -> Float[Tensor, "batch size"]:
        """Latent vectors between others; each part keeps to where its prior has its mass.

        Uniform parts are mixed linearly. Independent Gaussian ones are mixed with cosine and sine, so that the mixture
        is N(0, 1) too. Categories stay those of the start.

        Args:
            start: at share 0.
            end: at share 1, but for categories.
            share: from 0 to 1.
        """
        starts, ends = self.split(start), self.split(end)
        return torch.cat([_between(part, starts[name], ends[name], share) for name, part in self.parts.items()], dim=1)

    def prior_entropy(self) -> dict[str, float]:
        """H(c) of each part in nats: log K for K categories, the differential entropy log(high - low) for a range."""
        return {name: _entropy(part) for name, part in self.parts.items()}

    def log_prob(
        self, value: Float[Tensor, "batch size"], head: Float[Tensor, "batch head_size"]
    ) -> dict[str, Float[Tensor, "batch entries"]]:
        """Log Q(value | head) of every entry of each part, in nats; a category counts as one entry.

        Args:
            value: the latent vectors that were drawn.
            head: Q's output, the parts concatenated.
        """
        precise = head.to(torch.promote_types(head.dtype, value.dtype))  # Q's network may compute in bfloat16
        drawn, heads = self.split(value), self.split_head(precise)
        return {name: _log_prob(part, drawn[name], heads[name]) for name, part in self.parts.items()}

    def posterior_mean(self, head: Float[Tensor, "batch head_size"]) -> dict[str, Float[Tensor, "batch part_size"]]:
        """Q's mean of each part: the probabilities of the categories, or the mean of the Gaussian."""
        return {name: _posterior_mean(self.parts[name], heads) for name, heads in self.split_head(head).items()}

    def split_head(self, head: Shaped[Tensor, "batch head_size"]) -> dict[str, Shaped[Tensor, "batch part_head"]]:
        """The entries of Q's output for each part by name."""
        sizes = [_head_size(part) for part in self.parts.values()]
        return dict(zip(self.parts, head.split(sizes, dim=1), strict=True))


def gaussian_log_prob(
    value: Float[Tensor, "*shape"], mean: Float[Tensor, "*shape"], std: Float[Tensor, "*shape"] | float
) -> Float[Tensor, "*shape"]:
    """Log N(value; mean, std^2): -(value - mean)^2 / (2 std^2) - log(std sqrt(2 pi)), in nats."""
    scaled = std * math.sqrt(2 * math.pi)
    return -((value - mean) ** 2) / (2 * std**2) - (scaled.log() if isinstance(scaled, Tensor) else math.log(scaled))


def _size(part: Part) -> int:
    match part:
        case CategoricalCode() | ContinuousCode():
            return part.entries
        case UniformPrior() | GaussianPrior():
            return part.size
        case _:
            assert_never(part)


def _head_size(part: Part) -> int:
    match part:
        case ContinuousCode():
            return 2 if part.variance == "learned" else 1
        case _:
            return _size(part)


def _sample(part: Part, count: int, rng: torch.Generator) -> Tensor:
    match part:
        case CategoricalCode():
            drawn = torch.randint(part.classes, (count,), generator=rng, device=rng.device)
            return functional.one_hot(drawn, part.classes).float()
        case UniformPrior() | ContinuousCode():
            unit = torch.rand(count, _size(part), generator=rng, device=rng.device)
            return part.low + (part.high - part.low) * unit
        case GaussianPrior():
            return torch.randn(count, part.size, generator=rng, device=rng.device)
        case _:
            assert_never(part)


def _between(part: Part, start: Tensor, end: Tensor, share: float) -> Tensor:
    match part:
        case CategoricalCode():
            return start
        case UniformPrior() | ContinuousCode():
            return torch.lerp(start, end, share)
        case GaussianPrior():
            angle = share * math.pi / 2
            return math.cos(angle) * start + math.sin(angle) * end
        case _:
            assert_never(part)


def _entropy(part: Part) -> float:
    match part:
        case CategoricalCode():
            return math.log(part.classes)
        case UniformPrior() | ContinuousCode():
            return _size(part) * math.log(part.high - part.low)
        case GaussianPrior():
            return part.size * math.log(math.sqrt(2 * math.pi * math.e))
        case _:
            assert_never(part)


def _posterior_mean(part: Part, head: Tensor) -> Tensor:
    match part:
        case CategoricalCode():
            return head.softmax(dim=1)
        case ContinuousCode():
            return head[:, :1]
        case _:
            return head


def _log_prob(part: Part, value: Tensor, head: Tensor) -> Tensor:
    match part:
        case CategoricalCode():
            return (value * head.log_softmax(dim=1)).sum(dim=1, keepdim=True)
        case ContinuousCode():
            std = head[:, 1:].exp() if part.variance == "learned" else 1.0
            return gaussian_log_prob(value, head[:, :1], std)
        case UniformNoise() | GaussianNoise():
            return gaussian_log_prob(value, head, part.posterior_std)
        case _:
            raise TypeError("Q does not model incompressible noise")
