"""Sample the InfoGAN, score its pictures and its codes, draw."""

import pandas as pd
import plotly.graph_objects as go
import torch
from PIL import Image

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.metrics import JudgedImages, judge_images, score, score_codes, score_unlabelled
from gan_pipelines.models import Encoder, InfoGAN
from gan_pipelines.parameters import CategoricalCode, EvaluationParameters, RunParameters
from gan_pipelines.reporting.curves import information_curve, loss_curves
from gan_pipelines.reporting.pictures import category_rows, traversal_rows
from gan_pipelines.reporting.tables import code_table, score_table
from gan_pipelines.training.seeding import seeded_stage


def sample_infogan(run: RunParameters, evaluation: EvaluationParameters, infogan: InfoGAN) -> LabelledImages:
    """Draw pictures from noise and codes.

    Args:
        run: seed, device, threads.
        evaluation: how many samples.
        infogan: the generator.

    Returns:
        The pictures; their classes are the categories of the first categorical code, one class where there is none.
    """
    count, categories, classes = evaluation.samples, torch.zeros(evaluation.samples, dtype=torch.int64), 1
    with seeded_stage(run, "samples") as stage:
        pictures, codes = stage.place(infogan).sample(count, stage.rng)
    for name, code in infogan.spec.parameters.single_codes.items():
        if isinstance(code, CategoricalCode):
            categories, classes = infogan.codes.split(codes)[name].argmax(dim=1), code.classes
            break
    return LabelledImages(pictures, categories, tuple(f"category {number}" for number in range(classes)))


def score_infogan(
    run: RunParameters,
    evaluation: EvaluationParameters,
    judge: Encoder,
    train_images: LabelledImages,
    test_images: LabelledImages,
    infogan: InfoGAN,
    infogan_samples: LabelledImages,
) -> pd.DataFrame:
    """Score the samples, and real test images as the yardstick, against the real training images.

    Returns:
        One row a generator: `infogan`, `real`; without scores where all images are of one class, since a judge that has
        nothing to tell apart learns nothing.
    """
    if len(train_images.classes) < 2:
        return pd.DataFrame({"generator": ["infogan", "real"], "samples": [len(infogan_samples), len(test_images)]})
    with seeded_stage(run, "scores") as stage:
        judge.to(stage.device)

        def judged(data: LabelledImages) -> JudgedImages:
            return judge_images(judge, data.images, data.labels, evaluation.features)

        reference = judged(train_images)
        scores = {
            "infogan": score_unlabelled(judged(infogan_samples), reference),
            "real": score(judged(test_images), reference),
        }
    return score_table(scores, {"infogan": infogan.averaged_generator is not None})


def read_codes(
    run: RunParameters, evaluation: EvaluationParameters, judge: Encoder, infogan: InfoGAN, test_images: LabelledImages
) -> pd.DataFrame:
    """Find out what the codes mean, on real test images and on pictures in which one code moves.

    Returns:
        One row a code.
    """
    with seeded_stage(run, "codes") as stage:
        infogan.to(stage.device), judge.to(stage.device)
        scores = score_codes(infogan, judge, evaluation.features, test_images, evaluation.samples, stage.rng)
    return code_table(scores)


def draw_categories(run: RunParameters, evaluation: EvaluationParameters, infogan: InfoGAN) -> Image.Image:
    """One row a category of each categorical code, everything else random."""
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
    losses = loss_curves({"infogan": history.drop(columns=["stage", *measures])})
    return information_curve(history, ceilings), losses
