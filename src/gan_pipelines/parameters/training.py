"""Length, batch and optimiser of one stage."""

from typing import Annotated, Literal

from pydantic import Field

from gan_pipelines.parameters.base import Count, Decay, Rate, Schema, Weight

AdversarialLossName = Literal["non_saturating", "saturating", "hinge"]
"""Forms of the adversarial loss; `losses/adversarial.py` has one function pair for each."""


class TrainingParameters(Schema):
    """Length, batch and Adam of one stage.

    Attributes:
        steps: updates of every player; generators may get more of them by a schedule.
        batch_size: images in a batch; at least 2, since batch norm needs two.
        learning_rate: Adam's rate, for the discriminators too unless they have their own.
        discriminator_learning_rate: the discriminators' rate; `null` takes `learning_rate`.
        beta1: Adam's first decay.
        beta2: Adam's second decay.
        final_learning_rate_fraction: the rates fall linearly to this fraction over the second half; 1 keeps them.
        ema_decay: decay of the averaged generators; 0 keeps none.
        report_every_steps: steps between two reports of the losses.
    """

    steps: Count
    batch_size: Annotated[Count, Field(ge=2)] = 100
    learning_rate: Rate = 1e-4
    discriminator_learning_rate: Rate | None = None
    beta1: Decay = 0.5
    beta2: Decay = 0.999
    final_learning_rate_fraction: Annotated[Weight, Field(le=1)] = 1.0
    ema_decay: Decay = 0.0
    report_every_steps: Count = 25
