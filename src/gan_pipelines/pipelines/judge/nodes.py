"""Train the judges."""

import pandas as pd

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.metrics import best_temperature, class_logits, expected_calibration_error
from gan_pipelines.models import Encoder
from gan_pipelines.parameters import JudgeParameters, RunParameters
from gan_pipelines.tracking import stage_run
from gan_pipelines.training.checkpoint import CheckpointFolder
from gan_pipelines.training.classifier import fit_classifier

Trained = tuple[Encoder, pd.DataFrame, dict[str, float]]


def train_judge(
    run: RunParameters,
    judge: JudgeParameters,
    train_images: LabelledImages,
    test_images: LabelledImages,
    checkpoints: CheckpointFolder,
) -> Trained:
    """Train the classifier that no generator ever sees, with its own seed: it is the same for every `run.seed`.

    Returns:
        The frozen judge, the history of its losses, its accuracies and its calibration on the test images.
    """
    return _train("judge", run, judge, train_images, test_images, checkpoints)


def train_second_judge(
    run: RunParameters,
    second_judge: JudgeParameters,
    train_images: LabelledImages,
    test_images: LabelledImages,
    checkpoints: CheckpointFolder,
) -> Trained:
    """Train another one, which should err elsewhere.

    Returns:
        The same as for the judge.
    """
    return _train("second_judge", run, second_judge, train_images, test_images, checkpoints)


def _train(
    name: str,
    run: RunParameters,
    judge: JudgeParameters,
    train_images: LabelledImages,
    test_images: LabelledImages,
    checkpoints: CheckpointFolder,
) -> Trained:
    with stage_run(name) as observer:
        trained, history, metrics = fit_classifier(
            run.with_seed(judge.seed), name, judge.classifier, train_images, test_images, observer, checkpoints
        )
    if len(train_images.classes) > 1:  # with a single class every confidence is 1
        logits = class_logits(trained, test_images.images)
        metrics["test_calibration_error"] = expected_calibration_error(logits, test_images.labels)
        metrics["test_temperature"] = best_temperature(logits, test_images.labels)
    return trained, pd.DataFrame(history).assign(stage=name), metrics
