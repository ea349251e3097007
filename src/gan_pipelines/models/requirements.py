"""What an experiment requires of its data: networks that fit the images, and enough images to train and to score."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.models.blocks import count_parameters
from gan_pipelines.models.encoder import Encoder
from gan_pipelines.models.infogan import InfoGAN, InfoGANSpec
from gan_pipelines.models.infogan_encoder import category_code, plan_infogan_encoder
from gan_pipelines.models.layers import Shape
from gan_pipelines.models.level import LevelGAN, LevelSpec
from gan_pipelines.models.plan import plan_classifier, plan_infogan, plan_levels
from gan_pipelines.parameters import (
    LABELS,
    ClassifierParameters,
    Experiment,
    ExperimentError,
    InfoGANParameters,
    SGANParameters,
)
from gan_pipelines.parameters.ablation import ROWS, row_stack


class PlannedNetwork(NamedTuple):
    """One network of an experiment.

    Attributes:
        output: shape of its output.
        weights: how many it has.
    """

    output: Shape
    weights: int


@dataclass(frozen=True)
class Plan:
    """Every network of an experiment, without weights."""

    encoder: Encoder
    judge: Encoder
    second_judge: Encoder
    levels: Mapping[str, LevelSpec]
    infogan: InfoGANSpec

    def networks(self) -> dict[str, PlannedNetwork]:
        """Every network by its name."""
        found = {}

        def add(name: str, output: Shape, network: nn.Module) -> None:
            found[name] = PlannedNetwork(output, count_parameters(network))

        add("encoder", self.encoder.shapes[LABELS], self.encoder)
        add("judge", self.judge.shapes[LABELS], self.judge)
        add("second judge", self.second_judge.shapes[LABELS], self.second_judge)
        with torch.device("meta"):
            levels, gan = {name: LevelGAN(spec) for name, spec in self.levels.items()}, InfoGAN(self.infogan)
        for name, level in levels.items():
            logits = level.spec.classes if level.discriminator.aware_of_classes else 1
            add(f"{name} generator", level.spec.target_shape, level.generator)
            add(f"{name} discriminator", (logits + level.latent.size,), level.discriminator)
        add("infogan generator", self.infogan.image_shape, gan.generator)
        add("infogan discriminator", (1 + gan.codes.head_size,), gan.discriminator)
        return found


def plan_networks(
    classifier: ClassifierParameters,
    judge: ClassifierParameters,
    second_judge: ClassifierParameters,
    sgan: SGANParameters,
    infogan: InfoGANParameters,
    images: LabelledImages,
) -> Plan:
    """Plan every network of an experiment.

    Raises:
        ExperimentError: a network does not fit the images or its neighbours in the stack.
    """
    shape, digest = images.image_shape, images.digest()
    encoder = plan_classifier(classifier, shape, images.classes, digest, where="classifier")
    return Plan(
        encoder,
        plan_classifier(judge, shape, images.classes, digest, where="judge"),
        plan_classifier(second_judge, shape, images.classes, digest, where="second_judge"),
        plan_levels(sgan, encoder),
        plan_infogan(infogan, shape, digest),
    )


SMALLEST_TEST_SET = 20
"""With fewer images, covariances and the ten splits used by the scores are meaningless."""


def check_experiment(
    experiment: Experiment, train_images: LabelledImages, scored_images: LabelledImages, used: Collection[str]
) -> Plan:
    """Check everything that depends on the data before any training starts.

    Args:
        experiment: all parameters.
        train_images: must fill a batch of every training.
        scored_images: the test or validation images; must be enough to score with.
        used: blocks of the YAML, such as `sgan`, by which something is trained or scored.

    Returns:
        All networks, without weights.

    Raises:
        ExperimentError: one paragraph that names the field, what was found and what is allowed.
    """
    sizes = {where: size for where, size in experiment.batch_sizes.items() if where.split(".")[0] in used}
    if too_large := {where: size for where, size in sizes.items() if size > len(train_images)}:
        found = ", ".join(f"{where}.training.batch_size: {size}" for where, size in too_large.items())
        raise ExperimentError(
            f"{', '.join(f'{where}.training.batch_size' for where in too_large)}: must be at most the number of "
            f"training images, {len(train_images)}; found {found}."
        )
    if "classifier" in used and len(train_images.classes) < 2:
        raise ExperimentError(
            f"classifier: an encoder learns from labels of at least two classes; the pictures are all of the class "
            f"{train_images.classes[0]!r}. An InfoGAN needs no labels: kedro run --pipelines=infogan."
        )
    plan = plan_networks(
        experiment.classifier,
        experiment.judge,
        experiment.second_judge,
        experiment.sgan,
        experiment.infogan,
        train_images,
    )
    if "evaluation" not in used:
        return plan
    needed = fewest_scored(train_images.classes)
    evaluation = experiment.evaluation
    counts = {"evaluation.samples": evaluation.samples, f"{evaluation.split} images": len(scored_images)}
    for where, count in counts.items():
        if count < needed:
            raise ExperimentError(f"{where}: scores need at least {needed}, two for each class; found {count}.")
    return plan


def check_watched(experiment: Experiment, validation_images: LabelledImages, used: Collection[str]) -> None:
    """Check that the judge can score a generator while it trains.

    Args:
        experiment: says which generators are.
        validation_images: against which they are scored.
        used: blocks of the YAML, such as `sgan`, by which something is trained or scored.

    Raises:
        ExperimentError: names the field, what was found and what is allowed.
    """
    needed, classes = fewest_scored(validation_images.classes), len(validation_images.classes)
    for where in (where for where in experiment.watched if where.split(".")[0] in used):
        if classes < 2:
            raise ExperimentError(
                f"{where}: the judge learns from labels of at least two classes; the pictures are all of the class "
                f"{validation_images.classes[0]!r}. Leave {where} out."
            )
        if len(validation_images) < needed:
            raise ExperimentError(
                f"{where}: scores need at least {needed} validation images, two for each class; found "
                f"{len(validation_images)}. Raise data.validation_fraction."
            )


def check_rows(experiment: Experiment, train_images: LabelledImages) -> None:
    """Check that the networks of each row of the ablation fit the images, also without the levels above them.

    Raises:
        ExperimentError: names the row, and the network that does not fit.
    """
    shape, digest = train_images.image_shape, train_images.digest()
    encoder = plan_classifier(experiment.classifier, shape, train_images.classes, digest, "classifier")
    for row in ROWS:
        try:
            plan_levels(row_stack(row, experiment.sgan), encoder)
        except ExperimentError as error:
            raise ExperimentError(f"The ablation's row {row} cannot be trained. {error}") from None


def check_unsupervised(plan: Plan, sgan: SGANParameters, scored: bool) -> dict[str, LevelSpec]:
    """Check that the InfoGAN can be the encoder of the stack, and that its categories can stand for the classes.

    Args:
        plan: the networks of the experiment.
        sgan: the stack's YAML.
        scored: whether the stack is scored, for which each class needs a category.

    Returns:
        Its levels.

    Raises:
        ExperimentError: names the field that does not fit.
    """
    name, code = category_code(plan.infogan)
    with torch.device("meta"):
        encoder = Encoder(plan_infogan_encoder(plan.infogan))
    levels = plan_levels(sgan, encoder)
    classes = len(plan.judge.spec.classes)
    if scored and (classes < 2 or code.classes < classes):
        raise ExperimentError(
            f"infogan.codes.{name}.classes: scores of a stack without labels match a category to each class, so there "
            f"must be at least as many, and two classes; found {code.classes} categories for {classes} "
            f"{'class' if classes == 1 else 'classes'}. `kedro run --pipelines=data_preparation,infogan_training,"
            f"unsupervised_training` trains without scores."
        )
    return levels


def fewest_scored(classes: Sequence[str]) -> int:
    """The smallest number of images that can be scored: two per class, and at least `SMALLEST_TEST_SET`."""
    return max(2 * len(classes), SMALLEST_TEST_SET)
