"""Sample one generator, train a classifier on its samples, score it, draw."""

import pandas as pd
import torch
from PIL import Image

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.metrics import (
    RealReadings,
    judge_network,
    open_networks,
    read_images,
    read_labelled,
    read_real_images,
    score_classification,
    score_pictures,
)
from gan_pipelines.metrics.scores import Kind, gap
from gan_pipelines.models import Encoder, InfoGAN, StackedGenerator
from gan_pipelines.parameters import CategoricalCode, ClassifierParameters, EvaluationParameters, RunParameters
from gan_pipelines.project import project_folder
from gan_pipelines.reporting.pictures import sample_grid
from gan_pipelines.reporting.tables import score_table
from gan_pipelines.tracking import stage_run
from gan_pipelines.training.checkpoint import CheckpointFolder
from gan_pipelines.training.classifier import fit_classifier
from gan_pipelines.training.stage import Stage, seeded_stage


def sample_generator(
    run: RunParameters, evaluation: EvaluationParameters, generator: StackedGenerator | InfoGAN
) -> LabelledImages:
    """Draw samples; all stacks of an experiment are fed the same labels and the same noise.

    Args:
        run: seed, device, threads.
        evaluation: how many samples.
        generator: a stack, which is asked for each class equally often, or an InfoGAN.

    Returns:
        The samples; those of a generator that takes no labels have the categories of its first categorical code as
        classes, and a single class where it has none.
    """
    with seeded_stage(run, "samples") as stage:
        if isinstance(generator, InfoGAN):
            return _sample_infogan(stage, evaluation.samples, generator)
        classes = generator.spec.classes if generator.spec.conditional else ("sample",)
        labels = torch.arange(evaluation.samples) % len(classes)
        return LabelledImages(stage.place(generator).sample(labels.to(stage.device), stage.rng), labels, classes)


def _sample_infogan(stage: Stage, samples: int, infogan: InfoGAN) -> LabelledImages:
    pictures, codes = stage.place(infogan).sample(samples, stage.rng)
    categories, classes = torch.zeros(samples, dtype=torch.int64), 1
    for name, code in infogan.spec.parameters.single_codes.items():
        if isinstance(code, CategoricalCode):
            categories, classes = infogan.codes.split(codes)[name].argmax(dim=1), code.classes
            break
    return LabelledImages(pictures, categories, tuple(f"category {number}" for number in range(classes)))


def train_classifier_on_samples(
    run: RunParameters,
    judge: ClassifierParameters,
    stack: StackedGenerator,
    samples: LabelledImages,
    test_images: LabelledImages,
    checkpoints: CheckpointFolder,
) -> tuple[Encoder, pd.DataFrame]:
    """Train a classifier like the judge, which is trained on real images, on generated ones alone.

    Args:
        run: seed, device, threads.
        judge: stages, length, rates.
        stack: where the samples come from; it gives the stage its name.
        samples: what the classifier learns from.
        test_images: real ones.
        checkpoints: where the training keeps some.

    Returns:
        The frozen classifier and the history of its losses.
    """
    name = f"classifier_on_{stack.spec.name}"
    with stage_run(name) as observer:
        trained, history, _ = fit_classifier(run, name, judge, samples, test_images, observer, checkpoints)
    return trained, pd.DataFrame(history).assign(stage=name)


def score_samples(
    run: RunParameters,
    evaluation: EvaluationParameters,
    judge: Encoder,
    train_images: LabelledImages,
    test_images: LabelledImages,
    real_readings: RealReadings,
    samples: LabelledImages,
    classifier: Encoder | None = None,
) -> pd.DataFrame:
    """Score samples against real test images.

    Args:
        run: seed, device, threads.
        evaluation: networks, resamples.
        judge: a classifier that no generator has seen.
        train_images: of which samples may be copies.
        test_images: the reference.
        real_readings: what the networks see in both.
        samples: generated pictures; of the real classes if labels were asked for.
        classifier: trained on the samples alone, where they have labels.

    Returns:
        One row a score.
    """
    kind: Kind = "labelled" if samples.classes == train_images.classes else "unlabelled"
    return _score(run, evaluation, judge, train_images, test_images, real_readings, samples, kind, classifier)


def extract_real(
    run: RunParameters,
    evaluation: EvaluationParameters,
    judge: Encoder,
    train_images: LabelledImages,
    test_images: LabelledImages,
) -> RealReadings:
    """Read the real images with every network, once for all generators."""
    with seeded_stage(run, "readings") as stage:
        return read_real_images(
            open_networks(evaluation, judge, stage.device, project_folder()), train_images, test_images
        )


def score_real(
    run: RunParameters,
    evaluation: EvaluationParameters,
    judge: Encoder,
    train_images: LabelledImages,
    test_images: LabelledImages,
    real_readings: RealReadings,
) -> pd.DataFrame:
    """Score the real training images as if they were samples: the yardstick of every other score.

    The classifier trained on them is the judge itself.
    """
    images = train_images, test_images, real_readings, train_images
    return _score(run, evaluation, judge, *images, "real", judge)


def _score(
    run: RunParameters,
    evaluation: EvaluationParameters,
    judge: Encoder,
    train_images: LabelledImages,
    test_images: LabelledImages,
    real: RealReadings,
    pictures: LabelledImages,
    kind: Kind,
    classifier: Encoder | None,
) -> pd.DataFrame:
    if len(train_images.classes) < 2:
        note = "all images are of one class, and a judge that has nothing to tell apart learns nothing"
        names = ("label_accuracy", "frechet_distance", "within_class_diversity")
        return score_table([gap(name, "judge", len(pictures), note) for name in names])
    with seeded_stage(run, "scores") as stage:
        if kind == "real":
            readings = real.train
        else:
            networks = open_networks(evaluation, judge, stage.device, project_folder())
            readings = {str(name): read_labelled(network, pictures) for name, network in networks.items()}
        draws = evaluation.resamples, stage.rng
        scores = score_pictures(readings, pictures, real, train_images, test_images, kind, *draws)
        if classifier is not None:
            reading = read_images(judge_network(classifier.to(stage.device), evaluation.features), test_images.images)
            scores.append(score_classification(reading.logits, test_images, len(pictures), *draws))
    return score_table(scores)


def draw_samples(evaluation: EvaluationParameters, samples: LabelledImages) -> Image.Image:
    """One row a class: the first samples of each."""
    return sample_grid(samples, evaluation.grid_columns)
