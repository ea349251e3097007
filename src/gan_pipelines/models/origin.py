"""Refuse to combine models and data that do not belong together."""

from collections.abc import Sequence

from gan_pipelines.data.images import LabelledImages, Representation
from gan_pipelines.models.encoder import Encoder
from gan_pipelines.models.infogan import InfoGAN
from gan_pipelines.models.level import LevelGAN
from gan_pipelines.parameters import ExperimentError


def require_same_origin(
    encoder: Encoder,
    images: LabelledImages | None = None,
    representations: Sequence[Representation] = (),
    levels: Sequence[LevelGAN] = (),
) -> None:
    """Check that images, representations and levels belong to this encoder.

    Args:
        encoder: the trained encoder.
        images: must be the images it was trained on.
        representations: must have been computed by it, or by no encoder at all.
        levels: must have been trained with it.

    Raises:
        ExperimentError: names the first one that does not belong to the encoder.
    """
    digest = encoder.digest()
    strangers = [f"representation_{x.name}" for x in representations if x.encoder_digest not in ("", digest)]
    strangers += [f"level_{x.spec.target}" for x in levels if x.spec.encoder_digest != digest]
    if images is not None and images.digest() != encoder.spec.data_digest:
        strangers.insert(0, "train_images")
    if strangers:
        raise ExperimentError(
            f"{strangers[0]}: does not belong to this encoder; it was made from other images or by another encoder. "
            f"Run the pipelines again, starting with data_preparation or classifier, or choose matching versions with "
            f"--load-versions."
        )


def require_same_images(name: str, model: InfoGAN | Encoder, images: LabelledImages) -> None:
    """Check that a model was trained on the given images.

    Args:
        name: the model's name, for the message.
        model: the InfoGAN or a judge.
        images: the training images at hand.

    Raises:
        ExperimentError: names the model.
    """
    if images.digest() != model.spec.data_digest:
        raise ExperimentError(
            f"{name}: was trained on other images than train_images. Run the pipelines again, starting with "
            f"data_preparation, or choose matching versions with --load-versions."
        )
