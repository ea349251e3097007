"""Classifier, levels, joint training."""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Literal, Self

from pydantic import Field, model_validator

from gan_pipelines.parameters.base import Natural, Schema, Weight
from gan_pipelines.parameters.networks import DiscriminatorParameters, GeneratorParameters, Initialisation, Network
from gan_pipelines.parameters.noise import Noise
from gan_pipelines.parameters.training import TrainingParameters

PIXELS = "pixels"
LABELS = "labels"
UNCONDITIONAL = "none"
"""The condition of a first level that generates from noise alone."""
RESERVED = {"encoder", "judge", "joint", "infogan", "data", "representations", "samples", "scores", "codes"}
RESERVED |= {"real_features", "noise_variations", "categories", "traversals", UNCONDITIONAL}
"""Names of stages of an experiment, which draw their random streams, files and records by name."""


class ClassifierParameters(Schema):
    """A classifier as ordered stages; each stage's output is a representation named for it, the last is `labels`."""

    stages: dict[str, Network] = Field(min_length=2)
    initialisation: Initialisation = Initialisation()
    training: TrainingParameters
    weight_decay: Weight = 0.0
    augmentation_pixels: Natural = 0

    @model_validator(mode="after")
    def _check_stage_names(self) -> Self:
        names = list(self.stages)
        if names[-1] != LABELS or LABELS in names[:-1]:
            raise ValueError(f"the last stage, and no other, must be named {LABELS!r}; found the stages {names}")
        if PIXELS in names:
            raise ValueError(f"{PIXELS!r} is the images themselves and cannot name a stage")
        if taken := RESERVED & set(names):
            raise ValueError(f"the name {min(taken)!r} is taken by a part of the pipelines; choose another")
        for name in names:
            if not re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII):
                raise ValueError(f"a stage's name must be letters, digits and underscores; found {name!r}")
        return self

    @model_validator(mode="after")
    def _check_training(self) -> Self:
        training = self.training
        if training.ema_decay or training.discriminator_learning_rate is not None:
            raise ValueError(
                "training.ema_decay: a classifier is not averaged and has no discriminator; leave both out"
            )
        return self


class LossWeights(Schema):
    """lambda_1, lambda_2, lambda_3 of L_G (SGAN, section 3): the official settings are 1, 1 and 10."""

    adversarial: Weight = 1.0
    conditional: Weight = 1.0
    entropy: Weight = 10.0


class LevelParameters(Schema):
    """One level of the stack; its key in `levels` names the representation that it generates.

    Attributes:
        condition: the representation above it, from which it generates: another level; of the first level `labels`, or
            `none` where it generates from noise alone and has no conditional loss.
        noise: z_i.
        generator: G_i.
        discriminator: D_i and Q_i.
        initialisation: how the weights of G_i, D_i and Q_i start.
        adversarial_loss: form of L_adv, by name.
        loss_weights: weights of the three losses.
        training: its independent training.
    """

    condition: str
    noise: Noise
    generator: GeneratorParameters
    discriminator: DiscriminatorParameters
    initialisation: Initialisation = Initialisation()
    adversarial_loss: Literal["non_saturating"] = "non_saturating"
    loss_weights: LossWeights = LossWeights()
    training: TrainingParameters

    @model_validator(mode="after")
    def _check_branch(self) -> Self:
        if self.condition == UNCONDITIONAL and self.generator.condition:
            raise ValueError(f"generator.condition: there is no condition ({UNCONDITIONAL!r}) to pass it; leave it out")
        return self


class JointParameters(Schema):
    """End-to-end training of the stack.

    Attributes:
        initialise: `independent` starts from the trained levels, `scratch` from new weights.
        upstream_weight: w; level k minimises its own loss + w x the losses of all levels below it.
        training: as for a level.
    """

    initialise: Literal["independent", "scratch"] = "independent"
    upstream_weight: Weight = 0.01
    training: TrainingParameters


class SGANParameters(Schema):
    """Levels from the top down to the pixels, and the joint training."""

    levels: dict[str, LevelParameters] = Field(min_length=1)
    joint: JointParameters

    @model_validator(mode="after")
    def _check_chain(self) -> Self:
        names = list(self.levels)
        first = self.levels[names[0]].condition
        if first not in (LABELS, UNCONDITIONAL):
            raise ValueError(
                f"levels.{names[0]}.condition: that of the first level must be {LABELS!r} or {UNCONDITIONAL!r}, "
                f"and is {first!r}"
            )
        for above, name in pairwise(names):
            found = self.levels[name].condition
            if found != above:
                raise ValueError(
                    f"levels.{name}.condition: the levels do not connect; it must be {above!r}, "
                    f"the representation above it, and is {found!r}"
                )
        if names[-1] != PIXELS:
            raise ValueError(f"levels: the last level must generate {PIXELS!r}; found {names}")
        return self

    @model_validator(mode="after")
    def _check_averaging(self) -> Self:
        for name, level in self.levels.items():
            if bool(level.training.ema_decay) != bool(self.joint.training.ema_decay):
                raise ValueError(
                    f"levels.{name}.training.ema_decay: averaging is on for all levels and the joint training, or off "
                    f"for all; found {level.training.ema_decay} here and {self.joint.training.ema_decay} in joint"
                )
        return self

    def check_against(self, classifier: ClassifierParameters) -> Iterator[str]:
        """Yield one sentence for each level that the classifier has no such representation, in such order, for."""
        stages = list(classifier.stages)
        known = [*reversed(stages), PIXELS]
        for name in self.levels:
            if name == LABELS or name not in known:
                yield f"sgan.levels.{name}: unknown representation; the classifier has {', '.join(known[1:])}"
        chain = [name for name in self.levels if name in known]
        if chain != sorted(chain, key=known.index):
            yield (
                f"sgan.levels: the levels do not connect; {', '.join(chain)} is not the order in which the "
                f"classifier has them ({', '.join(known[1:])})"
            )
