"""Endless batches: permutations, epoch after epoch."""

from itertools import islice

import pytest
import torch
from torch.testing import assert_close

from gan_pipelines.data.batches import Batches
from gan_pipelines.parameters import ExperimentError


@pytest.mark.parametrize(("count", "batch_size"), [(12, 4), (14, 4), (5, 5), (7, 1)])
def test_every_epoch_gives_each_position_at_most_once_in_full_batches(
    rng: torch.Generator, count: int, batch_size: int
) -> None:
    batches = Batches(count, batch_size, rng)
    for _ in range(5):
        epoch = list(islice(batches, count // batch_size))
        assert {len(batch) for batch in epoch} == {batch_size}
        positions = torch.cat(epoch).tolist()
        assert len(set(positions)) == len(positions) == count - count % batch_size
        assert set(positions) <= set(range(count))


def test_epochs_come_in_different_orders(rng: torch.Generator) -> None:
    first, second = islice(Batches(50, 50, rng), 2)
    assert not torch.equal(first, second)
    assert first.tolist() != list(range(50))


def test_the_dropped_rest_is_another_in_every_epoch(rng: torch.Generator) -> None:
    batches = Batches(10, 4, rng)
    seen = torch.cat(list(islice(batches, 2 * 20)))
    counts = torch.bincount(seen, minlength=10)
    assert counts.min() >= 10  # of 20 epochs, 16 on average
    assert counts.max() <= 20


def test_batches_depend_on_their_generator_alone() -> None:
    def draw(seed: int, state: int) -> torch.Tensor:
        torch.manual_seed(state)
        return torch.cat(list(islice(Batches(20, 5, torch.Generator().manual_seed(seed)), 8)))

    assert_close(draw(1, 1), draw(1, 2), rtol=0, atol=0)
    assert not torch.equal(draw(1, 1), draw(2, 1))


def test_fewer_images_than_a_batch_holds_are_refused_with_both_numbers(rng: torch.Generator) -> None:
    with pytest.raises(ExperimentError) as error:
        next(Batches(9, 10, rng))
    assert str(error.value).startswith("batch_size: ")
    assert "images, 9; found 10" in str(error.value)
    assert "\n" not in str(error.value)
