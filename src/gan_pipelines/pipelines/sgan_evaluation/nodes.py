"""Score each stack, draw."""

import pandas as pd
import plotly.graph_objects as go
from PIL import Image

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.metrics import JudgedImages, Scores, judge_images, score
from gan_pipelines.models import Encoder, StackedGenerator
from gan_pipelines.parameters import EvaluationParameters, RunParameters
from gan_pipelines.reporting.curves import loss_curves
from gan_pipelines.reporting.pictures import noise_variations, sample_grid
from gan_pipelines.reporting.tables import score_table
from gan_pipelines.training.seeding import seeded_stage


def score_stacks(
    run: RunParameters,
    evaluation: EvaluationParameters,
    judge: Encoder,
    train_images: LabelledImages,
    test_images: LabelledImages,
    independent_stack: StackedGenerator,
    joint_stack: StackedGenerator,
    independent_samples: LabelledImages,
    joint_samples: LabelledImages,
) -> pd.DataFrame:
    """Score both stacks, and real test images as the yardstick, against the real training images.

    Returns:
        One row a generator: `independent_stack`, `joint_stack`, `real`.
    """
    with seeded_stage(run, "scores") as stage:
        judge.to(stage.device)

        def judged(data: LabelledImages) -> JudgedImages:
            return judge_images(judge, data.images, data.labels, evaluation.features)

        reference = judged(train_images)
        scores: dict[str, Scores] = {
            "independent_stack": score(judged(independent_samples), reference),
            "joint_stack": score(judged(joint_samples), reference),
            "real": score(judged(test_images), reference),
        }
    averaged = {"independent_stack": independent_stack.spec.averaged, "joint_stack": joint_stack.spec.averaged}
    return score_table(scores, averaged)


def draw_samples(evaluation: EvaluationParameters, samples: LabelledImages) -> Image.Image:
    """One row a class: the first samples of each."""
    return sample_grid(samples, evaluation.grid_columns)


def draw_noise_variations(run: RunParameters, evaluation: EvaluationParameters, stack: StackedGenerator) -> Image.Image:
    """One row a class: one generated upper representation, many noises of the lowest level."""
    with seeded_stage(run, "noise_variations") as stage:
        return noise_variations(stack, stage.rng, evaluation.grid_columns)


def draw_loss_curves(*histories: pd.DataFrame) -> go.Figure:
    """The loss terms of every stage over its steps."""
    return loss_curves({history["stage"].iloc[0]: history.drop(columns="stage") for history in histories})
