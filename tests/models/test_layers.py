"""Layers of D: noise, means, pools, spectral norms."""

import pickle
from copy import deepcopy

import pytest
import torch
from pydantic import TypeAdapter
from torch import nn
from torch.testing import assert_close

from gan_pipelines.data.images import Representation
from gan_pipelines.models.blocks import build_network, count_parameters, initialise
from gan_pipelines.models.layers import SpectralNorm, set_mean_images
from gan_pipelines.parameters import ExperimentError, Initialisation, Network

MAP, VECTOR = (3, 8, 8), (6,)
LINEAR, CONV = {"layer": "linear", "features": 5}, {"layer": "conv", "channels": 4, "kernel": 3}
SPECTRAL = {"layer": "spectral_norm"}


def build(shape: tuple[int, ...], *layers: dict[str, object]) -> nn.Sequential:
    return build_network(TypeAdapter(Network).validate_python(layers), shape, MAP, "here")[0]


def test_gaussian_noise_has_its_deviation_while_training_and_is_gone_afterwards() -> None:
    layer, values = build(MAP, {"layer": "gaussian_noise", "deviation": 0.2}), torch.ones(500, *MAP)
    noise = layer(values) - values
    assert abs(noise.mean().item()) < 0.005
    assert 0.198 < noise.std().item() < 0.202
    assert noise.unique(dim=0).shape == noise.shape
    assert_close(layer.eval()(values), values, rtol=0, atol=0)


def test_a_global_pool_is_the_mean_of_each_channel(rng: torch.Generator) -> None:
    pictures = torch.randn(4, *MAP, generator=rng)
    assert_close(build(MAP, {"layer": "global_average_pool"})(pictures), pictures.mean(dim=(2, 3)))
    with pytest.raises(ExperimentError, match="global_average_pool"):
        build(VECTOR, {"layer": "global_average_pool"})


def test_the_mean_image_is_that_of_the_examples_as_networks_see_them(rng: torch.Generator) -> None:
    bytes_ = torch.randint(0, 256, (1203, *MAP), generator=rng, dtype=torch.uint8)
    network, pictures = build(MAP, {"layer": "mean_image"}, CONV), torch.rand(5, *MAP, generator=rng)
    assert_close(network[0](pictures), pictures, rtol=0, atol=0)
    set_mean_images(network, Representation("pixels", bytes_))
    assert_close(network[0].mean.double(), bytes_.double().mean(dim=0) / 255, rtol=0, atol=1e-7)
    assert_close(network(pictures), network[1](pictures - network[0].mean))
    assert count_parameters(network) == count_parameters(network[1])


DECONV = {"layer": "conv_transpose", "channels": 4, "kernel": 3}


def normed_weight(layer: SpectralNorm) -> torch.Tensor:
    """What the layer multiplies with, from its output for unit vectors, or by its own singular value."""
    matrix = layer.layer.weight.detach().flatten(1)
    outer, inner = layer._iterate(1)
    return matrix / (outer @ matrix @ inner)


@pytest.mark.parametrize(
    ("shape", "layer"), [(VECTOR, LINEAR), (MAP, CONV), (MAP, DECONV)], ids=["linear", "conv", "transposed"]
)
@pytest.mark.parametrize("name", ["pytorch", "normal"])
def test_spectrally_normed_weights_have_norm_one_from_the_start_and_after_steps(
    shape: tuple[int, ...], layer: dict[str, object], name: str, rng: torch.Generator
) -> None:
    network, plain = build(shape, layer, SPECTRAL), build(shape, layer)
    initialise(network, Initialisation(name=name))
    inputs = torch.randn(4, *shape, generator=rng)
    for _ in range(30):
        network(inputs).square().sum().backward()
        norm = torch.linalg.matrix_norm(normed_weight(network[0]), 2).item()
        assert 0.97 < norm < 1.03
        with torch.no_grad():
            for value in network.parameters():
                value -= 0.001 * value.grad
                value.grad = None
    assert count_parameters(network) == count_parameters(plain)
    plain.load_state_dict({key: dict(network[0].layer.named_parameters())[key[2:]] for key in plain.state_dict()})
    bias = plain(torch.zeros_like(inputs))
    scale = torch.linalg.matrix_norm(plain[0].weight.flatten(1), 2)
    assert_close(network.eval()(inputs), (plain(inputs) - bias) / scale + bias, rtol=0.03, atol=1e-3)


def test_a_spectrally_normed_layer_learns_through_its_norm(rng: torch.Generator) -> None:
    """The output does not change with the scale of the weights, so their gradient has no part along them."""
    network, inputs = build(VECTOR, LINEAR, SPECTRAL), torch.randn(4, *VECTOR, generator=rng)
    initialise(network, Initialisation())
    layer = network[0].layer
    network(inputs).square().sum().backward()
    along = (layer.weight.grad * layer.weight).sum().abs().item()
    assert along < 0.01 * layer.weight.grad.norm().item() * layer.weight.norm().item()


def test_a_spectrally_normed_layer_is_copied_pickled_and_read_in_evaluation_without_a_change(
    rng: torch.Generator,
) -> None:
    """Pickled, because workers get networks so."""
    network, inputs = build(VECTOR, LINEAR, SPECTRAL), torch.randn(4, *VECTOR, generator=rng)
    initialise(network, Initialisation())
    network(inputs)
    for copy in (deepcopy(network), pickle.loads(pickle.dumps(network))):
        before = copy.eval()[0].direction.clone()
        assert_close(copy(inputs), network.eval()(inputs), rtol=0, atol=0)
        assert_close(copy[0].direction, before, rtol=0, atol=0)


def test_a_spectral_norm_stands_after_the_layer_whose_weights_it_divides() -> None:
    for before, found in [
        ([], "nothing"),
        ([LINEAR, {"layer": "relu"}], "ReLU"),
        ([{"layer": "batch_norm"}], "BatchNorm1d"),
        ([LINEAR, SPECTRAL], "SpectralNorm"),
    ]:
        with pytest.raises(
            ExperimentError, match=rf"here\.{len(before)} \(spectral_norm\): must follow .* found {found} before it"
        ):
            build(VECTOR, *before, SPECTRAL)


def test_a_normal_start_reaches_the_weights_below_a_spectral_norm() -> None:
    network = build((400,), {"layer": "linear", "features": 300}, SPECTRAL)
    initialise(network, Initialisation(name="normal", std=0.02))
    assert 0.0195 < network[0].layer.weight.std().item() < 0.0205
    assert network[0].layer.bias.abs().max() == 0
    with torch.device("meta"):
        initialise(build(VECTOR, LINEAR, SPECTRAL), Initialisation())


def test_features_become_a_map_of_their_size_only(rng: torch.Generator) -> None:
    unflatten, features = {"layer": "unflatten", "channels": 2, "size": 3}, torch.randn(4, 18, generator=rng)
    assert_close(build((18,), unflatten)(features), features.view(4, 2, 3, 3), rtol=0, atol=0)
    for shape in ((17,), (2, 3, 3)):
        with pytest.raises(ExperimentError, match=r"unflatten\): needs 18 features, 2 x 3 x 3"):
            build(shape, unflatten)
