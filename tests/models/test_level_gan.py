"""One level: G_i, D_i and Q_i as modules."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from gan_pipelines.models import LevelGAN, LevelSpec
from gan_pipelines.models.level import with_discriminator
from gan_pipelines.parameters import DiscriminatorParameters, ExperimentError
from gan_pipelines.parameters.networks import Relu

TARGETS = {"fc": (12,), "block1": (4, 4, 4), "pixels": (1, 8, 8)}
LINEAR = {"layer": "linear", "features": "target"}
CONV = {"layer": "conv", "kernel": 3, "padding": 1}


def training(ema_decay: float) -> dict[str, float]:
    return {"steps": 1, "ema_decay": ema_decay}


@pytest.mark.parametrize(
    ("target", "condition"),
    [
        ("fc", "labels"),
        ("block1", "labels"),
        ("block1", "fc"),
        ("pixels", "labels"),
        ("pixels", "fc"),
        ("pixels", "block1"),
        ("fc", "none"),
        ("pixels", "none"),
    ],
)
def test_a_generator_makes_its_target_from_any_condition_above_it(
    level_spec: Callable[..., LevelSpec], target: str, condition: str
) -> None:
    spec = level_spec(target, condition)
    generated = LevelGAN(spec).generator(torch.zeros(5, *spec.condition_shape), torch.zeros(5, 3))
    assert generated.shape == (5, *TARGETS[target])


def test_the_two_heads_of_the_discriminator_give_one_logit_and_the_noise(level_spec: Callable[..., LevelSpec]) -> None:
    output = LevelGAN(level_spec("pixels")).discriminator(torch.zeros(5, 1, 8, 8))
    assert output.logits.shape == (5, 1)
    assert output.recovered_noise.shape == (5, 3)


def test_real_and_generated_representations_are_judged_together_as_they_are_apart(
    level_spec: Callable[..., LevelSpec], rng: torch.Generator
) -> None:
    discriminator = LevelGAN(level_spec("pixels")).discriminator
    real, generated = (torch.rand(5, 1, 8, 8, generator=rng) for _ in range(2))
    together = discriminator(torch.cat([real, generated]), batches=2)
    apart = [discriminator(batch) for batch in (real, generated)]
    for name in ("logits", "recovered_noise"):
        expected = torch.cat([getattr(output, name) for output in apart])
        assert_close(getattr(together, name), expected, rtol=1e-4, atol=1e-5)


def test_the_heads_share_the_trunk_and_nothing_else(level_spec: Callable[..., LevelSpec], rng: torch.Generator) -> None:
    discriminator = LevelGAN(level_spec("fc")).discriminator
    output = discriminator(torch.randn(5, 12, generator=rng))
    reached = {}
    assert output.class_logits is None
    for name in ("logits", "recovered_noise"):
        value = getattr(output, name)
        gradients = torch.autograd.grad(
            value.sum(), list(discriminator.parameters()), retain_graph=True, allow_unused=True
        )
        reached[name] = {
            key.split(".")[0]
            for (key, _), gradient in zip(discriminator.named_parameters(), gradients, strict=True)
            if gradient is not None
        }
    assert reached == {"logits": {"trunk", "adversarial"}, "recovered_noise": {"trunk", "noise"}}


@pytest.mark.parametrize("position", [0, 1], ids=["condition", "noise"])
def test_the_generator_depends_on_both_of_its_inputs(
    level_spec: Callable[..., LevelSpec], rng: torch.Generator, position: int
) -> None:
    generator = LevelGAN(level_spec("pixels", "fc")).generator.eval()
    inputs = [torch.rand(4, 12, generator=rng), torch.rand(4, 3, generator=rng)]
    changed = list(inputs)
    changed[position] = changed[position] + 1
    difference = (generator(*inputs) - generator(*changed)).abs().flatten(1).amax(dim=1)
    assert (difference > 1e-4).all()


def test_a_generator_without_a_condition_depends_on_its_noise_alone(
    level_spec: Callable[..., LevelSpec], rng: torch.Generator
) -> None:
    level = LevelGAN(level_spec("pixels", "none"))
    assert not level.spec.conditional
    generator, noise = level.generator.eval(), torch.rand(4, 3, generator=rng)
    assert_close(generator(torch.empty(4, 0), noise), generator.trunk(noise), rtol=0, atol=0)


def test_a_map_of_noise_needs_no_condition(level_spec: Callable[..., LevelSpec]) -> None:
    networks = {"noise": [{"layer": "project", "channels": 2}], "trunk": [{**CONV, "channels": "target"}]}
    generator = LevelGAN(level_spec("pixels", "none", generator=networks)).generator
    assert generator(torch.empty(5, 0), torch.zeros(5, 3)).shape == (5, 1, 8, 8)


def test_an_averaged_generator_is_the_generator_at_the_start(level_spec: Callable[..., LevelSpec]) -> None:
    level = LevelGAN(level_spec("pixels", training=training(0.9)))
    assert level.averaged_generator is not None
    own = level.generator.state_dict()
    for name, value in level.averaged_generator.state_dict().items():
        assert_close(value, own[name], rtol=0, atol=0)
        assert value.data_ptr() != own[name].data_ptr()


def test_a_new_level_draws_new_weights(level_spec: Callable[..., LevelSpec]) -> None:
    before = {name: value.detach().clone() for name, value in LevelGAN(level_spec("fc")).named_parameters()}
    level = LevelGAN(level_spec("fc"))
    for name, value in level.named_parameters():
        if "generator.trunk.1." not in name:  # its batch norm starts at 1 and 0 each time
            assert not torch.isclose(value, before[name], rtol=0, atol=0).any(), name


@pytest.mark.parametrize("decay", [0.0, 0.9])
def test_samples_come_from_the_averaged_generator_if_there_is_one(
    level_spec: Callable[..., LevelSpec], decay: float
) -> None:
    level = LevelGAN(level_spec("fc", training=training(decay)))
    assert level.sampling_generator is (level.averaged_generator if decay else level.generator)
    assert (level.averaged_generator is None) == (decay == 0)


def test_the_initialisation_of_the_level_reaches_all_its_networks(level_spec: Callable[..., LevelSpec]) -> None:
    level = LevelGAN(level_spec("pixels", initialisation={"name": "normal", "std": 0.3}, training=training(0.9)))
    weighted = [part for part in level.modules() if isinstance(part, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)]
    assert len(weighted) == 9  # 3 in G, 3 in its average, 3 in D and Q
    for part in weighted:
        assert not part.bias.any()
    drawn = torch.cat([part.weight.flatten() for part in level.discriminator.modules() if isinstance(part, nn.Linear)])
    assert 0.28 < drawn.std() < 0.32


@pytest.mark.parametrize(
    ("networks", "place", "found"),
    [
        ({"generator": {"condition": [LINEAR], "trunk": [{"layer": "linear", "features": 5}]}},
         "generator.trunk: ", "(5,)"),
        ({"generator": {"noise": [{"layer": "batch_norm"}, {"layer": "conv", "channels": 1, "kernel": 1}],
                        "trunk": [LINEAR]}}, "generator.noise.1 (conv): ", "(3,)"),
        ({"generator": {"noise": [{"layer": "relu"}], "condition": [{"layer": "max_pool", "size": 2}],
                        "trunk": [LINEAR]}}, "generator: ", "(4, 2, 2) and (3,)"),
        ({"discriminator": {"trunk": [LINEAR], "adversarial": [{"layer": "linear", "features": 2}],
                            "noise": [LINEAR]}}, "discriminator.adversarial: ", "(2,)"),
        ({"discriminator": {"trunk": [LINEAR], "adversarial": [LINEAR],
                            "noise": [{"layer": "relu"}]}}, "discriminator.noise: ", "(1,)"),
    ],
    ids=["trunk", "noise", "join", "adversarial", "recovered noise"],
)  # fmt: skip
def test_misfitting_networks_are_refused_with_their_path_and_shapes(
    level_spec: Callable[..., LevelSpec], networks: dict[str, object], place: str, found: str
) -> None:
    with pytest.raises(ExperimentError) as error:
        LevelGAN(level_spec("pixels", "block1", **networks))
    assert str(error.value).startswith(f"sgan.levels.pixels.{place}")
    assert found in str(error.value)
    assert "\n" not in str(error.value)


CLASS_AWARE = {"trunk": [{"layer": "linear", "features": 16}], "classes": [LINEAR], "noise": [LINEAR]}


def test_a_class_aware_discriminator_is_real_with_the_odds_of_the_sum_over_classes(
    level_spec: Callable[..., LevelSpec], rng: torch.Generator
) -> None:
    """D = Z / (Z + 1), Z the sum of exp over the logits of the classes (Salimans et al. 2016)."""
    discriminator = LevelGAN(level_spec("pixels", discriminator=CLASS_AWARE)).discriminator
    output = discriminator(torch.rand(6, 1, 8, 8, generator=rng))
    assert output.class_logits.shape == (6, 4)
    odds = output.class_logits.exp().sum(dim=1, keepdim=True)
    assert_close(output.logits.sigmoid(), odds / (odds + 1))
    assert not hasattr(discriminator, "adversarial")


def test_a_discriminator_with_more_dropout_takes_over_all_weights(level_spec: Callable[..., LevelSpec]) -> None:
    level = LevelGAN(level_spec("pixels", training=training(0.9)))
    plain = level.spec.parameters.discriminator
    noise, dropout = {"layer": "gaussian_noise", "deviation": 0.1}, {"layer": "dropout", "probability": 0.5}
    trunk = [noise, *plain.model_dump()["trunk"], dropout]
    other = type(plain).model_validate({**plain.model_dump(), "trunk": trunk})
    found = with_discriminator(level, other)
    assert found.spec.parameters.discriminator == other != plain
    assert level.spec.parameters.discriminator == plain
    pictures = torch.rand(5, 1, 8, 8)
    for ours, theirs in ((found.discriminator, level.discriminator), (found.generator, level.generator)):
        for value, expected in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert_close(value, expected, rtol=0, atol=0)
    assert_close(found.averaged_generator.state_dict(), level.averaged_generator.state_dict())
    logits = [part.eval()(pictures).logits for part in (found.discriminator, level.discriminator)]
    assert_close(*logits, rtol=0, atol=0)


def test_a_discriminator_of_other_shapes_is_refused(level_spec: Callable[..., LevelSpec]) -> None:
    level = LevelGAN(level_spec("pixels"))
    plain = level.spec.parameters.discriminator.model_dump()
    wider = DiscriminatorParameters.model_validate({**plain, "trunk": [{"layer": "linear", "features": 17}]})
    with pytest.raises(ExperimentError, match=r"sgan\.joint\.discriminators\.pixels: .*\(16, 64\).*\(17, 64\)"):
        with_discriminator(level, wider)


def test_a_level_without_an_activation_of_its_target_is_described_as_in_earlier_versions(
    level_spec: Callable[..., LevelSpec],
) -> None:
    spec = level_spec("pixels", "fc")
    assert "target_activation" not in spec.model_dump_json()
    rectified = spec.model_copy(update={"target_activation": Relu(layer="relu")})
    assert '"target_activation":{"layer":"relu"}' in rectified.model_dump_json()
    assert LevelSpec.model_validate_json(rectified.model_dump_json()) == rectified
