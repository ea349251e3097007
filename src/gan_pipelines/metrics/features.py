"""What the judge sees in pictures; the statistics on it stand apart."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from gan_pipelines.data.images import to_unit_range
from gan_pipelines.models import Encoder
from gan_pipelines.parameters import LABELS, PIXELS


@dataclass(frozen=True)
class JudgedImages:
    """A judge's reading of labelled pictures, on the CPU.

    Attributes:
        features: the representation on which distances are computed, flattened.
        logits: the judge's class logits.
        labels: the classes that the pictures have, or were asked to have.
    """

    features: Float[Tensor, "count features"]
    logits: Float[Tensor, "count classes"]
    labels: Int64[Tensor, "count"]


@torch.no_grad()
def judge_images(
    judge: Encoder,
    images: UInt8[Tensor, "count channels size size"],
    labels: Int64[Tensor, "count"],
    features: str,
    batch_size: int = 500,
) -> JudgedImages:
    """Read pictures, stored as uint8 like real ones, with the judge.

    Args:
        judge: a frozen classifier.
        images: the pictures.
        labels: their classes.
        features: name of the representation on which distances are computed.
        batch_size: pictures read at once; the result does not depend on it.
    """
    device = next(judge.parameters()).device
    to_features, to_logits = judge.segment(PIXELS, features), judge.segment(features, LABELS)
    rows = []
    for batch in images.split(batch_size):
        values = to_features(to_unit_range(batch).to(device))
        rows.append((values.flatten(1).cpu(), to_logits(values).cpu()))
    return JudgedImages(torch.cat([row[0] for row in rows]), torch.cat([row[1] for row in rows]), labels)
