"""Resolve the settings of every branch; train and sample each with its own."""

import pandas as pd

from gan_pipelines.data.images import LabelledImages, Representation
from gan_pipelines.models import Encoder, LevelGAN, StackedGenerator
from gan_pipelines.models.plan import plan_classifier, plan_levels
from gan_pipelines.parameters import (
    AblationParameters,
    Branch,
    ClassifierParameters,
    EvaluationParameters,
    ExperimentError,
    RunParameters,
    SGANParameters,
)
from gan_pipelines.parameters.ablation import SINGLE_LEVEL_TERMS, plan_branches
from gan_pipelines.stages import sample_stack, train_joint_levels, train_level
from gan_pipelines.training.checkpoint import CheckpointFolder


def plan_ablation(
    run: RunParameters,
    sgan: SGANParameters,
    ablation: AblationParameters,
    classifier: ClassifierParameters,
    train_images: LabelledImages,
) -> list[Branch]:
    """The settings of every branch, whose networks are put together once to see that they fit the images.

    Raises:
        ExperimentError: networks that do not fit without the levels above them; names the row.
    """
    branches = plan_branches(run, sgan, ablation)
    shape, digest = train_images.image_shape, train_images.digest()
    encoder = plan_classifier(classifier, shape, train_images.classes, digest, "classifier")
    for branch in branches:
        try:
            plan_levels(branch.sgan, encoder)
        except ExperimentError as error:
            raise ExperimentError(f"The ablation's row {branch.row} cannot be trained. {error}") from None
    return branches


def train_branch_level(
    branch: Branch,
    encoder: Encoder,
    target: LabelledImages | Representation,
    condition: LabelledImages | Representation,
    checkpoints: CheckpointFolder,
) -> tuple[LevelGAN, pd.DataFrame]:
    """Train one level of a branch alone.

    Args:
        branch: its settings.
        encoder: gives E_i.
        target: what the level generates; images stand for their pixels.
        condition: what it generates from; images stand for their labels, or for nothing.
        checkpoints: where the training keeps some, in a folder of the branch.

    Returns:
        The trained level and the history of its losses.
    """
    name = target.pixels().name if isinstance(target, LabelledImages) else target.name
    title = branch.title() if branch.row in SINGLE_LEVEL_TERMS else branch.title(name)
    kept = checkpoints.branch(branch.name)
    return train_level(branch.run, branch.sgan, encoder, target, condition, kept, title)


def train_branch_levels_jointly(
    branch: Branch,
    encoder: Encoder,
    train_images: LabelledImages,
    checkpoints: CheckpointFolder,
    *parts: LevelGAN | Representation,
) -> list[LevelGAN | pd.DataFrame]:
    """Train all levels of a branch end to end.

    Args:
        branch: its settings.
        encoder: gives every E_i.
        train_images: real pixels and labels.
        checkpoints: where the training keeps some, in a folder of the branch.
        parts: the independent levels of the same seed, and the real representations between.

    Returns:
        The jointly trained levels in their order, and the history of their losses.
    """
    kept = checkpoints.branch(branch.name)
    return train_joint_levels(branch.run, branch.sgan, encoder, train_images, kept, *parts, title=branch.title())


def sample_branch(branch: Branch, evaluation: EvaluationParameters, stack: StackedGenerator) -> LabelledImages:
    """Label-balanced samples; all rows of one seed are fed the same labels and, where sizes agree, the same noise."""
    return sample_stack(branch.run, evaluation, stack)
