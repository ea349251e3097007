"""From an InfoGAN to an encoder, categories for the training images, and the class that each one stands for."""

import pandas as pd
import torch

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.metrics import class_logits
from gan_pipelines.metrics.categories import match_categories
from gan_pipelines.models import Encoder, InfoGAN
from gan_pipelines.models.encoder import set_units
from gan_pipelines.models.infogan_encoder import infogan_encoder
from gan_pipelines.parameters import EncoderParameters, RunParameters
from gan_pipelines.training.stage import seeded_stage

UNSUPERVISED = "unsupervised"
"""How the datasets of a stack begin that never saw a label."""


def make_encoder(
    run: RunParameters, classifier: EncoderParameters, infogan: InfoGAN, train_images: LabelledImages
) -> Encoder:
    """The trunk of D and Q, and the head for the categories, as the encoder of a stack.

    Args:
        run: device, threads.
        classifier: whether representations get a unit of their own; nothing else of it is used.
        infogan: trained without labels.
        train_images: give the representations their units; their labels are not used.

    Returns:
        The frozen encoder; its classes are the categories.
    """
    encoder = infogan_encoder(infogan)
    if classifier.unit_scale:
        with seeded_stage(run, "representations") as stage:
            set_units(encoder.to(stage.device), train_images.pixels())
    return encoder.cpu()


def categorise(run: RunParameters, encoder: Encoder, train_images: LabelledImages) -> LabelledImages:
    """The training images with their most probable category in place of their label, which is not used."""
    with seeded_stage(run, "representations") as stage:
        categories = class_logits(encoder.to(stage.device), train_images.images).argmax(dim=1)
    made_from = {"train_images": train_images.digest(), f"{UNSUPERVISED}_encoder": encoder.cpu().digest()}
    return LabelledImages(train_images.images, categories, encoder.spec.classes, made_from)


def match_classes(categorised: LabelledImages, train_images: LabelledImages) -> pd.DataFrame:
    """Match categories and classes one to one, so that as many training images as can be have the class of theirs.

    This is the first use of a label, after all trainings, and names things only; test images play no part in it.

    Args:
        categorised: the training images with their categories.
        train_images: the same with their labels.

    Returns:
        One row per class, in their order: `of_class`, its `category`, and the `share` of that category's images that
        are of the class, 0 if it has none.
    """
    classes, categories = train_images.classes, categorised.labels
    matching = match_categories(categories, train_images.labels, len(categorised.classes), len(classes))
    category = torch.stack([(matching == number).nonzero()[0, 0] for number in range(len(classes))])
    agreeing = categories[matching[categories] == train_images.labels]
    counts, agreed = (torch.bincount(numbers, minlength=len(matching)).double() for numbers in (categories, agreeing))
    share = agreed[category] / counts[category].clamp(min=1)
    return pd.DataFrame({"of_class": classes, "category": category, "share": share})
