"""Build modules from lists of layers, inferring every shape along the way."""

import math
from typing import assert_never

import torch
from torch import nn

from gan_pipelines.models.layers import (
    ConvTranspose2d,
    GaussianNoise,
    Linear,
    MeanImage,
    RandomAffine,
    Shape,
    SpectralNorm,
)
from gan_pipelines.parameters import ExperimentError, Initialisation, Layer, Network
from gan_pipelines.parameters import networks as layers

LARGEST_LAYER = 2**32
"""A layer of more weights, or with more output values, is taken for a slip: 16 GiB before anything is computed."""
SAMPLING_BATCH = 100
"""Images sampled at once; a batch this small stays in the processor's cache. Changing it changes what is drawn."""


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
        built, shape = _build_layer(layer, shape, target_shape, place, modules)
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


def _pop_weighted(before: list[nn.Module], place: str) -> nn.Linear | nn.Conv2d | nn.ConvTranspose2d:
    """Take the last layer, which must have weights, from those before."""
    last = before[-1] if before else None
    if not isinstance(last, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        raise ExperimentError(
            f"{place}: must follow a linear, conv or conv_transpose layer, whose weights it divides; found "
            f"{type(last).__name__ if last else 'nothing'} before it."
        )
    del before[-1]
    return last


def _build_layer(
    layer: Layer, shape: Shape, target: Shape, place: str, before: list[nn.Module]
) -> tuple[list[nn.Module], Shape]:
    match layer:
        case layers.Linear():
            features = target[0] if layer.features == "target" else layer.features
            flatten = [nn.Flatten()] if len(shape) > 1 else []
            _require_sane(math.prod(shape) * features, (features,), place)
            return [*flatten, Linear(math.prod(shape), features)], (features,)
        case layers.Project():
            return _build_projection(layer, shape, target, place)
        case layers.Unflatten():
            output = (layer.channels, layer.size, layer.size)
            if shape != (math.prod(output),):
                raise ExperimentError(
                    f"{place}: needs {math.prod(output)} features, {layer.channels} x {layer.size} x {layer.size}; "
                    f"found an input of shape {shape}."
                )
            return [nn.Unflatten(1, output)], output
        case layers.Conv() | layers.ConvTranspose() | layers.MaxPool():
            return _build_spatial(layer, shape, target, place)
        case layers.BatchNorm():
            norm = nn.BatchNorm1d(shape[0]) if len(shape) == 1 else nn.BatchNorm2d(shape[0])
            return [norm], shape
        case layers.SpectralNorm():
            return [SpectralNorm(_pop_weighted(before, place))], shape
        case layers.Relu():
            return [nn.ReLU()], shape
        case layers.LeakyRelu():
            return [nn.LeakyReLU(layer.slope)], shape
        case layers.Sigmoid():
            return [nn.Sigmoid()], shape
        case layers.TargetActivation():
            raise ExperimentError(
                f"{place}: only for the trunk of a level's generator, whose target has an activation in the encoder."
            )
        case layers.Dropout():
            return [nn.Dropout(layer.probability)], shape
        case layers.GaussianNoise():
            return [GaussianNoise(layer.deviation)], shape
        case layers.MeanImage():
            return [MeanImage(shape)], shape
        case layers.GlobalAveragePool():
            _require_map(shape, place)
            return [nn.AdaptiveAvgPool2d(1), nn.Flatten()], shape[:1]
        case layers.RandomAffine():
            _require_map(shape, place)
            return [RandomAffine(layer.distortion, layer.shift_pixels)], shape
        case _:
            assert_never(layer)


def _build_projection(layer: layers.Project, shape: Shape, target: Shape, place: str) -> tuple[list[nn.Module], Shape]:
    if len(target) != 3 or target[1] % layer.downscale or target[2] % layer.downscale:
        raise ExperimentError(
            f"{place}: downscale must divide the height and width of the target; found downscale {layer.downscale} "
            f"and a target of shape {target}{_nearest_sizes(target, layer.downscale)}."
        )
    output = (layer.channels, target[1] // layer.downscale, target[2] // layer.downscale)
    flatten = [nn.Flatten()] if len(shape) > 1 else []
    _require_sane(math.prod(shape) * math.prod(output), output, place)
    return [*flatten, Linear(math.prod(shape), math.prod(output)), nn.Unflatten(1, output)], output


def _nearest_sizes(target: Shape, downscale: int) -> str:
    """What would fit, for the end of a refusal; nothing if the target is no map."""
    if len(target) != 3:
        return ""
    below, above = ([downscale * share(side / downscale) for side in target[1:]] for share in (math.floor, math.ceil))
    fits = " or ".join(f"{height} x {width}" for height, width in (below, above) if height and width)
    return f"; {fits} would fit, and pictures from files get there by data.source.size"


def _build_spatial(
    layer: layers.Conv | layers.ConvTranspose | layers.MaxPool, shape: Shape, target: Shape, place: str
) -> tuple[list[nn.Module], Shape]:
    _require_map(shape, place)
    height, width = (_output_length(layer, length) for length in shape[1:])
    if height < 1 or width < 1:
        raise ExperimentError(f"{place}: the input of shape {shape} is too small for this layer.")
    if isinstance(layer, layers.MaxPool):
        return [nn.MaxPool2d(layer.size)], (shape[0], height, width)
    channels = target[0] if layer.channels == "target" else layer.channels
    output = (channels, height, width)
    _require_sane(shape[0] * channels * layer.kernel**2, output, place)
    if isinstance(layer, layers.Conv):
        return [nn.Conv2d(shape[0], channels, layer.kernel, layer.stride, layer.padding)], output
    if layer.output_padding >= layer.stride:
        raise ExperimentError(
            f"{place}: output_padding must be below stride; found {layer.output_padding} and {layer.stride}."
        )
    module = ConvTranspose2d(shape[0], channels, layer.kernel, layer.stride, layer.padding, layer.output_padding)
    return [module], output


def _require_sane(weights: int, output: Shape, place: str) -> None:
    if weights > LARGEST_LAYER or math.prod(output) > LARGEST_LAYER:
        raise ExperimentError(
            f"{place}: must have at most {LARGEST_LAYER:,} weights and output values; found {weights:,} and "
            f"{math.prod(output):,}. Make the layer, or the one before it, smaller."
        )


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
    for part in module.modules():
        if isinstance(part, SpectralNorm):
            part.settle()


def count_parameters(module: nn.Module) -> int:
    """Number of weights and biases."""
    return sum(parameter.numel() for parameter in module.parameters())
