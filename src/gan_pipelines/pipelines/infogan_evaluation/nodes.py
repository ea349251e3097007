"""What is particular to an InfoGAN: what its codes mean, and figures of it."""

import pandas as pd
import plotly.graph_objects as go
from PIL import Image

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.metrics import score_codes
from gan_pipelines.models import Encoder, InfoGAN, standing_infogan
from gan_pipelines.parameters import CategoricalCode, EvaluationParameters, RunParameters
from gan_pipelines.reporting.curves import EACH_POINT, Onset, information_curve, loss_curves
from gan_pipelines.reporting.latents import category_rows, traversal_rows
from gan_pipelines.reporting.model_card import describe_seeds
from gan_pipelines.reporting.tables import score_table
from gan_pipelines.training.stage import seeded_stage


def score_infogan_codes(
    run: RunParameters, evaluation: EvaluationParameters, judge: Encoder, infogan: InfoGAN, test_images: LabelledImages
) -> pd.DataFrame:
    """Find out what the codes mean, on real test images and on pictures in which one code moves.

    Returns:
        One row per score of a code.
    """
    with seeded_stage(run, "standing_statistics") as stage:
        standing = standing_infogan(infogan.to(stage.device), stage.rng)
    with seeded_stage(run, "codes") as stage:
        judge.to(stage.device)
        samples = evaluation.samples
        return score_table(score_codes(infogan, standing, judge, evaluation.features, test_images, samples, stage.rng))


def draw_categories(
    run: RunParameters, evaluation: EvaluationParameters, infogan: InfoGAN, scores: pd.DataFrame
) -> Image.Image:
    """One row per category of each categorical code, everything else random."""
    with seeded_stage(run, "categories") as stage:
        return category_rows(infogan, stage.rng, evaluation.grid_columns, _drawn(run, infogan, scores), scores)


def draw_traversals(
    run: RunParameters, evaluation: EvaluationParameters, infogan: InfoGAN, scores: pd.DataFrame
) -> Image.Image:
    """Each continuous code along its traversal, everything else fixed."""
    with seeded_stage(run, "traversals") as stage:
        return traversal_rows(infogan, stage.rng, evaluation.grid_columns, _drawn(run, infogan, scores), scores)


def _drawn(run: RunParameters, infogan: InfoGAN, scores: pd.DataFrame) -> str:
    return (
        f"Drawn with seed {run.seed} by an InfoGAN {describe_seeds(infogan)}; measured on up to "
        f"N = {scores['samples'].max():,} pictures."
    )


def draw_infogan_curves(infogan: InfoGAN, history: pd.DataFrame) -> tuple[go.Figure, go.Figure]:
    """L_I over the steps with its ceilings, and the loss terms; both with the steps at which terms set in."""
    codes, entropy = infogan.spec.parameters.single_codes, infogan.codes.prior_entropy()
    ceilings = {name: entropy[name] for name, code in codes.items() if isinstance(code, CategoricalCode)}
    weights = infogan.spec.parameters.information_weights
    kinds = {
        "categorical": (weights.categorical, weights.categorical_delay_steps),
        "continuous": (weights.continuous, weights.continuous_delay_steps),
    }
    onsets = {kind: Onset(steps, f"L_I of {kind} codes") for kind, (weight, steps) in kinds.items() if weight and steps}
    of_code = {name: "categorical" if name in ceilings else "continuous" for name in codes}
    by_term = {f"information.{name}": [onsets[kind]] for name, kind in of_code.items() if kind in onsets}
    by_term |= {f"consistency.{name}": onset for name in ceilings if (onset := by_term.get(f"information.{name}"))}
    said = f"InfoGAN {describe_seeds(infogan)}."
    losses = history.drop(columns=history.columns[history.columns.str.startswith("information.")])
    shown = [onset for kind, onset in onsets.items() if kind in of_code.values()]
    set_in = (
        "Dotted: where a term sets in for the generator; before, Q alone learns it, with weight 1." if shown else ""
    )
    return (
        information_curve(history, ceilings, shown, said),
        loss_curves({"infogan": losses}, f"{said} {EACH_POINT} {set_in}", by_term),
    )
