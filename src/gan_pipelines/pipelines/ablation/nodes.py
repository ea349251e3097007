"""Resolve the settings of every branch; train and sample each with its own."""

import pandas as pd
from PIL import Image

from gan_pipelines.data.images import LabelledImages, Representation
from gan_pipelines.evaluation import sample_generator, score_samples
from gan_pipelines.metrics import REAL, RealFeatures
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
from gan_pipelines.parameters.ablation import ROWS, SINGLE_LEVEL_TERMS, plan_branches
from gan_pipelines.reporting.ablation import ablation_grids, ablation_table
from gan_pipelines.stages import train_joint_levels, train_level
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
    return sample_generator(branch.run, evaluation, stack)


def score_branch(
    branch: Branch,
    evaluation: EvaluationParameters,
    judge: Encoder,
    train_images: LabelledImages,
    test_images: LabelledImages,
    real_features: RealFeatures,
    samples: LabelledImages,
) -> pd.DataFrame:
    """Score the samples of a branch by the judge that all branches share."""
    return score_samples(branch.run, evaluation, judge, train_images, test_images, real_features, samples)


def collect_scores(ablation: AblationParameters, real_scores: pd.DataFrame, *tables: pd.DataFrame) -> pd.DataFrame:
    """SGAN's table 1 on the data at hand.

    Args:
        ablation: how many seeds there are.
        real_scores: of the real training images.
        tables: of every branch, row by row.
    """
    seeds = len(ablation.seeds)
    by_row = {row: tables[place * seeds : (place + 1) * seeds] for place, row in enumerate(ROWS)}
    return ablation_table({**by_row, REAL: [real_scores]})


def draw_grids(evaluation: EvaluationParameters, train_images: LabelledImages, *samples: LabelledImages) -> Image.Image:
    """One grid a row of the table, of the first seed, and one of real images.

    Args:
        evaluation: pictures in a line.
        train_images: the real ones.
        samples: of the first seed's branches, row by row.
    """
    return ablation_grids({**dict(zip(ROWS, samples, strict=True)), REAL: train_images}, evaluation.grid_columns)
