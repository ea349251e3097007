"""Nearest neighbours block by block, against their definitions written out."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close
from torch_fidelity.metric_prc import prc_features_to_metric

from gan_pipelines.metrics import neighbours
from gan_pipelines.metrics.distances import precision_and_recall
from gan_pipelines.metrics.neighbours import Membership, manifold_membership, nearest_distances, neighbour_radii

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


def membership_by_definition(samples: Tensor, real: Tensor) -> Membership:
    """Kynkaanniemi et al. 2019, equations 1 and 2; Naeem et al. 2020, section 3.2."""
    distances = all_distances(samples, real)
    sample_radii, real_radii, wide_radii = (
        radii_by_definition(rows, k) for rows, k in ((samples, 3), (real, 3), (real, 5))
    )
    precise = [any(row[i] <= real_radii[i] for i in range(len(real))) for row in distances]
    recalled = [any(column[i] <= sample_radii[i] for i in range(len(samples))) for column in distances.T]
    density = [sum(float(row[i] <= wide_radii[i]) for i in range(len(real))) / 5 for row in distances]
    covered = [column.min() <= radius for column, radius in zip(distances.T, wide_radii, strict=True)]
    return Membership(torch.tensor(precise), torch.tensor(recalled), torch.tensor(density), torch.tensor(covered))


def means(found: Membership) -> dict[str, float]:
    return {name: values.double().mean().item() for name, values in vars(found).items()}


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

    def found() -> dict[str, Tensor]:
        return {
            **vars(manifold_membership(samples, real)),
            "nearest": nearest_distances(samples, real),
            "radii": neighbour_radii(real, 3),
        }

    whole = found()
    monkeypatch.setattr(neighbours, "BLOCK", block)
    assert_close(found(), whole, rtol=1e-5, atol=1e-5)


def test_values_follow_their_pictures_into_another_order(draw: Draw, rng: torch.Generator) -> None:
    samples, real = draw(80), draw(60) + 0.5
    ours, theirs = (torch.randperm(len(rows), generator=rng) for rows in (samples, real))
    found, again = manifold_membership(samples, real), manifold_membership(samples[ours], real[theirs])
    assert_close(again.precise, found.precise[ours])
    assert_close(again.density, found.density[ours])
    assert_close(again.recalled, found.recalled[theirs])
    assert_close(again.covered, found.covered[theirs])
    nearest = nearest_distances(samples, real)
    assert_close(nearest_distances(samples[ours], real[theirs]), nearest[ours], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shift", [0.0, 1.0, 2.5])
def test_membership_follows_the_definitions_of_the_papers(draw: Draw, shift: float) -> None:
    samples, real = 0.8 * draw(50) + shift, draw(40)
    found, expected = manifold_membership(samples, real), membership_by_definition(samples, real)
    for name, values in vars(expected).items():
        assert_close(getattr(found, name), values, msg=name)
    if shift == 1:  # neither nothing nor everything
        assert all(0 < mean < 1 for mean in means(found).values())


@pytest.mark.parametrize("shift", [0.0, 1.0, 2.5])
def test_precision_and_recall_agree_with_torch_fidelity(draw: Draw, shift: float) -> None:
    samples, real = 0.8 * draw(300) + shift, draw(200)
    settings = {"prc_neighborhood": 3, "prc_batch_size": 10_000, "save_cpu_ram": False, "verbose": False}
    theirs = prc_features_to_metric(samples, real, **settings)
    found = means(manifold_membership(samples, real))
    expected = (theirs["precision"], theirs["recall"])
    assert_close((found["precise"], found["recalled"]), expected, rtol=0, atol=1e-6)
    assert_close(precision_and_recall(samples, real), expected, rtol=0, atol=1e-6)


def test_real_images_recall_and_cover_themselves_and_have_density_6_over_5(rng: torch.Generator) -> None:
    rows = torch.randint(1000, (150, 6), generator=rng).float()  # whose distances have no rounding
    found = means(manifold_membership(rows, rows))
    assert_close(found, {"precise": 1.0, "recalled": 1.0, "density": 6 / 5, "covered": 1.0})


def test_two_samples_of_one_distribution_have_density_1_and_coverage_31_over_32(draw: Draw) -> None:
    """Naeem et al. 2020, section 3.3: a ball up to the k-th of n neighbours holds a new point with chance k / n."""
    found = means(manifold_membership(draw(1500), draw(1500)))
    assert_close(found["density"], 1.0, rtol=0, atol=0.06)
    assert_close(found["covered"], 1 - 1 / 2**5, rtol=0, atol=0.01)


def test_samples_far_from_all_real_images_score_0(draw: Draw) -> None:
    found = means(manifold_membership(draw(40) + 100, draw(50)))
    assert set(found.values()) == {0.0}


def test_a_single_repeated_sample_is_precise_but_recalls_nothing(draw: Draw) -> None:
    real = draw(100)
    found = means(manifold_membership(real[:1].expand(100, 5).contiguous(), real))
    assert found["precise"] == 1
    assert 0.01 <= found["recalled"] <= 0.02
    assert 0.01 < found["covered"] < 0.25
    assert found["density"] > 1 / 5


def test_one_real_outlier_spoils_the_precision_but_not_the_density(draw: Draw) -> None:
    """Naeem et al. 2020, figure 1: the ball of an outlier holds whatever lies between."""
    real, samples = draw(200, 2), 0.3 * draw(200, 2) + 20
    outlier = torch.tensor([[40.0, 40.0]])
    before, after = (means(manifold_membership(samples, rows)) for rows in (real, torch.cat([real, outlier])))
    assert before["precise"] == before["density"] == 0
    assert after["precise"] == 1
    assert_close(after["density"], 1 / 5)
