"""The data card as an HTML page that needs no other file: pictures of each class, counts, brightness, what changed."""

import base64
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from jinja2 import Environment, PackageLoader, StrictUndefined

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.reporting.panels import picture_grid

PICTURES_PER_CLASS = 12
MOST_CLASSES = 100
"""Of more classes, the first are shown; their counts all are."""
BINS = 32
AT_ONCE = 2**22
"""Values that are counted at once."""
LARGEST_SIDE = 64
"""Larger pictures are shown smaller, in pixels."""


def data_page(card: Mapping[str, Any], train_images: LabelledImages) -> str:
    """The page.

    Args:
        card: the data card.
        train_images: whose first pictures of each class are shown.
    """
    loader = PackageLoader("gan_pipelines", "reporting")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    shares = brightness_shares(train_images)
    splits = [split for split in ("train", "validation", "test") if split in card]
    return environment.get_template("data_page.html").render(
        card=card,
        splits=splits,
        rows=list(_class_rows([card[split]["images_by_class"] for split in splits], train_images)),
        unshown=max(0, len(train_images.classes) - MOST_CLASSES),
        bars=[(place, share / max(shares)) for place, share in enumerate(shares)],
        bins=BINS,
    )


def brightness_shares(images: LabelledImages) -> list[float]:
    """Share of the pixels, over all channels, in each of `BINS` equal parts of 0..255.

    Args:
        images: uint8.
    """
    counts = torch.zeros(BINS, dtype=torch.float64)
    for part in images.images.split(max(1, AT_ONCE // images.images[0].numel())):
        counts += torch.bincount(part.flatten().int() * BINS // 256, minlength=BINS)
    return (counts / counts.sum()).tolist()


def _class_rows(by_split: Sequence[Mapping[str, int]], images: LabelledImages) -> Iterator[dict[str, Any]]:
    for label, name in enumerate(images.classes):
        of_class = images.images[(images.labels == label).nonzero().squeeze(1)[:PICTURES_PER_CLASS]]
        counts = [counted[name] for counted in by_split]
        png = None
        if label < MOST_CLASSES and len(of_class):
            buffer = io.BytesIO()
            shown = picture_grid(of_class, PICTURES_PER_CLASS)
            if (side := max(of_class.shape[2:])) > LARGEST_SIDE:
                shown = shown.reduce(math.ceil(side / LARGEST_SIDE))
            shown.save(buffer, "PNG")
            png = base64.b64encode(buffer.getvalue()).decode()
        yield {"name": name, "counts": counts, "png": png}
