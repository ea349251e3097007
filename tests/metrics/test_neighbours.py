"""Nearest neighbours block by block, against their definitions written out."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from gan_pipelines.metrics import neighbours
from gan_pipelines.metrics.neighbours import nearest_distances, picture_distances

Draw = Callable[..., Tensor]


@pytest.fixture
def draw(rng: torch.Generator) -> Draw:
    return lambda count, size=5: torch.randn(count, size, generator=rng)


@pytest.fixture
def pictures(rng: torch.Generator) -> Draw:
    """Pictures of noise: no two are near each other, so each is its own nearest one even if shifted."""
    return lambda count, channels=1, size=12: torch.randint(
        256, (count, channels, size, size), generator=rng, dtype=torch.uint8
    )


def all_distances(queries: Tensor, pool: Tensor) -> Tensor:
    """Every distance by its definition, in double precision."""
    return (queries.double()[:, None] - pool.double()[None]).square().sum(dim=2).sqrt()


def test_the_nearest_distances_are_the_smallest_of_all_in_ascending_order(draw: Draw) -> None:
    queries, pool = draw(40), draw(70)
    expected = all_distances(queries, pool).sort(dim=1).values[:, :3].float()
    assert_close(nearest_distances(queries, pool, 3), expected, rtol=1e-4, atol=1e-5)


def test_a_small_pool_has_fewer_neighbours(draw: Draw, pictures: Draw) -> None:
    assert nearest_distances(draw(5), draw(3)).shape == (5, 3)
    assert picture_distances(pictures(5), pictures(3)).shape == (5, 3)


def test_rows_of_bytes_are_as_far_apart_as_the_same_numbers(rng: torch.Generator) -> None:
    queries, pool = (torch.randint(256, (count, 12), generator=rng).to(torch.uint8) for count in (30, 50))
    expected = all_distances(queries, pool).amin(dim=1).float()
    assert expected.max() > 128  # differences below 0 do not wrap around
    assert_close(nearest_distances(queries, pool, 1).squeeze(1), expected, rtol=1e-4, atol=0)


@pytest.mark.parametrize(("channels", "size"), [(1, 12), (3, 9), (1, 1), (1, 2), (3, 8)])
def test_the_distance_to_an_equal_picture_is_exactly_0(pictures: Draw, channels: int, size: int) -> None:
    pool = pictures(30, channels, size)
    found = picture_distances(pool, pool, 3)
    assert (found[:, 0] == 0).all()
    assert (found.diff(dim=1) >= 0).all()


def test_pictures_are_compared_at_the_best_shift_by_one_pixel(pictures: Draw) -> None:
    """Shift and distance are written out for all pairs; with as many candidates as pictures nothing is missed."""
    ours, theirs = pictures(6, 3), pictures(7, 3)
    inner = ours[:, :, 1:-1, 1:-1].flatten(1)
    windows = [theirs[:, :, down : down + 10, right : right + 10] for down in range(3) for right in range(3)]
    best = torch.stack([all_distances(inner, window.flatten(1)) for window in windows]).amin(dim=0)
    assert_close(picture_distances(ours, theirs, 7), best.sort(dim=1).values.float())


def test_pictures_need_not_be_square(pictures: Draw) -> None:
    ours, theirs = pictures(6, 3)[:, :, :9], pictures(7, 3)[:, :, :9]
    inner = ours[:, :, 1:-1, 1:-1].flatten(1)
    windows = [theirs[:, :, down : down + 7, right : right + 10] for down in range(3) for right in range(3)]
    best = torch.stack([all_distances(inner, window.flatten(1)) for window in windows]).amin(dim=0)
    assert_close(picture_distances(ours, theirs, 7), best.sort(dim=1).values.float())


def test_high_and_narrow_pictures_are_averaged_before_they_are_compared(pictures: Draw) -> None:
    pool = pictures(8)
    high = pool.repeat_interleave(neighbours.FINE, dim=2)
    found = picture_distances(high, high)
    assert (found[:, 0] == 0).all()
    assert (found[:, 1] > 0).all()


@pytest.mark.parametrize("shift", [(0, 1), (1, 0), (-1, 1), (-1, -1)])
def test_a_picture_that_was_shifted_by_one_pixel_is_equal_and_by_two_pixels_is_not(
    pictures: Draw, shift: tuple[int, int]
) -> None:
    pool = pictures(8)
    assert (picture_distances(pool.roll(shift, dims=(2, 3)), pool)[:, 0] == 0).all()
    twice = (2 * shift[0], 2 * shift[1])
    assert picture_distances(pool.roll(twice, dims=(2, 3)), pool)[:, 0].min() > 100


def test_candidates_find_the_nearest_among_many_digits(digits: object) -> None:
    """Of all training images, the nearest is nearly always among the candidates, or one that is nearly as near."""
    ours, pool = digits.test.images[:40], digits.train.images[:400]  # type: ignore[attr-defined]
    found, exact = picture_distances(ours, pool)[:, 0], picture_distances(ours, pool, 400)[:, 0]
    assert 1 <= (found / exact).mean() < 1.04
    assert (found == exact).double().mean() > 0.7


@pytest.mark.parametrize("block", [1, 100, 1000])
def test_nothing_depends_on_how_much_is_held_at_once(
    draw: Draw, pictures: Draw, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    sides = draw(80), draw(60) + 0.5
    shown = pictures(20), pictures(30)

    def found() -> tuple[Tensor, Tensor]:
        return nearest_distances(*sides), picture_distances(*shown)

    whole = found()
    monkeypatch.setattr(neighbours, "BLOCK", block)
    monkeypatch.setattr(neighbours, "COMPARED", block)
    assert_close(found(), whole, rtol=1e-5, atol=1e-5)


def test_values_follow_their_pictures_into_another_order(draw: Draw, rng: torch.Generator) -> None:
    samples, real = draw(80), draw(60) + 0.5
    ours, theirs = (torch.randperm(len(rows), generator=rng) for rows in (samples, real))
    nearest = nearest_distances(samples, real)
    assert_close(nearest_distances(samples[ours], real[theirs]), nearest[ours], rtol=1e-5, atol=1e-5)
