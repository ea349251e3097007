"""Classifiers: the encoder, and the judges."""

from collections.abc import Mapping
from typing import ClassVar, Self

from pydantic import Field, model_validator

from gan_pipelines.parameters.base import Margin, Name, Natural, Schema, Weight
from gan_pipelines.parameters.networks import MEAN_IMAGE_FIRST, Initialisation, Network, has_mean_image
from gan_pipelines.parameters.start import Start
from gan_pipelines.parameters.training import TrainingParameters

PIXELS = "pixels"
LABELS = "labels"
UNCONDITIONAL = "none"
"""The condition of a first level that generates from noise alone."""
RESERVED = {"encoder", "judge", "second_judge", "joint", "infogan", "data", "representations", "samples", "scores"}
RESERVED |= {
    "real_features",
    "codes",
    "noise_variations",
    "categories",
    "traversals",
    "judged",
    "validation",
    UNCONDITIONAL,
}
"""Names of stages of an experiment, which seed random streams and name files and records."""


class Block(Schema):
    """One block of a classifier.

    Attributes:
        name: the representation that it computes.
        layers: from the representation below to this one.
    """

    name: Name
    layers: Network


class ClassifierParameters(Schema):
    """A classifier, cut into blocks E_i from the pixels up to the labels.

    Attributes:
        blocks: in order; the last is `labels` and gives the logits.
        initialisation: how weights start.
        training: length, batch, optimiser.
        weight_decay: of AdamW.
        augmentation_pixels: greatest random shift of a training batch in each direction.
    """

    renamed_fields: ClassVar[Mapping[str, str]] = {"stages": "blocks, a list of {name, layers}"}

    blocks: tuple[Block, ...] = Field(min_length=2)
    initialisation: Initialisation = Initialisation()
    training: TrainingParameters
    weight_decay: Weight = 0.0
    augmentation_pixels: Margin = 0

    @property
    def networks(self) -> dict[str, Network]:
        """The layers of each block by its name."""
        return {block.name: block.layers for block in self.blocks}

    @model_validator(mode="after")
    def _check_block_names(self) -> Self:
        names = [block.name for block in self.blocks]
        if names[-1] != LABELS or LABELS in names[:-1]:
            raise ValueError(f"blocks: the last, and no other, must be named {LABELS!r}; found {names}")
        if PIXELS in names:
            raise ValueError(f"blocks: {PIXELS!r} is the images themselves and cannot name a block")
        if taken := RESERVED & set(names):
            raise ValueError(f"blocks: the name {min(taken)!r} is taken by a stage of the experiment; choose another")
        if len(set(names)) < len(names):
            raise ValueError(f"blocks: names must differ; found {names}")
        return self

    @model_validator(mode="after")
    def _check_mean_image(self) -> Self:
        for place, block in enumerate(self.blocks):
            if place and has_mean_image(block.layers):
                raise ValueError(f"blocks.{place}.layers: {MEAN_IMAGE_FIRST}")
        return self

    @model_validator(mode="after")
    def _check_training(self) -> Self:
        training = self.training
        if training.ema_decay or training.discriminator_learning_rate is not None:
            raise ValueError(
                "training.ema_decay: a classifier is not averaged and has no discriminator; leave both out"
            )
        return self


class EncoderParameters(ClassifierParameters):
    """The classifier whose blocks the generators invert.

    Attributes:
        unit_scale: whether levels get each representation in the unit in which its mean square over the training images
            is 1, or as the network has it.
        initialise: `scratch` starts from new weights, `from` from those of another encoder.
    """

    unit_scale: bool = True
    initialise: Start = "scratch"


class JudgeParameters(ClassifierParameters):
    """A classifier that judges every generator.

    Attributes:
        seed: of its training, instead of `run.seed`: runs with other seeds share one judge.
    """

    seed: Natural = 0

    @property
    def classifier(self) -> ClassifierParameters:
        """Network and training without the seed, for a classifier like the judge."""
        return ClassifierParameters.model_validate(self.model_dump(exclude={"seed"}))
