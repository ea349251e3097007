"""The Inception network of the FID, and its weights: found or downloaded, checked, and never executed."""

import hashlib
import io
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError

import torch
from jaxtyping import UInt8
from torch import Tensor, nn
from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3

from gan_pipelines.parameters import ExperimentError


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

    def forward(self, images: UInt8[Tensor, "batch channels height width"]) -> tuple[Tensor, Tensor]:
        """Features and logits of pictures, 0..255, of 1 or 3 channels."""
        features, logits = self.network(images.expand(-1, 3, -1, -1))  # (batch, 2048), (batch, 1008)
        return features, logits


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
