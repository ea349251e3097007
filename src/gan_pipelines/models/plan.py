"""Build every network of an experiment without weights, so that shape errors appear before any training starts."""

from collections.abc import Mapping

import torch

from gan_pipelines.models.encoder import Encoder, EncoderSpec
from gan_pipelines.models.infogan import InfoGAN, InfoGANSpec
from gan_pipelines.models.layers import Shape
from gan_pipelines.models.level import LevelGAN, LevelSpec, joint_start
from gan_pipelines.parameters import (
    UNCONDITIONAL,
    ClassifierParameters,
    ExperimentError,
    InfoGANParameters,
    SGANParameters,
)
from gan_pipelines.parameters.networks import last_activation


def plan_classifier(
    parameters: ClassifierParameters,
    image_shape: tuple[int, int, int],
    classes: tuple[str, ...],
    data_digest: str,
    where: str,
) -> Encoder:
    """Build a classifier without weights.

    Args:
        parameters: its YAML.
        image_shape: (channels, height, width).
        classes: names of the classes.
        data_digest: digest of the images it will be trained on.
        where: its place in the YAML, for messages.

    Raises:
        ExperimentError: the blocks do not fit the images.
    """
    spec = EncoderSpec(
        blocks=parameters.networks,
        initialisation=parameters.initialisation,
        image_shape=image_shape,
        classes=classes,
        data_digest=data_digest,
    )
    try:
        with torch.device("meta"):
            return Encoder(spec)
    except ExperimentError as error:
        raise ExperimentError(f"{where}.{error}") from None


def plan_levels(parameters: SGANParameters, encoder: Encoder, encoder_digest: str = "") -> dict[str, LevelSpec]:
    """Describe every level of a stack, after building each one without weights to check that it fits.

    Args:
        parameters: the stack's YAML.
        encoder: defines the shape of each representation; needs no weights.
        encoder_digest: digest of the trained encoder; empty while there is none.

    Returns:
        The spec of each level by its target, from the top down.

    Raises:
        ExperimentError: a network does not produce its level's target.
    """
    shapes: Mapping[str, Shape] = {**encoder.shapes, UNCONDITIONAL: (0,)}
    specs = {}
    for name, level in parameters.levels.items():
        for representation in (name, level.condition):
            if representation not in shapes:
                raise ExperimentError(
                    f"sgan.levels.{name}: unknown representation {representation!r}; "
                    f"the encoder has {', '.join(encoder.shapes)}."
                )
        specs[name] = LevelSpec(
            target=name,
            target_shape=shapes[name],
            condition_shape=shapes[level.condition],
            classes=len(encoder.spec.classes),
            target_activation=last_activation(encoder.spec.blocks.get(name, ())),
            parameters=level,
            data_digest=encoder.spec.data_digest,
            encoder_digest=encoder_digest,
        )
        with torch.device("meta"):
            joint_start(LevelGAN(specs[name]), parameters.joint)
    return specs


def plan_infogan(parameters: InfoGANParameters, image_shape: tuple[int, int, int], data_digest: str) -> InfoGANSpec:
    """Describe the InfoGAN, after building it without weights to check that it fits.

    Args:
        parameters: its YAML.
        image_shape: (channels, height, width).
        data_digest: digest of the images it will be trained on.

    Raises:
        ExperimentError: a network does not fit the images or the codes.
    """
    spec = InfoGANSpec(parameters=parameters, image_shape=image_shape, data_digest=data_digest)
    with torch.device("meta"):
        InfoGAN(spec)
    return spec
