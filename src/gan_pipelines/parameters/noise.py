"""What a generator is fed besides its condition, and how Q reads it: priors, noise, codes."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gan_pipelines.parameters.base import Count, Number, Rate, Schema, Window

GREATEST_LATENT = 10_000
"""Entries of noise and codes together; the latents of all samples are in memory at once."""

Entries = Annotated[Count, Field(le=GREATEST_LATENT)]
"""A number of entries of a latent, from 1 to 10,000."""


class UniformRange(Schema):
    """The range [low, high) of a uniform distribution."""

    low: Number
    high: Number

    @model_validator(mode="after")
    def _check_range(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"the range [low, high) is empty: low is {self.low}, high is {self.high}")
        return self


class UniformPrior(UniformRange):
    """U[low, high), `size` entries; nobody reads it back."""

    distribution: Literal["uniform"]
    size: Entries
    low: Number = 0.0
    high: Number = 1.0


class GaussianPrior(Schema):
    """N(0, 1), `size` entries; nobody reads it back."""

    distribution: Literal["gaussian"]
    size: Entries


Prior = Annotated[UniformPrior | GaussianPrior, Field(discriminator="distribution")]
"""Incompressible noise."""


class UniformNoise(UniformPrior):
    """z ~ U[low, high); Q is a Gaussian of fixed standard deviation `posterior_std`."""

    posterior_std: Rate = 0.5**0.5


class GaussianNoise(GaussianPrior):
    """z ~ N(0, 1); Q is a Gaussian of fixed standard deviation `posterior_std`."""

    posterior_std: Rate = 0.5**0.5


Noise = Annotated[UniformNoise | GaussianNoise, Field(discriminator="distribution")]
"""Noise that Q reads back."""


class CategoricalCode(Schema):
    """`count` codes, each one of `classes` equally probable categories; Q is a softmax."""

    distribution: Literal["categorical"]
    classes: Annotated[Entries, Field(ge=2)]
    count: Window = 1

    @property
    def entries(self) -> int:
        """How many entries of the latent they take, one for each category."""
        return self.count * self.classes


class ContinuousCode(UniformRange):
    """`count` codes, each U[low, high); Q is a Gaussian.

    Attributes:
        count: how many codes of this kind.
        low: least value.
        high: greatest value.
        variance: of Q: `learned`, as in the paper, or `fixed` to 1, as in the official code.
        traversal: the values between which figures move the code; holds its range.
    """

    distribution: Literal["uniform"]
    count: Window = 1
    low: Number = -1.0
    high: Number = 1.0
    variance: Literal["learned", "fixed"] = "learned"
    traversal: tuple[Number, Number] = (-2.0, 2.0)

    @property
    def entries(self) -> int:
        """How many entries of the latent they take."""
        return self.count

    @model_validator(mode="after")
    def _check_traversal(self) -> Self:
        start, end = self.traversal
        if not start <= self.low < self.high <= end:
            raise ValueError(f"traversal: must hold the code's range [{self.low}, {self.high}]; found [{start}, {end}]")
        return self


Code = Annotated[CategoricalCode | ContinuousCode, Field(discriminator="distribution")]
"""A part of the latent that means something, since Q has to find it in the picture."""


def single_codes(codes: dict[str, Code]) -> dict[str, CategoricalCode | ContinuousCode]:
    """Each code by itself: one of `count` 1 keeps its name, of more the n-th is `<name>_<n>`.

    Raises:
        ValueError: a name that is no identifier, or that two codes have.
    """
    single: dict[str, CategoricalCode | ContinuousCode] = {}
    for name, code in codes.items():
        if not re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII):
            raise ValueError(f"a code's name must be letters, digits and underscores; found {name!r}")
        for number in range(1, code.count + 1):
            own = name if code.count == 1 else f"{name}_{number}"
            if own in (*single, "total"):
                raise ValueError(f"the name {own!r} is taken, by another code or by the sum of all; choose another")
            single[own] = code.model_copy(update={"count": 1})
    return single
