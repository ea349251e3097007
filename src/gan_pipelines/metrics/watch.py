"""Quick scores of a generator that is still training: of few samples, and without intervals."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.metrics.distances import frechet_distance
from gan_pipelines.metrics.diversity import within_class_diversity
from gan_pipelines.metrics.features import LabelledFeatures, extract_features, extract_labelled
from gan_pipelines.metrics.networks import judge_network
from gan_pipelines.models import Encoder


@dataclass
class QuickScores:
    """Compares samples with real images in the features of a judge.

    Attributes:
        judge: a frozen classifier.
        representation: of the judge, on which distances are computed.
        real_images: that no training has used.
        labelled: whether the labels that samples are asked for are the judge's classes; otherwise samples have the
            classes that the judge sees in them.
    """

    judge: Encoder
    representation: str
    real_images: LabelledImages
    labelled: bool
    _real: LabelledFeatures | None = field(default=None, init=False, repr=False)

    @property
    def made_from(self) -> dict[str, str]:
        """Digests of the judge and of the real images."""
        return {"judge": self.judge.digest(), "validation_images": self.real_images.digest()}

    def __call__(
        self,
        pictures: UInt8[Tensor, "count channels height width"],
        labels: Int64[Tensor, "count"] | None,
        device: torch.device,
    ) -> Mapping[str, float]:
        """The Frechet distance, and the diversity within classes where at least one can be compared.

        Args:
            pictures: samples.
            labels: that they were asked for, if any were.
            device: where the judge computes.
        """
        network = judge_network(self.judge.to(device), self.representation)
        if self._real is None:
            self._real = extract_labelled(network, self.real_images)
        features, logits = extract_features(network, pictures)
        classes = labels if labels is not None and self.labelled else logits.argmax(dim=1)
        found = {"frechet_distance": frechet_distance(features, self._real.features)}
        diversity = within_class_diversity(LabelledFeatures(features, logits, classes), self._real)
        return found | ({"within_class_diversity": diversity.mean} if diversity.by_class else {})
