"""Networks from YAML: shapes, messages, initial weights."""

from copy import deepcopy

import pytest
import torch
from pydantic import TypeAdapter
from torch import nn
from torch.testing import assert_close

from gan_pipelines.data.images import one_hot
from gan_pipelines.models import Encoder, EncoderSpec
from gan_pipelines.models.blocks import build_network, count_parameters, initialise, require_shape
from gan_pipelines.models.layers import ONEDNN_WEIGHTS, ConvTranspose2d, Linear, RandomAffine, forward_batches
from gan_pipelines.parameters import ExperimentError, Initialisation, Network

VECTOR, EVEN, ODD = (6,), (3, 8, 8), (2, 7, 5)


def network(*layers: dict[str, object]) -> Network:
    return TypeAdapter(Network).validate_python(layers)


def encoder_parameters(image_shape: tuple[int, int, int], filters: tuple[int, int]) -> int:
    """Size of the official SGAN encoder with these filters."""
    pool = {"layer": "max_pool", "size": 2}
    first, second = ({"layer": "conv", "channels": channels, "kernel": 5} for channels in filters)
    spec = EncoderSpec.model_validate(
        {
            "blocks": {
                "block1": [first, {"layer": "relu"}, pool],
                "block2": [second, {"layer": "relu"}, pool],
                "fc3": [{"layer": "linear", "features": 256}, {"layer": "relu"}],
                "labels": [{"layer": "linear", "features": "target"}],
            },
            "initialisation": {},
            "image_shape": image_shape,
            "classes": [str(digit) for digit in range(10)],
            "data_digest": "none",
        }
    )
    return count_parameters(Encoder(spec))


@pytest.mark.parametrize(
    "layer",
    [
        {"layer": "linear", "features": 5},
        {"layer": "linear", "features": "target"},
        {"layer": "project", "channels": 3, "downscale": 2},
        {"layer": "batch_norm"},
        {"layer": "relu"},
        {"layer": "leaky_relu", "slope": 0.1},
        {"layer": "sigmoid"},
        {"layer": "dropout", "probability": 0.5},
    ],
    ids=lambda layer: "-".join(map(str, layer.values())),
)
@pytest.mark.parametrize("shape", [VECTOR, EVEN, ODD], ids=["vector", "even map", "odd map"])
def test_the_computed_shape_of_a_layer_on_anything_is_that_of_its_output(
    layer: dict[str, object], shape: tuple[int, ...], rng: torch.Generator
) -> None:
    module, computed = build_network(network(layer), shape, (4, 6, 10), "here")
    assert module(torch.randn(2, *shape, generator=rng)).shape == (2, *computed)


@pytest.mark.parametrize(
    "layer",
    [
        {"layer": "conv", "channels": 4, "kernel": 1},
        {"layer": "conv", "channels": 4, "kernel": 5},
        {"layer": "conv", "channels": "target", "kernel": 4, "stride": 3, "padding": 2},
        {"layer": "conv", "channels": 4, "kernel": 3, "stride": 2, "padding": 1},
        {"layer": "conv_transpose", "channels": 4, "kernel": 5},
        {"layer": "conv_transpose", "channels": "target", "kernel": 4, "stride": 2, "padding": 1},
        {"layer": "conv_transpose", "channels": 4, "kernel": 5, "stride": 3, "padding": 2, "output_padding": 2},
        {"layer": "max_pool", "size": 2},
        {"layer": "max_pool", "size": 3},
        {"layer": "random_affine", "distortion": 0.2, "shift_pixels": 2.5},
    ],
    ids=lambda layer: "-".join(map(str, layer.values())),
)
@pytest.mark.parametrize("shape", [EVEN, ODD, (1, 9, 6)], ids=["even", "odd", "mixed"])
def test_the_computed_shape_of_a_spatial_layer_is_that_of_its_output(
    layer: dict[str, object], shape: tuple[int, int, int], rng: torch.Generator
) -> None:
    module, computed = build_network(network(layer), shape, (4, 6, 10), "here")
    assert module(torch.randn(2, *shape, generator=rng)).shape == (2, *computed)


def test_the_layers_of_a_network_follow_one_another() -> None:
    module, computed = build_network(
        network(
            {"layer": "conv", "channels": 3, "kernel": 3},
            {"layer": "relu"},
            {"layer": "linear", "features": 7},
            {"layer": "sigmoid"},
        ),
        ODD,
        VECTOR,
        "here",
    )
    assert [type(part) for part in module] == [nn.Conv2d, nn.ReLU, nn.Flatten, Linear, nn.Sigmoid]
    assert module(torch.zeros(2, *ODD)).shape == (2, *computed) == (2, 7)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("outputs", [ONEDNN_WEIGHTS // 256 - 1, ONEDNN_WEIGHTS // 256], ids=["small", "large"])
def test_a_linear_layer_has_the_output_and_gradients_of_torchs_own(
    outputs: int, bias: bool, rng: torch.Generator
) -> None:
    layer, plain = Linear(256, outputs, bias), nn.Linear(256, outputs, bias)
    plain.load_state_dict(layer.state_dict())
    inputs = torch.randn(9, 256, generator=rng)
    weights, found = torch.randn(9, outputs, generator=rng), []
    for module in (layer, plain):
        leaf = inputs.clone().requires_grad_()
        output = module(leaf)
        found.append([output, *torch.autograd.grad(output, [leaf, *module.parameters()], weights)])
    for ours, wanted in zip(*found, strict=True):
        assert_close(ours, wanted, rtol=1e-4, atol=1e-4)
        assert ours.layout == torch.strided
        assert wanted.abs().max() > 0


@pytest.mark.parametrize(("kernel", "stride", "padding", "extra"), [(5, 1, 0, 0), (4, 2, 1, 0), (5, 3, 2, 2)])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["contiguous", "channels last"])
def test_a_transposed_convolution_has_the_output_and_gradients_of_torchs_own(
    channels: int,
    kernel: int,
    stride: int,
    padding: int,
    extra: int,
    layout: torch.memory_format,
    rng: torch.Generator,
) -> None:
    sizes = (2, channels, kernel, stride, padding, extra)
    layer, plain = ConvTranspose2d(*sizes).to(memory_format=layout), nn.ConvTranspose2d(*sizes)
    plain.load_state_dict(layer.state_dict())
    inputs, found = torch.randn(3, *ODD, generator=rng).contiguous(memory_format=layout), []
    weights = torch.randn(plain(inputs).shape, generator=rng)
    for module in (layer, plain):
        leaf = inputs.clone().requires_grad_()
        output = module(leaf)
        found.append([output, *torch.autograd.grad(output, [leaf, *module.parameters()], weights)])
    for ours, wanted in zip(*found, strict=True):
        assert_close(ours, wanted, rtol=1e-4, atol=1e-4)
        assert wanted.abs().max() > 0


@pytest.mark.parametrize("shape", [EVEN, VECTOR], ids=["map", "vector"])
def test_several_batches_in_one_pass_equal_one_after_the_other(shape: tuple[int, ...], rng: torch.Generator) -> None:
    spatial = [{"layer": "conv", "channels": 4, "kernel": 3}] if len(shape) == 3 else []
    norm, layers = {"layer": "batch_norm"}, [{"layer": "linear", "features": 5}, {"layer": "leaky_relu"}]
    together, _ = build_network(network(norm, *spatial, norm, *layers, norm, *layers), shape, VECTOR, "here")
    apart = deepcopy(together)
    batches = [torch.randn(5, *shape, generator=rng), 3 + 2 * torch.randn(5, *shape, generator=rng)]
    found, expected = forward_batches(together, torch.cat(batches), 2).chunk(2), [apart(batch) for batch in batches]
    for ours, wanted in zip(found, expected, strict=True):
        assert_close(ours, wanted, rtol=1e-4, atol=1e-5)
    mixed = deepcopy(apart)(torch.cat(batches))
    assert not torch.allclose(mixed, torch.cat(expected), atol=0.1)  # joint statistics would give something else
    for outputs in (found, expected):
        sum((output * torch.arange(5)).square().mean() for output in outputs).backward()
    for ours, wanted in zip(together.parameters(), apart.parameters(), strict=True):
        assert_close(ours.grad, wanted.grad, rtol=1e-3, atol=1e-3)


def test_running_statistics_see_the_batches_of_one_pass_in_order(rng: torch.Generator) -> None:
    together, _ = build_network(network({"layer": "batch_norm"}), VECTOR, VECTOR, "here")
    apart = deepcopy(together)
    batches = [torch.randn(4, *VECTOR, generator=rng), 3 + torch.randn(4, *VECTOR, generator=rng)]
    forward_batches(together, torch.cat(batches), 2)
    for batch in batches:
        apart(batch)
    for ours, wanted in zip(together.buffers(), apart.buffers(), strict=True):
        assert_close(ours, wanted, rtol=0, atol=0)


def test_an_empty_network_is_the_identity(rng: torch.Generator) -> None:
    module, computed = build_network((), ODD, VECTOR, "here")
    value = torch.randn(2, *ODD, generator=rng)
    assert computed == ODD
    assert_close(module(value), value, rtol=0, atol=0)


def test_each_layer_has_its_settings() -> None:
    module, _ = build_network(
        network({"layer": "leaky_relu", "slope": 0.3}, {"layer": "dropout", "probability": 0.25}), VECTOR, (1,), "here"
    )
    assert_close(module[0](torch.tensor([-2.0, 2.0])), torch.tensor([-0.6, 2.0]))
    dropped = (module[1](torch.ones(10_000)) == 0).float().mean()
    assert 0.23 < dropped < 0.27


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        ({"layer": "linear", "features": "target"}, (4,)),
        ({"layer": "conv", "channels": "target", "kernel": 1}, (4, 8, 8)),
        ({"layer": "conv_transpose", "channels": "target", "kernel": 1}, (4, 8, 8)),
        ({"layer": "project", "channels": 9, "downscale": 2}, (9, 3, 5)),
    ],
    ids=lambda value: value["layer"] if isinstance(value, dict) else None,
)
def test_target_stands_for_the_size_of_the_output(layer: dict[str, object], expected: tuple[int, ...]) -> None:
    assert build_network(network(layer), EVEN, (4, 6, 10), "here")[1] == expected


@pytest.mark.parametrize(
    ("layer", "shape", "target", "found"),
    [
        ({"layer": "conv", "channels": 1, "kernel": 1}, VECTOR, VECTOR, "(6,)"),
        ({"layer": "max_pool", "size": 2}, VECTOR, VECTOR, "(6,)"),
        ({"layer": "conv_transpose", "channels": 1, "kernel": 1}, VECTOR, VECTOR, "(6,)"),
        ({"layer": "conv", "channels": 1, "kernel": 9}, EVEN, VECTOR, "(3, 8, 8)"),
        ({"layer": "conv", "channels": 1, "kernel": 6, "stride": 2}, ODD, VECTOR, "(2, 7, 5)"),
        ({"layer": "max_pool", "size": 6}, ODD, VECTOR, "(2, 7, 5)"),
        ({"layer": "conv_transpose", "channels": 1, "kernel": 1, "padding": 4}, EVEN, VECTOR, "(3, 8, 8)"),
        ({"layer": "conv_transpose", "channels": 1, "kernel": 3, "output_padding": 1}, EVEN, VECTOR, "1 and 1"),
        ({"layer": "project", "channels": 1, "downscale": 4}, VECTOR, (1, 8, 6), "(1, 8, 6)"),
        ({"layer": "project", "channels": 1, "downscale": 4}, VECTOR, (1, 6, 8), "4 x 8 or 8 x 8 would fit"),
        ({"layer": "project", "channels": 1, "downscale": 4}, VECTOR, (1, 3, 30), "(1, 3, 30); 4 x 32 would fit"),
        ({"layer": "project", "channels": 1, "downscale": 16}, VECTOR, EVEN, "downscale 16"),
        ({"layer": "project", "channels": 1}, VECTOR, (5,), "(5,)"),
        ({"layer": "random_affine", "distortion": 0.1, "shift_pixels": 1}, VECTOR, EVEN, "(6,)"),
    ],
    ids=lambda value: value["layer"] if isinstance(value, dict) else None,
)
def test_a_misfitting_layer_is_refused_with_its_path_and_shapes(
    layer: dict[str, object], shape: tuple[int, ...], target: tuple[int, ...], found: str
) -> None:
    with pytest.raises(ExperimentError) as error:
        build_network(network({"layer": "relu"}, layer), shape, target, "levels.a.trunk")
    assert str(error.value).startswith(f"levels.a.trunk.1 ({layer['layer']}): ")
    assert found in str(error.value)
    assert "\n" not in str(error.value)


def test_an_input_as_large_as_the_kernel_is_large_enough() -> None:
    assert build_network(network({"layer": "conv", "channels": 1, "kernel": 8}), EVEN, VECTOR, "here")[1] == (1, 1, 1)
    assert build_network(network({"layer": "max_pool", "size": 5}), ODD, VECTOR, "here")[1] == (2, 1, 1)


def test_require_shape_names_the_path_and_both_shapes() -> None:
    require_shape((3, 4), (3, 4), "levels.a")
    with pytest.raises(ExperimentError) as error:
        require_shape((3, 5), (3, 4), "levels.a")
    assert str(error.value).startswith("levels.a: ")
    assert "shape (3, 4)" in str(error.value)
    assert "found (3, 5)" in str(error.value)


WEIGHTED = (
    {"layer": "project", "channels": 16, "downscale": 1},
    {"layer": "batch_norm"},
    {"layer": "conv", "channels": 64, "kernel": 5},
    {"layer": "conv_transpose", "channels": 64, "kernel": 5},
    {"layer": "linear", "features": 64},
    {"layer": "batch_norm"},
)


@pytest.mark.parametrize("std", [0.02, 0.2])
def test_normal_initialisation_draws_every_weight_with_its_std_and_no_bias(std: float) -> None:
    module, _ = build_network(network(*WEIGHTED), (40,), (1, 8, 8), "here")
    initialise(module, Initialisation(name="normal", std=std))
    weighted = [part for part in module if isinstance(part, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)]
    assert len(weighted) == 4
    for part in weighted:
        assert 0.97 * std < part.weight.std() < 1.03 * std
        assert abs(part.weight.mean()) < 0.03 * std
        assert part.weight.abs().max() > 2.5 * std  # a normal has tails that a uniform of this std lacks
        assert not part.bias.any()


@pytest.mark.parametrize("name", ["normal", "pytorch"])
def test_initialisation_resets_batch_norms(name: str) -> None:
    module, _ = build_network(network({"layer": "batch_norm"}), (4,), (1,), "here")
    module(torch.full((3, 4), 7.0))
    with torch.no_grad():
        module[0].weight.fill_(5)
        module[0].bias.fill_(5)
    initialise(module, Initialisation(name=name))
    fresh = nn.BatchNorm1d(4).state_dict()
    for key, value in module[0].state_dict().items():
        assert_close(value, fresh[key], rtol=0, atol=0)


def test_pytorch_initialisation_draws_each_layers_default_again() -> None:
    module, _ = build_network(network({"layer": "linear", "features": 100}), (64,), (1,), "here")
    before = module[0].weight.detach().clone()
    torch.manual_seed(5)
    initialise(module, Initialisation(name="pytorch"))
    torch.manual_seed(5)
    expected = nn.Linear(64, 100)
    assert_close(module[0].weight, expected.weight, rtol=0, atol=0)
    assert_close(module[0].bias, expected.bias, rtol=0, atol=0)
    assert not torch.isclose(module[0].weight, before, rtol=0, atol=0).any()


def test_the_official_mnist_encoder_has_its_160362_parameters() -> None:
    assert encoder_parameters((1, 28, 28), (32, 32)) == 160_362


def test_the_official_cifar_encoder_has_its_1031818_parameters() -> None:
    assert encoder_parameters((3, 32, 32), (64, 128)) == 1_031_818


def test_one_hot_labels_are_floats_with_a_one_at_the_class() -> None:
    assert_close(one_hot(torch.tensor([2, 0]), 3), torch.tensor([[0.0, 0, 1], [1, 0, 0]]), rtol=0, atol=0)


def maps_drawn(count: int, distortion: float, shift_pixels: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The matrices, and the shifts in pixels (x, y), that the next draw from torch's global state will give."""
    state = torch.get_rng_state()
    unit = 2 * torch.rand(count, 2, 3) - 1
    torch.set_rng_state(state)
    return torch.eye(2) + distortion * unit[:, :, :2], shift_pixels * unit[:, :, 2]


def read_between_pixels(picture: torch.Tensor, x: float, y: float) -> float:
    """The value at column x and row y by bilinear interpolation; 0 outside."""
    height, width = picture.shape
    value = 0.0
    for row in range(height):
        for column in range(width):
            value += max(0, 1 - abs(x - column)) * max(0, 1 - abs(y - row)) * picture[row, column].item()
    return value


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 6, 9)], ids=["square", "oblong"])
@pytest.mark.parametrize(("distortion", "shift_pixels"), [(0.0, 2.0), (0.3, 0.0), (0.3, 1.5)])
def test_a_random_affine_map_takes_each_pixel_from_its_source(
    shape: tuple[int, int, int], distortion: float, shift_pixels: float, rng: torch.Generator
) -> None:
    channels, height, width = shape
    pictures = torch.rand(3, *shape, generator=rng)
    matrices, shifts = maps_drawn(3, distortion, shift_pixels)
    found = RandomAffine(distortion, shift_pixels)(pictures)
    for picture, matrix, shift, mapped in zip(pictures, matrices, shifts, found, strict=True):
        for row in range(height):
            for column in range(width):
                middle = torch.tensor([width - 1, height - 1]) / 2  # in pixels, both ways
                there = matrix @ (torch.tensor([column, row]) - middle) + middle + shift
                for channel in range(channels):
                    expected = read_between_pixels(picture[channel], *there.tolist())
                    assert_close(mapped[channel, row, column].item(), expected, rtol=1e-4, atol=1e-4)


def test_a_shift_by_a_whole_pixel_moves_the_picture_and_lets_black_in(rng: torch.Generator) -> None:
    pictures = 0.5 + torch.rand(2, 1, 5, 7, generator=rng)
    _, shifts = maps_drawn(2, 0.0, 1.0)
    reach = 1 / shifts[0, 0].abs().item()  # makes the first picture's shift along its rows one pixel
    sign = int(shifts[0, 0].sign())
    down = reach * shifts[0, 1].item()
    found = RandomAffine(0.0, reach)(pictures)[0, 0]
    moved = pictures[0, 0].roll(-sign, dims=1)
    moved[:, -1 if sign > 0 else 0] = 0
    expected = torch.tensor([[read_between_pixels(moved, x, y + down) for x in range(7)] for y in range(5)])
    assert_close(found, expected, rtol=1e-4, atol=1e-4)
    rim = found[:, -1 if sign > 0 else 0]
    assert_close(rim, torch.zeros(5), rtol=0, atol=1e-4)
    assert (found[1:-1, 1:-1] > 0.2).all()


def test_a_random_affine_map_is_the_identity_in_evaluation_and_at_zero_strength(
    rng: torch.Generator,
) -> None:
    pictures = torch.rand(4, 3, 8, 8, generator=rng)
    assert_close(RandomAffine(0.3, 2.0).eval()(pictures), pictures, rtol=0, atol=0)
    assert_close(RandomAffine(0.0, 0.0).train()(pictures), pictures)
    assert not torch.allclose(RandomAffine(0.3, 2.0).train()(pictures), pictures, rtol=0, atol=0.1)


def test_each_image_has_its_own_map_shared_by_its_channels(rng: torch.Generator) -> None:
    same = torch.rand(1, 1, 8, 8, generator=rng).expand(5, 3, 8, 8)
    mapped = RandomAffine(0.2, 1.0)(same)
    assert_close(mapped[:, :1].expand(5, 3, 8, 8), mapped, rtol=0, atol=0)
    assert len(mapped.unique(dim=0)) == 5


def test_random_maps_stay_within_their_limits_and_some_come_close() -> None:
    """A bright pixel in the middle of a large picture, found again at its centre of gravity."""
    picture = torch.zeros(400, 1, 25, 25)
    picture[:, 0, 12, 12] = 1
    mapped = RandomAffine(0.0, 3.0)(picture)[:, 0]
    place = torch.arange(25.0) - 12
    for axis in (1, 2):
        reached = (mapped.sum(dim=axis) * place).sum(dim=1)
        assert -3.001 < reached.min() < -2.9
        assert 2.9 < reached.max() < 3.001
        assert abs(reached.mean()) < 0.3


def test_a_gradient_passes_through_a_random_affine_map(rng: torch.Generator) -> None:
    pictures = torch.rand(2, 1, 8, 8, generator=rng, requires_grad=True)
    RandomAffine(0.1, 0.5)(pictures).sum().backward()
    # every inner pixel is seen, and all in all about as much of it as there is
    assert (pictures.grad[:, :, 2:-2, 2:-2] > 0).all()
    assert 40 < pictures.grad[0].sum() < 90


def test_a_random_affine_layer_has_its_settings() -> None:
    module, shape = build_network(
        network({"layer": "random_affine", "distortion": 0.25, "shift_pixels": 3}), EVEN, VECTOR, "here"
    )
    assert shape == EVEN
    assert (module[0].distortion, module[0].shift_pixels) == (0.25, 3)


@pytest.mark.parametrize(
    "layer",
    [
        {"layer": "linear", "features": 1_000_000},
        {"layer": "conv", "channels": 1_000_000, "kernel": 100, "padding": 50},
        {"layer": "conv_transpose", "channels": 8, "kernel": 1000, "stride": 1000},
        {"layer": "conv_transpose", "channels": 1_000_000, "kernel": 1000},
    ],
    ids=lambda layer: layer["layer"],
)
def test_a_layer_that_no_machine_holds_is_refused_by_its_place(layer: dict[str, object]) -> None:
    with pytest.raises(ExperimentError, match=rf"somewhere\.0 \({layer['layer']}\): must have at most"):
        build_network(network(layer), (64, 200, 200), (10,), "somewhere")
