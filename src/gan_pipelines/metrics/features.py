"""What networks compute from pictures; the statistics computed on it are in other modules."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from gan_pipelines.data.images import LabelledImages, stratified_indices, to_unit_range
from gan_pipelines.metrics.definitions import JUDGE
from gan_pipelines.metrics.neighbours import nearest_distances, picture_distances
from gan_pipelines.metrics.networks import FeatureExtractor, Features
from gan_pipelines.models import Encoder
from gan_pipelines.parameters import PIXELS, FeatureNetworkName
from gan_pipelines.progress import track

PICTURES_AT_ONCE = 500
"""How many pictures an extractor gets at once; the result does not depend on it."""


@dataclass(frozen=True)
class LabelledFeatures:
    """What a network computes from labelled pictures, on the CPU.

    Attributes:
        features: the representation on which distances are computed, flattened.
        logits: the network's class logits; only a judge's classes are those of the pictures.
        labels: the classes that the pictures have, or that were requested.
    """

    features: Float[Tensor, "count features"]
    logits: Float[Tensor, "count classes"]
    labels: Int64[Tensor, "count"]

    def __len__(self) -> int:
        return len(self.labels)


def extract_features(network: FeatureExtractor, images: UInt8[Tensor, "count channels height width"]) -> Features:
    """Features and logits of uint8 pictures, on the CPU."""
    batches = track(images.split(PICTURES_AT_ONCE), f"read by {network.name}", len(images))
    rows = [[part.cpu() for part in network(batch)] for batch in batches]
    return Features(*(torch.cat(column) for column in zip(*rows, strict=True)))


@torch.no_grad()
def class_logits(
    classifier: Encoder, images: UInt8[Tensor, "count channels height width"]
) -> Float[Tensor, "count classes"]:
    """Logits of uint8 pictures by a frozen classifier on any device, on the CPU."""
    device = next(classifier.parameters()).device
    return torch.cat([classifier(to_unit_range(batch).to(device)).cpu() for batch in images.split(PICTURES_AT_ONCE)])


def extract_labelled(network: FeatureExtractor, pictures: LabelledImages) -> LabelledFeatures:
    """Features and logits of pictures, with their labels."""
    return LabelledFeatures(*extract_features(network, pictures.images), pictures.labels)


@dataclass(frozen=True)
class RealFeatures:
    """Features of the real images, extracted once for all generators.

    Attributes:
        train: features of the training images, by network.
        test: features of the test images, by network.
        second_opinion: the class that the second judge sees in each test image.
        test_distances: distances of each test image to its nearest training images, ascending, in the judge's features
            and in pixels.
        representation: the judge's representation that its features are.
        made_from: digests of both judges, the training images and the test images.
    """

    train: Mapping[str, LabelledFeatures]
    test: Mapping[str, LabelledFeatures]
    second_opinion: Int64[Tensor, "tests"]
    test_distances: Mapping[str, Float[Tensor, "tests neighbours"]]
    representation: str = ""
    made_from: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Reference:
    """The real images that generated pictures are compared with.

    Attributes:
        train_images: samples may be copies of these.
        test_images: samples should be like these.
        features: of both.
    """

    train_images: LabelledImages
    test_images: LabelledImages
    features: RealFeatures


def extract_real_features(
    networks: Mapping[FeatureNetworkName, FeatureExtractor],
    second_judge: Encoder,
    train_images: LabelledImages,
    test_images: LabelledImages,
    samples: int,
    rng: torch.Generator,
) -> RealFeatures:
    """Features of training and test images in every network, and how far each test image is from the training images.

    Args:
        networks: by name; the judge is one of them. The others are slow, and read no more training images than there
            are samples to compare them with.
        second_judge: its opinion of the test images is all that is needed of it.
        train_images: the training images.
        test_images: the test images.
        samples: how many samples are scored.
        rng: chooses among the training images, each class in proportion.
    """
    some = train_images
    if len(networks) > 1 and len(train_images) > samples:
        some = train_images.subset(stratified_indices(train_images.labels, samples, rng))
    train, test = {}, {}
    for name, network in networks.items():
        train[str(name)] = extract_labelled(network, train_images if name == JUDGE else some)
        test[str(name)] = extract_labelled(network, test_images)
    distances = {
        JUDGE: nearest_distances(test[JUDGE].features, train[JUDGE].features),
        PIXELS: picture_distances(test_images.images, train_images.images),
    }
    return RealFeatures(train, test, class_logits(second_judge, test_images.images).argmax(dim=1), distances)
