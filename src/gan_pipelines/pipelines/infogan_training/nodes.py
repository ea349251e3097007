"""Train the InfoGAN."""

import pandas as pd

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.metrics import QuickScores
from gan_pipelines.models import Encoder, InfoGAN
from gan_pipelines.models.plan import plan_infogan
from gan_pipelines.parameters import EvaluationParameters, InfoGANParameters, RunParameters
from gan_pipelines.tracking import stage_run
from gan_pipelines.training.checkpoint import CheckpointFolder
from gan_pipelines.training.infogan import fit_infogan


def train_infogan(
    run: RunParameters,
    infogan: InfoGANParameters,
    train_images: LabelledImages,
    checkpoints: CheckpointFolder,
    initial: InfoGAN | None = None,
) -> tuple[InfoGAN, pd.DataFrame]:
    """Train G, D and Q on pictures; the labels are not read.

    Args:
        run: seed, device, threads.
        infogan: latent, networks, weights, length.
        train_images: real pictures.
        checkpoints: where the training keeps some.
        initial: the InfoGAN whose weights it starts from, if that was asked for.

    Returns:
        The trained InfoGAN, the history of its losses and of L_I.
    """
    return _train(run, infogan, train_images, checkpoints, initial)


def train_watched_infogan(
    run: RunParameters,
    infogan: InfoGANParameters,
    train_images: LabelledImages,
    checkpoints: CheckpointFolder,
    evaluation: EvaluationParameters,
    judge: Encoder,
    validation_images: LabelledImages,
    initial: InfoGAN | None = None,
) -> tuple[InfoGAN, pd.DataFrame]:
    """The same training, while the judge compares samples with validation images.

    Args:
        run: as above.
        infogan: besides, when it is scored, and which weights are kept.
        train_images: as above.
        checkpoints: as above.
        evaluation: names the judge's representation.
        judge: was trained on the training images.
        validation_images: no training has used them.
        initial: as above.
    """
    scoring = QuickScores(judge, evaluation.features, validation_images, labelled=False)
    return _train(run, infogan, train_images, checkpoints, initial, scoring)


def _train(
    run: RunParameters,
    infogan: InfoGANParameters,
    train_images: LabelledImages,
    checkpoints: CheckpointFolder,
    initial: InfoGAN | None,
    scoring: QuickScores | None = None,
) -> tuple[InfoGAN, pd.DataFrame]:
    spec = plan_infogan(infogan, train_images.image_shape, train_images.digest())
    with stage_run("infogan") as observer:
        pixels = train_images.pixels()
        trained, history = fit_infogan(run, spec, pixels, observer, checkpoints, initial, scoring)
    return trained, pd.DataFrame(history).assign(stage="infogan")
