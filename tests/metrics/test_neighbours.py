"""Nearest neighbours block by block, against their definitions written out."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from gan_pipelines.metrics import neighbours
from gan_pipelines.metrics.neighbours import nearest_distances, neighbour_radii

Draw = Callable[..., Tensor]


@pytest.fixture
def draw(rng: torch.Generator) -> Draw:
    return lambda count, size=5: torch.randn(count, size, generator=rng)


def all_distances(queries: Tensor, pool: Tensor) -> Tensor:
    """Every distance by its definition, in double precision."""
    return (queries.double()[:, None] - pool.double()[None]).square().sum(dim=2).sqrt()


def radii_by_definition(rows: Tensor, neighbour: int) -> Tensor:
    """A row is no neighbour of itself."""
    return all_distances(rows, rows).fill_diagonal_(torch.inf).sort(dim=1).values[:, neighbour - 1]


def test_the_nearest_distance_is_the_smallest_of_all(draw: Draw) -> None:
    queries, pool = draw(40), draw(70)
    expected = all_distances(queries, pool).amin(dim=1).float()
    assert_close(nearest_distances(queries, pool), expected, rtol=1e-4, atol=1e-5)


def test_the_nearest_distance_of_a_shifted_row_of_the_pool_is_the_length_of_the_shift(draw: Draw) -> None:
    pool = 100 * draw(30)
    assert nearest_distances(pool, pool).max() < 0.5  # rows lie hundreds apart, and squares are rounded
    moved = pool + torch.tensor([3.0, 4.0, 0.0, 0.0, 0.0])
    assert_close(nearest_distances(moved, pool), torch.full((30,), 5.0), rtol=1e-2, atol=0)


def test_rows_of_bytes_are_as_far_apart_as_the_same_numbers(rng: torch.Generator) -> None:
    queries, pool = (torch.randint(256, (count, 12), generator=rng).to(torch.uint8) for count in (30, 50))
    expected = all_distances(queries, pool).amin(dim=1).float()
    assert expected.max() > 128  # differences below 0 do not wrap around
    assert_close(nearest_distances(queries, pool), expected, rtol=1e-4, atol=0)
    radii = radii_by_definition(pool, 2).float()
    assert_close(neighbour_radii(pool, 2), radii, rtol=1e-4, atol=0)


@pytest.mark.parametrize("neighbour", [1, 3, 5])
def test_a_radius_is_the_distance_to_the_kth_other_row(draw: Draw, neighbour: int) -> None:
    rows = draw(60)
    expected = radii_by_definition(rows, neighbour).float()
    assert_close(neighbour_radii(rows, neighbour), expected, rtol=1e-4, atol=1e-5)


def test_the_radii_of_points_on_a_line_are_computed_by_hand() -> None:
    rows = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    assert_close(neighbour_radii(rows, 1), torch.tensor([1.0, 1.0, 2.0, 4.0]))
    assert_close(neighbour_radii(rows, 3), torch.tensor([7.0, 6.0, 4.0, 7.0]))


def test_a_duplicated_row_has_a_neighbour_at_distance_0(draw: Draw) -> None:
    rows = draw(20)
    found = neighbour_radii(torch.cat([rows, rows[:1]]), 1)
    assert found[[0, 20]].max() < 2e-3
    assert found[1:20].min() > 0.1


@pytest.mark.parametrize("block", [1, 100, 1000])
def test_nothing_depends_on_how_many_distances_are_held_at_once(
    draw: Draw, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    samples, real = draw(80), draw(60) + 0.5

    def found() -> tuple[Tensor, Tensor]:
        return nearest_distances(samples, real), neighbour_radii(real, 3)

    whole = found()
    monkeypatch.setattr(neighbours, "BLOCK", block)
    assert_close(found(), whole, rtol=1e-5, atol=1e-5)


def test_values_follow_their_pictures_into_another_order(draw: Draw, rng: torch.Generator) -> None:
    samples, real = draw(80), draw(60) + 0.5
    ours, theirs = (torch.randperm(len(rows), generator=rng) for rows in (samples, real))
    nearest = nearest_distances(samples, real)
    assert_close(nearest_distances(samples[ours], real[theirs]), nearest[ours], rtol=1e-5, atol=1e-5)
    assert_close(neighbour_radii(samples[ours], 3), neighbour_radii(samples, 3)[ours], rtol=1e-5, atol=1e-5)
