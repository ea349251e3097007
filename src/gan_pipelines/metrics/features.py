"""What a network sees in pictures; the statistics on it stand apart."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.metrics.neighbours import nearest_distances
from gan_pipelines.metrics.networks import FeatureNetwork, Reading
from gan_pipelines.parameters import FeatureNetworkName

JUDGE, PIXEL_SPACE = "judge", "pixels"
"""The two spaces in which nearest training images are looked for."""
READ_AT_ONCE = 500
"""Pictures handed to a network at once; the result does not depend on it."""


@dataclass(frozen=True)
class LabelledReading:
    """A network's reading of pictures, on the CPU.

    Attributes:
        features: the representation on which distances are computed, flattened.
        logits: the network's class logits; only those of a judge are about the pictures' own classes.
        labels: the classes that the pictures have, or were asked to have.
    """

    features: Float[Tensor, "count features"]
    logits: Float[Tensor, "count classes"]
    labels: Int64[Tensor, "count"]

    def __len__(self) -> int:
        return len(self.labels)


def read_images(network: FeatureNetwork, images: UInt8[Tensor, "count channels size size"]) -> Reading:
    """Read pictures, stored as uint8 like real ones; the reading is on the CPU."""
    rows = [[part.cpu() for part in network(batch)] for batch in images.split(READ_AT_ONCE)]
    return Reading(*(torch.cat(column) for column in zip(*rows, strict=True)))


def read_labelled(network: FeatureNetwork, pictures: LabelledImages) -> LabelledReading:
    """Read pictures that have labels."""
    return LabelledReading(*read_images(network, pictures.images), pictures.labels)


@dataclass(frozen=True)
class RealReadings:
    """What generated pictures are measured against, read once for all generators.

    Attributes:
        train: readings of the training images by network.
        test: readings of the test images by network.
        test_distances: distance of each test image to its nearest training image, in each of the two spaces.
    """

    train: Mapping[str, LabelledReading]
    test: Mapping[str, LabelledReading]
    test_distances: Mapping[str, Float[Tensor, "tests"]]


def read_real_images(
    networks: Mapping[FeatureNetworkName, FeatureNetwork], train_images: LabelledImages, test_images: LabelledImages
) -> RealReadings:
    """Read training and test images with every network, and see how far the ones lie from the others."""
    train, test = (
        {str(name): read_labelled(network, pictures) for name, network in networks.items()}
        for pictures in (train_images, test_images)
    )
    distances = {
        JUDGE: nearest_distances(test[JUDGE].features, train[JUDGE].features),
        PIXEL_SPACE: nearest_distances(pixel_rows(test_images), pixel_rows(train_images)),
    }
    return RealReadings(train, test, distances)


def pixel_rows(pictures: LabelledImages) -> UInt8[Tensor, "count pixels"]:
    """Pictures as rows of bytes; only ratios of distances between them are reported."""
    return pictures.images.flatten(1)
