"""Collect what the rows of the ablation have found."""

import pandas as pd
from PIL import Image

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.metrics.definitions import REAL
from gan_pipelines.models import StackedGenerator
from gan_pipelines.parameters import AblationParameters, EvaluationParameters, RunParameters
from gan_pipelines.parameters.ablation import JOINTLY_TRAINED, ROWS
from gan_pipelines.reporting.ablation import ablation_order, ablation_table
from gan_pipelines.reporting.latents import noise_panel
from gan_pipelines.reporting.model_card import describe_seeds
from gan_pipelines.reporting.panels import draw_panels
from gan_pipelines.reporting.pictures import ablation_grids
from gan_pipelines.training.stage import seeded_stage

PANELS_PER_ROW = 4
"""Grids in a line."""


def collect_scores(
    ablation: AblationParameters, real_scores: pd.DataFrame, *tables: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """SGAN's table 1 on the data at hand, and whether its order is the paper's.

    Args:
        ablation: how many seeds there are.
        real_scores: of the real training images.
        tables: of each seed of each row, row by row.
    """
    seeds = len(ablation.seeds)
    by_row = {row: tables[place * seeds : (place + 1) * seeds] for place, row in enumerate(ROWS)}
    return ablation_table({**by_row, REAL: [real_scores]}), ablation_order(by_row)


def draw_grids(evaluation: EvaluationParameters, train_images: LabelledImages, *samples: LabelledImages) -> Image.Image:
    """One grid per row of the table, of the first seed, and one of real images.

    Args:
        evaluation: pictures in a line.
        train_images: the real ones.
        samples: of the first seed of each row.
    """
    shown = {**dict(zip(ROWS, samples, strict=True)), REAL: train_images}
    said = (
        f"The first of N = {len(samples[0]):,} samples per row, drawn with seed {samples[0].seed}, none chosen; "
        f"rows without labels fill a square. {REAL}: the first training images of each class."
    )
    return ablation_grids(shown, evaluation.grid_columns, PANELS_PER_ROW, said)


def compare_noise_variations(
    run: RunParameters, evaluation: EvaluationParameters, *stacks: StackedGenerator
) -> Image.Image:
    """One upper representation, many noises of the lowest level, with the entropy loss and without (SGAN, figure 4).

    Args:
        run: seed of the noise.
        evaluation: pictures in a line.
        stacks: of the first seed of each jointly trained row.
    """
    panels, columns = [], evaluation.grid_columns
    for row, stack in zip(JOINTLY_TRAINED, stacks, strict=True):
        with seeded_stage(run, "noise_variations") as stage:
            panels.append(noise_panel(stack, stack.spec.levels[-1].target, stage.rng, columns, row))
    said = (
        f"{columns} noises of the lowest level, drawn with seed {run.seed}, from left to right; those of the other "
        f"levels stay. Stack {describe_seeds(stacks[0])}. Without the entropy loss, pictures of a row may look alike."
    )
    title = "What the noise of the lowest level changes, with the entropy loss and without it"
    return draw_panels(panels, title, said, across=len(panels))
