"""Sample a generator, train a classifier on its samples, score both, draw samples."""

from dataclasses import replace

import pandas as pd
import torch
from PIL import Image

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.metrics import (
    JUDGE,
    Kind,
    RealFeatures,
    Reference,
    Score,
    extract_features,
    extract_labelled,
    extract_real_features,
    judge_network,
    missing_score,
    open_networks,
    score_classification,
    score_pictures,
)
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
    """Draw samples; all stacks of an experiment get the same labels and the same noise.

    Args:
        run: seed, device, threads.
        evaluation: how many samples.
        generator: a stack, from which each class is requested equally often, or an InfoGAN.

    Returns:
        The samples with the requested labels, and what made them. The classes of an InfoGAN's samples are the
        categories of its first categorical code; a generator that has neither labels nor categories has a single class.
    """
    made_from = {"generator": generator.digest(), "train_images": generator.spec.data_digest}
    with seeded_stage(run, "samples") as stage:
        if isinstance(generator, InfoGAN):
            samples = _sample_infogan(stage, evaluation.samples, generator)
        else:
            samples = _sample_stack(stage, evaluation.samples, generator)
    return replace(samples, made_from=made_from)


def _sample_stack(stage: Stage, samples: int, stack: StackedGenerator) -> LabelledImages:
    classes = stack.spec.classes if stack.spec.conditional else ("sample",)
    labels = torch.arange(samples) % len(classes)
    return LabelledImages(stage.place(stack).sample(labels.to(stage.device), stage.rng), labels, classes)


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
    """Train a classifier like the judge, but on samples only instead of real images.

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
        trained, history, _ = fit_classifier(run, name, judge, samples, test_images, observer, checkpoints)
    return trained, pd.DataFrame(history).assign(stage=name)


def extract_real(
    run: RunParameters,
    evaluation: EvaluationParameters,
    judge: Encoder,
    train_images: LabelledImages,
    test_images: LabelledImages,
) -> RealFeatures:
    """Extract the features of the real images in every network, once for all generators.

    Args:
        run: seed, device, threads.
        evaluation: names the networks.
        judge: a classifier that no generator has seen.
        train_images: the training images.
        test_images: the test images.
    """
    with seeded_stage(run, "real_features") as stage:
        networks = open_networks(evaluation, judge, stage.device, project_folder())
        features = extract_real_features(networks, train_images, test_images)
    images = {"train_images": train_images.digest(), "test_images": test_images.digest()}
    return replace(features, representation=evaluation.features, made_from={"judge": judge.digest(), **images})


def score_samples(
    run: RunParameters,
    evaluation: EvaluationParameters,
    judge: Encoder,
    train_images: LabelledImages,
    test_images: LabelledImages,
    real_features: RealFeatures,
    samples: LabelledImages,
    classifier: Encoder | None = None,
) -> pd.DataFrame:
    """Score samples against real test images.

    Args:
        run: seed, device, threads.
        evaluation: networks, resamples.
        judge: a classifier that no generator has seen.
        train_images: samples may be copies of these.
        test_images: samples should be like these.
        real_features: of both, in every network.
        samples: generated pictures; their classes are those of the real images if labels were requested.
        classifier: trained on the samples only, if they have labels.

    Returns:
        One row per score.
    """
    reference = Reference(train_images, test_images, real_features)
    if len(train_images.classes) < 2:
        return _single_class_table(len(samples))
    kind: Kind = "labelled" if samples.classes == train_images.classes else "unlabelled"
    with seeded_stage(run, "scores") as stage:
        networks = open_networks(evaluation, judge, stage.device, project_folder())
        features = {str(name): extract_labelled(network, samples) for name, network in networks.items()}
        scores = score_pictures(features, samples, reference, kind, evaluation.resamples, stage.rng)
        if classifier is not None:
            scores.append(_score_classifier(stage, evaluation, classifier, test_images, len(samples)))
    return score_table(scores)


def score_real(
    run: RunParameters,
    evaluation: EvaluationParameters,
    judge: Encoder,
    train_images: LabelledImages,
    test_images: LabelledImages,
    real_features: RealFeatures,
) -> pd.DataFrame:
    """Score the real training images as if they were samples, as a reference for the scores of generators.

    The classifier trained on them is the judge itself.

    Args:
        run: seed, device, threads.
        evaluation: resamples.
        judge: a classifier that no generator has seen.
        train_images: the pictures that are scored.
        test_images: the pictures that they are compared with.
        real_features: of both, in every network.

    Returns:
        One row per score.
    """
    reference = Reference(train_images, test_images, real_features)
    if len(train_images.classes) < 2:
        return _single_class_table(len(train_images))
    with seeded_stage(run, "scores") as stage:
        features, draws = reference.features.train, (evaluation.resamples, stage.rng)
        scores = score_pictures(features, train_images, reference, "real", *draws)
        scores.append(_score_classifier(stage, evaluation, judge, test_images, len(train_images)))
    return score_table(scores)


def _single_class_table(samples: int) -> pd.DataFrame:
    """What is left of the scores if the data have a single class."""
    note = "all images are of one class, and a judge that has nothing to distinguish learns nothing"
    names = ("label_accuracy", "frechet_distance", "within_class_diversity")
    return score_table([missing_score(name, JUDGE, samples, note) for name in names])


def _score_classifier(
    stage: Stage, evaluation: EvaluationParameters, classifier: Encoder, test_images: LabelledImages, samples: int
) -> Score:
    """The accuracy on real test images of a classifier that was trained on that many samples."""
    network = judge_network(classifier.to(stage.device), evaluation.features)
    logits = extract_features(network, test_images.images).logits
    return score_classification(logits, test_images, samples, evaluation.resamples, stage.rng)


def draw_samples(evaluation: EvaluationParameters, samples: LabelledImages) -> Image.Image:
    """One row per class: the first samples of each."""
    return sample_grid(samples, evaluation.grid_columns)
