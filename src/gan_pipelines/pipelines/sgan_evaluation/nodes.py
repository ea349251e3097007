"""What is particular to stacks: how each level uses its noise, and the losses of all stages."""

import pandas as pd
import plotly.graph_objects as go
import torch
from PIL import Image

from gan_pipelines.data.images import LabelledImages, Representation
from gan_pipelines.metrics import level_variations, score_levels
from gan_pipelines.metrics.diversity import CONDITIONS, NOISES
from gan_pipelines.models import LevelGAN, StackedGenerator, standing_levels
from gan_pipelines.models.standing import PICTURES
from gan_pipelines.parameters import PIXELS, EvaluationParameters, RunParameters
from gan_pipelines.reporting.curves import loss_curves
from gan_pipelines.reporting.pictures import noise_variations, upper_noise_variations
from gan_pipelines.reporting.tables import score_table
from gan_pipelines.training.stage import seeded_stage


def score_stack_levels(
    run: RunParameters,
    train_images: LabelledImages,
    *parts: LevelGAN | Representation,
) -> pd.DataFrame:
    """How much each level's output varies over its noise, and how much of the noise Q reads from it.

    The levels are copies whose batch norms have the statistics of what they get here.

    Args:
        run: seed, device, threads.
        train_images: real pixels and labels.
        parts: the levels from the top down to the pixels, and the real representations between.

    Returns:
        One row a score of a level.
    """
    levels = [part for part in parts if isinstance(part, LevelGAN)]
    real = {part.name: part for part in parts if isinstance(part, Representation)} | {PIXELS: train_images.pixels()}
    classes = len(train_images.classes)
    with seeded_stage(run, "standing_statistics") as stage:
        standing = standing_levels(levels, torch.arange(PICTURES) % classes, stage.rng)
    with seeded_stage(run, "scores") as stage:
        variations = level_variations(standing, real, train_images.labels, classes, stage.rng)
        return score_table(score_levels(variations, CONDITIONS * NOISES))


def draw_noise_variations(run: RunParameters, evaluation: EvaluationParameters, stack: StackedGenerator) -> Image.Image:
    """One row a class: one generated upper representation, many noises of the lowest level."""
    with seeded_stage(run, "noise_variations") as stage:
        return noise_variations(stack, stage.rng, evaluation.grid_columns)


def draw_upper_noise_variations(
    run: RunParameters, evaluation: EvaluationParameters, stack: StackedGenerator
) -> Image.Image:
    """One row per class: one noise of the lowest level, many of the levels above."""
    with seeded_stage(run, "noise_variations") as stage:
        return upper_noise_variations(stack, stage.rng, evaluation.grid_columns)


def draw_loss_curves(*histories: pd.DataFrame) -> go.Figure:
    """The loss terms of every stage over its steps."""
    return loss_curves({history["stage"].iloc[0]: history for history in histories})
