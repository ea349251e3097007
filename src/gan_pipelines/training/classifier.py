"""Supervised training of a classifier: the encoder or the judge."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, pad

from gan_pipelines.data.images import LabelledImages, to_unit_range
from gan_pipelines.models import Encoder
from gan_pipelines.models.layers import set_mean_images
from gan_pipelines.models.plan import plan_classifier
from gan_pipelines.parameters import ClassifierParameters, RunParameters
from gan_pipelines.training.checkpoint import CheckpointFolder
from gan_pipelines.training.engine import train
from gan_pipelines.training.initial import take_weights
from gan_pipelines.training.observer import Observer
from gan_pipelines.training.players import make_player
from gan_pipelines.training.stage import Stage, training_stage
from gan_pipelines.training.turns import Terms, Turn
from gan_pipelines.training.workers import shared_by_workers


@shared_by_workers
def fit_classifier(
    run: RunParameters,
    name: str,
    parameters: ClassifierParameters,
    train_images: LabelledImages,
    test_images: LabelledImages,
    observer: Observer,
    checkpoints: CheckpointFolder | None = None,
    initial: Encoder | None = None,
) -> tuple[Encoder, list[dict[str, float]], dict[str, float]]:
    """Build and train a classifier on its own random streams.

    Args:
        run: seed, device, threads.
        name: name of the stage, such as `encoder` or `judge`.
        parameters: blocks, length, rates.
        train_images: what it learns from.
        test_images: used only to measure its accuracy.
        observer: receives the losses.
        checkpoints: where to keep checkpoints; None keeps none.
        initial: its weights are the first ones; None draws new ones.

    Returns:
        The frozen classifier on the CPU, the history of its losses, and its accuracy on both sets.
    """
    spec = plan_classifier(parameters, train_images.image_shape, train_images.classes, train_images.digest(), name).spec
    inputs, starts = {"images": spec.data_digest}, {"initial": initial} if initial else {}
    with training_stage(run, name, parameters, inputs, checkpoints, starts) as stage:
        encoder = Encoder(spec.model_copy(update={"provenance": stage.provenance}))
        encoder = stage.place(take_weights(encoder, initial) if initial else encoder)
        set_mean_images(encoder, train_images.pixels())
        history = train_classifier(encoder, train_images, parameters, stage, observer)
        metrics = {
            "train_accuracy": accuracy(encoder, train_images, stage.device),
            "test_accuracy": accuracy(encoder, test_images, stage.device),
        }
    return encoder.cpu(), history, metrics


def train_classifier(
    encoder: Encoder, data: LabelledImages, parameters: ClassifierParameters, stage: Stage, observer: Observer
) -> list[dict[str, float]]:
    """Train in place on cross-entropy, then freeze.

    Args:
        encoder: the classifier.
        data: training images.
        parameters: length, rates, weight decay, augmentation.
        stage: device and random streams.
        observer: receives the losses.

    Returns:
        The history of its losses.
    """
    training = parameters.training
    pictures, labels = data.images.to(stage.device), data.labels.to(stage.device)
    batches = stage.draw_batches(len(data), training.batch_size)

    def objective(_: int) -> Iterator[Turn]:
        index = stage.local_batch(next(batches))
        images = shift(to_unit_range(pictures[index]), parameters.augmentation_pixels, stage.rng)

        def terms() -> Terms:
            return {"cross_entropy": cross_entropy(encoder(images).float(), labels[index])}

        yield Turn("classifier", terms)

    player = make_player(encoder, training, weight_decay=parameters.weight_decay)
    history = train(stage, {"classifier": player}, objective, training, observer)
    encoder.freeze()
    return history


def shift(images: Tensor, pixels: int, rng: torch.Generator) -> Tensor:
    """Shift a whole batch by one random offset of at most `pixels` in each direction; new pixels are 0."""
    if not pixels:
        return images
    down, right = torch.randint(0, 2 * pixels + 1, (2,), generator=rng).tolist()
    height, width = images.shape[-2:]
    return pad(images, (pixels,) * 4)[..., down : down + height, right : right + width]


def accuracy(encoder: Encoder, data: LabelledImages, device: torch.device, batch_size: int = 500) -> float:
    """Fraction of images whose most probable class is their label."""
    right = 0
    with torch.no_grad():
        for images, labels in zip(data.images.split(batch_size), data.labels.split(batch_size), strict=True):
            logits = encoder(to_unit_range(images).to(device))
            right += int((logits.argmax(dim=1).cpu() == labels).sum())
    return right / len(data)
