"""The stack of generators: shapes and randomness."""

from collections.abc import Callable

import pytest
import torch
from torch.testing import assert_close

from gan_pipelines.data.images import one_hot, to_bytes
from gan_pipelines.models import LevelGAN, StackedGenerator, assemble_stack
from gan_pipelines.models.blocks import SAMPLING_BATCH

CLASSES = ("a", "b", "c", "d")
LABELS = torch.arange(40) % 4
SHAPES = {"fc": (12,), "block1": (4, 4, 4), "pixels": (1, 8, 8)}


@pytest.fixture
def stack(levels: Callable[..., list[LevelGAN]]) -> Callable[..., StackedGenerator]:
    """A stack of 1, 2 or 3 generators with running statistics from a few passes."""

    def build(count: int, top: str = "labels") -> StackedGenerator:
        chain = levels(count, top=top)
        for level in chain:
            for _ in range(3):
                level.generator(torch.rand(8, *level.spec.condition_shape), torch.rand(8, 3))
        return assemble_stack(chain, CLASSES)

    return build


def draws(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_stack_generates_every_representation_in_its_shape(
    stack: Callable[..., StackedGenerator], count: int
) -> None:
    built = stack(count)
    found = built(LABELS, built.sample_noise(40, draws(0)))
    assert list(found) == {1: ["pixels"], 2: ["fc", "pixels"], 3: ["fc", "block1", "pixels"]}[count]
    assert {name: tuple(value.shape) for name, value in found.items()} == {name: (40, *SHAPES[name]) for name in found}


@pytest.mark.parametrize("count", [1, 2, 3])
def test_samples_are_pictures_of_the_right_shape_and_range(stack: Callable[..., StackedGenerator], count: int) -> None:
    pictures = stack(count).sample(LABELS, draws(0))
    assert pictures.shape == (40, 1, 8, 8)
    assert pictures.dtype == torch.uint8
    assert pictures.min() < pictures.max()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_an_unconditional_stack_uses_only_the_number_of_labels(
    stack: Callable[..., StackedGenerator], count: int
) -> None:
    built = stack(count, top="none")
    assert not built.spec.conditional
    pictures = built.sample(LABELS, draws(0))
    assert pictures.shape == (40, 1, 8, 8)
    assert pictures.min() < pictures.max()
    assert_close(built.sample(torch.full((40,), -7), draws(0)), pictures, rtol=0, atol=0)


def test_a_stack_that_starts_from_labels_is_conditional(stack: Callable[..., StackedGenerator]) -> None:
    built = stack(2)
    assert built.spec.conditional
    assert not torch.equal(built.sample((LABELS + 1) % 4, draws(0)), built.sample(LABELS, draws(0)))


def test_each_level_takes_what_the_level_above_generates(levels: Callable[..., list[LevelGAN]]) -> None:
    chain = levels(3)
    built = assemble_stack(chain, CLASSES)
    noise = built.sample_noise(40, draws(0))
    found, expected = built(LABELS, noise), one_hot(LABELS, 4)
    for level in chain:
        expected = level.generator.eval()(expected, noise[level.spec.target])
        assert_close(found[level.spec.target], expected, rtol=0, atol=0)


def test_samples_are_the_pictures_of_the_drawn_noise(stack: Callable[..., StackedGenerator]) -> None:
    built = stack(2)
    expected = built(LABELS, built.sample_noise(40, draws(1)))["pixels"]
    assert_close(built.sample(LABELS, draws(1)), to_bytes(expected), rtol=0, atol=1)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_samples_depend_on_the_seed_and_not_on_the_global_state(
    stack: Callable[..., StackedGenerator], count: int
) -> None:
    built = stack(count)
    first = built.sample(LABELS, draws(1))
    torch.manual_seed(99)
    assert_close(built.sample(LABELS, draws(1)), first, rtol=0, atol=0)
    assert not torch.equal(built.sample(LABELS, draws(2)), first)


def test_sampling_leaves_the_global_state_alone(stack: Callable[..., StackedGenerator]) -> None:
    built, before = stack(2), torch.get_rng_state()
    built.sample(LABELS, draws(1))
    assert_close(torch.get_rng_state(), before, rtol=0, atol=0)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_samples_are_generated_batch_by_batch(stack: Callable[..., StackedGenerator], count: int) -> None:
    built, rng = stack(count), draws(1)
    labels = torch.arange(2 * SAMPLING_BATCH + 1) % 4
    parts = [built.sample(part, rng) for part in labels.split(SAMPLING_BATCH)]
    assert_close(built.sample(labels, draws(1)), torch.cat(parts), rtol=0, atol=0)


def test_no_more_than_one_batch_is_held_as_floats(
    stack: Callable[..., StackedGenerator], monkeypatch: pytest.MonkeyPatch
) -> None:
    built, seen = stack(2), []
    forward = StackedGenerator.forward

    def remembered(self: StackedGenerator, labels: torch.Tensor, noise: dict[str, torch.Tensor]) -> object:
        seen.append(len(labels))
        return forward(self, labels, noise)

    monkeypatch.setattr(StackedGenerator, "forward", remembered)
    built.sample(torch.zeros(3 * SAMPLING_BATCH + 7, dtype=torch.int64), draws(0))
    assert seen == [SAMPLING_BATCH] * 3 + [7]


def test_sampling_uses_running_statistics_and_leaves_them_alone(stack: Callable[..., StackedGenerator]) -> None:
    built = stack(2)
    noise = built.sample_noise(40, draws(1))
    expected = built.eval()(LABELS, noise)["pixels"]
    before = {name: value.clone() for name, value in built.state_dict().items()}
    built.train()
    assert_close(built.sample(LABELS, draws(1)), to_bytes(expected), rtol=0, atol=1)
    for name, value in built.state_dict().items():
        assert_close(value, before[name], rtol=0, atol=0)
    assert not torch.allclose(built.train()(LABELS, noise)["pixels"], expected, atol=1e-3)


def test_a_stack_keeps_its_own_copy_of_weights_and_statistics(levels: Callable[..., list[LevelGAN]]) -> None:
    chain = levels(2)
    built = assemble_stack(chain, CLASSES)
    expected = {name: value.clone() for name, value in built.state_dict().items()}
    for level in chain:
        level.generator(torch.rand(8, *level.spec.condition_shape), torch.rand(8, 3))
        with torch.no_grad():
            for parameter in level.generator.parameters():
                parameter.add_(1)
    for name, value in built.state_dict().items():
        assert_close(value, expected[name], rtol=0, atol=0)


@pytest.mark.parametrize("decay", [0.0, 0.9])
def test_a_stack_uses_the_averaged_generators_if_there_are_any(
    levels: Callable[..., list[LevelGAN]], decay: float
) -> None:
    chain = levels(2, training={"steps": 1, "ema_decay": decay})
    for level in chain:
        if level.averaged_generator is not None:
            with torch.no_grad():
                for parameter in level.averaged_generator.parameters():
                    parameter.add_(1)
    built = assemble_stack(chain, CLASSES)
    assert built.spec.averaged == (decay > 0)
    for level in chain:
        found, trained = built.generators[level.spec.target].parameters(), level.generator.parameters()
        for value, weight in zip(found, trained, strict=True):
            assert_close(value, weight + (1 if decay else 0))


def test_a_stack_names_its_levels_its_classes_and_its_data(levels: Callable[..., list[LevelGAN]]) -> None:
    chain = levels(3)
    spec = assemble_stack(chain, CLASSES).spec
    assert [level.target for level in spec.levels] == ["fc", "block1", "pixels"]
    assert (spec.classes, spec.data_digest) == (CLASSES, "synthetic")
