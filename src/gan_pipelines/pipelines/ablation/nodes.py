"""Collect what the rows of the ablation have found."""

import pandas as pd
from PIL import Image

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.metrics.definitions import REAL
from gan_pipelines.models import StackedGenerator
from gan_pipelines.parameters import AblationParameters, EvaluationParameters, RunParameters
from gan_pipelines.parameters.ablation import JOINTLY_TRAINED, ROWS
from gan_pipelines.reporting.ablation import ablation_grids, ablation_order, ablation_table, titled_panels
from gan_pipelines.reporting.pictures import noise_variations
from gan_pipelines.training.stage import seeded_stage


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
    return ablation_grids({**dict(zip(ROWS, samples, strict=True)), REAL: train_images}, evaluation.grid_columns)


def compare_noise_variations(
    run: RunParameters, evaluation: EvaluationParameters, *stacks: StackedGenerator
) -> Image.Image:
    """One upper representation, many noises of the lowest level, with the entropy loss and without (SGAN, figure 4).

    Args:
        run: seed of the noise.
        evaluation: pictures in a line.
        stacks: of the first seed of each jointly trained row.
    """
    panels = {}
    for row, stack in zip(JOINTLY_TRAINED, stacks, strict=True):
        with seeded_stage(run, "noise_variations") as stage:
            panels[row] = noise_variations(stack, stage.rng, evaluation.grid_columns)
    return titled_panels(panels)
