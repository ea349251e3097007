"""Extract features of the real images; score the training images as if they were samples."""

from dataclasses import replace

import pandas as pd

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.metrics import (
    RealFeatures,
    Reference,
    extract_features,
    extract_real_features,
    judge_network,
    open_networks,
    score_classification,
    score_pictures,
    without_ignorant_judges,
)
from gan_pipelines.models import Encoder
from gan_pipelines.parameters import EvaluationParameters, RunParameters
from gan_pipelines.project import project_folder
from gan_pipelines.reporting.tables import score_table
from gan_pipelines.training.stage import seeded_stage


def extract_real(
    run: RunParameters,
    evaluation: EvaluationParameters,
    judge: Encoder,
    second_judge: Encoder,
    train_images: LabelledImages,
    test_images: LabelledImages,
) -> RealFeatures:
    """Extract the features of the real images in every network, once for all generators.

    Args:
        run: seed, device, threads.
        evaluation: names the networks.
        judge: a classifier that no generator has seen.
        second_judge: another one.
        train_images: the training images.
        test_images: the test images.
    """
    with seeded_stage(run, "real_features") as stage:
        networks = open_networks(evaluation, judge, stage.device, project_folder())
        second_judge.to(stage.device)
        samples, rng = evaluation.samples, stage.rng
        features = extract_real_features(networks, second_judge, train_images, test_images, samples, rng)
    images = {"train_images": train_images.digest(), evaluation.scored_images: test_images.digest()}
    judges = {"judge": judge.digest(), "second_judge": second_judge.digest()}
    return replace(features, representation=evaluation.features, made_from={**judges, **images})


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
        evaluation: the judge's representation.
        judge: a classifier that no generator has seen.
        train_images: the pictures that are scored.
        test_images: the pictures that they are compared with.
        real_features: of both, in every network.

    Returns:
        One row per score.
    """
    reference = Reference(train_images, test_images, real_features)
    with seeded_stage(run, "scores") as stage:
        train = reference.features.train
        scores = score_pictures(train, real_features.second_opinion, train_images, reference, "real", stage.rng)
        logits = extract_features(judge_network(judge.to(stage.device), evaluation.features), test_images.images).logits
        scores.append(score_classification(logits, test_images, len(train_images)))
    return score_table(without_ignorant_judges(scores, train_images.classes))
