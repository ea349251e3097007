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
from gan_pipelines.reporting.curves import EACH_POINT, loss_curves
from gan_pipelines.reporting.latents import noise_variations
from gan_pipelines.reporting.model_card import describe_seeds
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


def draw_noise_variations(
    run: RunParameters, evaluation: EvaluationParameters, stack: StackedGenerator, scores: pd.DataFrame
) -> Image.Image:
    """One panel per level, one row per class: the noise of that level alone moves.

    Args:
        run: seed of the noise.
        evaluation: how many columns.
        stack: what draws.
        scores: of its levels.
    """
    made = f"Drawn with seed {run.seed} by a stack {describe_seeds(stack)}"
    said = f"{made}; measured on N = {CONDITIONS * NOISES:,} pictures."
    with seeded_stage(run, "noise_variations") as stage:
        title = f"{stack.spec.name}: what the noise of each level changes"
        return noise_variations(stack, stage.rng, evaluation.grid_columns, title, said, scores)


def draw_loss_curves(stack: StackedGenerator, *histories: pd.DataFrame) -> go.Figure:
    """The loss terms of every stage over its steps."""
    said = (
        f"Stack {describe_seeds(stack)}. {EACH_POINT} variance_ratio: variance of generated representations over that "
        f"of real ones, which should come near 1 (dotted)."
    )
    return loss_curves({history["stage"].iloc[0]: history for history in histories}, said)
