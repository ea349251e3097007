"""Train the encoder, encode the training set once."""

import pandas as pd

from gan_pipelines.data.images import LabelledImages, Representation
from gan_pipelines.models import Encoder
from gan_pipelines.models.encoder import encode, report_dead_features, set_units
from gan_pipelines.parameters import (
    PIXELS,
    EncoderParameters,
    RunParameters,
    SGANParameters,
)
from gan_pipelines.tracking import stage_run
from gan_pipelines.training.checkpoint import CheckpointFolder
from gan_pipelines.training.classifier import fit_classifier
from gan_pipelines.training.stage import seeded_stage


def train_encoder(
    run: RunParameters,
    classifier: EncoderParameters,
    train_images: LabelledImages,
    test_images: LabelledImages,
    checkpoints: CheckpointFolder,
    initial: Encoder | None = None,
) -> tuple[Encoder, pd.DataFrame, dict[str, float]]:
    """Train the classifier whose blocks are the E_i.

    Args:
        run: seed, device, threads.
        classifier: its stages and training.
        train_images: what it learns from.
        test_images: what its accuracy is measured on besides.
        checkpoints: where the training keeps some.
        initial: the encoder whose weights it starts from, if that was asked for.

    Returns:
        The frozen encoder, the history of its losses, its accuracies.
    """
    with stage_run("encoder") as observer:
        encoder, history, metrics = fit_classifier(
            run, "encoder", classifier, train_images, test_images, observer, checkpoints, initial
        )
    if classifier.unit_scale:
        with seeded_stage(run, "representations") as stage:
            set_units(encoder.to(stage.device), train_images.pixels())
        encoder.cpu()
    return encoder, pd.DataFrame(history).assign(stage="encoder"), metrics


def encode_training_set(
    run: RunParameters, sgan: SGANParameters, encoder: Encoder, train_images: LabelledImages
) -> list[Representation]:
    """Encode the training images once, so that no level runs the encoder on real images again.

    Returns:
        The representation of each level but the pixels, in the order of the levels.
    """
    names = [name for name in sgan.levels if name != PIXELS]
    with seeded_stage(run, "representations") as stage:
        found = encode(encoder.to(stage.device), train_images.pixels(), names)
    for representation in found:
        report_dead_features(representation)
    return found
