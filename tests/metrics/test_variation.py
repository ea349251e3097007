"""What changes in pictures when one code moves: shapes of known measure, analytic models, extremes."""

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch.testing import assert_close

from gan_pipelines.metrics import variation
from gan_pipelines.metrics.intervals import jackknife_variance
from gan_pipelines.metrics.variation import (
    category_changes,
    chance_variance,
    contour_length,
    drift,
    explained_share,
    left_out_shares,
    measure_pictures,
)

SIZE, GRAIN = 28, 16
MEASURES = ("slant", "stroke_width", "size")


def drawn(inside: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], size: int = SIZE) -> torch.Tensor:
    """An anti-aliased picture of the shape of all (x, y) inside; x to the right and y upwards from the middle."""
    axis = (torch.arange(size * GRAIN, dtype=torch.float64) + 0.5) / GRAIN - size / 2
    grains = inside(axis, -axis[:, None]).double()
    return grains.reshape(size, GRAIN, size, GRAIN).mean(dim=(1, 3))[None, None]


def stroke(width: float, length: float = 18, degrees: float = 0, x: float = 0, y: float = 0) -> torch.Tensor:
    """A straight stroke with blunt ends, leaning so many degrees to the right, its middle at (x, y)."""
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    return drawn(
        lambda right, up: (
            (((right - x) * sine + (up - y) * cosine).abs() < length / 2)
            & (((right - x) * cosine - (up - y) * sine).abs() < width / 2)
        )
    )


def sheared(slant: float, width: float = 3) -> torch.Tensor:
    """An upright stroke 16 pixels high, sheared to the right at the top."""
    return drawn(lambda x, y: ((x - slant * y).abs() < width / 2) & (y.abs() < 8))


def ring(radius: float, width: float, size: int = SIZE, x: float = 0) -> torch.Tensor:
    return drawn(lambda right, up: (torch.hypot(right - x, up) - radius).abs() < width / 2, size)


def measured(picture: torch.Tensor) -> dict[str, float]:
    return {name: values.item() for name, values in measure_pictures(picture).items()}


@pytest.mark.parametrize("slant", [-0.6, -0.2, 0.0, 0.3, 0.6])
def test_the_slant_of_a_sheared_stroke_is_its_tangent_positive_to_the_right(slant: float) -> None:
    assert_close(measured(sheared(slant))["slant"], slant, rtol=0, atol=0.01)


def test_strokes_that_lean_to_the_right_have_a_positive_slant() -> None:
    assert_close(measured(torch.eye(8).flip(1)[None, None])["slant"], 1.0)  # /
    assert_close(measured(torch.eye(8)[None, None])["slant"], -1.0)  # \


@pytest.mark.parametrize("degrees", [-40, -15, 10, 30])
def test_the_slant_of_a_turned_stroke_is_the_ratio_of_its_moments(degrees: float) -> None:
    along, across = 18**2 / 12, 2**2 / 12
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    expected = (along - across) * sine * cosine / (along * cosine**2 + across * sine**2)
    assert_close(measured(stroke(2, degrees=degrees))["slant"], expected, rtol=0.01, atol=0)


def test_shearing_a_shape_increases_its_slant() -> None:
    def seven(slant: float) -> torch.Tensor:
        return drawn(
            lambda x, y: (y.abs() < 8) & (((x - slant * y + 3).abs() < 1) | ((y > 6) & ((x - slant * y).abs() < 4)))
        )

    upright, leaning = measured(seven(0))["slant"], measured(seven(0.3))["slant"]
    assert upright > 0.1
    assert_close(leaning - upright, 0.3, rtol=0, atol=0.02)


@pytest.mark.parametrize("degrees", range(0, 180, 15))
@pytest.mark.parametrize("width", [2.5, 3, 4])
def test_the_width_of_a_straight_stroke_is_accurate_at_any_angle(width: float, degrees: float) -> None:
    found = measured(stroke(width, degrees=degrees, x=0.3, y=-0.4))["stroke_width"]
    assert 1.015 < found * (18 + width) / (18 * width) < 1.05  # four rounded corners make the contour shorter


@pytest.mark.parametrize("degrees", range(0, 180, 15))
def test_the_width_of_a_straight_stroke_of_2_pixels_is_slightly_too_large(degrees: float) -> None:
    found = measured(stroke(2, degrees=degrees, x=0.3, y=-0.4))["stroke_width"]
    assert 1.03 < found * (18 + 2) / (18 * 2) < 1.12


@pytest.mark.parametrize("radius", [5, 6.3, 8.8])
@pytest.mark.parametrize(("width", "within"), [(2, 0.03), (3, 0.01), (4, 0.01), (5, 0.01)])
def test_the_width_of_a_ring_is_accurate(width: float, within: float, radius: float) -> None:
    assert_close(measured(ring(radius, width, x=0.4))["stroke_width"], float(width), rtol=within, atol=0)


def test_the_width_increases_with_the_stroke_even_below_2_pixels() -> None:
    found = [measured(stroke(width, degrees=20))["stroke_width"] for width in (1, 1.5, 2, 2.5, 3, 4, 5)]
    assert all(thinner + 0.15 < thicker for thinner, thicker in pairwise(found))
    assert 1.2 < found[0] < 2
    assert 1.4 < found[1] < 1.9


@pytest.mark.parametrize("degrees", [10, 25, 45, 70])
def test_the_width_does_not_depend_on_the_direction_in_which_a_stroke_leans(degrees: float) -> None:
    rightwards, leftwards = measured(stroke(3, degrees=degrees)), measured(stroke(3, degrees=-degrees))
    assert_close(rightwards["stroke_width"], leftwards["stroke_width"], rtol=1e-9, atol=0)


def test_the_contour_of_a_block_is_its_edges_with_cut_corners() -> None:
    ink = torch.zeros(1, 10, 10)
    ink[0, 3:7, 2:8] = 1
    straight = 2 * (3 + 5)
    assert_close(contour_length(ink), torch.tensor([straight + 4 * math.sqrt(0.5)]))


def test_ink_ends_at_the_border_of_the_picture() -> None:
    inner = torch.zeros(1, 10, 10)
    inner[0, 1:9, 1:9] = 1
    assert_close(contour_length(torch.ones(1, 8, 8)), contour_length(inner))


@pytest.mark.parametrize(("width", "length", "degrees"), [(3, 18, 0), (3, 18, 35), (2, 12, 90), (4, 9, -60)])
def test_the_size_of_a_stroke_is_its_radius_of_gyration(width: float, length: float, degrees: float) -> None:
    expected = math.sqrt((width**2 + length**2) / 12)
    assert_close(measured(stroke(width, length, degrees))["size"], expected, rtol=0.015, atol=0)


def test_the_size_of_a_disc_is_its_radius_over_the_square_root_of_2() -> None:
    disc = drawn(lambda x, y: torch.hypot(x, y) < 8)
    assert_close(measured(disc)["size"], 8 / math.sqrt(2), rtol=0.01, atol=0)


def test_doubling_a_shape_doubles_size_and_width_but_not_slant() -> None:
    def leaning_ring(scale: float) -> torch.Tensor:
        return drawn(lambda x, y: (torch.hypot(x - 0.3 * y, y) - 4 * scale).abs() < 1.5 * scale, size=32)

    small, large = measured(leaning_ring(1)), measured(leaning_ring(2))
    assert_close(large["size"] / small["size"], 2.0, rtol=0.01, atol=0)
    assert_close(large["stroke_width"] / small["stroke_width"], 2.0, rtol=0.02, atol=0)
    assert_close(large["slant"], small["slant"], rtol=0, atol=0.01)


@pytest.mark.parametrize("shift", [(4, 0), (-3, 2), (0, -4)])
def test_measures_do_not_depend_on_the_position_of_the_ink(shift: tuple[int, int]) -> None:
    picture = stroke(3, 14, degrees=20)
    assert_close(measured(picture.roll(shift, dims=(2, 3))), measured(picture), rtol=1e-9, atol=1e-12)


def test_measures_hardly_change_with_a_shift_by_a_fraction_of_a_pixel() -> None:
    shifted = stroke(3, 14, degrees=20, x=0.37, y=0.21)
    assert_close(measured(shifted), measured(stroke(3, 14, degrees=20)), rtol=0.02, atol=0)


def test_measures_do_not_depend_on_how_bright_the_ink_is() -> None:
    picture = stroke(3, degrees=20)
    assert_close(measured(picture / 2), measured(picture), rtol=1e-9, atol=1e-12)


def test_mirroring_a_picture_changes_only_the_sign_of_the_slant() -> None:
    picture = stroke(3, degrees=20)
    expected = measured(picture) | {"slant": -measured(picture)["slant"]}
    for side in (2, 3):
        assert_close(measured(picture.flip(side)), expected, rtol=1e-9, atol=1e-12)


def test_each_picture_is_measured_independently_at_any_shape() -> None:
    pictures = torch.cat([stroke(2, degrees=30), torch.zeros(1, 1, SIZE, SIZE), ring(6, 3)])[:, :, 2:]
    found = measure_pictures(pictures)
    assert set(found) == set(MEASURES)
    for name, values in found.items():
        assert values.shape == (3,)
        alone = torch.cat([measure_pictures(picture[None])[name] for picture in pictures])
        assert_close(values, alone, rtol=1e-9, atol=1e-12, equal_nan=True)
        assert values.isnan().tolist() == [False, True, False]


def test_rounding_pictures_to_bytes_hardly_changes_measures() -> None:
    picture = stroke(3, degrees=20)
    stored = (picture * 255).round().float() / 255
    assert_close(measured(stored), measured(picture), rtol=1e-3, atol=0)
    assert_close(measured(stored), measured(stored.double()), rtol=0, atol=0)


@pytest.mark.parametrize("grain", [0.0, 1e-3])
def test_a_picture_without_ink_has_no_measures(grain: float) -> None:
    assert all(math.isnan(value) for value in measured(torch.full((1, 1, SIZE, SIZE), grain)).values())


def test_a_single_bright_pixel_has_a_width_and_no_extent() -> None:
    found = measured(torch.nn.functional.one_hot(torch.tensor(40), 81).reshape(1, 1, 9, 9).float())
    assert_close(found["stroke_width"], 1 / math.sqrt(2))
    assert_close(found["size"], 0.0, rtol=0, atol=1e-6)


def test_ink_on_one_row_has_no_slant(rng: torch.Generator) -> None:
    pictures = torch.zeros(SIZE, 1, SIZE, SIZE, dtype=torch.float64)
    for row, picture in enumerate(pictures[:, 0]):
        picture[row, 5:20] = torch.rand(15, generator=rng, dtype=torch.float64)
    found = measure_pictures(pictures)
    assert found["slant"].isnan().all()
    assert ((found["size"] > 3) & (found["size"] < 6)).all()


def whitened(count: int, seed: int) -> torch.Tensor:
    """Draws whose mean is exactly 0 and whose variance is exactly 1."""
    values = torch.randn(count, 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (values - values.mean()) / values.std()


POINTS = torch.linspace(-2, 2, 10, dtype=torch.float64)


@pytest.mark.parametrize(("a", "b"), [(1.0, 1.0), (0.3, 2.0), (2.0, 0.5)])
@pytest.mark.parametrize("bases", [2, 7, 100])
def test_the_share_of_an_additive_model_is_its_closed_form(a: float, b: float, bases: int) -> None:
    variance = POINTS.var(correction=0).item()
    found = explained_share(a * POINTS + b * whitened(bases, seed=1) + 5)
    assert_close(found, a**2 * variance / (a**2 * variance + b**2), rtol=1e-9, atol=0)


def test_the_share_of_a_small_table_is_the_one_computed_by_hand() -> None:
    """Means 1 and 5: variance 4. Rows about their means (-3, 3) and (-1, 1): residual variance 2, half of it in 4."""
    found = explained_share(torch.tensor([[0.0, 6.0], [2.0, 4.0]]))
    assert_close(found, (4 - 1) / ((4 - 1) + 2))


def test_the_share_is_that_of_a_two_way_analysis_of_variance() -> None:
    values = torch.randn(6, 10, generator=torch.Generator().manual_seed(1), dtype=torch.float64) + POINTS
    rows, columns = values.mean(dim=1, keepdim=True), values.mean(dim=0, keepdim=True)
    residual = ((values - rows - columns + values.mean()) ** 2).sum() / (5 * 9)
    between = 6 * ((columns - values.mean()) ** 2).sum() / 9
    explained = (between - residual) / 6 * 9 / 10
    expected = explained / (explained + values.var(dim=0).mean())
    assert 0.3 < expected < 0.9
    assert_close(explained_share(values), expected.item(), rtol=1e-9, atol=0)


def test_the_share_does_not_depend_on_scale_or_order() -> None:
    values = torch.randn(6, 10, generator=torch.Generator().manual_seed(1), dtype=torch.float64) + POINTS
    for same in (3 - 20 * values, values.flip(0), values.flip(1)):
        assert_close(explained_share(same), explained_share(values), rtol=1e-9, atol=0)


def test_the_share_of_values_far_from_0_is_computed_in_double_precision() -> None:
    values = (8 * (torch.randn(6, 10, generator=torch.Generator().manual_seed(1)) + POINTS)).round().float()
    assert_close(explained_share(values + 2**20), explained_share(values), rtol=1e-6, atol=0)


@pytest.mark.parametrize("bases", [2, 50])
def test_a_code_that_determines_everything_explains_all(bases: int) -> None:
    assert_close(explained_share((POINTS**2).expand(bases, 10)), 1.0, rtol=0, atol=1e-12)


def test_a_code_that_changes_nothing_explains_nothing() -> None:
    assert_close(explained_share(whitened(20, seed=1).expand(20, 10)), 0.0, rtol=0, atol=1e-12)


def test_a_code_that_acts_only_by_interaction_explains_nothing() -> None:
    assert_close(explained_share(POINTS * whitened(20, seed=1)), 0.0, rtol=0, atol=1e-12)


def test_the_share_of_an_ineffective_code_is_about_0_even_with_few_bases() -> None:
    """Uncorrected it would be 0.15 in the mean, by there being five bases alone."""
    draw = torch.Generator().manual_seed(1)
    found = [explained_share(torch.randn(5, 10, generator=draw)) for _ in range(400)]
    assert all(0 <= share < 0.4 for share in found)
    assert 0.01 < sum(found) / 400 < 0.05
    assert 0.4 < sum(share == 0 for share in found) / 400 < 0.7


def test_the_share_of_an_effective_code_is_unbiased_with_few_bases() -> None:
    """Uncorrected it would be 0.55 in the mean."""
    draw = torch.Generator().manual_seed(1)
    effect = POINTS / POINTS.std(correction=0)
    found = [explained_share(effect + torch.randn(4, 10, generator=draw)) for _ in range(400)]
    assert 0.48 < sum(found) / 400 < 0.52


def test_rows_with_a_value_missing_are_left_out() -> None:
    values = torch.randn(6, 10, generator=torch.Generator().manual_seed(1), dtype=torch.float64) + POINTS
    holed = values.clone()
    holed[2, 3] = holed[4, 0] = math.nan
    assert explained_share(holed) == explained_share(values[[0, 1, 3, 5]])
    assert explained_share(holed) != explained_share(values)


def test_each_base_without_nan_is_left_out_of_the_share_in_turn() -> None:
    values = torch.randn(6, 10, generator=torch.Generator().manual_seed(1), dtype=torch.float64) + POINTS
    values[2, 3] = math.nan
    kept = [0, 1, 3, 4, 5]
    expected = [explained_share(values[[base for base in kept if base != out]]) for out in kept]
    assert left_out_shares(values).tolist() == pytest.approx(expected, rel=1e-12)
    assert left_out_shares(values[[0, 1]]).isnan().all()  # of a single base there is no variance


@pytest.mark.parametrize("alike", [0.0, 0.9])
def test_the_variance_by_chance_is_that_of_shares_without_effect(alike: float) -> None:
    """Of points that vary with their base independently, or nearly alike, so that fewer of them count."""
    draw, shares, variances = torch.Generator().manual_seed(2), [], []
    for _ in range(500):
        noise = torch.randn(200, 10, generator=draw, dtype=torch.float64)
        neighbours = torch.stack([noise.roll(step, dims=1) for step in range(3)]).mean(dim=0)
        values = (1 - alike) * noise + alike * neighbours + torch.randn(200, 1, generator=draw)
        shares.append(variation._share(values))
        variances.append(chance_variance(values))
    expected = torch.stack(shares).var().item()
    assert sum(variances) / 500 == pytest.approx(expected, rel=0.2)


@pytest.mark.slow
@pytest.mark.parametrize("effect", [0.0, 0.03, 0.1])
def test_the_interval_of_a_weak_share_holds_what_it_is_on_average(effect: float) -> None:
    """Below the share that chance alone would explain, at it, and above; at 0 it is wider than it had to be."""
    draw, truth, held = torch.Generator().manual_seed(3), effect**2 / (1 + effect**2), 0
    points = torch.linspace(-1, 1, 11, dtype=torch.float64)
    points = effect * points / points.std(correction=0)
    for _ in range(300):
        values = points + torch.randn(200, 11, generator=draw)
        jackknife, chance = jackknife_variance(left_out_shares(values)), chance_variance(values)
        half = 1.96 * math.sqrt(max(jackknife, chance))
        held += abs(explained_share(values) - truth) <= half
    assert held / 300 >= 0.9
    assert effect < 0.1 or held / 300 <= 0.99


def test_the_share_of_fewer_than_two_rows_is_undefined() -> None:
    values = POINTS.repeat(2, 1)
    values[0, 0] = math.nan
    assert math.isnan(explained_share(values))
    assert math.isnan(explained_share(values[:1]))


def test_the_share_of_constant_values_is_undefined() -> None:
    assert math.isnan(explained_share(torch.full((3, 7), 0.1, dtype=torch.float64)))


def test_constant_categories_have_no_changes() -> None:
    assert category_changes(torch.tensor([[3], [1], [7]]).expand(3, 10)).tolist() == [0, 0, 0]


def test_the_changes_of_a_base_are_its_share_outside_the_most_frequent_category() -> None:
    categories = torch.tensor([[1, 3, 3, 3], [0, 2, 0, 2], [5, 4, 3, 2], [1, 1, 1, 1]])
    assert category_changes(categories).tolist() == [1 / 4, 2 / 4, 3 / 4, 0]


def test_a_constant_inferred_code_has_no_drift() -> None:
    assert drift(torch.tensor([[0.5], [-0.25], [8.0]]).expand(3, 10), -1, 1).tolist() == [0, 0, 0]


def test_the_drift_is_the_variance_along_the_points_over_the_prior_variance() -> None:
    means = torch.tensor([[0.0, 2.0], [5.0, 5.0]])  # variances 1 and 0
    assert drift(means, -1, 1).tolist() == pytest.approx([1 / (4 / 12), 0])
    assert drift(means, 0, 4).tolist() == pytest.approx([1 / (16 / 12), 0])


def test_the_drift_is_computed_in_double_precision(rng: torch.Generator) -> None:
    means = torch.randn(6, 10, generator=rng)
    assert_close(drift(means, -1, 1), drift(means.double(), -1, 1), rtol=1e-12, atol=0)


def test_an_inferred_code_distributed_as_its_prior_has_drift_1() -> None:
    middles = (torch.arange(200) + 0.5) / 200 * 3 - 1
    assert drift(middles.expand(4, 200), -1, 2).tolist() == pytest.approx([1] * 4, rel=1e-3)
