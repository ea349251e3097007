"""How the stack without labels differs from the one that learns from them."""

from typing import Annotated

from pydantic import Field

from gan_pipelines.parameters.base import Schema, Weight, WithoutRemoved
from gan_pipelines.parameters.sgan import SGANParameters

UNSUPERVISED_STACK = "unsupervised_sgan"
"""The parameter block with the settings of the stack without labels, derived from the other blocks."""


class UnsupervisedParameters(Schema):
    """What is not as in `sgan`, since another encoder makes the representations.

    Attributes:
        conditional_weights: weight of the conditional loss, by level: how near two representations are depends on what
            the encoder answers to. Levels that are not named have that of `sgan`; one set to `null` too.
    """

    conditional_weights: Annotated[dict[str, Weight], WithoutRemoved] = Field(default_factory=dict)


def unsupervised_stack(sgan: SGANParameters, unsupervised: UnsupervisedParameters) -> SGANParameters:
    """The levels and the joint training of the stack without labels."""
    levels = dict(sgan.levels)
    for name, weight in unsupervised.conditional_weights.items():
        losses = levels[name].loss_weights.model_copy(update={"conditional": weight})
        levels[name] = levels[name].model_copy(update={"loss_weights": losses})
    return sgan.model_copy(update={"levels": levels})
