"""Precision, recall, density and coverage: the papers' definitions written out, brute force, simulations."""

import math
from collections.abc import Callable

import pytest
import torch
from scipy import stats
from torch import Tensor
from torch.testing import assert_close
from torch_fidelity.metric_prc import prc_features_to_metric

from gan_pipelines.metrics import manifolds
from gan_pipelines.metrics.intervals import GROUPS, group_variance, stratified_groups
from gan_pipelines.metrics.manifolds import (
    MANIFOLD_SCORES,
    ManifoldScores,
    expected_coverage,
    manifold_scores,
    precision_and_recall,
)

Draw = Callable[..., Tensor]


@pytest.fixture
def draw(rng: torch.Generator) -> Draw:
    return lambda count, size=5: torch.randn(count, size, generator=rng)


def scored(samples: Tensor, real: Tensor, seed: int = 1) -> ManifoldScores:
    strata = (torch.zeros(len(side)).long() for side in (samples, real))
    return manifold_scores(samples, real, *strata, torch.Generator().manual_seed(seed))


def by_definition(samples: Tensor, real: Tensor) -> Tensor:
    """Kynkaanniemi et al. 2019, equations 1 and 2; Naeem et al. 2020, section 3.2; a picture is no neighbour of itself.

    As an estimate may be asked for of few pictures, the k-th neighbour of fewer is the last one.
    """

    def distances(ours: Tensor, theirs: Tensor) -> Tensor:
        return (ours.double()[:, None] - theirs.double()[None]).square().sum(dim=2).sqrt()

    def radii(rows: Tensor, neighbour: int) -> list[float]:
        others = distances(rows, rows).fill_diagonal_(torch.inf).sort(dim=1).values
        return others[:, min(neighbour, len(rows) - 1) - 1].tolist()

    apart = distances(samples, real)
    narrow, wide, ours = radii(real, 3), radii(real, 5), radii(samples, 3)
    precision = [any(row[i] <= narrow[i] for i in range(len(real))) for row in apart]
    recall = [any(column[i] <= ours[i] for i in range(len(samples))) for column in apart.T]
    density = [sum(bool(row[i] <= wide[i]) for i in range(len(real))) / 5 for row in apart]
    coverage = [bool(column.min() <= radius) for column, radius in zip(apart.T, wide, strict=True)]
    return torch.tensor([sum(values) / len(values) for values in (precision, recall, density, coverage)]).double()


@pytest.mark.parametrize("shift", [0.0, 1.0, 2.5])
def test_the_scores_follow_the_definitions_of_the_papers(draw: Draw, shift: float) -> None:
    samples, real = 0.8 * draw(50) + shift, draw(50)
    found, expected = scored(samples, real), by_definition(samples, real)
    assert list(found.values) == list(MANIFOLD_SCORES)
    assert_close(torch.tensor([*found.values.values()]).double(), expected, rtol=0, atol=1e-6)
    if shift == 1:  # neither nothing nor everything
        assert 0 < expected.min() < expected.max() < 1


@pytest.mark.parametrize("shift", [0.0, 1.0, 2.5])
def test_precision_and_recall_agree_with_torch_fidelity(draw: Draw, shift: float) -> None:
    samples, real = 0.8 * draw(200) + shift, draw(200)
    settings = {"prc_neighborhood": 3, "prc_batch_size": 10_000, "save_cpu_ram": False, "verbose": False}
    theirs = prc_features_to_metric(samples, real, **settings)
    expected = theirs["precision"], theirs["recall"]
    found = scored(samples, real).values
    assert_close((found["precision"], found["recall"]), expected, rtol=0, atol=1e-6)
    assert_close(precision_and_recall(samples, real), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("count", [12, 45])
def test_the_jackknife_leaves_out_each_group_of_either_side_and_finds_all_neighbours_anew(
    draw: Draw, rng: torch.Generator, count: int
) -> None:
    """Groups of unequal size, as they are within a part; a group without pictures changes nothing."""
    samples, real = 0.8 * draw(count) + 0.7, draw(count)
    groups, real_groups = (torch.randint(GROUPS, (count,), generator=rng) for _ in range(2))
    splits = torch.arange(count)[None] % 4
    ours, theirs = manifolds._Part(samples, groups, splits), manifolds._Part(real, real_groups, splits)
    values, without_ours, without_theirs = manifolds._jackknife(torch.cdist(samples, real), ours, theirs)
    assert_close(values, by_definition(samples, real), rtol=0, atol=1e-6)
    for group in range(GROUPS):
        assert_close(without_ours[group], by_definition(samples[groups != group], real), rtol=0, atol=1e-6)
        assert_close(without_theirs[group], by_definition(samples, real[real_groups != group]), rtol=0, atol=1e-6)
    assert len(without_ours.unique(dim=0)) > 5


def test_a_neighbour_is_found_although_nearer_ones_are_left_out() -> None:
    """On a line, where the nearest pictures of the first one are all of one group."""
    rows, groups = torch.tensor([[0.0], [1.0], [2.0], [3.0], [10.0], [30.0]]), torch.tensor([0, 1, 1, 1, 2, 3])
    part = manifolds._Part(rows, groups, torch.tensor([[0, 1, 2, 3, 0, 1]]))
    assert_close(part.radii(2), torch.tensor([2.0, 1, 1, 2, 8, 27]))
    assert_close(part.radii(2, without=1), torch.tensor([30.0, -1, -1, -1, 20, 30]))


@pytest.mark.parametrize("count", [24, 61])
def test_halves_and_quarters_are_scored_by_themselves(draw: Draw, rng: torch.Generator, count: int) -> None:
    samples, real = 0.8 * draw(count) + 0.7, draw(count)
    splits, real_splits = (torch.stack([torch.randperm(count, generator=rng) % 4 for _ in range(3)]) for _ in range(2))
    group = torch.zeros(count).long()
    ours, theirs = manifolds._Part(samples, group, splits), manifolds._Part(real, group, real_splits)
    found = manifolds._of_pieces(torch.cdist(samples, real), ours, theirs)
    assert found.shape == (3, 6, 4)
    for scores, split, other in zip(found, splits, real_splits, strict=True):
        halves = [by_definition(samples[split // 2 == number], real[other // 2 == number]) for number in (0, 1)]
        quarters = [by_definition(samples[split == number], real[other == number]) for number in range(4)]
        assert_close(scores, torch.stack(halves + quarters), rtol=0, atol=1e-6)


def test_the_variance_is_extrapolated_from_quarters_and_halves_within_bounds(draw: Draw) -> None:
    """Per picture it grows by as much as from quarters to halves; at least that of halves, and of the jackknife from a
    sixth to all."""
    moved = [draw(GROUPS, 1).double().expand(-1, 5), draw(GROUPS, 1).double().expand(-1, 5)]
    jackknife = sum(group_variance(groups[:, 0]) for groups in moved)
    of_halves, of_quarters = (
        torch.tensor(share) * jackknife for share in ([0, 0.5, 0.4, 0.5, 3], [0, 0.5, 0.3, 0.9, 0])
    )
    halves = torch.stack([-of_halves.sqrt(), of_halves.sqrt()])  # of two values x, -x the variance is 2 x^2
    signs = torch.tensor([-1.0, -1, 1, 1])[:, None]
    pieces = torch.cat([halves, signs * (3 * of_quarters).sqrt()]).double()[None]  # of +-x, four times, 4 / 3 x^2
    found = manifolds._scales(moved, pieces)
    assert_close([scale**2 for scale in found], [1 / 6, 0.5, 0.5, 0.5, 1.0])


@pytest.mark.slow
@pytest.mark.parametrize("counts", [(150, 150), (150, 300)], ids=["equal", "more real images"])
def test_the_intervals_have_the_width_of_repeated_draws(draw: Draw, counts: tuple[int, int]) -> None:
    """Those of the jackknife alone are 1.3 to 2.3 times as wide; more pictures on one side make them narrower."""
    values, variances = [], []
    for trial in range(40):
        found = scored(0.8 * draw(counts[0]), draw(counts[1]), trial)
        assert found.pictures == 150
        values.append([*found.values.values()])
        variances.append([found.uncertainties[name].variance for name in MANIFOLD_SCORES])
    drawn, estimated = torch.tensor(values).double(), torch.tensor(variances).double()
    ratios = estimated.mean(dim=0).sqrt() / drawn.std(dim=0)
    assert ratios.min() > 0.6
    assert ratios.max() < 1.6
    half = float(stats.t.ppf(0.975, manifolds.FREEDOM)) * estimated.sqrt()
    held = ((drawn - drawn.mean(dim=0)).abs() <= half).double().mean(dim=0)
    assert held.min() >= 0.75
    assert 0.9 < held.mean() < 0.995


def test_the_variance_of_real_images_is_that_of_their_groups(draw: Draw) -> None:
    for uncertainty in scored(0.8 * draw(200), draw(100)).uncertainties.values():
        assert uncertainty.groups.shape == (GROUPS,)
        assert_close(uncertainty.real, group_variance(uncertainty.groups), rtol=1e-9, atol=0)
        assert min(uncertainty.real, uncertainty.samples) > 0
        assert uncertainty.freedom == manifolds.FREEDOM


def test_groups_are_the_same_ones_whoever_is_scored(draw: Draw) -> None:
    """So that real images which no generator covers move all their scores alike."""
    real = draw(100)
    real[stratified_groups(torch.zeros(100).long()) == 7] += 50
    for seed, samples in enumerate((draw(100), 0.9 * draw(300))):
        groups = scored(samples, real, seed).uncertainties["recall"].groups
        assert groups.argmin() == 7
        assert groups.argmin() == scored(samples, real, seed).uncertainties["coverage"].groups.argmin()


@pytest.mark.parametrize("pictures", [6, 20, 1000, 10**6])
def test_the_expected_coverage_is_that_of_five_real_images_among_the_nearest(pictures: int) -> None:
    """Naeem et al. 2020, section 3.3: none of the five nearest of 2 n - 1 others is one of the n samples."""
    expected = 1 - math.comb(pictures - 1, 5) / math.comb(2 * pictures - 1, 5)
    assert_close(expected_coverage(pictures), expected, rtol=1e-9, atol=0)


def test_the_expected_coverage_is_31_over_32_of_many_pictures() -> None:
    assert_close(expected_coverage(10**9), 1 - 1 / 2**5, rtol=0, atol=1e-8)


@pytest.mark.parametrize("pictures", [8, 25])
def test_samples_of_the_real_law_have_the_expected_coverage_and_a_density_of_1(draw: Draw, pictures: int) -> None:
    found = [scored(draw(pictures), draw(pictures)).values for _ in range(64)]
    for name, expected in {"coverage": expected_coverage(pictures), "density": 1.0}.items():
        values = torch.tensor([scores[name] for scores in found])
        assert abs(values.mean().item() - expected) < 3 * values.std().item() / 8


def test_ten_times_as_many_samples_do_not_raise_coverage(draw: Draw) -> None:
    """As they would without parts, to 1."""
    real, samples = draw(100), 0.6 * draw(1000)
    few, many = scored(samples[:100], real), scored(samples, real)
    assert few.pictures == many.pictures == 100
    assert abs(few.values["coverage"] - many.values["coverage"]) < 0.06
    assert by_definition(samples, real)[3] > many.values["coverage"] + 0.05
    assert 0 < many.uncertainties["coverage"].samples < few.uncertainties["coverage"].samples


def test_many_pictures_are_cut_into_parts_of_at_most_so_many(draw: Draw, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifolds, "MANIFOLD_IMAGES", 40)
    found = scored(draw(130), draw(90))  # three parts against two
    assert found.pictures == 40
    assert_close(found.values["coverage"], expected_coverage(40), rtol=0, atol=0.08)
    assert_close(found.values["density"], 1.0, rtol=0, atol=0.25)


def test_the_parts_depend_only_on_the_given_generator(draw: Draw) -> None:
    samples, real, found = draw(70), draw(50), []
    for state, seed in ((1, 3), (2, 3), (2, 4)):
        torch.manual_seed(state)
        scores = scored(samples, real, seed)
        found.append([*scores.values.values(), *(of.variance for of in scores.uncertainties.values())])
    assert found[0] == found[1] != found[2]


def test_real_images_recall_and_cover_themselves_and_have_density_6_over_5(rng: torch.Generator) -> None:
    rows = torch.randint(1000, (150, 6), generator=rng).float()  # whose distances have no rounding
    found = scored(rows, rows).values
    assert found == pytest.approx({"precision": 1.0, "recall": 1.0, "density": 6 / 5, "coverage": 1.0})


def test_samples_far_from_all_real_images_score_0_without_doubt(draw: Draw) -> None:
    found = scored(draw(40) + 100, draw(50))
    assert set(found.values.values()) == {0.0}
    assert {uncertainty.variance for uncertainty in found.uncertainties.values()} == {0.0}


@pytest.mark.parametrize("different", [1, 5])
def test_repeated_samples_are_precise_but_recall_nothing(draw: Draw, different: int) -> None:
    real = draw(100)
    samples = (real[:different] + 0.01)[torch.arange(100) % different]
    found = scored(samples, real)
    assert found.values["precision"] == 1
    assert found.values["recall"] == 0
    assert 0.01 * different < found.values["coverage"] < 0.25 * different
    assert found.values["density"] > 1 / 5
    assert all(math.isfinite(uncertainty.variance) for uncertainty in found.uncertainties.values())


@pytest.mark.parametrize("counts", [(6, 6), (7, 13), (13, 400), (40, 12)])
def test_fewer_pictures_than_groups_have_finite_scores_and_intervals(draw: Draw, counts: tuple[int, int]) -> None:
    found = scored(draw(counts[0]), draw(counts[1]))
    assert found.pictures == min(counts)
    assert all(0 <= value <= 2.5 for value in found.values.values())
    assert all(0 <= uncertainty.variance < 1 for uncertainty in found.uncertainties.values())
    assert found.uncertainties["density"].variance > 1e-3


def test_one_real_outlier_spoils_the_precision_but_not_the_density(draw: Draw) -> None:
    """Naeem et al. 2020, figure 1: the ball of an outlier holds whatever lies between."""
    real, samples = draw(200, 2), 0.3 * draw(200, 2) + 20
    spoiled = torch.cat([real[1:], torch.tensor([[40.0, 40.0]])])
    before, after = (scored(samples, rows).values for rows in (real, spoiled))
    assert before["precision"] == before["density"] == 0
    assert after["precision"] == 1
    assert_close(after["density"], 1 / 5)
