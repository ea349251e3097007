"""Real digits, a judge of them that needs no training, and features made by hand."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from gan_pipelines.data.images import LabelledImages, to_unit_range
from gan_pipelines.data.packaged import packaged_digits
from gan_pipelines.metrics import (
    FeatureExtractor,
    LabelledFeatures,
    Reference,
    class_logits,
    extract_labelled,
    extract_real_features,
)


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


class NearestMean(nn.Module):
    """A second judge: the class whose mean picture is nearest."""

    def __init__(self, pictures: LabelledImages) -> None:
        super().__init__()
        rows = to_unit_range(pictures.images).flatten(1)
        means = [rows[pictures.labels == label].mean(dim=0) for label in range(len(pictures.classes))]
        self.means = nn.Parameter(torch.stack(means), requires_grad=False)

    def forward(self, images: Tensor) -> Tensor:
        return -torch.cdist(images.flatten(1), self.means)


@dataclass(frozen=True)
class Digits:
    """1,500 training images, 400 test images and 400 others, classes alternating, and judges fitted to the first."""

    reference: Reference
    fresh: LabelledImages
    judge: FeatureExtractor
    second_judge: NearestMean

    @property
    def train(self) -> LabelledImages:
        return self.reference.train_images

    @property
    def test(self) -> LabelledImages:
        return self.reference.test_images

    @property
    def judged_test(self) -> LabelledFeatures:
        return self.reference.features.test["judge"]

    def extract(self, pictures: LabelledImages) -> LabelledFeatures:
        return extract_labelled(self.judge, pictures)

    def second_opinion(self, pictures: LabelledImages) -> Tensor:
        return class_logits(self.second_judge, pictures.images).argmax(dim=1)


@pytest.fixture(scope="session")
def digits() -> Digits:
    rows = torch.from_numpy(packaged_digits())  # 500 of each digit, sorted
    pixels, labels = rows[:, :-1], rows[:, -1]
    rng = torch.Generator().manual_seed(5)  # neighbours in the file are by the same writer
    turns = torch.stack([500 * digit + torch.randperm(500, generator=rng) for digit in range(10)], dim=1).flatten()
    images = LabelledImages(
        pixels[turns].to(torch.uint8).view(-1, 1, 28, 28), labels[turns], tuple(map(str, range(10)))
    )
    train, test, fresh = (images.subset(torch.arange(*ends)) for ends in ((0, 1500), (1500, 1900), (1900, 2300)))
    judge = FeatureExtractor("judge", LinearJudge(train), torch.device("cpu"), 500)
    second_judge = NearestMean(train)
    features = extract_real_features({"judge": judge}, second_judge, train, test, len(train), torch.Generator())
    return Digits(Reference(train, test, features), fresh, judge, second_judge)


@pytest.fixture
def labelled() -> Callable[..., LabelledFeatures]:
    """Features of 4 alternating classes; the network is certain of `seen`, which by default are the labels."""

    def build(features: Tensor, labels: Tensor | None = None, seen: Tensor | None = None) -> LabelledFeatures:
        labels = torch.arange(len(features)) % 4 if labels is None else labels
        logits = 50 * functional.one_hot(labels if seen is None else seen, 4).float()
        return LabelledFeatures(features, logits, labels)

    return build
