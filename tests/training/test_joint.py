"""End-to-end training: the gradient of each player equals the literal definition on one connected graph."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, softplus
from torch.testing import assert_close

from gan_pipelines.data.images import LabelledImages, Representation, to_unit_range
from gan_pipelines.models import Encoder, LevelGAN
from gan_pipelines.models.blocks import initialise
from gan_pipelines.parameters import JointParameters, RunParameters, TrainingParameters
from gan_pipelines.training.engine import train
from gan_pipelines.training.joint import JointLevel, fit_joint, joint_players, joint_turns
from gan_pipelines.training.players import Player
from gan_pipelines.training.ranks import Ranks
from gan_pipelines.training.stage import Stage
from gan_pipelines.training.turns import Turn

LOSS_WEIGHTS = {"adversarial": 0.7, "conditional": 3.0, "entropy": 5.0}
RUN = RunParameters(seed=0)
ONE_STEP = TrainingParameters(steps=1, batch_size=16)


class Batch:
    """A chain of levels and the data of one joint step; the first condition may be empty."""

    def __init__(self, chain: Sequence[LevelGAN], encoder: Encoder, images: LabelledImages) -> None:
        names = ["labels", *(level.spec.target for level in chain)]
        found = encoder.representations(to_unit_range(images.images[:16]))
        rng = torch.Generator().manual_seed(11)
        self.levels = list(chain)
        self.segments = [encoder.segment(name, above) for above, name in pairwise(names)]
        self.reals = {name: found[name] for name in names[1:]}
        top = images.conditions(chain[0].spec.parameters.condition)
        self.labels = top.batch(torch.arange(16))
        self.noises = {level.spec.target: level.latent.sample(16, rng) for level in chain}

    def joint_levels(self) -> list[JointLevel]:
        return [
            JointLevel(level, segment, Representation(level.spec.target, self.reals[level.spec.target]))
            for level, segment in zip(self.levels, self.segments, strict=True)
        ]

    def turns(self, upstream_weight: float) -> Iterator[Turn]:
        return joint_turns(self.joint_levels(), self.reals, self.labels, lambda: self.noises, upstream_weight, Ranks())


@pytest.fixture
def batch(
    levels: Callable[..., list[LevelGAN]], encoder: Encoder, images: LabelledImages
) -> Callable[[int, bool], Batch]:
    def build(count: int, batch_norm: bool = False, top: str = "labels") -> Batch:
        return Batch(levels(count, batch_norm, top, loss_weights=LOSS_WEIGHTS), encoder, images)

    return build


def one_step(
    batch: Batch, upstream_weight: float, recorder: Callable, rates: tuple[float, float] = (0.0, 0.0)
) -> dict[str, list[Tensor]]:
    """The gradients that each player receives in one step; G and D move by plain gradient descent at these rates.

    Afterwards every player is thawed, ready to be differentiated by hand.
    """
    players = {}
    for level in batch.levels:
        for kind, rate in zip(("generator", "discriminator"), rates, strict=True):
            module = getattr(level, kind)
            players[f"{level.spec.target}.{kind}"] = Player(module, torch.optim.SGD(module.parameters(), lr=rate))
    train(Stage("joint"), players, lambda _: batch.turns(upstream_weight), ONE_STEP, recorder())
    return {
        name: [parameter.grad.clone() for parameter in player.module.train().requires_grad_(True).parameters()]
        for name, player in players.items()
    }


def noise_nll(level: LevelGAN, noise: Tensor, mean: Tensor) -> Tensor:
    return -torch.distributions.Normal(mean, level.spec.parameters.noise.posterior_std).log_prob(noise).mean()


def generator_losses(batch: Batch) -> list[Tensor]:
    """L_G of every level, top to bottom, on one connected graph: every condition below the first is generated."""
    losses, above = [], batch.labels
    for depth, (level, segment) in enumerate(zip(batch.levels, batch.segments, strict=True)):
        noise = batch.noises[level.spec.target]
        generated = level.generator(above, noise)
        output, encoded = level.discriminator(generated), segment(generated)
        conditional = (encoded - above).square().mean() if depth else torch.zeros(())
        if level.spec.parameters.condition == "labels":
            conditional = cross_entropy(encoded, above)
        losses.append(
            0.7 * softplus(-output.logits).mean()
            + 3 * conditional
            + 5 * noise_nll(level, noise, output.recovered_noise)
        )
        above = generated
    return losses


def literal_gradients(batch: Batch, upstream_weight: float) -> list[tuple[Tensor, ...]]:
    """The gradient of L_k + w x (losses of all levels below k) with respect to G_k, for every k from the top."""
    losses = generator_losses(batch)
    return [
        torch.autograd.grad(
            losses[depth] + upstream_weight * sum(losses[depth + 1 :]),
            list(level.generator.parameters()),
            retain_graph=True,
        )
        for depth, level in enumerate(batch.levels)
    ]


@pytest.mark.parametrize("upstream_weight", [0.0, 0.01, 0.3, 1.0])
@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch norm"])
@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("top", ["labels", "none"])
def test_each_generators_gradient_is_that_of_its_own_loss_plus_w_times_the_losses_below(
    batch: Callable[..., Batch], recorder: Callable, top: str, count: int, batch_norm: bool, upstream_weight: float
) -> None:
    built = batch(count, batch_norm, top)
    expected = literal_gradients(built, upstream_weight)
    found = one_step(built, upstream_weight, recorder)
    for level, gradients in zip(built.levels, expected, strict=True):
        for ours, literal in zip(found[f"{level.spec.target}.generator"], gradients, strict=True):
            assert literal.abs().max() > 0
            assert_close(ours, literal, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("count", [2, 3])
def test_the_losses_below_matter_in_this_setting(batch: Callable[..., Batch], count: int) -> None:
    alone, joint = (literal_gradients(batch(count), weight) for weight in (0.0, 0.3))
    for depth in range(count - 1):
        ours, others = (torch.cat([part.flatten() for part in which[depth]]) for which in (alone, joint))
        assert (ours - others).norm() > 0.01 * ours.norm()


def test_the_conditional_loss_below_reaches_the_level_above_through_its_target_too(
    batch: Callable[..., Batch], recorder: Callable
) -> None:
    built = batch(2)
    found = one_step(built, 1.0, recorder)["fc.generator"]
    top, bottom = built.levels
    above = top.generator(built.labels, built.noises["fc"])
    below = bottom.generator(above, built.noises["pixels"])
    # the target's share of the gradient, by the chain rule: d/dh mean (E(G(h)) - h)^2, of which h is the target
    (of_target,) = torch.autograd.grad(
        3 * (built.segments[1](below).detach() - above).square().mean(), above, retain_graph=True
    )
    share = torch.autograd.grad(above, list(top.generator.parameters()), of_target)
    expected = literal_gradients(built, 1.0)[0]
    assert max((part.abs().max() for part in share), default=torch.tensor(0.0)) > 1e-4
    for ours, literal, part in zip(found, expected, share, strict=True):
        assert_close(ours - part, literal - part, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_each_discriminators_gradient_is_that_of_its_own_loss_on_detached_pictures(
    batch: Callable[..., Batch], recorder: Callable, count: int
) -> None:
    built = batch(count)
    found, above = one_step(built, 0.3, recorder), built.labels
    for level in built.levels:
        noise = built.noises[level.spec.target]
        above = level.generator(above, noise).detach()
        on_generated, on_real = level.discriminator(above), level.discriminator(built.reals[level.spec.target])
        loss = 0.7 * (softplus(-on_real.logits).mean() + softplus(on_generated.logits).mean())
        loss = loss + 5 * noise_nll(level, noise, on_generated.recovered_noise)
        expected = torch.autograd.grad(loss, list(level.discriminator.parameters()))
        for ours, literal in zip(found[f"{level.spec.target}.discriminator"], expected, strict=True):
            assert_close(ours, literal, rtol=1e-4, atol=1e-6)


def test_at_w_0_no_gradient_from_below_reaches_the_upper_level(batch: Callable[..., Batch], recorder: Callable) -> None:
    found = []
    for _ in range(2):
        torch.manual_seed(0)
        built = batch(2)
        if found:  # a different lower level must not matter
            level = built.levels[1]
            initialise(level, level.spec.parameters.initialisation)
        found.append(one_step(built, 0.0, recorder))
    assert_close(found[0]["fc.generator"], found[1]["fc.generator"], rtol=0, atol=0)
    assert not torch.allclose(found[0]["pixels.generator"][0], found[1]["pixels.generator"][0])


@pytest.mark.parametrize("upstream_weight", [0.01, 0.3, 2.0])
def test_the_gradient_from_the_level_below_is_proportional_to_w(
    batch: Callable[..., Batch], recorder: Callable, upstream_weight: float
) -> None:
    def of_top(weight: float) -> Tensor:
        torch.manual_seed(0)
        return torch.cat([part.flatten() for part in one_step(batch(2), weight, recorder)["fc.generator"]])

    alone, plain = of_top(0.0), of_top(1.0)
    assert (plain - alone).norm() > 0.01 * alone.norm()
    assert_close(of_top(upstream_weight) - alone, upstream_weight * (plain - alone), rtol=1e-3, atol=2e-6)


@pytest.mark.parametrize("upstream_weight", [0.0, 0.3, 1.0])
def test_the_generators_step_on_gradients_computed_before_any_of_them_moved(
    batch: Callable[..., Batch], recorder: Callable, upstream_weight: float
) -> None:
    found = []
    for rate in (0.0, 0.5):
        torch.manual_seed(0)
        found.append(one_step(batch(3), upstream_weight, recorder, rates=(rate, 0.0)))
    for name, gradients in found[0].items():
        assert_close(found[1][name], gradients, rtol=0, atol=0, msg=lambda text, name=name: f"{name}: {text}")


def test_the_generators_are_judged_by_the_discriminators_of_this_step(
    batch: Callable[..., Batch], recorder: Callable
) -> None:
    built = batch(2)
    before = literal_gradients(built, 0.3)
    found = one_step(built, 0.3, recorder, rates=(0.0, 0.1))
    expected = literal_gradients(built, 0.3)  # the discriminators have moved, the generators have not
    assert not torch.allclose(before[0][0], expected[0][0], rtol=1e-2, atol=1e-5)
    for level, gradients in zip(built.levels, expected, strict=True):
        assert_close(found[f"{level.spec.target}.generator"], list(gradients), rtol=1e-4, atol=1e-6)


def test_the_discriminators_step_first_and_then_the_generators_from_the_pixels_up(
    batch: Callable[..., Batch], recorder: Callable
) -> None:
    built, order = batch(3), []
    players = {
        f"{level.spec.target}.{kind}": Player(module, torch.optim.SGD(module.parameters(), lr=0.1))
        for level in built.levels
        for kind, module in (("generator", level.generator), ("discriminator", level.discriminator))
    }

    def objective(_: int) -> Iterator[Turn]:
        for turn in built.turns(0.3):
            order.append(turn.player)
            yield turn

    train(Stage("joint"), players, objective, ONE_STEP, recorder())
    assert order == [
        "fc.discriminator",
        "block1.discriminator",
        "pixels.discriminator",
        "pixels.generator",
        "block1.generator",
        "fc.generator",
    ]


@pytest.fixture
def fit(
    encoder: Encoder, images: LabelledImages, recorder: Callable
) -> Callable[..., tuple[list[LevelGAN], list[dict[str, float]]]]:
    """Train a chain end to end on the real representations."""

    def run(
        chain: Sequence[LevelGAN], steps: int = 1, run: RunParameters = RUN, **others: object
    ) -> tuple[list[LevelGAN], list[dict[str, float]]]:
        found = encoder.representations(to_unit_range(images.images))
        inner = {name: Representation(name, found[name]) for name in ("block1", "fc")}
        training = {"steps": steps, "batch_size": 16, "learning_rate": 1e-2}
        parameters = JointParameters.model_validate({"upstream_weight": 0.3, "training": training, **others})
        targets = {"pixels": images.pixels(), **inner}
        top = images.conditions(chain[0].spec.parameters.condition)
        return fit_joint(run, parameters, chain, encoder, targets, top, recorder())

    return run


def weights(chain: Sequence[LevelGAN]) -> Tensor:
    return torch.cat([value.detach().flatten().float() for level in chain for value in level.state_dict().values()])


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("top", ["labels", "none"])
def test_a_full_step_gives_every_parameter_a_gradient_and_leaves_the_encoder_alone(
    levels: Callable[..., list[LevelGAN]],
    fit: Callable[..., tuple[list[LevelGAN], object]],
    encoder: Encoder,
    top: str,
    count: int,
) -> None:
    chain = levels(count, top=top)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    trained, _ = fit(chain)
    for (name, parameter), old in zip(
        nn.ModuleList(trained).named_parameters(), nn.ModuleList(chain).parameters(), strict=True
    ):
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert not torch.equal(parameter, old), name
    for name, value in encoder.state_dict().items():
        assert_close(value, before[name], rtol=0, atol=0)
    assert all(parameter.grad is None for parameter in encoder.parameters())


def test_the_independent_levels_are_not_changed(
    levels: Callable[..., list[LevelGAN]], fit: Callable[..., tuple[list[LevelGAN], object]]
) -> None:
    chain = levels(2, training={"steps": 1, "ema_decay": 0.9})
    before = weights(chain).clone()
    trained, _ = fit(chain, steps=2)
    assert_close(weights(chain), before, rtol=0, atol=0)
    assert not torch.equal(weights(trained), before)


def test_frozen_levels_from_a_file_can_be_trained(
    levels: Callable[..., list[LevelGAN]], fit: Callable[..., tuple[list[LevelGAN], object]]
) -> None:
    chain, frozen = levels(2), levels(2)
    for level, copied in zip(chain, frozen, strict=True):
        copied.load_state_dict(level.state_dict())
        copied.requires_grad_(False).eval()
    assert_close(weights(fit(frozen, steps=2)[0]), weights(fit(chain, steps=2)[0]), rtol=0, atol=0)


@pytest.mark.parametrize(("initialise", "matters"), [("independent", True), ("scratch", False)])
def test_training_from_scratch_ignores_the_independent_weights(
    levels: Callable[..., list[LevelGAN]],
    fit: Callable[..., tuple[list[LevelGAN], object]],
    initialise: str,
    matters: bool,
) -> None:
    averaging = {"training": {"steps": 1, "ema_decay": 0.9}}
    found = [weights(fit(levels(2, **averaging), initialise=initialise)[0]) for _ in range(2)]
    assert torch.allclose(found[0], found[1], rtol=0, atol=1e-3) != matters


def test_the_history_has_every_term_of_every_level(
    levels: Callable[..., list[LevelGAN]], fit: Callable[..., tuple[object, list[dict[str, float]]]]
) -> None:
    (row,) = fit(levels(2))[1]
    expected = {
        f"{name}.{term}"
        for name in ("fc", "pixels")
        for term in (
            "discriminator.adversarial",
            "discriminator.entropy",
            "generator.adversarial",
            "generator.conditional",
            "generator.entropy",
        )
    }
    expected |= {f"{name}.variance_ratio" for name in ("fc", "pixels")}
    assert set(row) == expected | {"step", "images_per_second"}


def test_the_first_level_of_a_stack_without_a_condition_has_no_conditional_term(
    levels: Callable[..., list[LevelGAN]], fit: Callable[..., tuple[object, list[dict[str, float]]]]
) -> None:
    (row,) = fit(levels(2, top="none"))[1]
    assert "fc.generator.conditional" not in row
    assert row["pixels.generator.conditional"] > 0


def test_joint_training_depends_on_the_seed_and_not_on_the_global_state(
    levels: Callable[..., list[LevelGAN]], fit: Callable[..., tuple[list[LevelGAN], object]]
) -> None:
    chain, found = levels(2), []
    for state, seed in ((1, 0), (2, 0), (2, 1)):
        torch.manual_seed(state)
        found.append(weights(fit(chain, 3, RunParameters(seed=seed))[0]))
    assert_close(found[0], found[1], rtol=0, atol=0)
    assert not torch.allclose(found[0], found[2], rtol=0, atol=1e-3)


def test_the_discriminators_can_have_their_own_learning_rate(batch: Callable[..., Batch]) -> None:
    joint = batch(2).joint_levels()
    training = {"steps": 1, "learning_rate": 1e-3, "discriminator_learning_rate": 4e-3}
    players = joint_players(joint, JointParameters.model_validate({"training": training}))
    assert {name: player.optimiser.param_groups[0]["lr"] for name, player in players.items()} == {
        "fc.generator": 1e-3,
        "fc.discriminator": 4e-3,
        "pixels.generator": 1e-3,
        "pixels.discriminator": 4e-3,
    }


def test_joint_training_updates_the_averaged_generators(
    levels: Callable[..., list[LevelGAN]], fit: Callable[..., tuple[list[LevelGAN], object]]
) -> None:
    averaging = {"steps": 1, "batch_size": 16, "learning_rate": 1e-2, "ema_decay": 0.9}
    chain = levels(2, training=averaging)
    trained, _ = fit(chain, training={**averaging, "steps": 2})
    for before, after in zip(chain, trained, strict=True):
        assert after.averaged_generator is not None
        for name, start in before.generator.named_parameters():
            average, current = after.averaged_generator.state_dict()[name], after.generator.state_dict()[name]
            assert 0 < (average - start).norm() < (current - start).norm(), name


def test_the_schedule_of_the_pixels_gives_all_generators_more_updates_with_new_noise(
    levels: Callable[..., list[LevelGAN]], encoder: Encoder, images: LabelledImages, recorder: Callable
) -> None:
    schedule = [{"above": 10.0, "updates": 1}, {"above": 0, "updates": 3}]
    built = Batch(levels(2, generator_updates=schedule), encoder, images)
    order, drawn, rng = [], [], torch.Generator().manual_seed(3)

    def draw() -> dict[str, Tensor]:
        drawn.append({name: torch.rand(noise.shape, generator=rng) for name, noise in built.noises.items()})
        return drawn[-1]

    def objective(_: int) -> Iterator[Turn]:
        for turn in joint_turns(built.joint_levels(), built.reals, built.labels, draw, 0.3, Ranks()):
            order.append(turn.player)
            yield turn

    players = joint_players(built.joint_levels(), JointParameters(training=ONE_STEP))
    before = {name: [value.clone() for value in player.module.parameters()] for name, player in players.items()}
    train(Stage("joint"), players, objective, ONE_STEP, recorder())
    assert order == ["fc.discriminator", "pixels.discriminator", *["pixels.generator", "fc.generator"] * 3]
    assert len(drawn) == 3
    for name, player in players.items():
        moved = [not torch.equal(*pair) for pair in zip(player.module.parameters(), before[name], strict=True)]
        assert all(moved)


def test_joint_training_may_give_d_other_layers_and_keeps_its_weights(
    levels: Callable[..., list[LevelGAN]], fit: Callable[..., tuple[list[LevelGAN], object]]
) -> None:
    chain = levels(2)
    plain = chain[1].spec.parameters.discriminator.model_dump()
    other = {**plain, "trunk": [*plain["trunk"], {"layer": "dropout", "probability": 0.5}]}
    trained, _ = fit(chain, discriminators={"pixels": other}, training={**ONE_STEP.model_dump(), "learning_rate": 1e-9})
    assert trained[1].spec.parameters.discriminator.trunk[-1].layer == "dropout"
    assert trained[0].spec.parameters.discriminator == chain[0].spec.parameters.discriminator
    for ours, theirs in zip(trained, chain, strict=True):
        for value, expected in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert_close(value, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("initialise", ["independent", "scratch"])
def test_class_aware_discriminators_and_mean_images_train_jointly(
    levels: Callable[..., list[LevelGAN]],
    fit: Callable[..., tuple[list[LevelGAN], list[dict[str, float]]]],
    images: LabelledImages,
    initialise: str,
) -> None:
    head = [{"layer": "linear", "features": "target"}]
    trunk = [{"layer": "mean_image"}, {"layer": "linear", "features": 16}, {"layer": "leaky_relu"}]
    trained, rows = fit(
        levels(2, discriminator={"trunk": trunk, "classes": head, "noise": head}), initialise=initialise
    )
    assert {"fc.discriminator.classes", "pixels.discriminator.classes"} <= set(rows[0])
    assert_close(trained[1].discriminator.trunk[0].mean, to_unit_range(images.images).mean(dim=0))
