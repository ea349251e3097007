"""Check every network, train the encoder, encode the training set once."""

import pandas as pd

from gan_pipelines.data.images import LabelledImages, Representation, to_unit_range
from gan_pipelines.models import Encoder
from gan_pipelines.models.encoder import in_batches
from gan_pipelines.models.plan import describe_networks, plan_classifier, plan_levels
from gan_pipelines.parameters import (
    PIXELS,
    ClassifierParameters,
    ExperimentError,
    RunParameters,
    SGANParameters,
)
from gan_pipelines.tracking import stage_run
from gan_pipelines.training.classifier import fit_classifier


def check_networks(
    classifier: ClassifierParameters, judge: ClassifierParameters, sgan: SGANParameters, train_images: LabelledImages
) -> pd.DataFrame:
    """Put every network together without weights, before anything trains.

    Returns:
        One row a network: output shape and number of trainable values.

    Raises:
        ExperimentError: a network that does not fit the images, or a batch larger than the training set.
    """
    batch_sizes = {
        "classifier.training": classifier.training.batch_size,
        "judge.training": judge.training.batch_size,
        **{f"sgan.levels.{name}.training": level.training.batch_size for name, level in sgan.levels.items()},
        "sgan.joint.training": sgan.joint.training.batch_size,
    }
    for where, batch_size in batch_sizes.items():
        if batch_size > len(train_images):
            raise ExperimentError(
                f"{where}.batch_size: must be at most the number of training images, {len(train_images)}; "
                f"found {batch_size}."
            )
    facts = (train_images.image_shape, train_images.classes, train_images.digest())
    encoder = plan_classifier(classifier, *facts, where="classifier")
    levels = plan_levels(sgan, encoder)
    return pd.DataFrame(describe_networks(encoder, plan_classifier(judge, *facts, where="judge"), levels))


def train_encoder(
    run: RunParameters,
    classifier: ClassifierParameters,
    train_images: LabelledImages,
    test_images: LabelledImages,
    _network_table: pd.DataFrame,
) -> tuple[Encoder, pd.DataFrame, dict[str, float]]:
    """Train the classifier whose blocks are the E_i.

    Args:
        run: seed, device, threads.
        classifier: its stages and training.
        train_images: what it learns from.
        test_images: what its accuracy is measured on besides.
        _network_table: not read; it stands here so that all networks are checked first.

    Returns:
        The frozen encoder, the history of its losses, its accuracies.
    """
    with stage_run("encoder") as observer:
        encoder, history, metrics = fit_classifier(run, "encoder", classifier, train_images, test_images, observer)
    return encoder, pd.DataFrame(history).assign(stage="encoder"), metrics


def encode_training_set(sgan: SGANParameters, encoder: Encoder, train_images: LabelledImages) -> list[Representation]:
    """Encode the training images once, so that no level runs the encoder on real images again.

    Returns:
        The representation of each level but the pixels, in the order of the levels.
    """
    names = [name for name in sgan.levels if name != PIXELS]
    pixels = to_unit_range(train_images.images)
    return [Representation(name, in_batches(encoder.segment(PIXELS, name), pixels)) for name in names]
