"""Endless batches: permutations, epochs and resumption."""

from itertools import islice
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from gan_pipelines.data.batches import Batches
from gan_pipelines.parameters import ExperimentError
from gan_pipelines.tensor_file import read_tensors, write_tensors


@pytest.mark.parametrize(("count", "batch_size"), [(12, 4), (14, 4), (5, 5), (7, 1)])
def test_every_epoch_yields_each_index_at_most_once_in_full_batches(
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


def test_the_dropped_rest_differs_between_epochs(rng: torch.Generator) -> None:
    batches = Batches(10, 4, rng)
    seen = torch.cat(list(islice(batches, 2 * 20)))
    counts = torch.bincount(seen, minlength=10)
    assert counts.min() >= 10  # of 20 epochs, 16 on average
    assert counts.max() <= 20


def test_batches_depend_only_on_their_generator() -> None:
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


@pytest.mark.parametrize("taken", range(12))
def test_restored_batches_continue_where_the_saved_ones_were(taken: int) -> None:
    """In the middle of an epoch, at its end, and before the first one."""
    first_rng, second_rng = torch.Generator().manual_seed(1), torch.Generator().manual_seed(2)
    first, second = Batches(14, 4, first_rng), Batches(14, 4, second_rng)
    for _ in range(taken):
        next(first)
        next(second)
    next(second)
    second.restore(first.state())
    second_rng.set_state(first_rng.get_state())
    for expected, found in islice(zip(first, second, strict=True), 9):
        assert_close(found, expected, rtol=0, atol=0)


def test_a_saved_state_does_not_change_when_the_batches_advance(rng: torch.Generator) -> None:
    batches = Batches(14, 4, rng)
    next(batches)
    state = batches.state()
    kept = {name: value.clone() for name, value in state.items()}
    for _ in range(10):
        next(batches)
    for name, value in kept.items():
        assert_close(state[name], value, rtol=0, atol=0)


def test_the_state_of_batches_can_be_stored_in_a_file(tmp_path: Path) -> None:
    for taken in (0, 1):
        batches = Batches(14, 4, torch.Generator().manual_seed(1))
        list(islice(batches, taken))
        write_tensors(tmp_path / "state", batches.state(), {})
        found, _ = read_tensors(tmp_path / "state")
        again = Batches(14, 4, torch.Generator().manual_seed(1))
        list(islice(again, taken))
        again.restore(found)
        assert_close(next(again), next(batches), rtol=0, atol=0)
