"""Training of an InfoGAN: which weights move, by which losses, on which draws, and what lambda 0 leaves unchanged."""

import math
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.testing import assert_close

from gan_pipelines.data.batches import Batches
from gan_pipelines.data.images import LabelledImages, Representation
from gan_pipelines.losses import invariant_information
from gan_pipelines.models import InfoGAN, InfoGANSpec
from gan_pipelines.parameters import RunParameters
from gan_pipelines.training.checkpoint import CheckpointFolder
from gan_pipelines.training.divergence import TrainingDiverged
from gan_pipelines.training.engine import train
from gan_pipelines.training.infogan import (
    CALIBRATION_BATCHES,
    discriminator_terms,
    fit_infogan,
    generator_terms,
    information_nats,
    recalibrate_batch_norm,
)
from gan_pipelines.training.players import gan_players
from gan_pipelines.training.stage import Stage, seeded_stage
from gan_pipelines.training.turns import Terms, Turn

RUN = RunParameters(seed=3)
NAMES = ["category", "style_1", "style_2", "width"]
WEIGHTS = {
    "both": {"categorical": 0.7, "continuous": 0.3},
    "categories": {"categorical": 0.7, "continuous": 0.0},
    "ranges": {"categorical": 0.0, "continuous": 0.3},
    "none": {"categorical": 0.0, "continuous": 0.0},
}
"""Lambda for each choice of the kinds of code from which G and the trunk learn."""

Spec = Callable[..., InfoGANSpec]
Start = tuple[InfoGAN, Tensor, Tensor, Tensor]
"""An InfoGAN before its first step, with that step's real images, noise and codes."""
History = list[dict[str, float]]


@pytest.fixture
def fit(images: LabelledImages, recorder: Callable) -> Callable[..., tuple[InfoGAN, History]]:
    """Train an InfoGAN on the synthetic images."""

    def run(spec: InfoGANSpec, run: RunParameters = RUN) -> tuple[InfoGAN, History]:
        return fit_infogan(run, spec, images.pixels(), recorder())

    return run


@pytest.fixture
def start(images: LabelledImages) -> Callable[..., Start]:
    """The start of a training: first the weights, then a batch, then noise, then codes."""

    def begin(spec: InfoGANSpec) -> Start:
        with seeded_stage(RUN, "infogan") as stage:
            gan = InfoGAN(spec)
            index = next(Batches(64, 16, stage.rng))
            noise, codes = gan.noise.sample(16, stage.rng), gan.codes.sample(16, stage.rng)
        return gan, images.pixels().batch(index), noise, codes

    return begin


def generate(gan: InfoGAN, noise: Tensor, codes: Tensor) -> Tensor:
    return gan.generator(torch.cat([noise, codes], dim=1))


def bounds(head: Tensor, codes: Tensor) -> dict[str, Tensor]:
    """L_I of each code by torch's own distributions, from Q's head and the concatenated codes."""
    normal = torch.distributions.Normal
    category = torch.distributions.Categorical(logits=head[:, :4])
    return {
        "category": category.log_prob(codes[:, :4].argmax(dim=1)).mean() + math.log(4),
        "style_1": normal(head[:, 4], head[:, 5].exp()).log_prob(codes[:, 4]).mean() + math.log(2),
        "style_2": normal(head[:, 6], head[:, 7].exp()).log_prob(codes[:, 5]).mean() + math.log(2),
        "width": normal(head[:, 8], 1.0).log_prob(codes[:, 6]).mean() + math.log(2),
    }


def lambdas(gan: InfoGAN) -> dict[str, float]:
    """Lambda of each code in the first step."""
    return gan.spec.parameters.information_weights_at(1)


def weights_of(told: str) -> dict[str, float]:
    """Lambda of each code."""
    weights = WEIGHTS[told]
    return {name: weights["categorical" if name == "category" else "continuous"] for name in NAMES}


def values(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in module.named_parameters()}


def moved(gan: InfoGAN, before: dict[str, Tensor]) -> dict[str, set[bool]]:
    """For each part of the InfoGAN, whether its parameters moved."""
    parts: dict[str, set[bool]] = {}
    for name, value in gan.named_parameters():
        parts.setdefault(part_of(name), set()).add(not torch.equal(value, before[name]))
    return parts


def part_of(parameter: str) -> str:
    return parameter.removeprefix("discriminator.").split(".")[0]


def reached(gan: InfoGAN, term: Tensor) -> set[str]:
    """The parts of the InfoGAN that the gradient of a term reaches."""
    names, parameters = zip(*gan.named_parameters(), strict=True)
    gradients = torch.autograd.grad(term, parameters, retain_graph=True, allow_unused=True)
    pairs = zip(names, gradients, strict=True)
    return {part_of(name) for name, gradient in pairs if gradient is not None and gradient.any()}


def assert_same(found: nn.Module, expected: nn.Module) -> None:
    """Parameters and buffers are bit-identical."""
    wanted = expected.state_dict()
    for name, value in found.state_dict().items():
        assert torch.equal(value, wanted[name]), name


@pytest.mark.parametrize("told", WEIGHTS)
def test_the_discriminators_terms_are_those_of_the_paper(
    infogan_spec: Spec, start: Callable[..., Start], told: str
) -> None:
    gan, real, noise, codes = start(infogan_spec(information_weights=WEIGHTS[told]))
    generated = generate(gan, noise, codes).detach()
    found = discriminator_terms(gan, lambdas(gan), real, generated, codes)
    on_real, on_generated = gan.discriminator(real), gan.discriminator(generated)
    adversarial = -torch.sigmoid(on_real.logits).log().mean() - (1 - torch.sigmoid(on_generated.logits)).log().mean()
    information = bounds(gan.discriminator.codes(on_generated.features), codes)
    assert set(found) == {"adversarial", *(f"information.{name}" for name in NAMES)}
    assert_close(found["adversarial"], adversarial)
    for name, weight in weights_of(told).items():
        assert_close(
            found[f"information.{name}"], -(weight or 1) * information[name]
        )  # with lambda 0, Q learns with weight 1


@pytest.mark.parametrize("told", WEIGHTS)
def test_the_generators_terms_are_those_of_the_paper(
    infogan_spec: Spec, start: Callable[..., Start], told: str
) -> None:
    gan, _, noise, codes = start(infogan_spec(information_weights=WEIGHTS[told]))
    generated = generate(gan, noise, codes)
    found = generator_terms(gan, lambdas(gan), generated, codes)
    output = gan.discriminator(generated)
    information = bounds(gan.discriminator.codes(output.features), codes)
    weights = {name: weight for name, weight in weights_of(told).items() if weight}
    assert list(found) == ["adversarial", *(f"information.{name}" for name in weights)]
    assert_close(found["adversarial"], -torch.sigmoid(output.logits).log().mean())
    for name, weight in weights.items():
        assert_close(found[f"information.{name}"], -weight * information[name])


@pytest.mark.parametrize("told", WEIGHTS)
def test_in_the_discriminators_turn_weighted_information_reaches_qs_head_and_the_trunk(
    infogan_spec: Spec, start: Callable[..., Start], told: str
) -> None:
    gan, real, noise, codes = start(infogan_spec(information_weights=WEIGHTS[told]))
    terms = discriminator_terms(gan, lambdas(gan), real, generate(gan, noise, codes).detach(), codes)
    assert reached(gan, terms["adversarial"]) == {"trunk", "adversarial"}
    for name, weight in weights_of(told).items():
        assert reached(gan, terms[f"information.{name}"]) == ({"trunk", "codes"} if weight else {"codes"}), name


def test_in_the_generators_turn_information_reaches_the_generator_through_q_and_the_trunk(
    infogan_spec: Spec, start: Callable[..., Start]
) -> None:
    gan, _, noise, codes = start(infogan_spec())
    terms = generator_terms(gan, lambdas(gan), generate(gan, noise, codes), codes)
    assert reached(gan, terms["adversarial"]) == {"generator", "trunk", "adversarial"}
    for name in NAMES:
        assert reached(gan, terms[f"information.{name}"]) == {"generator", "trunk", "codes"}


DISTORTED = [{"layer": "random_affine", "distortion": 0.2, "shift_pixels": 1.0}, {"layer": "linear", "features": 16}]
"""A trunk under which no two looks at a picture are alike."""


def distorting(infogan_spec: Spec, **replaced: object) -> InfoGANSpec:
    """An InfoGAN whose trunk distorts, with a weight of the invariant information of 0.5."""
    heads = infogan_spec().parameters.discriminator.model_dump() | {"trunk": [*DISTORTED, {"layer": "leaky_relu"}]}
    return infogan_spec(discriminator=heads, **{"consistency_weight": 0.5} | replaced)


def test_with_a_consistency_weight_q_also_maximises_the_invariant_information_of_real_images(
    infogan_spec: Spec, start: Callable[..., Start]
) -> None:
    gan, real, noise, codes = start(distorting(infogan_spec, information_weights=WEIGHTS["both"]))
    generated = generate(gan, noise, codes).detach()
    torch.manual_seed(5)
    found = discriminator_terms(gan, lambdas(gan), real, generated, codes)
    torch.manual_seed(5)
    looks = gan.discriminator(torch.cat([real, generated, real])).features.chunk(3)  # no batch norm in this trunk
    first, again = (gan.discriminator.codes(looks[index])[:, :4] for index in (0, 2))
    assert not torch.allclose(first, again)
    assert_close(found["consistency.category"], -0.5 * invariant_information(first, again))
    assert reached(gan, found["consistency.category"]) == {"trunk", "codes"}
    assert_close(found["information.category"], -0.7 * bounds(gan.discriminator.codes(looks[1]), codes)["category"])


@pytest.mark.parametrize("told", ["ranges", "none"])
def test_consistency_waits_until_the_category_is_told(
    infogan_spec: Spec, start: Callable[..., Start], told: str
) -> None:
    gan, real, noise, codes = start(distorting(infogan_spec, information_weights=WEIGHTS[told]))
    terms = discriminator_terms(gan, lambdas(gan), real, generate(gan, noise, codes).detach(), codes)
    assert set(terms) == {"adversarial", *(f"information.{name}" for name in NAMES)}


def test_without_a_consistency_weight_an_infogan_is_the_same_file_and_the_same_weights_as_before(
    infogan_spec: Spec, fit: Callable[..., tuple[InfoGAN, History]]
) -> None:
    spec, other = distorting(infogan_spec, consistency_weight=0.0), distorting(infogan_spec)
    assert "consistency_weight" not in spec.model_dump_json()
    assert '"consistency_weight":0.5' in other.model_dump_json()
    (_, without), (gan, history) = fit(spec), fit(other)
    assert "discriminator.consistency.category" in history[-1]
    assert "discriminator.consistency.category" not in without[-1]
    assert_same(fit(other)[0], gan)


def test_only_weighted_information_has_a_gradient_on_the_trunk(infogan_spec: Spec, start: Callable[..., Start]) -> None:
    gan, real, noise, codes = start(infogan_spec(information_weights=WEIGHTS["categories"]))
    terms = discriminator_terms(gan, lambdas(gan), real, generate(gan, noise, codes).detach(), codes)
    trunk = list(gan.discriminator.trunk.parameters())
    found = torch.autograd.grad(torch.stack(list(terms.values())).sum(), trunk)
    on_real, on_generated = (gan.discriminator(x) for x in (real, generate(gan, noise, codes).detach()))
    adversarial = softplus(-on_real.logits).mean() + softplus(on_generated.logits).mean()
    information = bounds(gan.discriminator.codes(on_generated.features), codes)["category"]
    expected = torch.autograd.grad(adversarial - 0.7 * information, trunk)
    assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_the_discriminators_step_moves_trunk_and_both_heads_only(
    infogan_spec: Spec, start: Callable[..., Start], recorder: Callable
) -> None:
    gan, real, noise, codes = start(infogan_spec(batch_norm=False))
    before = values(gan)

    def objective(_: int) -> Iterator[Turn]:
        generated = generate(gan, noise, codes)
        yield Turn("discriminator", lambda: discriminator_terms(gan, lambdas(gan), real, generated.detach(), codes))

    train(
        Stage("infogan"),
        gan_players(gan, gan.spec.parameters.training),
        objective,
        gan.spec.parameters.training,
        recorder(),
    )
    assert moved(gan, before) == {"generator": {False}, "trunk": {True}, "adversarial": {True}, "codes": {True}}
    assert all(parameter.grad is None for parameter in gan.generator.parameters())


def test_the_generators_step_moves_it_only(infogan_spec: Spec, start: Callable[..., Start], recorder: Callable) -> None:
    gan, _, noise, codes = start(infogan_spec(batch_norm=False))
    before = values(gan)

    def objective(_: int) -> Iterator[Turn]:
        generated = generate(gan, noise, codes)
        yield Turn("generator", lambda: generator_terms(gan, lambdas(gan), generated, codes))

    train(
        Stage("infogan"),
        gan_players(gan, gan.spec.parameters.training),
        objective,
        gan.spec.parameters.training,
        recorder(),
    )
    assert moved(gan, before) == {"generator": {True}, "trunk": {False}, "adversarial": {False}, "codes": {False}}
    assert all(parameter.grad is None for parameter in gan.discriminator.parameters())


def test_every_parameter_except_the_averages_is_in_exactly_one_optimiser(
    infogan_spec: Spec,
) -> None:
    training = {"steps": 1, "learning_rate": 1e-3, "discriminator_learning_rate": 2e-4, "ema_decay": 0.9}
    gan = InfoGAN(infogan_spec(training=training))
    assert gan.averaged_generator is not None
    players = gan_players(gan, gan.spec.parameters.training)
    held = {
        name: [id(parameter) for group in player.optimiser.param_groups for parameter in group["params"]]
        for name, player in players.items()
    }
    assert sorted(held["generator"]) == sorted(map(id, gan.generator.parameters()))
    assert sorted(held["discriminator"]) == sorted(map(id, gan.discriminator.parameters()))
    averaged = set(map(id, gan.averaged_generator.parameters()))
    assert {*held["generator"], *held["discriminator"]} == set(map(id, gan.parameters())) - averaged
    assert players["generator"].average is gan.averaged_generator
    assert {name: player.optimiser.param_groups[0]["lr"] for name, player in players.items()} == {
        "generator": 1e-3, "discriminator": 2e-4
    }  # fmt: skip


@pytest.mark.parametrize("told", WEIGHTS)
def test_a_full_step_gives_every_parameter_a_gradient(
    infogan_spec: Spec, fit: Callable[..., tuple[InfoGAN, object]], told: str
) -> None:
    gan, _ = fit(infogan_spec(information_weights=WEIGHTS[told]))
    for name, parameter in gan.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("told", WEIGHTS)
def test_one_step_is_the_two_updates_written_out(
    infogan_spec: Spec, fit: Callable[..., tuple[InfoGAN, History]], start: Callable[..., Start], told: str
) -> None:
    training = {"steps": 1, "batch_size": 16, "learning_rate": 1e-2, "discriminator_learning_rate": 3e-2}
    # without batch norm: before one, a bias has a gradient of rounding noise only, which Adam scales to its full rate
    spec = infogan_spec(batch_norm=False, information_weights=WEIGHTS[told], training=training)
    gan, (row,) = fit(spec)

    expected, real, noise, codes = start(spec)
    generator, discriminator, weights = expected.generator, expected.discriminator, weights_of(told)
    of_d = torch.optim.Adam(discriminator.parameters(), lr=3e-2, betas=(0.5, 0.999))
    of_g = torch.optim.Adam(generator.parameters(), lr=1e-2, betas=(0.5, 0.999))
    generated = generate(expected, noise, codes)

    features = discriminator.trunk(generated.detach())
    adversarial = softplus(-discriminator.adversarial(discriminator.trunk(real))).mean()
    adversarial = adversarial + softplus(discriminator.adversarial(features)).mean()
    told_bounds, aside = (bounds(discriminator.codes(x), codes) for x in (features, features.detach()))
    information = {name: -weight * told_bounds[name] if weight else -aside[name] for name, weight in weights.items()}
    (adversarial + sum(information.values())).backward()
    of_d.step()
    terms = {"discriminator.adversarial": adversarial.item()}
    terms |= {f"discriminator.information.{name}": term.item() for name, term in information.items()}

    features = discriminator.trunk(generated)
    adversarial = softplus(-discriminator.adversarial(features)).mean()
    told_bounds = bounds(discriminator.codes(features), codes)
    information = {name: -weight * told_bounds[name] for name, weight in weights.items() if weight}
    (adversarial + sum(information.values())).backward()
    of_g.step()
    terms["generator.adversarial"] = adversarial.item()
    terms |= {f"generator.information.{name}": term.item() for name, term in information.items()}

    assert_close({name: row[name] for name in terms}, terms, rtol=1e-5, atol=1e-6)
    assert {name for name in row if name.startswith(("generator.", "discriminator."))} == set(terms)
    # a first step of Adam has its full rate however small the gradient, so rounding shows where that is nearly 0
    for (name, value), wanted in zip(gan.named_parameters(), expected.parameters(), strict=True):
        assert_close(value, wanted, rtol=1e-4, atol=1e-4, msg=lambda text, name=name: f"{name}: {text}")


def test_batch_norm_treats_real_and_generated_images_as_two_batches(
    infogan_spec: Spec, start: Callable[..., Start]
) -> None:
    gan, real, noise, codes = start(infogan_spec())
    generated = generate(gan, noise, codes).detach()
    fresh = deepcopy(gan.discriminator)
    discriminator_terms(gan, lambdas(gan), real, generated, codes)
    means, variances = torch.zeros(16), torch.ones(16)
    for pictures in (real, generated):
        activations = fresh.trunk[:2](pictures)  # flattened, then linear
        means = 0.9 * means + 0.1 * activations.mean(dim=0)
        variances = 0.9 * variances + 0.1 * activations.var(dim=0)
    assert_close(gan.discriminator.trunk[2].running_mean, means)
    assert_close(gan.discriminator.trunk[2].running_var, variances)
    assert gan.discriminator.trunk[2].num_batches_tracked == 2


def test_the_head_of_q_sees_generated_pictures_only(infogan_spec: Spec, start: Callable[..., Start]) -> None:
    gan, real, noise, codes = start(infogan_spec())
    generated = generate(gan, noise, codes).detach()
    again = deepcopy(gan)
    discriminator_terms(gan, lambdas(gan), real, generated, codes)
    discriminator_terms(again, lambdas(gan), 1 - real, generated, codes)
    assert_same(gan.discriminator.codes, again.discriminator.codes)
    activations = gan.discriminator.codes[0](gan.discriminator.trunk(generated)).mean(dim=0)
    assert_close(gan.discriminator.codes[1].running_mean, 0.1 * activations)
    assert not torch.allclose(gan.discriminator.trunk[2].running_mean, again.discriminator.trunk[2].running_mean)


def plain_terms(gan: InfoGAN, real: Tensor, generated: Tensor) -> Terms:
    """L_D of a GAN without codes."""
    on_real, on_generated = gan.discriminator(torch.cat([real, generated]), batches=2).logits.chunk(2)
    return {"adversarial": softplus(-on_real).mean() + softplus(on_generated).mean()}


def fit_plain(spec: InfoGANSpec, pixels: Representation, observer: object) -> InfoGAN:
    """A GAN without codes, on the draws of an InfoGAN."""
    with seeded_stage(RUN, "infogan") as stage:
        gan = stage.place(InfoGAN(spec))
        batches = Batches(64, spec.parameters.training.batch_size, stage.rng)

        def objective(_: int) -> Iterator[Turn]:
            real = pixels.batch(next(batches))
            generated = generate(gan, gan.noise.sample(16, stage.rng), gan.codes.sample(16, stage.rng))
            yield Turn("discriminator", lambda: plain_terms(gan, real, generated.detach()))
            yield Turn("generator", lambda: {"a": softplus(-gan.discriminator(generated).logits).mean()})

        train(stage, gan_players(gan, gan.spec.parameters.training), objective, spec.parameters.training, observer)
    return gan


def test_with_both_weights_0_it_is_a_plain_gan_bit_for_bit_in_which_qs_head_learns_too(
    infogan_spec: Spec,
    fit: Callable[..., tuple[InfoGAN, object]],
    start: Callable[..., Start],
    images: LabelledImages,
    recorder: Callable,
) -> None:
    training = {"steps": 7, "batch_size": 16, "learning_rate": 1e-2, "ema_decay": 0.9}
    spec = infogan_spec(information_weights=WEIGHTS["none"], training=training)
    (gan, _), plain = fit(spec), fit_plain(spec, images.pixels(), recorder())
    for part in ("generator", "averaged_generator"):
        assert_same(gan.get_submodule(part), plain.get_submodule(part))
    for part in ("trunk", "adversarial"):  # except for the recalibrated statistics
        pairs = zip(
            gan.discriminator.get_submodule(part).parameters(),
            plain.discriminator.get_submodule(part).parameters(),
            strict=True,
        )
        assert all(torch.equal(*pair) for pair in pairs), part
    first = start(spec)[0]
    for name, value in gan.discriminator.codes.named_parameters():
        assert not torch.equal(value, first.discriminator.codes.get_parameter(name)), name
        assert torch.equal(plain.discriminator.codes.get_parameter(name), first.discriminator.codes.get_parameter(name))
    told, _ = fit(infogan_spec(information_weights=WEIGHTS["both"], training=training))
    assert not torch.allclose(told.generator[0].weight, gan.generator[0].weight, rtol=0, atol=1e-3)


@pytest.mark.parametrize("told", ["categories", "ranges"])
def test_a_code_with_weight_0_does_not_affect_g_and_the_trunk(
    infogan_spec: Spec,
    fit: Callable[..., tuple[InfoGAN, object]],
    images: LabelledImages,
    recorder: Callable,
    told: str,
) -> None:
    """Without a hidden layer in Q's head, which the codes would share."""
    training = {"steps": 5, "batch_size": 16, "learning_rate": 1e-2}
    heads = infogan_spec().parameters.discriminator.model_dump() | {"codes": [{"layer": "linear", "features": 9}]}
    spec = infogan_spec(information_weights=WEIGHTS[told], training=training, discriminator=heads)
    weights = {name: weight for name, weight in weights_of(told).items() if weight}

    def information(gan: InfoGAN, pictures: Tensor, codes: Tensor) -> Terms:
        found = bounds(gan.discriminator.codes(gan.discriminator(pictures).features), codes)
        return {name: -weight * found[name] for name, weight in weights.items()}

    gan, _ = fit(spec)
    with seeded_stage(RUN, "infogan") as stage:
        expected = stage.place(InfoGAN(spec))
        batches = Batches(64, 16, stage.rng)

        def objective(_: int) -> Iterator[Turn]:
            real = images.pixels().batch(next(batches))
            noise, codes = expected.noise.sample(16, stage.rng), expected.codes.sample(16, stage.rng)
            generated = generate(expected, noise, codes)
            shown = generated.detach()
            yield Turn(
                "discriminator", lambda: {**plain_terms(expected, real, shown), **information(expected, shown, codes)}
            )

            def terms() -> Terms:
                adversarial = softplus(-expected.discriminator(generated).logits).mean()
                return {"adversarial": adversarial, **information(expected, generated, codes)}

            yield Turn("generator", terms)

        train(
            Stage("infogan"),
            gan_players(expected, spec.parameters.training),
            objective,
            spec.parameters.training,
            recorder(),
        )
    for name, value in gan.named_parameters():
        if not name.startswith("discriminator.codes") and name not in (
            "generator.0.bias",
            "discriminator.trunk.1.bias",
        ):
            # before a batch norm, a bias has a gradient of rounding noise only, which Adam scales to its full rate
            assert_close(value, expected.get_parameter(name), rtol=1e-3, atol=1e-4)


def test_the_reported_information_is_unweighted_and_adds_up_to_the_total(
    infogan_spec: Spec, start: Callable[..., Start]
) -> None:
    for told in WEIGHTS:
        gan, real, noise, codes = start(infogan_spec(information_weights=WEIGHTS[told]))
        generated = generate(gan, noise, codes).detach()
        found = information_nats(lambdas(gan), discriminator_terms(gan, lambdas(gan), real, generated, codes))
        expected = bounds(gan.discriminator.codes(gan.discriminator(generated).features), codes)
        assert list(found) == [*(f"information.{name}" for name in NAMES), "information.total"]
        for name in NAMES:
            assert_close(found[f"information.{name}"], expected[name])
        assert_close(found["information.total"], torch.stack(list(expected.values())).sum())


@pytest.mark.parametrize("told", WEIGHTS)
def test_the_history_has_each_term_of_each_turn_and_the_information_in_nats(
    infogan_spec: Spec, fit: Callable[..., tuple[InfoGAN, History]], told: str
) -> None:
    training = {"steps": 6, "batch_size": 16, "report_every_steps": 4}
    _, history = fit(infogan_spec(information_weights=WEIGHTS[told], training=training))
    weights = weights_of(told)
    columns = ["step", "images_per_second", "discriminator.adversarial", "generator.adversarial", "information.total"]
    columns += [f"{whose}information.{name}" for whose in ("discriminator.", "") for name in NAMES]
    columns += [f"generator.information.{name}" for name in NAMES if weights[name]]
    for row in history:
        assert sorted(row) == sorted(columns)
        found = {name: row[f"information.{name}"] for name in NAMES}
        for name, weight in weights.items():
            assert_close(row[f"discriminator.information.{name}"], -(weight or 1) * found[name], rtol=1e-5, atol=1e-6)
        assert_close(row["information.total"], sum(found.values()), rtol=1e-5, atol=1e-6)
        assert -1 < found["category"] <= math.log(4)
    assert [row["step"] for row in history] == [4, 6]


def test_with_delayed_information_the_first_steps_are_those_of_a_plain_gan(
    infogan_spec: Spec, fit: Callable[..., tuple[InfoGAN, History]]
) -> None:
    training = {"steps": 5, "batch_size": 16, "learning_rate": 1e-2, "report_every_steps": 1}
    weights = {**WEIGHTS["both"], "categorical_delay_steps": 3, "continuous_delay_steps": 1}
    _, history = fit(infogan_spec(information_weights=weights, training=training))
    _, plain = fit(infogan_spec(information_weights=WEIGHTS["none"], training=training))
    for row in history:
        lambdas = {name: (0.7 if row["step"] > 3 else 0) if name == "category" else 0.3 for name in NAMES}
        if row["step"] == 1:
            lambdas = dict.fromkeys(NAMES, 0)
        told = {name.rpartition(".")[2] for name in row if name.startswith("generator.information.")}
        assert told == {name for name, weight in lambdas.items() if weight}
        for name, weight in lambdas.items():
            term = -(weight or 1) * row[f"information.{name}"]
            assert_close(row[f"discriminator.information.{name}"], term, rtol=1e-5, atol=1e-6)
    for term in ("discriminator.adversarial", "generator.adversarial", "information.total"):
        same = [row[term] == other[term] for row, other in zip(history, plain, strict=True)]
        assert same[0]
        assert not any(same[2:])


def test_after_training_q_uses_the_batch_norm_statistics_of_real_images(
    infogan_spec: Spec, images: LabelledImages
) -> None:
    """Means over the batches of each batch's own mean and variance, layer by layer; no weight moves."""
    gan = InfoGAN(infogan_spec()).eval()
    batches = images.pixels().batch(torch.arange(48)).split(16)
    before = {name: value.clone() for name, value in gan.state_dict().items()}
    recalibrate_batch_norm(gan, batches)
    trunk, codes = gan.discriminator.trunk, gan.discriminator.codes
    seen: dict[nn.Module, list[Tensor]] = {trunk[2]: [], codes[1]: []}
    for batch in batches:
        value = batch
        for layer in (*trunk, *codes):
            if layer in seen:
                seen[layer].append(value)
                value = (value - value.mean(dim=0)) / (value.var(dim=0, correction=0) + layer.eps).sqrt()
            else:
                value = layer(value)
    for layer, inputs in seen.items():
        assert_close(layer.running_mean, torch.stack([value.mean(dim=0) for value in inputs]).mean(dim=0))
        assert_close(layer.running_var, torch.stack([value.var(dim=0) for value in inputs]).mean(dim=0))
        assert layer.momentum == 0.1
    changed = {name for name, value in gan.state_dict().items() if not torch.equal(value, before[name])}
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    assert changed == {f"discriminator.{place}.{name}" for place in ("trunk.2", "codes.1") for name in statistics}
    assert not any(module.training for module in (trunk, codes, *trunk, *codes))


def test_recalibration_uses_undistorted_images(infogan_spec: Spec, images: LabelledImages) -> None:
    plain = InfoGAN(infogan_spec())
    network = plain.spec.parameters.discriminator.model_dump()
    distorted = {**network, "trunk": [
        {"layer": "random_affine", "distortion": 0.3, "shift_pixels": 2}, *network["trunk"],
        {"layer": "dropout", "probability": 0.5},
    ]}  # fmt: skip
    gan = InfoGAN(infogan_spec(discriminator=distorted))
    gan.discriminator.codes.load_state_dict(plain.discriminator.codes.state_dict())
    for layer, same in zip(gan.discriminator.trunk[1:-1], plain.discriminator.trunk, strict=True):
        layer.load_state_dict(same.state_dict())
    for model in (gan, plain):
        recalibrate_batch_norm(model, images.pixels().batch(torch.arange(48)).split(16))
    assert_same(gan.discriminator.codes, plain.discriminator.codes)
    assert_same(gan.discriminator.trunk[3], plain.discriminator.trunk[2])
    pictures = images.pixels().batch(torch.arange(48, 64))
    assert_close(gan.infer(pictures), plain.infer(pictures), rtol=0, atol=0)


def test_a_divergence_is_reported_in_one_paragraph(
    infogan_spec: Spec, fit: Callable[..., tuple[InfoGAN, object]]
) -> None:
    training = {"steps": 9, "batch_size": 16, "learning_rate": 1e38}
    with pytest.raises(TrainingDiverged, match=r"^Training of infogan diverged at step \d: .* is not finite") as error:
        fit(infogan_spec(training=training))
    assert "\n" not in str(error.value)


def test_training_depends_on_the_seed_and_not_on_the_global_state(
    infogan_spec: Spec, fit: Callable[..., tuple[InfoGAN, object]]
) -> None:
    training = {"steps": 3, "batch_size": 16, "learning_rate": 1e-2, "ema_decay": 0.9}
    network = infogan_spec().parameters.discriminator.model_dump()
    trunk = [{"layer": "random_affine", "distortion": 0.2, "shift_pixels": 1}, *network["trunk"]]
    spec = infogan_spec(training=training, discriminator={**network, "trunk": trunk})
    found = []
    for state, seed in ((1, 3), (2, 3), (2, 4)):
        torch.manual_seed(state)
        found.append(fit(spec, RunParameters(seed=seed))[0])
    assert_same(found[0], found[1])
    weights = [torch.cat([value.detach().flatten() for value in gan.parameters()]) for gan in found]
    assert not torch.allclose(weights[0], weights[2], rtol=0, atol=1e-2)


def test_every_step_draws_new_noise_and_codes_and_batches_make_up_epochs(
    infogan_spec: Spec, images: LabelledImages, recorder: Callable
) -> None:
    seen: list[Tensor] = []

    class Remembered(Representation):
        """Remembers which indices were used."""

        def batch(self, index: Tensor) -> Tensor:
            seen.append(index)
            return super().batch(index)

    spec = infogan_spec(training={"steps": 8, "batch_size": 16, "report_every_steps": 1})
    _, history = fit_infogan(RUN, spec, Remembered("pixels", images.images), recorder())
    assert len(seen) == 8 + CALIBRATION_BATCHES
    for epoch in (seen[:4], seen[4:8]):
        assert torch.cat(epoch).sort().values.tolist() == list(range(64))
    assert not torch.equal(seen[0], seen[4])
    assert len({row["information.width"] for row in history}) == 8


@pytest.mark.parametrize("decay", [0.0, 0.9])
def test_previews_are_shown_and_do_not_change_the_training(
    infogan_spec: Spec, images: LabelledImages, recorder: Callable, decay: float
) -> None:
    observer = recorder()
    spec = infogan_spec(training={"steps": 10, "batch_size": 16, "ema_decay": decay})
    gan, _ = fit_infogan(RUN, spec, images.pixels(), observer)
    with seeded_stage(RUN, "infogan") as stage:  # the same again without a preview
        plain = stage.place(InfoGAN(spec))
        batches = Batches(64, 16, stage.rng)

        def objective(_: int) -> Iterator[Turn]:
            real = images.pixels().batch(next(batches))
            noise, codes = plain.noise.sample(16, stage.rng), plain.codes.sample(16, stage.rng)
            generated = generate(plain, noise, codes)
            yield Turn(
                "discriminator", lambda: discriminator_terms(plain, lambdas(plain), real, generated.detach(), codes)
            )
            yield Turn("generator", lambda: generator_terms(plain, lambdas(plain), generated, codes))

        train(
            Stage("infogan"),
            gan_players(plain, spec.parameters.training),
            objective,
            spec.parameters.training,
            recorder(),
        )
        recalibrate_batch_norm(plain, (images.pixels().batch(next(batches)) for _ in range(CALIBRATION_BATCHES)))
    assert_same(gan, plain)
    shown = [pictures for _, pictures in observer.shown]
    assert [step for step, _ in observer.shown] == list(range(11))
    assert all(pictures.shape == (40, 1, 8, 8) for pictures in shown)
    assert 0 <= torch.cat(shown).min() < torch.cat(shown).max() <= 1
    assert not torch.allclose(shown[0], shown[-1], rtol=0, atol=1e-4)


CODE_FIRST = {"style": {"distribution": "uniform"}, "category": {"distribution": "categorical", "classes": 4}}


@pytest.mark.parametrize(("codes", "rows"), [(None, 4), (CODE_FIRST, 10)], ids=["category first", "range first"])
def test_a_preview_has_one_row_per_value_of_the_first_code_and_is_otherwise_fixed(
    infogan_spec: Spec, images: LabelledImages, recorder: Callable, codes: dict[str, object] | None, rows: int
) -> None:
    training = {"steps": 10, "batch_size": 16, "learning_rate": 1e-2, "ema_decay": 0.9}
    observer = recorder()
    spec = infogan_spec(training=training, **({"codes": codes} if codes else {}))
    gan, _ = fit_infogan(RUN, spec, images.pixels(), observer)
    rng = torch.Generator().manual_seed(0)
    noise, drawn = gan.noise.sample(10, rng), gan.codes.sample(10, rng)
    first = torch.linspace(-2, 2, 10)[:, None] if codes else torch.eye(4)
    found = observer.shown[-1][1].unflatten(0, (rows, 10))
    for row, value in enumerate(first):
        wanted = torch.cat([value.expand(10, -1), drawn[:, len(value) :]], dim=1)
        assert_close(found[row], gan.pictures(noise, wanted))
    assert not torch.allclose(found[0], found[-1], rtol=0, atol=1e-3)


def test_the_averaged_generator_follows_and_lags_behind(
    infogan_spec: Spec, fit: Callable[..., tuple[InfoGAN, object]], start: Callable[..., Start]
) -> None:
    spec = infogan_spec(training={"steps": 2, "batch_size": 16, "learning_rate": 1e-2, "ema_decay": 0.9})
    first, (gan, _) = start(spec)[0].generator[0].weight.detach(), fit(spec)
    assert gan.averaged_generator is not None
    averaged, current = (module[0].weight for module in (gan.averaged_generator, gan.generator))
    share = ((averaged - first).norm() / (current - first).norm()).item()
    assert 0.5 < share < 0.98


def test_codes_become_recoverable_only_with_a_positive_weight(
    infogan_spec: Spec, fit: Callable[..., tuple[InfoGAN, History]]
) -> None:
    training = {"steps": 150, "batch_size": 32, "learning_rate": 5e-3, "report_every_steps": 5}
    histories = [
        fit(infogan_spec(information_weights={"categorical": weight, "continuous": weight}, training=training))[1]
        for weight in (1, 0)
    ]
    perfect, unread = (math.log(2) - 0.5 * math.log(2 * math.pi) - r2 / 2 for r2 in (0, 1 / 3))
    for history in histories:
        assert -0.2 < history[0]["information.category"] < 0.3
        assert -1 < history[0]["information.width"] < unread
    told, untold = (history[-1] for history in histories)
    assert untold["information.category"] < 0.5
    assert 1.1 < told["information.category"] <= math.log(4)
    for code in ("style_1", "style_2"):
        assert untold[f"information.{code}"] < 0.3
        assert 0.6 < told[f"information.{code}"] < 5
    assert unread < untold["information.width"] < unread + 0.05
    assert unread + 0.07 < told["information.width"] < perfect


def test_the_labels_of_the_images_are_not_used(infogan_spec: Spec, images: LabelledImages, tmp_path: Path) -> None:
    from gan_pipelines.pipelines.infogan_training.nodes import train_infogan

    parameters = infogan_spec(training={"steps": 2, "batch_size": 16, "learning_rate": 1e-2}).parameters
    others = LabelledImages(images.images, images.labels.flip(0), images.classes)
    found, again = (train_infogan(RUN, parameters, data, CheckpointFolder(tmp_path))[0] for data in (images, others))
    assert found.spec.data_digest != again.spec.data_digest
    assert_same(found, again)
