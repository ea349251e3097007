"""The networks of an experiment, put together without weights: whether they fit is known before anything trains."""

from collections.abc import Mapping

import torch

from gan_pipelines.models.blocks import Shape, count_parameters
from gan_pipelines.models.encoder import Encoder, EncoderSpec
from gan_pipelines.models.level import LevelGAN, LevelSpec
from gan_pipelines.parameters import LABELS, ClassifierParameters, ExperimentError, SGANParameters


def plan_classifier(
    parameters: ClassifierParameters,
    image_shape: tuple[int, int, int],
    classes: tuple[str, ...],
    data_digest: str,
    where: str,
) -> Encoder:
    """A classifier without weights.

    Args:
        parameters: its YAML.
        image_shape: (channels, height, width).
        classes: their names.
        data_digest: of the images that it will be trained on.
        where: its block in the YAML, for messages.

    Raises:
        ExperimentError: stages that do not fit the images.
    """
    spec = EncoderSpec(
        stages=parameters.stages,
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


def plan_levels(parameters: SGANParameters, encoder: Encoder) -> dict[str, LevelSpec]:
    """The spec of every level, each built once without weights to see that it fits.

    Args:
        parameters: the stack's YAML.
        encoder: gives the shape of each representation; may be without weights.

    Raises:
        ExperimentError: a network that does not produce what its level asks for.
    """
    shapes: Mapping[str, Shape] = encoder.shapes
    specs = {}
    for name, level in parameters.levels.items():
        for representation in (name, level.condition):
            if representation not in shapes:
                raise ExperimentError(
                    f"sgan.levels.{name}: unknown representation {representation!r}; "
                    f"the encoder has {', '.join(shapes)}."
                )
        specs[name] = LevelSpec(
            target=name,
            target_shape=shapes[name],
            condition_shape=shapes[level.condition],
            parameters=level,
            data_digest=encoder.spec.data_digest,
        )
        with torch.device("meta"):
            LevelGAN(specs[name])
    return specs


def describe_networks(encoder: Encoder, judge: Encoder, levels: Mapping[str, LevelSpec]) -> list[dict[str, str | int]]:
    """One row a network: its name, the shape of its output, its number of trainable values."""
    rows: list[dict[str, str | int]] = [
        _row("encoder", encoder.shapes[LABELS], count_parameters(encoder)),
        _row("judge", judge.shapes[LABELS], count_parameters(judge)),
    ]
    for name, spec in levels.items():
        with torch.device("meta"):
            level = LevelGAN(spec)
        rows.append(_row(f"{name} generator", spec.target_shape, count_parameters(level.generator)))
        rows.append(_row(f"{name} discriminator", (1 + level.latent.size,), count_parameters(level.discriminator)))
    return rows


def _row(network: str, output: Shape, parameters: int) -> dict[str, str | int]:
    return {"network": network, "output": " x ".join(map(str, output)), "parameters": parameters}
