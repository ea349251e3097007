"""Batch norms with the statistics of what a network gets, on copies whose weights are the same."""

from collections.abc import Callable, Iterator, Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from gan_pipelines.data.images import one_hot
from gan_pipelines.models import (
    InfoGAN,
    InfoGANSpec,
    LevelGAN,
    StackedGenerator,
    assemble_stack,
    standing_infogan,
    standing_levels,
    standing_stack,
)
from gan_pipelines.models.batch_norm import recompute_statistics
from gan_pipelines.models.layers import RandomAffine
from gan_pipelines.models.standing import BATCH_SIZE, PICTURES

CLASSES = ("a", "b", "c", "d")
LABELS = torch.arange(PICTURES) % 4
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
AVERAGED = {"steps": 1, "batch_size": 16, "learning_rate": 1e-3, "ema_decay": 0.9}

Levels = Callable[..., list[LevelGAN]]


def draws(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def values(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def changed(module: nn.Module, before: dict[str, Tensor]) -> set[str]:
    return {name for name, value in module.state_dict().items() if not torch.equal(value, before[name])}


def norms(module: nn.Module) -> Iterator[nn.BatchNorm1d | nn.BatchNorm2d]:
    return (part for part in module.modules() if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d))


def seen_by_norms(module: nn.Module, *inputs: Tensor) -> list[tuple[nn.Module, Tensor]]:
    """Each batch norm with what it gets, one column a channel."""
    found: list[tuple[nn.Module, Tensor]] = []

    def keep(norm: nn.Module, given: tuple[Tensor], _: object) -> None:
        found.append((norm, given[0].detach().transpose(1, -1).flatten(0, -2)))

    hooks = [norm.register_forward_hook(keep) for norm in norms(module)]
    module.eval()(*inputs)
    for hook in hooks:
        hook.remove()
    return found


def assert_statistics_of_data(found: Sequence[tuple[nn.Module, Tensor]], count: int) -> None:
    """The running statistics of each batch norm are about those of other data from the same distribution."""
    assert len(found) == count
    for norm, rows in found:
        variance = rows.var(dim=0)
        assert ((norm.running_mean - rows.mean(dim=0)).abs() <= 0.15 * variance.sqrt() + 1e-6).all()
        assert_close(norm.running_var, variance, rtol=0.2, atol=1e-9)


def test_the_statistics_are_the_means_over_batches_of_their_means_and_variances(rng: torch.Generator) -> None:
    network = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5), nn.Linear(3, 2), nn.BatchNorm1d(2, momentum=0.3))
    batches = [5 + torch.rand(7, 3, generator=rng) * torch.tensor([1.0, 2, 3]) for _ in range(4)]
    before = values(network)
    recompute_statistics(network, ((batch,) for batch in batches))
    inner = []
    for batch in batches:
        normal = (batch - batch.mean(dim=0)) / (batch.var(dim=0, correction=0) + 1e-5).sqrt()
        inner.append(network[2](normal))
    for norm, inputs in ((network[0], batches), (network[3], inner)):
        assert_close(norm.running_mean, torch.stack([batch.mean(dim=0) for batch in inputs]).mean(dim=0))
        assert_close(norm.running_var, torch.stack([batch.var(dim=0) for batch in inputs]).mean(dim=0))
    assert changed(network, before) == {f"{place}.{name}" for place in (0, 3) for name in STATISTICS}
    assert [network[0].momentum, network[3].momentum] == [0.1, 0.3]
    assert not any(module.training for module in network.modules())


def test_without_a_batch_norm_no_batch_is_drawn() -> None:
    def refuse() -> Iterator[tuple[Tensor]]:
        raise AssertionError("a batch was drawn")
        yield

    recompute_statistics(nn.Sequential(nn.Linear(3, 2), RandomAffine(0.1, 1)), refuse())


@pytest.fixture
def stack(levels: Levels) -> Callable[..., StackedGenerator]:
    return lambda *args, **replaced: assemble_stack(levels(*args, **replaced), CLASSES)


@pytest.mark.parametrize("top", ["labels", "none"])
@pytest.mark.parametrize("count", [1, 3])
def test_each_generator_of_a_stack_gets_the_statistics_of_what_those_above_it_make(
    stack: Callable[..., StackedGenerator], count: int, top: str
) -> None:
    built = stack(count, top=top)
    before = values(built)
    standing = standing_stack(built, LABELS, draws())
    assert changed(built, before) == set()
    assert {name.rsplit(".", 1)[1] for name in changed(standing, before)} == set(STATISTICS)
    assert_statistics_of_data(seen_by_norms(standing, LABELS[:2000], standing.sample_noise(2000, draws(2))), count)
    with pytest.raises(AssertionError):  # as the statistics of no data are not
        assert_statistics_of_data(seen_by_norms(built, LABELS[:2000], built.sample_noise(2000, draws(2))), count)


def test_the_samples_of_a_standing_stack_depend_on_its_streams_alone(stack: Callable[..., StackedGenerator]) -> None:
    built, found = stack(2), []
    for state, seed in ((1, 3), (2, 3), (1, 4)):
        torch.manual_seed(state)
        found.append(standing_stack(built, LABELS, draws(seed)).sample(LABELS[:40], draws()))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    assert not torch.equal(found[0], built.sample(LABELS[:40], draws()))


@pytest.mark.parametrize("decay", [0.0, 0.9])
def test_levels_get_statistics_in_the_generator_that_samples_and_in_q(levels: Levels, decay: float) -> None:
    trunk = [{"layer": "linear", "features": 16}, {"layer": "batch_norm"}, {"layer": "leaky_relu"}]
    head = [{"layer": "linear", "features": "target"}]
    discriminator = {"trunk": trunk, "adversarial": head, "noise": head}
    chain = levels(2, discriminator=discriminator, training={**AVERAGED, "ema_decay": decay})
    before = [values(level) for level in chain]
    standing = standing_levels(chain, LABELS, draws())
    assert [changed(level, kept) for level, kept in zip(chain, before, strict=True)] == [set(), set()]
    condition, other = one_hot(LABELS, 4), draws(2)
    for level, kept in zip(standing, before, strict=True):
        parts = {name.split(".")[0] for name in changed(level, kept)}
        assert parts == {"averaged_generator" if decay else "generator", "discriminator"}
        assert {name.rsplit(".", 1)[1] for name in changed(level, kept)} == set(STATISTICS)
        noise = level.latent.sample(PICTURES, other)
        assert_statistics_of_data(seen_by_norms(level.sampling_generator, condition, noise), 1)
        condition = level.sampling_generator(condition, noise).detach()
        assert_statistics_of_data(seen_by_norms(level.discriminator, condition), 1)


def test_stacks_and_their_levels_get_the_same_statistics(levels: Levels) -> None:
    chain = levels(3)
    of_levels, of_stack = (
        standing_levels(chain, LABELS, draws()),
        standing_stack(assemble_stack(chain, CLASSES), LABELS, draws()),
    )
    for level, generator in zip(of_levels, of_stack.generators.values(), strict=True):
        assert_close(level.generator.state_dict(), generator.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize("decay", [0.0, 0.9])
def test_an_infogan_gets_the_statistics_of_generated_pictures(
    infogan_spec: Callable[..., InfoGANSpec], decay: float
) -> None:
    gan = InfoGAN(infogan_spec(training={**AVERAGED, "ema_decay": decay})).eval()
    before = values(gan)
    standing = standing_infogan(gan, draws())
    assert changed(gan, before) == set()
    parts = {".".join(name.split(".")[:2]).split(".0")[0] for name in changed(standing, before)}
    assert {name.rsplit(".", 1)[1] for name in changed(standing, before)} == set(STATISTICS)
    sampling = "averaged_generator" if decay else "generator"
    assert {part.split(".")[0] for part in parts} == {sampling, "discriminator"}
    noise, codes = gan.noise.sample(2000, draws(2)), gan.codes.sample(2000, draws(2))
    assert_statistics_of_data(seen_by_norms(standing.sampling_generator, torch.cat([noise, codes], dim=1)), 1)
    q = nn.Sequential(standing.discriminator.trunk, standing.discriminator.codes)
    assert_statistics_of_data(seen_by_norms(q, standing.pictures(noise, codes)), 2)


def test_without_batch_norm_everything_stays_as_it_is(levels: Levels, infogan_spec: Callable[..., InfoGANSpec]) -> None:
    chain, gan = levels(3, batch_norm=False), InfoGAN(infogan_spec(batch_norm=False))
    stack = assemble_stack(chain, CLASSES)
    assert changed(standing_stack(stack, LABELS, draws()), values(stack)) == set()
    assert changed(standing_infogan(gan, draws()), values(gan)) == set()
    for level, standing in zip(chain, standing_levels(chain, LABELS, draws()), strict=True):
        assert changed(standing, values(level)) == set()


def test_pictures_come_in_whole_batches() -> None:
    assert PICTURES % BATCH_SIZE == 0
