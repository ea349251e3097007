"""Sample a generator, train a classifier on its samples, score both, draw samples."""

from dataclasses import replace
from functools import partial

import pandas as pd
import plotly.graph_objects as go
import torch
from PIL import Image

from gan_pipelines.data.images import LabelledImages, labels_in_proportion
from gan_pipelines.metrics import (
    JUDGE,
    Kind,
    RealFeatures,
    Reference,
    class_logits,
    extract_features,
    extract_labelled,
    judge_network,
    open_networks,
    score_classification,
    score_pictures,
    without_ignorant_judges,
)
from gan_pipelines.metrics.comparisons import influence_table
from gan_pipelines.models import Encoder, InfoGAN, StackedGenerator, standing_infogan, standing_stack
from gan_pipelines.models.infogan import category_names
from gan_pipelines.models.standing import PICTURES
from gan_pipelines.parameters import EvaluationParameters, JudgeParameters, RunParameters
from gan_pipelines.progress import track
from gan_pipelines.project import project_folder
from gan_pipelines.reporting.confusion import Seen, confusion_matrices
from gan_pipelines.reporting.pictures import least_confident, nearest_images, sample_grid
from gan_pipelines.reporting.tables import score_table
from gan_pipelines.tracking import stage_run
from gan_pipelines.training.checkpoint import CheckpointFolder
from gan_pipelines.training.classifier import fit_classifier
from gan_pipelines.training.stage import seeded_stage

JUDGED = 1000
"""So many samples are shown to the judge for figures, or more if classes would be too short."""


def sample_generator(
    run: RunParameters,
    evaluation: EvaluationParameters,
    generator: StackedGenerator | InfoGAN,
    test_images: LabelledImages,
    matching: pd.DataFrame | None = None,
) -> LabelledImages:
    """Draw samples; all stacks of an experiment get the same labels and the same noise.

    They come from a copy of the generator whose batch norms have the statistics of what it gets here.

    Args:
        run: seed, device, threads.
        evaluation: how many samples.
        generator: a stack, or an InfoGAN.
        test_images: a stack is asked for their classes, in their proportions.
        matching: of a stack that was trained on categories, the `category` that stands for each class.

    Returns:
        The samples with the requested labels, and what made them. The classes of an InfoGAN's samples are the
        categories of its first categorical code; a generator that has neither labels nor categories has a single class.
    """
    made_from = {"generator": generator.digest(), "train_images": generator.spec.data_digest}
    if isinstance(generator, InfoGAN):
        samples = _sample_infogan(run, evaluation.samples, generator)
    else:
        samples = _sample_stack(run, evaluation.samples, generator, test_images, matching)
    return replace(samples, made_from=made_from, seed=run.seed)


def _sample_stack(
    run: RunParameters, samples: int, stack: StackedGenerator, like: LabelledImages, matching: pd.DataFrame | None
) -> LabelledImages:
    conditional = stack.spec.conditional
    asked, classes = (like.labels, like.classes) if conditional else (torch.zeros_like(like.labels), ("sample",))
    conditions = torch.arange(len(classes)) if matching is None else torch.tensor(matching["category"].tolist())
    with seeded_stage(run, "standing_statistics") as stage:
        shown = conditions[labels_in_proportion(asked, PICTURES)].to(stage.device)
        standing = standing_stack(stage.place(stack), shown, stage.rng)
    with seeded_stage(run, "samples") as stage:
        labels = labels_in_proportion(asked, samples)
        follow = partial(track, what="sampled", total=samples)
        return LabelledImages(standing.sample(conditions[labels].to(stage.device), stage.rng, follow), labels, classes)


def _sample_infogan(run: RunParameters, samples: int, infogan: InfoGAN) -> LabelledImages:
    with seeded_stage(run, "standing_statistics") as stage:
        standing = standing_infogan(stage.place(infogan), stage.rng)
    with seeded_stage(run, "samples") as stage:
        pictures, codes = standing.sample(samples, stage.rng, partial(track, what="sampled", total=samples))
    categories, classes = torch.zeros(samples, dtype=torch.int64), 1
    if found := infogan.spec.parameters.category_code:
        name, code = found
        categories, classes = infogan.codes.split(codes)[name].argmax(dim=1), code.classes
    return LabelledImages(pictures, categories, category_names(classes))


def train_classifier_on_samples(
    run: RunParameters,
    judge: JudgeParameters,
    stack: StackedGenerator,
    samples: LabelledImages,
    test_images: LabelledImages,
    checkpoints: CheckpointFolder,
) -> tuple[Encoder, pd.DataFrame]:
    """Train a classifier like the judge, but on samples only instead of real images, and with the seed of the run.

    Args:
        run: seed, device, threads.
        judge: parameters of the network and its training.
        stack: the generator of the samples; the stage is named after it.
        samples: the training data.
        test_images: real test images.
        checkpoints: where the training keeps its checkpoints.

    Returns:
        The frozen classifier and the history of its losses.
    """
    name = f"classifier_on_{stack.spec.name}"
    with stage_run(name) as observer:
        trained, history, _ = fit_classifier(run, name, judge.classifier, samples, test_images, observer, checkpoints)
    return trained, pd.DataFrame(history).assign(stage=name)


def score_samples(
    run: RunParameters,
    evaluation: EvaluationParameters,
    judge: Encoder,
    second_judge: Encoder,
    train_images: LabelledImages,
    test_images: LabelledImages,
    real_features: RealFeatures,
    samples: LabelledImages,
    classifier: Encoder | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score samples against real test images.

    Args:
        run: seed, device, threads.
        evaluation: networks.
        judge: a classifier that no generator has seen.
        second_judge: another one.
        train_images: samples may be copies of these.
        test_images: samples should be like these.
        real_features: of both, in every network.
        samples: generated pictures; their classes are those of the real images if labels were requested.
        classifier: trained on the samples only, if they have labels.

    Returns:
        One row per score; how far each group of test images moves each score.
    """
    reference = Reference(train_images, test_images, real_features)
    kind: Kind = "labelled" if samples.classes == train_images.classes else "unlabelled"
    with seeded_stage(run, "scores") as stage:
        networks = open_networks(evaluation, judge, stage.device, project_folder())
        features = {str(name): extract_labelled(network, samples) for name, network in networks.items()}
        second_opinion = class_logits(second_judge.to(stage.device), samples.images).argmax(dim=1)
        scores = score_pictures(features, second_opinion, samples, reference, kind, stage.rng)
        if classifier is not None:
            trained = judge_network(classifier.to(stage.device), evaluation.features)
            logits = extract_features(trained, test_images.images).logits
            scores.append(score_classification(logits, test_images, len(samples)))
    scores = without_ignorant_judges(scores, train_images.classes)
    return score_table(scores), influence_table(scores)


def draw_samples(
    generator: str, evaluation: EvaluationParameters, samples: LabelledImages, test_images: LabelledImages
) -> Image.Image:
    """One row per class: the first samples of each, and real images.

    Args:
        generator: its name.
        evaluation: how many columns.
        samples: what is shown.
        test_images: what they are compared with.
    """
    said = f"The first of {_drawn(samples)}, in that order; real images: {_real(evaluation, test_images)}."
    title = f"{generator}: samples beside real images"
    return sample_grid(samples, evaluation.grid_columns, title, said, test_images)


def draw_nearest(
    generator: str,
    evaluation: EvaluationParameters,
    train_images: LabelledImages,
    samples: LabelledImages,
    test_images: LabelledImages,
) -> Image.Image:
    """One row per class: samples, and the nearest training image beside each; the same of real images.

    Args:
        generator: its name.
        evaluation: how many columns.
        train_images: what a generator may have memorised.
        samples: what is shown.
        test_images: for which the same is shown.
    """
    said = (
        f"The first of {_drawn(samples)}, in that order; {len(train_images):,} training images; real images: "
        f"{_real(evaluation, test_images)}."
    )
    title = f"{generator}: samples beside their nearest training images"
    columns = evaluation.grid_columns
    return nearest_images(samples, train_images, columns, title, said, test_images)


def draw_judged(
    generator: str,
    run: RunParameters,
    evaluation: EvaluationParameters,
    judge: Encoder,
    test_images: LabelledImages,
    real_features: RealFeatures,
    samples: LabelledImages,
) -> tuple[Image.Image, go.Figure]:
    """The samples of each class that the judge is least sure of, and its confusion matrix; both beside real images.

    Args:
        generator: its name.
        run: device and threads.
        evaluation: how many columns.
        judge: a classifier that no generator has seen.
        test_images: what samples are compared with.
        real_features: what the judge sees in these.
        samples: the first are shown to the judge, about a thousand of them.
    """
    first = samples.subset(torch.arange(min(len(samples), max(JUDGED, evaluation.grid_columns * len(samples.classes)))))
    with seeded_stage(run, "judged") as stage:
        logits = class_logits(judge.to(stage.device), first.images)
    real_logits, classes = real_features.test[JUDGE].logits, test_images.classes
    shown = min(len(first), len(test_images))  # of more images, the least sure ones would be worse
    evenly = torch.arange(shown) * len(test_images) // shown
    said = f"The first {len(first):,} of {_drawn(samples)}"
    beside = f"{said}; {shown:,} of {_real(evaluation, test_images)}."
    title, columns = f"{generator}: the samples that the judge is least sure of", evaluation.grid_columns
    real = test_images.subset(evenly)
    grid = least_confident(first, logits, real, real_logits[evenly], columns, title, beside)
    found = [
        Seen("samples", samples.classes, first.labels, logits),
        Seen("real images", classes, test_images.labels, real_logits),
    ]
    return grid, confusion_matrices(found, classes, f"{generator}: what the judge sees, in %", f"{said}.")


def _drawn(samples: LabelledImages) -> str:
    """How many, and with which seed."""
    return f"N = {len(samples):,} pictures{'' if samples.seed is None else f', drawn with seed {samples.seed}'}"


def _real(evaluation: EvaluationParameters, test_images: LabelledImages) -> str:
    return f"{len(test_images):,} {evaluation.split} images"
