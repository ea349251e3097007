"""What is particular to an InfoGAN: what its codes mean, and figures of it."""

import pandas as pd
import plotly.graph_objects as go
from PIL import Image

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.metrics import score_codes
from gan_pipelines.models import Encoder, InfoGAN
from gan_pipelines.parameters import CategoricalCode, EvaluationParameters, RunParameters
from gan_pipelines.reporting.curves import information_curve, loss_curves
from gan_pipelines.reporting.pictures import category_rows, traversal_rows
from gan_pipelines.reporting.tables import score_table
from gan_pipelines.training.stage import seeded_stage


def score_infogan_codes(
    run: RunParameters, evaluation: EvaluationParameters, judge: Encoder, infogan: InfoGAN, test_images: LabelledImages
) -> pd.DataFrame:
    """Find out what the codes mean, on real test images and on pictures in which one code moves.

    Returns:
        One row per score of a code.
    """
    with seeded_stage(run, "codes") as stage:
        infogan.to(stage.device), judge.to(stage.device)
        return score_table(score_codes(infogan, judge, evaluation.features, test_images, evaluation.samples, stage.rng))


def draw_categories(run: RunParameters, evaluation: EvaluationParameters, infogan: InfoGAN) -> Image.Image:
    """One row per category of each categorical code, everything else random."""
    with seeded_stage(run, "categories") as stage:
        return category_rows(infogan, stage.rng, evaluation.grid_columns)


def draw_traversals(run: RunParameters, evaluation: EvaluationParameters, infogan: InfoGAN) -> Image.Image:
    """Each continuous code along its traversal, everything else fixed."""
    with seeded_stage(run, "traversals") as stage:
        return traversal_rows(infogan, stage.rng, evaluation.grid_columns)


def draw_infogan_curves(infogan: InfoGAN, history: pd.DataFrame) -> tuple[go.Figure, go.Figure]:
    """L_I over the steps with its ceilings, and the loss terms."""
    codes, entropy = infogan.spec.parameters.single_codes, infogan.codes.prior_entropy()
    ceilings = {name: entropy[name] for name, code in codes.items() if isinstance(code, CategoricalCode)}
    measures = history.columns[history.columns.str.startswith("information.")]
    losses = loss_curves({"infogan": history.drop(columns=measures)})
    return information_curve(history, ceilings), losses
