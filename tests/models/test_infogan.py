"""InfoGAN as modules: what reaches what, and pictures in which one code moves."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from gan_pipelines.data.images import to_bytes
from gan_pipelines.models import InfoGAN, InfoGANSpec
from gan_pipelines.models.blocks import SAMPLING_BATCH
from gan_pipelines.parameters import ExperimentError

NAMES = ["category", "style_1", "style_2", "width"]
PLACES = {"category": slice(0, 4), "style_1": slice(4, 5), "style_2": slice(5, 6), "width": slice(6, 7)}
"""Where each code stands among the codes."""
LINEAR = {"layer": "linear", "features": "target"}
Spec = Callable[..., InfoGANSpec]


def averaged(ema_decay: float) -> dict[str, float]:
    return {"steps": 1, "ema_decay": ema_decay}


def test_codes_of_a_kind_are_read_one_by_one_after_the_noise(infogan_spec: Spec) -> None:
    gan = InfoGAN(infogan_spec())
    assert list(gan.codes.parts) == NAMES
    assert (gan.noise.size, gan.codes.size, gan.codes.head_size) == (3, 7, 9)
    assert gan.generator(torch.zeros(5, 3 + 7)).shape == (5, 1, 8, 8)


def test_the_discriminator_gives_one_logit_and_features_from_which_its_other_head_reads_the_codes(
    infogan_spec: Spec,
) -> None:
    discriminator = InfoGAN(infogan_spec()).discriminator
    output = discriminator(torch.zeros(5, 1, 8, 8))
    assert output.logits.shape == (5, 1)
    assert discriminator.codes(output.features).shape == (5, 9)


def test_real_and_generated_pictures_are_judged_together_as_they_are_apart(
    infogan_spec: Spec, rng: torch.Generator
) -> None:
    discriminator = InfoGAN(infogan_spec()).discriminator
    real, generated = (torch.rand(5, 1, 8, 8, generator=rng) for _ in range(2))
    together = discriminator(torch.cat([real, generated]), batches=2)
    apart = [discriminator(batch) for batch in (real, generated)]
    for found, expected in zip(together, map(torch.cat, zip(*apart, strict=True)), strict=True):
        assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_the_heads_share_the_trunk_and_nothing_else(infogan_spec: Spec, rng: torch.Generator) -> None:
    discriminator = InfoGAN(infogan_spec()).discriminator
    output = discriminator(torch.rand(5, 1, 8, 8, generator=rng))
    reached = {}
    for name, value in {"logits": output.logits, "codes": discriminator.codes(output.features)}.items():
        gradients = torch.autograd.grad(
            value.square().sum(), list(discriminator.parameters()), retain_graph=True, allow_unused=True
        )
        reached[name] = {
            key.split(".")[0]
            for (key, _), gradient in zip(discriminator.named_parameters(), gradients, strict=True)
            if gradient is not None
        }
    assert reached == {"logits": {"trunk", "adversarial"}, "codes": {"trunk", "codes"}}


@pytest.mark.parametrize("entry", range(10))
def test_a_picture_depends_on_every_entry_of_noise_and_codes(
    infogan_spec: Spec, rng: torch.Generator, entry: int
) -> None:
    gan = InfoGAN(infogan_spec())
    latent = torch.rand(4, 10, generator=rng)
    changed = latent.clone()
    changed[:, entry] += 1
    pictures = [gan.pictures(value[:, :3], value[:, 3:]) for value in (latent, changed)]
    assert ((pictures[0] - pictures[1]).abs().flatten(1).amax(dim=1) > 1e-4).all()


def test_pictures_are_those_of_noise_and_codes_side_by_side(infogan_spec: Spec, rng: torch.Generator) -> None:
    gan = InfoGAN(infogan_spec())
    noise, codes = gan.noise.sample(6, rng), gan.codes.sample(6, rng)
    expected = gan.generator.eval()(torch.cat([noise, codes], dim=1))
    found = gan.pictures(noise, codes)
    assert_close(found, expected.detach())
    assert not found.requires_grad
    assert 0 < found.min() < found.max() < 1


@pytest.mark.parametrize("batch_size", [1, 7, 40])
def test_pictures_and_their_reading_do_not_depend_on_how_many_are_made_at_once(
    infogan_spec: Spec, rng: torch.Generator, batch_size: int
) -> None:
    gan = InfoGAN(infogan_spec())
    noise, codes = gan.noise.sample(40, rng), gan.codes.sample(40, rng)
    with torch.no_grad():  # running statistics that differ from those of any batch
        for module in gan.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
    gan.train()
    pictures = gan.pictures(noise, codes)
    assert_close(gan.pictures(noise, codes, batch_size), pictures)
    gan.train()
    read = gan.infer(pictures)
    assert read.shape == (40, 9)
    assert not read.requires_grad
    assert_close(gan.infer(pictures, batch_size), read)
    assert len(read.unique(dim=0)) == 40


def test_reading_is_the_second_head_on_the_trunk(infogan_spec: Spec, rng: torch.Generator) -> None:
    gan = InfoGAN(infogan_spec())
    pictures = torch.rand(6, 1, 8, 8, generator=rng)
    discriminator = gan.discriminator.eval()
    assert_close(gan.infer(pictures), discriminator.codes(discriminator.trunk(pictures)).detach())


def test_an_averaged_generator_is_the_generator_at_the_start(infogan_spec: Spec) -> None:
    gan = InfoGAN(infogan_spec(training=averaged(0.9)))
    assert gan.averaged_generator is not None
    own = gan.generator.state_dict()
    for name, value in gan.averaged_generator.state_dict().items():
        assert_close(value, own[name], rtol=0, atol=0)
        assert value.data_ptr() != own[name].data_ptr()


@pytest.mark.parametrize("decay", [0.0, 0.9])
def test_pictures_come_from_the_averaged_generator_where_there_is_one(
    infogan_spec: Spec, rng: torch.Generator, decay: float
) -> None:
    gan = InfoGAN(infogan_spec(training=averaged(decay)))
    noise, codes = gan.noise.sample(4, rng), gan.codes.sample(4, rng)
    before = gan.pictures(noise, codes)
    with torch.no_grad():
        for parameter in gan.generator.parameters():
            parameter.add_(1)
    after = gan.pictures(noise, codes)
    assert torch.equal(before, after) == (decay > 0)
    assert (gan.averaged_generator is None) == (decay == 0)


def test_the_initialisation_reaches_all_networks(infogan_spec: Spec) -> None:
    gan = InfoGAN(infogan_spec(initialisation={"name": "normal", "std": 0.3}, training=averaged(0.9)))
    weighted = [part for part in gan.modules() if isinstance(part, nn.Linear | nn.ConvTranspose2d)]
    assert len(weighted) == 8  # 2 in G, 2 in its average, 1 in the trunk, 1 in D's head, 2 in Q's
    for part in weighted:
        assert not part.bias.any()
    for network in (gan.generator, gan.discriminator.trunk, gan.discriminator.codes):
        drawn = torch.cat([part.weight.flatten() for part in network if isinstance(part, nn.Linear)])
        assert 0.25 < drawn.std() < 0.35


@pytest.mark.parametrize("code", NAMES)
def test_varying_a_code_changes_it_alone_and_repeats_everything_else_point_after_point(
    infogan_spec: Spec, code: str
) -> None:
    gan = InfoGAN(infogan_spec())
    values = gan.code_values(code, 5)
    points = len(values)
    noise, codes = gan.vary(code, values, 6, torch.Generator().manual_seed(3))
    rng = torch.Generator().manual_seed(3)
    expected_noise, expected_codes = gan.noise.sample(6, rng), gan.codes.sample(6, rng)
    assert noise.shape == (6 * points, 3)
    by_base = codes.unflatten(0, (6, points))
    assert_close(noise.unflatten(0, (6, points)), expected_noise[:, None].expand(6, points, 3), rtol=0, atol=0)
    assert_close(by_base[:, :, PLACES[code]], values.expand(6, *values.shape), rtol=0, atol=0)
    others = torch.ones(7, dtype=torch.bool)
    others[PLACES[code]] = False
    wanted = expected_codes[:, None].expand(6, points, 7)
    assert_close(by_base[:, :, others], wanted[:, :, others], rtol=0, atol=0)
    assert len(noise.unique(dim=0)) == 6


def test_varying_a_code_gives_other_settings_for_another_seed(infogan_spec: Spec) -> None:
    gan = InfoGAN(infogan_spec())
    values = gan.code_values("width", 5)
    first, again, other = (gan.vary("width", values, 6, torch.Generator().manual_seed(seed)) for seed in (3, 3, 4))
    assert_close(first, again, rtol=0, atol=0)
    assert not torch.isclose(first[0], other[0]).any()


def test_the_values_of_a_code_are_its_categories_or_points_along_its_traversal(infogan_spec: Spec) -> None:
    gan = InfoGAN(infogan_spec())
    assert_close(gan.code_values("category", 9), torch.eye(4), rtol=0, atol=0)
    assert_close(gan.code_values("style_2", 5), torch.tensor([[-2.0], [-1], [0], [1], [2]]))
    assert_close(gan.code_values("width", 3), torch.tensor([[-1.0], [1], [3]]))


def test_pictures_in_colour_of_another_size_are_made_and_read(infogan_spec: Spec, rng: torch.Generator) -> None:
    gan = InfoGAN(infogan_spec(image_shape=(3, 32, 32)))
    pictures = gan.pictures(gan.noise.sample(4, rng), gan.codes.sample(4, rng))
    assert pictures.shape == (4, 3, 32, 32)
    assert gan.infer(pictures).shape == (4, 9)


@pytest.mark.parametrize(
    ("networks", "place", "found"),
    [
        ({"generator": [{"layer": "linear", "features": 5}]}, "generator: ", "(5,)"),
        ({"generator": [{"layer": "project", "channels": 2, "downscale": 3}]}, "generator.0 (project): ", "(1, 8, 8)"),
        ({"discriminator": {"trunk": [{"layer": "relu"}, {"layer": "conv", "channels": 1, "kernel": 9}],
                            "adversarial": [LINEAR], "codes": [LINEAR]}},
         "discriminator.trunk.1 (conv): ", "(1, 8, 8)"),
        ({"discriminator": {"trunk": [LINEAR], "adversarial": [{"layer": "linear", "features": 2}],
                            "codes": [LINEAR]}}, "discriminator.adversarial: ", "(2,)"),
        ({"discriminator": {"trunk": [LINEAR], "adversarial": [LINEAR],
                            "codes": [{"layer": "linear", "features": 7}]}}, "discriminator.codes: ", "(7,)"),
    ],
    ids=["generator", "layer of the generator", "trunk", "adversarial", "codes"],
)  # fmt: skip
def test_networks_that_do_not_fit_are_refused_with_their_place_and_what_was_found(
    infogan_spec: Spec, networks: dict[str, object], place: str, found: str
) -> None:
    with pytest.raises(ExperimentError) as error:
        InfoGAN(infogan_spec(**networks))
    assert str(error.value).startswith(f"infogan.{place}")
    assert found in str(error.value)
    assert "\n" not in str(error.value)


def test_samples_are_the_pictures_of_the_drawn_noise_and_codes_batch_by_batch(infogan_spec: Spec) -> None:
    gan, count = InfoGAN(infogan_spec()), 2 * SAMPLING_BATCH + 1
    found, codes = gan.sample(count, torch.Generator().manual_seed(1))
    rng, expected = torch.Generator().manual_seed(1), []
    for drawn in codes.split(SAMPLING_BATCH):
        noise = gan.noise.sample(len(drawn), rng)
        assert_close(gan.codes.sample(len(drawn), rng), drawn, rtol=0, atol=0)
        expected.append(to_bytes(gan.pictures(noise, drawn)))
    assert found.shape == (count, 1, 8, 8)
    assert found.min() < found.max()
    assert_close(found, torch.cat(expected), rtol=0, atol=0)
