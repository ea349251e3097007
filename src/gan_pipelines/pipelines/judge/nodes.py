"""Train the judge."""

import pandas as pd

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.models import Encoder
from gan_pipelines.parameters import JudgeParameters, RunParameters
from gan_pipelines.tracking import stage_run
from gan_pipelines.training.checkpoint import CheckpointFolder
from gan_pipelines.training.classifier import fit_classifier


def train_judge(
    run: RunParameters,
    judge: JudgeParameters,
    train_images: LabelledImages,
    test_images: LabelledImages,
    checkpoints: CheckpointFolder,
) -> tuple[Encoder, pd.DataFrame, dict[str, float]]:
    """Train the classifier that no generator ever sees, with its own seed: it is the same for every `run.seed`.

    Returns:
        The frozen judge, the history of its losses, its accuracies.
    """
    with stage_run("judge") as observer:
        trained, history, metrics = fit_classifier(
            run.with_seed(judge.seed), "judge", judge.classifier, train_images, test_images, observer, checkpoints
        )
    return trained, pd.DataFrame(history).assign(stage="judge"), metrics
