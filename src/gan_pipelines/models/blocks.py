"""Build modules from lists of layers, inferring every shape along the way."""

import math
from typing import assert_never, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from gan_pipelines.parameters import ExperimentError, Initialisation, Layer, Network
from gan_pipelines.parameters import networks as layers

Shape = tuple[int, ...]
"""Shape of one example, without the batch: (features,) or (channels, height, width)."""

SAMPLING_BATCH = 100
"""Images sampled at once; a batch this small stays in the processor's cache. Changing it changes what is drawn."""

ONEDNN_WEIGHTS = 2**16
"""With at least this many weights, a fully connected layer gains more from oneDNN than the extra copies cost."""


class Linear(nn.Linear):
    """A fully connected layer that uses oneDNN on the CPU, as convolutions do.

    MKL, torch's default, does not use AVX-512 on every processor that has it; large layers then take twice as long.
    The results differ by rounding.
    """

    def forward(self, input: Float[Tensor, "batch features"]) -> Float[Tensor, "batch outputs"]:  # noqa: A002
        """Multiply by the weights and add the bias."""
        large, on_cpu = self.weight.numel() >= ONEDNN_WEIGHTS, input.device.type == "cpu"
        # autocast and the compiler choose their own kernels
        eager = not (torch.is_autocast_enabled("cpu") or torch.compiler.is_compiling())
        if not (large and on_cpu and eager and input.dtype == torch.float32 and torch.backends.mkldnn.is_available()):
            return super().forward(input)
        return functional.linear(input.to_mkldnn(), self.weight, self.bias).to_dense()


class RandomAffine(nn.Module):
    """Apply a random affine map to each image of a batch while training; the identity in evaluation mode.

    Args:
        distortion: largest deviation of each entry of the 2 x 2 matrix from the identity's.
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
        reach = torch.cat([unit[:, :, :2] * self.distortion, torch.cat(shifts, dim=1)], dim=2)
        maps = torch.eye(2, 3, device=pictures.device) + reach
        grid = functional.affine_grid(maps, list(pictures.shape), align_corners=False)
        return functional.grid_sample(pictures, grid, align_corners=False)


class ConvTranspose2d(nn.ConvTranspose2d):
    """A transposed convolution; with one output channel on the CPU, a matrix product followed by a sum of patches.

    This takes half the time, since a convolution with one output channel leaves the processor's vector lanes idle. The
    results differ by rounding.
    """

    def forward(
        self,
        input: Float[Tensor, "batch channels height width"],  # noqa: A002
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


def build_network(network: Network, input_shape: Shape, target_shape: Shape, where: str) -> tuple[nn.Sequential, Shape]:
    """Build the layers in order.

    Args:
        network: the layers; an empty network is the identity.
        input_shape: shape of one input.
        target_shape: what the word `target` stands for: its first entry for features and channels, its height and
            width for `project`.
        where: path of the network in the YAML, for messages.

    Returns:
        The module and the shape of one output.

    Raises:
        ExperimentError: a layer does not fit the output of the one before it.
    """
    modules: list[nn.Module] = []
    shape = input_shape
    for index, layer in enumerate(network):
        place = f"{where}.{index} ({layer.layer})"
        built, shape = _build_layer(layer, shape, target_shape, place)
        modules.extend(built)
    return nn.Sequential(*modules), shape


def build_exact(network: Network, input_shape: Shape, target_shape: Shape, where: str) -> nn.Sequential:
    """Build a network whose output must have the target's shape; the arguments are those of `build_network`.

    Raises:
        ExperimentError: a layer does not fit, or the output has another shape.
    """
    module, output = build_network(network, input_shape, target_shape, where)
    require_shape(output, target_shape, where)
    return module


def _build_layer(layer: Layer, shape: Shape, target: Shape, place: str) -> tuple[list[nn.Module], Shape]:
    match layer:
        case layers.Linear():
            features = target[0] if layer.features == "target" else layer.features
            flatten = [nn.Flatten()] if len(shape) > 1 else []
            return [*flatten, Linear(math.prod(shape), features)], (features,)
        case layers.Project():
            return _build_projection(layer, shape, target, place)
        case layers.Conv() | layers.ConvTranspose() | layers.MaxPool():
            return _build_spatial(layer, shape, target, place)
        case layers.BatchNorm():
            norm = nn.BatchNorm1d(shape[0]) if len(shape) == 1 else nn.BatchNorm2d(shape[0])
            return [norm], shape
        case layers.Relu():
            return [nn.ReLU()], shape
        case layers.LeakyRelu():
            return [nn.LeakyReLU(layer.slope)], shape
        case layers.Sigmoid():
            return [nn.Sigmoid()], shape
        case layers.Dropout():
            return [nn.Dropout(layer.probability)], shape
        case layers.RandomAffine():
            _require_map(shape, place)
            return [RandomAffine(layer.distortion, layer.shift_pixels)], shape
        case _:
            assert_never(layer)


def _build_projection(layer: layers.Project, shape: Shape, target: Shape, place: str) -> tuple[list[nn.Module], Shape]:
    if len(target) != 3 or target[1] % layer.downscale or target[2] % layer.downscale:
        raise ExperimentError(
            f"{place}: downscale must divide the height and width of the target; "
            f"found downscale {layer.downscale} and a target of shape {target}."
        )
    output = (layer.channels, target[1] // layer.downscale, target[2] // layer.downscale)
    flatten = [nn.Flatten()] if len(shape) > 1 else []
    return [*flatten, Linear(math.prod(shape), math.prod(output)), nn.Unflatten(1, output)], output


def _build_spatial(
    layer: layers.Conv | layers.ConvTranspose | layers.MaxPool, shape: Shape, target: Shape, place: str
) -> tuple[list[nn.Module], Shape]:
    _require_map(shape, place)
    channels, height, width = shape
    module: nn.Module
    if isinstance(layer, layers.MaxPool):
        module = nn.MaxPool2d(layer.size)
    elif isinstance(layer, layers.Conv):
        channels = target[0] if layer.channels == "target" else layer.channels
        module = nn.Conv2d(shape[0], channels, layer.kernel, layer.stride, layer.padding)
    else:
        channels = target[0] if layer.channels == "target" else layer.channels
        if layer.output_padding >= layer.stride:
            raise ExperimentError(
                f"{place}: output_padding must be below stride; found {layer.output_padding} and {layer.stride}."
            )
        module = ConvTranspose2d(shape[0], channels, layer.kernel, layer.stride, layer.padding, layer.output_padding)
    height, width = (_output_length(layer, length) for length in (height, width))
    if height < 1 or width < 1:
        raise ExperimentError(f"{place}: the input of shape {shape} is too small for this layer.")
    return [module], (channels, height, width)


def _require_map(shape: Shape, place: str) -> None:
    if len(shape) != 3:
        raise ExperimentError(f"{place}: needs a map (channels, height, width) as input; found shape {shape}.")


def _output_length(layer: layers.Conv | layers.ConvTranspose | layers.MaxPool, length: int) -> int:
    if isinstance(layer, layers.MaxPool):
        return length // layer.size
    if isinstance(layer, layers.Conv):
        return (length + 2 * layer.padding - layer.kernel) // layer.stride + 1
    return (length - 1) * layer.stride - 2 * layer.padding + layer.kernel + layer.output_padding


def require_shape(found: Shape, wanted: Shape, where: str) -> None:
    """Check that a network's output has the shape that it must have.

    Raises:
        ExperimentError: the shapes differ.
    """
    if found != wanted:
        raise ExperimentError(
            f"{where}: its output must have the shape {wanted}, which the data require; found {found}. "
            f"Change its layers or the size of the images."
        )


@torch.no_grad()
def initialise(module: nn.Module, how: Initialisation) -> None:
    """Draw new weights for every layer from torch's global random state.

    Args:
        module: the network, changed in place.
        how: `pytorch` for each layer's default, `normal` for N(0, std) (DCGAN; official SGAN code).
    """
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Conv2d | nn.ConvTranspose2d | nn.BatchNorm1d | nn.BatchNorm2d):
            part.reset_parameters()
            if how.name == "normal" and not isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
                nn.init.normal_(part.weight, std=how.std)
                if part.bias is not None:
                    nn.init.zeros_(part.bias)


def count_parameters(module: nn.Module) -> int:
    """Number of weights and biases."""
    return sum(parameter.numel() for parameter in module.parameters())
