"""Titles, captions and names stand where they belong, and pictures keep their pixels."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from gan_pipelines.reporting.panels import MISSING, SMALLEST_WIDTH_PIXELS, Panel, draw_panels, picture_grid, to_image

Find = Callable[[Figure, torch.Tensor, int], list[tuple[int, int]]]
PIXELS = torch.randint(0, 256, (6, 3, 28, 28), generator=torch.Generator().manual_seed(3), dtype=torch.uint8)
ROWS = [PIXELS[:3], PIXELS[3:5]]
"""The second one is shorter."""


def test_pictures_stand_in_rows_enlarged_without_smoothing(shown: Find) -> None:
    figure = draw_panels([Panel(ROWS, row_names=["first", "second"])], "A title")
    places = [shown(figure, picture, 2) for picture in PIXELS[:5]]
    assert [len(found) for found in places] == [1] * 5
    (top, left), step = places[0][0], 2 * 28 + 2
    assert [found[0] for found in places] == [(top + step * (n // 3), left + step * (n % 3)) for n in range(5)]
    sheet = np.asarray(to_image(figure))
    assert (sheet[top + step : top + 2 * step - 2, left + 2 * step :] == 255).all()  # where a picture is missing


@pytest.mark.parametrize(("side", "factor"), [(8, 7), (28, 2), (32, 2), (56, 1), (100, 1)])
def test_small_pictures_are_enlarged_by_a_whole_factor(side: int, factor: int) -> None:
    pixels = torch.arange(2, dtype=torch.uint8).mul(255).repeat(side // 2).expand(1, 1, side, side)
    grid = np.asarray(picture_grid(pixels, columns=1))
    assert grid.shape == (factor * (side + 2), factor * (side + 2), 3)
    np.testing.assert_array_equal(grid[factor, factor:-factor, 0], pixels[0, 0, 0].repeat_interleave(factor))


def test_a_figure_says_everything_that_its_panels_say() -> None:
    names = {"row_names": ["a", "b"], "column_names": ["1", "2", "3"]}
    panels = [Panel(ROWS, "left", **names), Panel(ROWS, "right", below=[["x\n0.5", "", "y"], ["z"]])]
    figure = draw_panels(panels, "The title", "The caption, N = 5.", across=2)
    assert [text.get_text() for text in figure.texts] == [
        *["The title", "The caption, N = 5.", "left", "a", "b", "1", "2", "3"],
        *["right", "x", "0.5", "", "y", "z"],
    ]
    heights = {text.get_text(): text.get_position()[1] for text in figure.texts}
    assert heights["The title"] > heights["The caption, N = 5."] > heights["left"] > heights["1"] > heights["a"]
    places = {text.get_text(): text.get_position()[0] for text in figure.texts}
    assert places["a"] < places["1"] < places["2"] < places["3"] < places["right"]


@pytest.mark.parametrize("across", [1, 2, 4])
def test_panels_keep_apart(shown: Find, across: int) -> None:
    panels = [Panel([PIXELS[place : place + 1]], f"panel {place}") for place in range(6)]
    figure = draw_panels(panels, "A title", across=across)
    corners = [shown(figure, picture, 2)[0] for picture in PIXELS]
    assert [len({corner[side] for corner in corners}) for side in (0, 1)] == [-(-6 // across), min(across, 6)]


def test_all_text_lies_within_the_sheet_and_long_ones_take_more_lines(said: Callable[[Figure], str]) -> None:
    long = " ".join(["word"] * 60)
    figure = draw_panels(
        [Panel(ROWS, long, ["name " * 9, "short"], below=[["a class of a very long name"]])], long, long
    )
    to_image(figure)
    size = figure.bbox
    for text in figure.texts:
        box = text.get_window_extent()
        assert size.x0 <= box.x0 < box.x1 <= size.x1
        assert size.y0 <= box.y0 < box.y1 <= size.y1
    assert said(figure).count("word") == 180
    assert "a class of a very long name" not in said(figure)  # it does not fit below one picture


def test_letters_of_a_wide_sheet_are_larger() -> None:
    def letter(columns: int) -> float:
        return draw_panels([Panel([PIXELS[:1].expand(columns, -1, -1, -1)])], "A title").texts[0].get_fontsize()

    assert letter(3) == letter(10) == 13
    assert letter(40) == pytest.approx(40 * 58 / 60, abs=1)


def test_figures_without_pictures_are_sentences() -> None:
    image = to_image(draw_panels([], "There is nothing to show."))
    assert image.width == SMALLEST_WIDTH_PIXELS
    assert image.height < 60
    assert (np.asarray(image) < 128).any()


def test_letters_of_other_alphabets_are_drawn_and_unknown_ones_are_explained(said: Callable[[Figure], str]) -> None:
    known = draw_panels([Panel(ROWS, row_names=["\u00fcml\u00e4ut", "\u017e\u0438\u03b2 $x_1$"])], "A title")
    assert "\u017e\u0438\u03b2 $x_1$" in said(known)
    assert MISSING not in said(known)
    unknown = draw_panels([Panel(ROWS, row_names=["\u732b", "b"])], "A title")
    to_image(unknown)  # without a warning
    assert f"{MISSING}: a letter that the font does not have." in said(unknown)


def test_the_same_figure_is_the_same_bytes() -> None:
    first, second = (
        to_image(draw_panels([Panel(ROWS, "a", ["b", "c"])], "A title", "N = 5")).tobytes() for _ in range(2)
    )
    assert first == second
