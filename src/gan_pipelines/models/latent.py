"""What a generator is fed besides its condition, and the posterior Q that reads it back.

A latent is a sequence of named parts. Each part knows its prior, and how to read a head of Q as a density: the mean of
a Gaussian of fixed standard deviation for SGAN's noise (SGAN, section 3.3).
"""

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from gan_pipelines.parameters import GaussianNoise, Noise, UniformNoise


class Latent:
    """Named parts of noise, laid side by side in one vector.

    Args:
        parts: the prior of each part by its name, in order.
    """

    def __init__(self, parts: Mapping[str, Noise]) -> None:
        self.parts = dict(parts)

    @property
    def size(self) -> int:
        """Length of one latent vector."""
        return sum(part.size for part in self.parts.values())

    def sample(self, count: int, rng: torch.Generator) -> Float[Tensor, "count size"]:
        """Draw latent vectors from the prior, on the generator's device."""
        return torch.cat([_sample(part, count, rng) for part in self.parts.values()], dim=1)

    def log_prob(
        self, value: Float[Tensor, "batch size"], head: Float[Tensor, "batch size"]
    ) -> dict[str, Float[Tensor, "batch part_size"]]:
        """Log Q(value | head) of every entry of each part, in nats.

        Args:
            value: what was drawn.
            head: Q's output: the mean of each entry's Gaussian.
        """
        sizes = [part.size for part in self.parts.values()]
        return {
            name: gaussian_log_prob(drawn, mean, part.posterior_std)
            for (name, part), drawn, mean in zip(
                self.parts.items(), value.split(sizes, dim=1), head.split(sizes, dim=1), strict=True
            )
        }


def gaussian_log_prob(
    value: Float[Tensor, "*shape"], mean: Float[Tensor, "*shape"], std: float
) -> Float[Tensor, "*shape"]:
    """Log N(value; mean, std^2): -(value - mean)^2 / (2 std^2) - log(std sqrt(2 pi)), in nats."""
    return -((value - mean) ** 2) / (2 * std**2) - math.log(std * math.sqrt(2 * math.pi))


def _sample(part: Noise, count: int, rng: torch.Generator) -> Tensor:
    match part:
        case UniformNoise():
            unit = torch.rand(count, part.size, generator=rng, device=rng.device)
            return part.low + (part.high - part.low) * unit
        case GaussianNoise():
            return torch.randn(count, part.size, generator=rng, device=rng.device)
