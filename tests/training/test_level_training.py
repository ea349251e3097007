"""Independent training of one level: which weights move, by which losses, on which draws."""

import math
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, softplus
from torch.testing import assert_close

from gan_pipelines.data.batches import Batches
from gan_pipelines.data.images import LabelledImages, Representation
from gan_pipelines.models import Encoder, LevelGAN, LevelSpec
from gan_pipelines.models.layers import ONEDNN_WEIGHTS
from gan_pipelines.parameters import RunParameters
from gan_pipelines.training import level as level_training
from gan_pipelines.training.engine import train
from gan_pipelines.training.level import discriminator_terms, fit_level, generator_terms
from gan_pipelines.training.players import gan_players
from gan_pipelines.training.stage import Stage, seeded_stage
from gan_pipelines.training.turns import Turn

RUN = RunParameters(seed=3)
WEIGHTS = {"adversarial": 0.7, "conditional": 3.0, "entropy": 5.0}
PAIRS = [("fc", "labels"), ("pixels", "fc"), ("pixels", "labels")]

Start = tuple[LevelGAN, Tensor, Tensor, Tensor]
"""A level before its first step, with that step's real targets, real conditions and noise."""


@pytest.fixture
def real(encoder: Encoder, images: LabelledImages) -> dict[str, Representation]:
    """Real representations of all images by name."""
    found = encoder.representations(images.pixels().batch(torch.arange(64)))
    inner = {name: Representation(name, found[name]) for name in ("block1", "fc")}
    return {"pixels": images.pixels(), **inner, **{name: images.conditions(name) for name in ("labels", "none")}}


@pytest.fixture
def fit(
    encoder: Encoder, real: dict[str, Representation], recorder: Callable
) -> Callable[..., tuple[LevelGAN, list[dict[str, float]]]]:
    """Train a level on the real representations."""

    def run(spec: LevelSpec, run: RunParameters = RUN) -> tuple[LevelGAN, list[dict[str, float]]]:
        return fit_level(run, spec, encoder, real[spec.target], real[spec.parameters.condition], recorder())

    return run


@pytest.fixture
def turns_of_g(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Tensor, Tensor]]:
    """Condition and noise of each turn of G so far."""
    turns: list[tuple[Tensor, Tensor]] = []
    terms = level_training.generator_terms

    def remember(*arguments: Tensor) -> object:
        condition, noise = arguments[3:]
        turns.append((condition.clone(), noise.clone()))
        return terms(*arguments)

    monkeypatch.setattr(level_training, "generator_terms", remember)
    return turns


@pytest.fixture
def start(real: dict[str, Representation]) -> Callable[..., Start]:
    """The start of a level's training: first its weights, then a batch, then noise."""

    def begin(spec: LevelSpec) -> Start:
        with seeded_stage(RUN, spec.target) as stage:
            level = LevelGAN(spec)
            index = next(Batches(64, 16, stage.rng))
            noise = level.latent.sample(16, stage.rng)
        return level, real[spec.target].batch(index), real[spec.parameters.condition].batch(index), noise

    return begin


def values(module: torch.nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in module.named_parameters()}


def moved(module: torch.nn.Module, before: dict[str, Tensor]) -> set[bool]:
    return {not torch.equal(value, before[name]) for name, value in module.named_parameters()}


def noise_nll(level: LevelGAN, noise: Tensor, mean: Tensor) -> Tensor:
    """-log Q(z | h) by torch's own Gaussian."""
    return -torch.distributions.Normal(mean, level.spec.parameters.noise.posterior_std).log_prob(noise).mean()


def test_the_discriminators_terms_are_those_of_the_paper(
    level_spec: Callable[..., LevelSpec], start: Callable[..., Start]
) -> None:
    level, real, condition, noise = start(level_spec("pixels", "fc", loss_weights=WEIGHTS))
    generated = level.generator(condition, noise).detach()
    found = discriminator_terms(level, real, generated, noise)
    on_real, on_generated = level.discriminator(real), level.discriminator(generated)
    adversarial = -torch.sigmoid(on_real.logits).log().mean() - (1 - torch.sigmoid(on_generated.logits)).log().mean()
    assert list(found) == ["adversarial", "entropy"]
    assert_close(found["adversarial"], 0.7 * adversarial)
    assert_close(found["entropy"], 5 * noise_nll(level, noise, on_generated.recovered_noise))


@pytest.mark.parametrize(("target", "condition"), PAIRS)
def test_the_generators_terms_are_those_of_the_paper(
    encoder: Encoder,
    level_spec: Callable[..., LevelSpec],
    start: Callable[..., Start],
    target: str,
    condition: str,
) -> None:
    level, _, above, noise = start(level_spec(target, condition, loss_weights=WEIGHTS))
    generated = level.generator(above, noise)
    segment, labelled = encoder.segment(target, condition), condition == "labels"
    found = generator_terms(level, segment, generated, above, noise)
    output, encoded = level.discriminator(generated), segment(generated)
    conditional = cross_entropy(encoded, above.argmax(dim=1)) if labelled else ((encoded - above) ** 2).mean()
    assert list(found) == ["adversarial", "conditional", "entropy"]
    assert_close(found["adversarial"], -0.7 * torch.sigmoid(output.logits).log().mean())
    assert_close(found["conditional"], 3 * conditional)
    assert_close(found["entropy"], 5 * noise_nll(level, noise, output.recovered_noise))


@pytest.mark.parametrize("target", ["fc", "pixels"])
def test_without_a_condition_there_is_no_conditional_term_and_nothing_is_encoded(
    encoder: Encoder,
    level_spec: Callable[..., LevelSpec],
    fit: Callable[..., tuple[LevelGAN, list[dict[str, float]]]],
    monkeypatch: pytest.MonkeyPatch,
    target: str,
) -> None:
    monkeypatch.setattr(Encoder, "segment", lambda *_: pytest.fail("the encoder was asked"))
    level, (row,) = fit(level_spec(target, "none", loss_weights=WEIGHTS))
    terms = {"discriminator.adversarial", "discriminator.entropy", "generator.adversarial", "generator.entropy"}
    assert set(row) == terms | {"step", "images_per_second", "variance_ratio"}
    for name, parameter in level.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_an_unconditional_level_minimises_the_adversarial_and_the_entropy_loss(
    level_spec: Callable[..., LevelSpec], fit: Callable[..., tuple[LevelGAN, object]], start: Callable[..., Start]
) -> None:
    spec = level_spec("pixels", "none", batch_norm=False, loss_weights=WEIGHTS)
    level, _ = fit(spec)
    expected, real, nothing, noise = start(spec)
    assert nothing.shape == (16, 0)
    of_d = torch.optim.Adam(expected.discriminator.parameters(), lr=1e-3, betas=(0.5, 0.999))
    generated = expected.generator(nothing, noise)
    sum(discriminator_terms(expected, real, generated.detach(), noise).values()).backward()
    of_d.step()
    output = expected.discriminator(generated)
    loss = 0.7 * softplus(-output.logits).mean() + 5 * noise_nll(expected, noise, output.recovered_noise)
    gradients = torch.autograd.grad(loss, list(expected.generator.parameters()))
    for parameter, wanted in zip(level.generator.parameters(), gradients, strict=True):
        assert_close(parameter.grad, wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("term", ["adversarial", "conditional", "entropy"])
def test_a_term_of_weight_0_has_no_gradient_at_all(
    encoder: Encoder, level_spec: Callable[..., LevelSpec], start: Callable[..., Start], term: str
) -> None:
    spec = level_spec("pixels", "fc", loss_weights={**WEIGHTS, term: 0})
    level, real, above, noise = start(spec)
    generated, segment = level.generator(above, noise), encoder.segment("pixels", "fc")
    turns = [
        (generator_terms(level, segment, generated, above, noise), level.generator),
        (discriminator_terms(level, real, generated.detach(), noise), level.discriminator),
    ]
    for terms, module in turns:
        if term not in terms:
            continue
        assert terms[term].item() == 0
        if terms[term].requires_grad:
            weights = list(module.parameters())
            for gradient in torch.autograd.grad(terms[term], weights, retain_graph=True, allow_unused=True):
                assert gradient is None or not gradient.any()


def test_with_conditional_weight_0_nothing_is_encoded(
    level_spec: Callable[..., LevelSpec], start: Callable[..., Start]
) -> None:
    level, _, above, noise = start(level_spec("pixels", "fc", loss_weights={**WEIGHTS, "conditional": 0}))
    segment = torch.nn.Identity()
    segment.register_forward_hook(lambda *_: pytest.fail("it was encoded"))
    generator_terms(level, segment, level.generator(above, noise), above, noise)


def test_the_discriminators_step_moves_it_and_its_noise_head_only(
    encoder: Encoder,
    level_spec: Callable[..., LevelSpec],
    start: Callable[..., Start],
    recorder: Callable,
) -> None:
    level, real, condition, noise = start(level_spec("pixels", "fc"))
    before = {name: values(module) for name, module in (*level.named_children(), ("encoder", encoder))}

    def objective(_: int) -> Iterator[Turn]:
        generated = level.generator(condition, noise)
        yield Turn("discriminator", lambda: discriminator_terms(level, real, generated.detach(), noise))

    train(
        Stage("pixels"),
        gan_players(level, level.spec.parameters.training),
        objective,
        level.spec.parameters.training,
        recorder(),
    )
    assert moved(level.discriminator, before["discriminator"]) == {True}
    assert moved(level.generator, before["generator"]) == {False}
    assert moved(encoder, before["encoder"]) == {False}
    assert all(parameter.grad is None for parameter in (*level.generator.parameters(), *encoder.parameters()))


def test_the_generators_step_moves_it_only(
    encoder: Encoder,
    level_spec: Callable[..., LevelSpec],
    start: Callable[..., Start],
    recorder: Callable,
) -> None:
    level, _, condition, noise = start(level_spec("pixels", "fc"))
    before = {name: values(module) for name, module in (*level.named_children(), ("encoder", encoder))}
    segment = encoder.segment("pixels", "fc")

    def objective(_: int) -> Iterator[Turn]:
        generated = level.generator(condition, noise)
        yield Turn("generator", lambda: generator_terms(level, segment, generated, condition, noise))

    train(
        Stage("pixels"),
        gan_players(level, level.spec.parameters.training),
        objective,
        level.spec.parameters.training,
        recorder(),
    )
    assert moved(level.generator, before["generator"]) == {True}
    assert moved(level.discriminator, before["discriminator"]) == {False}
    assert moved(encoder, before["encoder"]) == {False}
    assert all(parameter.grad is None for parameter in (*level.discriminator.parameters(), *encoder.parameters()))


@pytest.mark.parametrize(("target", "condition"), PAIRS)
def test_a_full_step_gives_every_parameter_a_gradient_and_leaves_the_encoder_alone(
    encoder: Encoder,
    level_spec: Callable[..., LevelSpec],
    fit: Callable[..., tuple[LevelGAN, object]],
    target: str,
    condition: str,
) -> None:
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    level, _ = fit(level_spec(target, condition))
    for name, parameter in level.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name
    for name, value in encoder.state_dict().items():
        assert_close(value, before[name], rtol=0, atol=0)
    assert all(parameter.grad is None for parameter in encoder.parameters())


@pytest.mark.parametrize(("target", "condition"), PAIRS)
def test_one_step_is_the_two_updates_written_out(
    encoder: Encoder,
    level_spec: Callable[..., LevelSpec],
    fit: Callable[..., tuple[LevelGAN, list[dict[str, float]]]],
    start: Callable[..., Start],
    target: str,
    condition: str,
) -> None:
    training = {"steps": 1, "batch_size": 16, "learning_rate": 1e-2, "discriminator_learning_rate": 3e-2}
    # without batch norm: before one, a bias has a gradient of rounding noise only, which Adam scales to its full rate
    spec = level_spec(target, condition, batch_norm=False, loss_weights=WEIGHTS, training=training)
    level, (row,) = fit(spec)

    expected, real, above, noise = start(spec)
    generator, discriminator = expected.generator, expected.discriminator
    of_d = torch.optim.Adam(discriminator.parameters(), lr=3e-2, betas=(0.5, 0.999))
    of_g = torch.optim.Adam(generator.parameters(), lr=1e-2, betas=(0.5, 0.999))
    generated = generator(above, noise)
    on_generated = discriminator(generated.detach())
    adversarial = 0.7 * (softplus(-discriminator(real).logits).mean() + softplus(on_generated.logits).mean())
    entropy = 5 * noise_nll(expected, noise, on_generated.recovered_noise)
    (adversarial + entropy).backward()
    of_d.step()
    terms = {"discriminator.adversarial": adversarial.item(), "discriminator.entropy": entropy.item()}

    output, encoded = discriminator(generated), encoder.segment(target, condition)(generated)
    on_features = ((encoded - above) ** 2).mean() if condition != "labels" else cross_entropy(encoded, above)
    adversarial, conditional = 0.7 * softplus(-output.logits).mean(), 3 * on_features
    entropy = 5 * noise_nll(expected, noise, output.recovered_noise)
    (adversarial + conditional + entropy).backward()
    of_g.step()
    terms["generator.adversarial"] = adversarial.item()
    terms["generator.conditional"] = conditional.item()
    terms["generator.entropy"] = entropy.item()

    assert_close({name: row[name] for name in terms}, terms, rtol=1e-5, atol=1e-6)
    for (name, value), wanted in zip(level.named_parameters(), expected.parameters(), strict=True):
        assert_close(value, wanted, rtol=1e-4, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}")


def test_the_shared_generator_pass_has_the_gradient_of_a_second_pass_with_the_same_noise(
    encoder: Encoder,
    level_spec: Callable[..., LevelSpec],
    fit: Callable[..., tuple[LevelGAN, object]],
    start: Callable[..., Start],
    recorder: Callable,
) -> None:
    spec, segment = level_spec("pixels", "fc"), encoder.segment("pixels", "fc")

    def gradient(level: LevelGAN) -> Tensor:
        return torch.cat([parameter.grad.flatten() for parameter in level.generator.parameters()])

    def with_second_pass(shift: float) -> Tensor:
        level, real, above, noise = start(spec)

        def objective(_: int) -> Iterator[Turn]:
            first_pass = level.generator(above, noise).detach()
            yield Turn("discriminator", lambda: discriminator_terms(level, real, first_pass, noise))
            second = (noise + shift) % 1
            second_pass = level.generator.requires_grad_(True)(above, second)
            yield Turn("generator", lambda: generator_terms(level, segment, second_pass, above, second))

        train(
            Stage("pixels"),
            gan_players(level, level.spec.parameters.training),
            objective,
            spec.parameters.training,
            recorder(),
        )
        return gradient(level)

    shared = gradient(fit(spec)[0])
    assert_close(with_second_pass(0.0), shared, rtol=1e-4, atol=1e-6)
    assert not torch.allclose(with_second_pass(0.5), shared, rtol=1e-2, atol=1e-4)


def test_training_depends_on_the_seed_and_not_on_the_global_state(
    level_spec: Callable[..., LevelSpec], fit: Callable[..., tuple[LevelGAN, object]]
) -> None:
    spec = level_spec("fc", training={"steps": 3, "batch_size": 16, "learning_rate": 1e-2})
    found = []
    for state, seed in ((1, 3), (2, 3), (2, 4)):
        torch.manual_seed(state)
        level, _ = fit(spec, RunParameters(seed=seed))
        found.append(torch.cat([parameter.detach().flatten() for parameter in level.parameters()]))
    assert_close(found[0], found[1], rtol=0, atol=0)
    assert not torch.allclose(found[0], found[2], rtol=0, atol=1e-2)


@pytest.mark.parametrize("decay", [0.0, 0.9])
def test_previews_are_shown_and_do_not_change_the_training(
    level_spec: Callable[..., LevelSpec],
    encoder: Encoder,
    real: dict[str, Representation],
    recorder: Callable,
    decay: float,
) -> None:
    observer = recorder()
    spec = level_spec("pixels", training={"steps": 10, "batch_size": 16, "ema_decay": decay})
    level, _ = fit_level(RUN, spec, encoder, real["pixels"], real["labels"], observer)
    with seeded_stage(RUN, "pixels") as stage:  # the same again without a preview
        plain = stage.place(LevelGAN(spec))
        batches, segment = Batches(64, 16, stage.rng), stage.place(encoder.segment("pixels", "labels"))

        def objective(_: int) -> Iterator[Turn]:
            index = next(batches)
            above, noise = real["labels"].batch(index), plain.latent.sample(16, stage.rng)
            generated = plain.generator(above, noise)
            target = real["pixels"].batch(index)
            yield Turn("discriminator", lambda: discriminator_terms(plain, target, generated.detach(), noise))
            yield Turn("generator", lambda: generator_terms(plain, segment, generated, above, noise))

        train(
            Stage("pixels"),
            gan_players(plain, spec.parameters.training),
            objective,
            spec.parameters.training,
            recorder(),
        )
    for (name, found), expected in zip(level.state_dict().items(), plain.state_dict().values(), strict=True):
        assert_close(found, expected, rtol=0, atol=0, msg=lambda text, name=name: f"{name}: {text}")
    shown = [pictures for _, pictures in observer.shown]
    assert [step for step, _ in observer.shown] == list(range(11))
    assert all(pictures.shape == (100, 1, 8, 8) for pictures in shown)
    assert 0 <= torch.cat(shown).min() < torch.cat(shown).max() <= 1


def test_a_preview_shows_the_sampling_generator_on_fixed_noise_class_by_class(
    level_spec: Callable[..., LevelSpec], encoder: Encoder, real: dict[str, Representation], recorder: Callable
) -> None:
    observer = recorder()
    spec = level_spec("pixels", training={"steps": 10, "batch_size": 16, "learning_rate": 1e-2, "ema_decay": 0.9})
    level, _ = fit_level(RUN, spec, encoder, real["pixels"], real["labels"], observer)
    noise = level.latent.sample(100, torch.Generator().manual_seed(0))
    labels = real["labels"].values
    by_column = labels[labels.argmax(dim=1).argsort(stable=True)][torch.arange(100) * 64 // 100].unflatten(0, (10, 10))
    assert by_column[0].argmax(dim=1).unique().tolist() == [0]
    expected = level.sampling_generator.eval()(by_column.transpose(0, 1).flatten(0, 1), noise)
    assert_close(observer.shown[-1][1], expected.detach())
    assert not torch.allclose(observer.shown[0][1], expected, rtol=0, atol=1e-3)


def test_every_step_draws_new_noise_and_batches_make_up_epochs(
    level_spec: Callable[..., LevelSpec], real: dict[str, Representation], encoder: Encoder, recorder: Callable
) -> None:
    seen: dict[str, list[Tensor]] = {"fc": [], "labels": []}

    class Remembered(Representation):
        """Remembers which indices were used."""

        def batch(self, index: Tensor) -> Tensor:
            seen[self.name].append(index)
            return super().batch(index)

    spec = level_spec("fc", training={"steps": 8, "batch_size": 16, "report_every_steps": 1})
    target, condition = (Remembered(real[name].name, real[name].values) for name in ("fc", "labels"))
    fit_level(RUN, spec, encoder, target, condition, recorder())
    assert len(seen["fc"]) == 8
    assert_close(seen["fc"], seen["labels"], rtol=0, atol=0)  # every target comes with its own condition
    for epoch in (seen["fc"][:4], seen["fc"][4:]):
        assert torch.cat(epoch).sort().values.tolist() == list(range(64))
    assert not torch.equal(seen["fc"][0], seen["fc"][4])


def test_the_averaged_generator_follows_and_lags_behind(
    level_spec: Callable[..., LevelSpec], fit: Callable[..., tuple[LevelGAN, object]], start: Callable[..., Start]
) -> None:
    spec = level_spec("fc", training={"steps": 2, "batch_size": 16, "learning_rate": 1e-2, "ema_decay": 0.9})
    first, (level, _) = start(spec)[0].generator.trunk[0].weight.detach(), fit(spec)
    assert level.averaged_generator is not None
    averaged, current = (module.trunk[0].weight for module in (level.averaged_generator, level.generator))
    share = ((averaged - first).norm() / (current - first).norm()).item()
    assert 0.5 < share < 0.98


def test_the_conditional_term_alone_makes_pictures_encode_to_their_condition(
    level_spec: Callable[..., LevelSpec], fit: Callable[..., tuple[LevelGAN, list[dict[str, float]]]]
) -> None:
    training = {"steps": 60, "batch_size": 32, "learning_rate": 5e-3, "report_every_steps": 20}
    weights = {"adversarial": 0.0, "conditional": 1.0, "entropy": 0.0}
    _, history = fit(level_spec("pixels", "fc", loss_weights=weights, training=training))
    assert 0 < history[-1]["generator.conditional"] < 0.3 * history[0]["generator.conditional"]


def test_the_entropy_term_alone_makes_noise_recoverable(
    level_spec: Callable[..., LevelSpec], fit: Callable[..., tuple[LevelGAN, list[dict[str, float]]]]
) -> None:
    training = {"steps": 100, "batch_size": 32, "learning_rate": 5e-3, "report_every_steps": 5}
    training["final_learning_rate_fraction"] = 0.02
    weights = {"adversarial": 0.0, "conditional": 0.0, "entropy": 1.0}
    _, history = fit(level_spec("pixels", "fc", loss_weights=weights, training=training))
    perfect, blind = 0.5 * math.log(math.pi), 0.5 * math.log(math.pi) + 1 / 12  # blind guesses the mean of U[0, 1)
    assert history[0]["generator.entropy"] > blind
    assert perfect < history[-1]["generator.entropy"] < (perfect + blind) / 2


LINEAR = {"layer": "linear", "features": "target"}
CLASS_AWARE = {"trunk": [{"layer": "linear", "features": 16}], "classes": [LINEAR], "noise": [LINEAR]}
FOUR_STEPS = {"steps": 4, "batch_size": 16}


def terms_of(level: LevelGAN, real: Tensor, above: Tensor, noise: Tensor, labels: Tensor | None = None) -> dict:
    return dict(discriminator_terms(level, real, level.generator(above, noise).detach(), noise, labels))


def test_halved_terms_of_d_are_half_of_the_sum_and_leave_the_entropy_alone(
    level_spec: Callable[..., LevelSpec], start: Callable[..., Start]
) -> None:
    full, half = (terms_of(*start(level_spec("pixels", "fc", discriminator_terms=terms))) for terms in ("sum", "mean"))
    assert_close(half["adversarial"], full["adversarial"] / 2)
    assert_close(half["entropy"], full["entropy"])


def test_a_class_aware_d_learns_the_classes_of_real_examples_alone(
    level_spec: Callable[..., LevelSpec], start: Callable[..., Start]
) -> None:
    weights = {**WEIGHTS, "classes": 2.0}
    level, real, above, noise = start(level_spec("pixels", "fc", discriminator=CLASS_AWARE, loss_weights=weights))
    labels = torch.arange(16) % 4
    found = terms_of(level, real, above, noise, labels)
    output = level.discriminator(real)
    assert_close(found["classes"], 2 * cross_entropy(output.class_logits, labels))
    odds = output.class_logits.exp().sum(dim=1)
    generated = level.discriminator(level.generator(above, noise)).class_logits.exp().sum(dim=1)
    expected = -(odds / (1 + odds)).log().mean() - (1 / (1 + generated)).log().mean()
    assert_close(found["adversarial"], 0.7 * expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="labels"):
        terms_of(level, real, above, noise)


@pytest.mark.parametrize("target", ["pixels", "fc"])
def test_the_gradient_penalty_in_a_level_has_the_gradient_of_finite_differences(
    level_spec: Callable[..., LevelSpec], start: Callable[..., Start], target: str
) -> None:
    """R1, through every layer of D, batch norm included, in double precision."""
    trunk = [{"layer": "linear", "features": 8}, {"layer": "batch_norm"}, {"layer": "leaky_relu"}]
    discriminator = {"trunk": trunk, "adversarial": [LINEAR], "noise": [LINEAR]}
    weights = {**WEIGHTS, "gradient_penalty": 4.0}
    level, real, above, noise = start(level_spec(target, discriminator=discriminator, loss_weights=weights))
    level, real, above, noise = level.double(), real.double(), above.double(), noise.double()
    weight = level.discriminator.trunk[1 if target == "pixels" else 0].weight
    (slope,) = torch.autograd.grad(terms_of(level, real, above, noise)["gradient_penalty"], weight)
    direction = torch.randn(weight.shape, generator=torch.Generator().manual_seed(5)).double()
    values, start_weight = [], weight.detach().clone()
    for step in (1e-5, -1e-5):
        with torch.no_grad():
            weight.copy_(start_weight + step * direction)
        values.append(terms_of(level, real, above, noise)["gradient_penalty"].item())
    assert_close((slope * direction).sum().item(), (values[0] - values[1]) / 2e-5, rtol=1e-5, atol=1e-8)
    assert slope.abs().max() > 1e-3


def test_a_level_with_every_extra_term_trains_and_reports_them(
    encoder: Encoder,
    real: dict[str, Representation],
    level_spec: Callable[..., LevelSpec],
    recorder: Callable,
    images: LabelledImages,
) -> None:
    """D is wide enough for the layers that oneDNN computes, through which R1 differentiates twice."""
    trunk = [{"layer": "linear", "features": 1100}, {"layer": "spectral_norm"}, {"layer": "leaky_relu"}]
    spec = level_spec(
        "pixels",
        "fc",
        discriminator={**CLASS_AWARE, "trunk": trunk},
        adversarial_loss="hinge",
        loss_weights={"gradient_penalty": 1.0},
        training={"steps": 3, "batch_size": 16, "report_every_steps": 1},
    )
    assert ONEDNN_WEIGHTS < 1100 * 64
    level, rows = fit_level(RUN, spec, encoder, real["pixels"], real["fc"], recorder(), labels=images.labels)
    names = {name for name in rows[0] if name.startswith("discriminator.")}
    assert names == {f"discriminator.{term}" for term in ("adversarial", "entropy", "classes", "gradient_penalty")}
    assert all(parameter.grad is not None for parameter in level.discriminator.parameters())


@pytest.mark.parametrize(("above", "updates"), [(10.0, 3), (0.1, 1)])
def test_a_schedule_gives_g_more_updates_with_noise_of_their_own_when_d_is_ahead(
    encoder: Encoder,
    real: dict[str, Representation],
    level_spec: Callable[..., LevelSpec],
    recorder: Callable,
    turns_of_g: list[tuple[Tensor, Tensor]],
    above: float,
    updates: int,
) -> None:
    """D's loss is between 0.1 and 10: below the first threshold, G gets the three updates of the second."""
    schedule = [{"above": above, "updates": 1}, {"above": 0, "updates": 3}]
    specs = (level_spec("pixels", "fc", generator_updates=found, training=FOUR_STEPS) for found in (schedule, []))
    (ours, rows), (plain, _) = (fit_level(RUN, spec, encoder, real["pixels"], real["fc"], recorder()) for spec in specs)
    noises = [noise for _, noise in turns_of_g]
    assert len(noises) == 4 * updates + 4
    assert len({noise.numpy().tobytes() for noise in noises[: 4 * updates]}) == 4 * updates
    assert torch.equal(ours.generator.trunk[0].weight, plain.generator.trunk[0].weight) == (updates == 1)
    assert rows[-1]["generator.adversarial"] < 3  # a mean over updates, not a sum over those of a step


def test_the_mean_image_of_a_level_is_that_of_its_targets(
    encoder: Encoder, real: dict[str, Representation], level_spec: Callable[..., LevelSpec], recorder: Callable
) -> None:
    trunk = [{"layer": "mean_image"}, {"layer": "linear", "features": 8}, {"layer": "leaky_relu"}]
    spec = level_spec("pixels", "fc", discriminator={"trunk": trunk, "adversarial": [LINEAR], "noise": [LINEAR]})
    level, _ = fit_level(RUN, spec, encoder, real["pixels"], real["fc"], recorder())
    assert_close(level.discriminator.trunk[0].mean, real["pixels"].batch(torch.arange(64)).mean(dim=0))


@pytest.mark.parametrize(("condition", "expected"), [("fc", 0.5), ("labels", 0.0)])
def test_a_level_trains_on_conditions_with_noise_unless_they_are_labels(
    level_spec: Callable[..., LevelSpec],
    fit: Callable[..., tuple[LevelGAN, list[dict[str, float]]]],
    turns_of_g: list[tuple[Tensor, Tensor]],
    condition: str,
    expected: float,
) -> None:
    for deviation in (0.0, 0.5, 0.5):
        fit(level_spec("pixels", condition, condition_noise=deviation, training=FOUR_STEPS))
    plain, disturbed, again = (turns_of_g[step][0] for step in (0, 4, 8))  # each the first step, from the same images
    assert (disturbed - plain).std().item() == pytest.approx(expected, rel=0.2)
    assert abs((disturbed - plain).mean().item()) <= 0.1
    assert torch.equal(again, disturbed)
