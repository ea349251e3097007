"""The networks of an experiment, put together without weights: whether they fit is known before anything trains."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from gan_pipelines.data.images import LabelledImages, Representation
from gan_pipelines.models.blocks import Shape, count_parameters
from gan_pipelines.models.encoder import Encoder, EncoderSpec
from gan_pipelines.models.infogan import InfoGAN, InfoGANSpec
from gan_pipelines.models.level import LevelGAN, LevelSpec
from gan_pipelines.parameters import (
    LABELS,
    UNCONDITIONAL,
    ClassifierParameters,
    Experiment,
    ExperimentError,
    InfoGANParameters,
    SGANParameters,
)

SMALLEST_TEST_SET = 20
"""Below this the covariances and the ten splits of the scores mean nothing."""


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


def plan_levels(parameters: SGANParameters, encoder: Encoder, encoder_digest: str = "") -> dict[str, LevelSpec]:
    """The spec of every level, each built once without weights to see that it fits.

    Args:
        parameters: the stack's YAML.
        encoder: gives the shape of each representation; may be without weights.
        encoder_digest: of the trained encoder.

    Raises:
        ExperimentError: a network that does not produce what its level asks for.
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
            parameters=level,
            data_digest=encoder.spec.data_digest,
            encoder_digest=encoder_digest,
        )
        with torch.device("meta"):
            LevelGAN(specs[name])
    return specs


def plan_infogan(parameters: InfoGANParameters, image_shape: tuple[int, int, int], data_digest: str) -> InfoGANSpec:
    """The spec of the InfoGAN, built once without weights to see that it fits.

    Args:
        parameters: its YAML.
        image_shape: (channels, height, width).
        data_digest: of the images that it will be trained on.

    Raises:
        ExperimentError: a network that does not fit the pictures or the codes.
    """
    spec = InfoGANSpec(parameters=parameters, image_shape=image_shape, data_digest=data_digest)
    with torch.device("meta"):
        InfoGAN(spec)
    return spec


@dataclass(frozen=True)
class Plan:
    """Every network of an experiment, none with weights."""

    encoder: Encoder
    judge: Encoder
    levels: Mapping[str, LevelSpec]
    infogan: InfoGANSpec


def plan_networks(
    classifier: ClassifierParameters,
    judge: ClassifierParameters,
    sgan: SGANParameters,
    infogan: InfoGANParameters,
    images: LabelledImages,
) -> Plan:
    """Plan every network of an experiment.

    Raises:
        ExperimentError: a network that does not fit the images, or what stands above or below it.
    """
    shape, digest = images.image_shape, images.digest()
    encoder = plan_classifier(classifier, shape, images.classes, digest, where="classifier")
    return Plan(
        encoder,
        plan_classifier(judge, shape, images.classes, digest, where="judge"),
        plan_levels(sgan, encoder),
        plan_infogan(infogan, shape, digest),
    )


def check_experiment(experiment: Experiment, train_images: LabelledImages, test_images: LabelledImages) -> None:
    """Check, before anything trains, what depends on the data: networks that fit, batches and samples that suffice.

    Raises:
        ExperimentError: one paragraph that names the field, what was found and what is allowed.
    """
    for where, batch_size in experiment.batch_sizes.items():
        if batch_size > len(train_images):
            raise ExperimentError(
                f"{where}.training.batch_size: must be at most the number of training images, {len(train_images)}; "
                f"found {batch_size}."
            )
    plan_networks(experiment.classifier, experiment.judge, experiment.sgan, experiment.infogan, train_images)
    needed = fewest_scored(train_images.classes)
    for where, count in {"evaluation.samples": experiment.evaluation.samples, "test images": len(test_images)}.items():
        if count < needed:
            raise ExperimentError(f"{where}: scores need at least {needed}, two for each class; found {count}.")


def fewest_scored(classes: Sequence[str]) -> int:
    """So many pictures, two for each class, any score needs."""
    return max(2 * len(classes), SMALLEST_TEST_SET)


def require_same_origin(
    encoder: Encoder,
    images: LabelledImages | None = None,
    representations: Sequence[Representation] = (),
    levels: Sequence[LevelGAN] = (),
) -> None:
    """Refuse to put together what was made from other images or by another encoder.

    Raises:
        ExperimentError: names the first thing that does not belong to the encoder.
    """
    digest = encoder.digest()
    strangers = [f"representation_{x.name}" for x in representations if x.encoder_digest not in ("", digest)]
    strangers += [f"level_{x.spec.target}" for x in levels if x.spec.encoder_digest != digest]
    if images is not None and images.digest() != encoder.spec.data_digest:
        strangers.insert(0, "train_images")
    if strangers:
        raise ExperimentError(
            f"{strangers[0]}: does not belong to this encoder; it was made from other images or by another encoder. "
            f"Run the pipelines from data_preparation or classifier on again, or name versions with --load-versions."
        )


def require_same_images(name: str, model: InfoGAN | Encoder, images: LabelledImages) -> None:
    """Refuse to score with a judge, or to score an InfoGAN, that other images made than those at hand.

    Raises:
        ExperimentError: names the model.
    """
    if images.digest() != model.spec.data_digest:
        raise ExperimentError(
            f"{name}: was trained on other images than train_images. Run the pipelines from data_preparation on again, "
            f"or name versions with --load-versions."
        )


def describe_networks(plan: Plan) -> list[dict[str, str | int]]:
    """One row a network: its name, the shape of its output, its number of trainable values."""
    rows: list[dict[str, str | int]] = [
        _row("encoder", plan.encoder.shapes[LABELS], count_parameters(plan.encoder)),
        _row("judge", plan.judge.shapes[LABELS], count_parameters(plan.judge)),
    ]
    for name, spec in plan.levels.items():
        with torch.device("meta"):
            level = LevelGAN(spec)
        rows.append(_row(f"{name} generator", spec.target_shape, count_parameters(level.generator)))
        rows.append(_row(f"{name} discriminator", (1 + level.latent.size,), count_parameters(level.discriminator)))
    with torch.device("meta"):
        gan = InfoGAN(plan.infogan)
    rows.append(_row("infogan generator", plan.infogan.image_shape, count_parameters(gan.generator)))
    rows.append(_row("infogan discriminator", (1 + gan.codes.head_size,), count_parameters(gan.discriminator)))
    return rows


def _row(network: str, output: Shape, parameters: int) -> dict[str, str | int]:
    return {"network": network, "output": " x ".join(map(str, output)), "parameters": parameters}
