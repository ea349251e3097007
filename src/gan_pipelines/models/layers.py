"""Layers that PyTorch does not have, or that are faster here."""

import math
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from gan_pipelines.data.images import Representation

Shape = tuple[int, ...]
"""Shape of one example, without the batch: (features,) or (channels, height, width)."""

MEAN_BATCH = 500
"""Examples that are floats at once while their mean is computed."""

SETTLING_STEPS = 30
"""Power iterations after which the singular value of new weights is known well enough."""

ONEDNN_WEIGHTS = 2**16
"""With at least this many weights, a fully connected layer gains more from oneDNN than the extra copies cost."""


class Linear(nn.Linear):
    """A fully connected layer that uses oneDNN on the CPU, as convolutions do.

    MKL, torch's default, does not use AVX-512 on every processor that has it; large layers then take twice as long.
    The results differ by rounding. What oneDNN computes can be differentiated once only.
    """

    once_differentiable = True

    def forward(self, input: Float[Tensor, "batch features"]) -> Float[Tensor, "batch outputs"]:  # noqa: A002 (the name of the base class)
        """Multiply by the weights and add the bias."""
        large, on_cpu = self.weight.numel() >= ONEDNN_WEIGHTS, input.device.type == "cpu"
        # autocast and the compiler choose their own kernels
        eager = not (torch.is_autocast_enabled("cpu") or torch.compiler.is_compiling())
        wanted = large and on_cpu and eager and self.once_differentiable and input.dtype == torch.float32
        if not (wanted and torch.backends.mkldnn.is_available()):
            return super().forward(input)
        return functional.linear(input.to_mkldnn(), self.weight, self.bias).to_dense()


def make_twice_differentiable(network: nn.Module) -> None:
    """Let every layer of a network compute in a way that has second derivatives."""
    for layer in network.modules():
        if isinstance(layer, Linear):
            layer.once_differentiable = False


class SpectralNorm(nn.Module):
    """A layer whose weights are divided by their largest singular value (Miyato et al. 2018).

    The value is found by power iteration: one step per forward pass, from where the last one in training ended.
    """

    def __init__(self, layer: nn.Linear | nn.Conv2d | nn.ConvTranspose2d) -> None:
        super().__init__()
        self.layer = layer
        self.register_buffer("direction", torch.ones(len(self._matrix)))
        self.direction: Tensor

    def forward(self, inputs: Float[Tensor, "batch *shape"]) -> Float[Tensor, "batch *outputs"]:
        """The layer's output with normed weights."""
        outer, inner = self._iterate(1)
        norm = outer @ self._matrix @ inner
        outputs: Tensor = functional_call(self.layer, {"weight": self.layer.weight / norm}, (inputs,))
        return outputs

    def settle(self) -> None:
        """Find the singular value of new weights."""
        self._iterate(SETTLING_STEPS)

    @property
    def _matrix(self) -> Tensor:
        return self.layer.weight.flatten(1)

    @torch.no_grad()
    def _iterate(self, steps: int) -> tuple[Tensor, Tensor]:
        outer = self.direction
        for _ in range(steps):
            inner = functional.normalize(self._matrix.T @ outer, dim=0)
            outer = functional.normalize(self._matrix @ inner, dim=0)
        if self.training:
            self.direction.copy_(outer)
        return outer, inner


class RandomAffine(nn.Module):
    """Apply a random affine map to each image of a batch while training; the identity in evaluation mode.

    Args:
        distortion: largest deviation of each entry of the 2 x 2 matrix, in pixels, from the identity's.
        shift_pixels: largest shift in each direction.
    """

    def __init__(self, distortion: float, shift_pixels: float) -> None:
        super().__init__()
        self.distortion = distortion
        self.shift_pixels = shift_pixels

    def forward(
        self, pictures: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        """Draw the maps from torch's global random state and apply them with bilinear interpolation."""
        if not self.training:
            return pictures
        count, _, height, width = pictures.shape
        unit = 2 * torch.rand(count, 2, 3, device=pictures.device) - 1
        across, down = unit[:, :, 2:].split(1, dim=1)
        shifts = [across * (2 * self.shift_pixels / width), down * (2 * self.shift_pixels / height)]
        normalised = torch.tensor([[1.0, height / width], [width / height, 1.0]], device=pictures.device)
        reach = torch.cat([unit[:, :, :2] * self.distortion * normalised, torch.cat(shifts, dim=1)], dim=2)
        maps = torch.eye(2, 3, device=pictures.device) + reach
        grid = functional.affine_grid(maps, list(pictures.shape), align_corners=False)
        return functional.grid_sample(pictures, grid, align_corners=False)


class GaussianNoise(nn.Module):
    """Add N(0, deviation) to each value while training; the identity in evaluation mode."""

    def __init__(self, deviation: float) -> None:
        super().__init__()
        self.deviation = deviation

    def forward(self, values: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Draw the noise from torch's global random state."""
        return values + self.deviation * torch.randn_like(values) if self.training else values


class MeanImage(nn.Module):
    """Subtract the mean of the training examples; 0 until `set_mean_images`."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(shape))
        self.mean: Tensor

    def forward(self, pictures: Float[Tensor, "batch *shape"]) -> Float[Tensor, "batch *shape"]:
        """The deviation of each picture from the mean."""
        return pictures - self.mean


@torch.no_grad()
def set_mean_images(network: nn.Module, examples: Representation) -> None:
    """Let every `mean_image` layer of a network subtract the mean of these examples, as it sees them."""
    layers = [layer for layer in network.modules() if isinstance(layer, MeanImage)]
    if layers:
        index = torch.arange(len(examples.values))
        total = torch.stack([examples.batch(part).double().sum(dim=0) for part in index.split(MEAN_BATCH)]).sum(dim=0)
        for layer in layers:
            layer.mean.copy_(total / len(index))


class ConvTranspose2d(nn.ConvTranspose2d):
    """A transposed convolution; with one output channel on the CPU, a matrix product followed by a sum of patches.

    This takes half the time, since a convolution with one output channel leaves the processor's vector lanes idle. The
    results differ by rounding.
    """

    def forward(
        self,
        input: Float[Tensor, "batch channels height width"],  # noqa: A002 (as above)
        output_size: list[int] | None = None,
    ) -> Float[Tensor, "batch outputs output_height output_width"]:
        """Add up the weighted patches of all input pixels, then the bias."""
        if self.out_channels > 1 or output_size is not None or input.device.type != "cpu":
            return super().forward(input, output_size)
        if self.bias is None or isinstance(self.padding, str):  # no network of this package has either
            return super().forward(input, output_size)
        batch, channels, *sizes = input.shape
        geometry = zip(sizes, self.stride, self.padding, self.kernel_size, self.output_padding, strict=True)
        outputs = tuple((size - 1) * by - 2 * rim + kernel + extra for size, by, rim, kernel, extra in geometry)
        patches = input.permute(0, 2, 3, 1).reshape(-1, channels) @ self.weight.flatten(1)  # pixels x kernel
        patches = patches.view(batch, math.prod(sizes), -1).transpose(1, 2)
        summed = functional.fold(patches, outputs, self.kernel_size, padding=self.padding, stride=self.stride)
        return summed + self.bias[:, None, None]


def forward_batches(network: nn.Sequential, batches: Float[Tensor, "_ *shape"], count: int) -> Tensor:
    """Send several batches through a network in one pass, with the same result as one after the other.

    Only batch norm treats them separately: it normalises each batch by its own statistics, and updates its running
    averages in the order of the batches.

    Args:
        network: the layers.
        batches: batches of equal size, concatenated.
        count: number of batches.
    """
    if count == 1:
        return cast("Tensor", network(batches))
    for layer in network:
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            batches = torch.cat([layer(batch) for batch in batches.chunk(count)])
        else:
            batches = layer(batches)
    return batches
