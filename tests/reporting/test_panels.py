"""Titles, captions and names stand where they belong, and pictures keep their pixels."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image, ImageChops

from gan_pipelines.reporting.lettering import MISSING
from gan_pipelines.reporting.panels import SMALLEST_WIDTH_PIXELS, Panel, draw_panels, picture_grid

Find = Callable[[Image.Image, torch.Tensor, int], list[tuple[int, int]]]
PIXELS = torch.randint(0, 256, (6, 3, 28, 28), generator=torch.Generator().manual_seed(3), dtype=torch.uint8)
ROWS = [PIXELS[:3], PIXELS[3:5]]
"""The second one is shorter."""


def test_pictures_stand_in_rows_enlarged_without_smoothing(shown: Find) -> None:
    figure = draw_panels([Panel(ROWS, row_names=["first", "second"])], "A title")
    places = [shown(figure, picture, 2) for picture in PIXELS[:5]]
    assert [len(found) for found in places] == [1] * 5
    (top, left), step = places[0][0], 2 * 28 + 2
    assert [found[0] for found in places] == [(top + step * (n // 3), left + step * (n % 3)) for n in range(5)]
    sheet = np.asarray(figure)
    assert (sheet[top + step : top + 2 * step - 2, left + 2 * step :] == 255).all()  # where a picture is missing


@pytest.mark.parametrize(("side", "factor"), [(8, 7), (28, 2), (32, 2), (56, 1), (100, 1)])
def test_small_pictures_are_enlarged_by_a_whole_factor(side: int, factor: int) -> None:
    pixels = torch.arange(2, dtype=torch.uint8).mul(255).repeat(side // 2).expand(1, 1, side, side)
    grid = np.asarray(picture_grid(pixels, columns=1))
    assert grid.shape == (factor * (side + 2), factor * (side + 2), 3)
    np.testing.assert_array_equal(grid[factor, factor:-factor, 0], pixels[0, 0, 0].repeat_interleave(factor))


def drawn(**changes: str) -> Image.Image:
    """Two panels that say a letter in every place; one of another shape of the same width may replace it."""
    said = {"title": "b", "caption": "b", "left": "b", "row": "b", "column": "b", "right": "b", "below": "b"} | changes
    names = {"row_names": [said["row"], "b"], "column_names": [said["column"], "b", "b"]}
    panels = [
        Panel(ROWS, said["left"], **names),
        Panel(ROWS, said["right"], below=[[f"b\n{said['below']}", "", "b"], ["b"]]),
    ]
    return draw_panels(panels, said["title"], said["caption"], across=2)


def test_everything_that_panels_say_stands_in_its_place(said: Callable[[Image.Image], str], shown: Find) -> None:
    figure = drawn()
    assert said(figure) == " ".join("b" * 13)
    (left, upper), (right, _) = ((x, y) for y, x in shown(figure, ROWS[0][0], 2))
    boxes = {}
    for place in ("title", "caption", "left", "row", "column", "right", "below"):
        other = drawn(**{place: "d"})
        assert said(other).count("d") == 1
        boxes[place] = ImageChops.difference(figure, other).getbbox()
    assert {place: box[0] < left for place, box in boxes.items()} == {
        **dict.fromkeys(("title", "caption", "left", "row"), True),
        **dict.fromkeys(("column", "right", "below"), False),
    }
    heights = [boxes[place][1] for place in ("title", "caption", "left", "column", "row", "below")]
    assert heights == sorted(heights)
    assert boxes["column"][3] <= upper < boxes["row"][1] < upper + 58 < boxes["below"][1] < upper + 2 * 58
    assert left < boxes["column"][0] < left + 58 < right - 20 < boxes["right"][0] < boxes["below"][0] < right + 58


@pytest.mark.parametrize("across", [1, 2, 4])
def test_panels_keep_apart(shown: Find, across: int) -> None:
    panels = [Panel([PIXELS[place : place + 1]], f"panel {place}") for place in range(6)]
    figure = draw_panels(panels, "A title", across=across)
    corners = [shown(figure, picture, 2)[0] for picture in PIXELS]
    assert [len({corner[side] for corner in corners}) for side in (0, 1)] == [-(-6 // across), min(across, 6)]


def test_all_text_lies_within_the_sheet_and_long_ones_take_more_lines(said: Callable[[Image.Image], str]) -> None:
    long = " ".join(["word"] * 60)
    figure = draw_panels(
        [Panel(ROWS, long, ["name " * 9, "short"], below=[["a class of a very long name"]])], long, long
    )
    sheet = np.asarray(figure)
    edges = [sheet[:4], sheet[-4:], sheet[:, :4], sheet[:, -4:]]
    assert all((edge == 255).all() for edge in edges)  # what lies outside would have been cut off there
    assert said(figure).count("word") == 180
    assert "a class of a very long name" not in said(figure)  # it does not fit below one picture


def test_letters_of_a_wide_sheet_are_larger() -> None:
    def title_pixels(columns: int) -> int:
        """From the top of the first letter to the end of its line."""
        sheet = np.asarray(draw_panels([Panel([PIXELS[:1].expand(columns, -1, -1, -1)])], "A title"))
        inked = (sheet < 128).any(axis=(1, 2))
        return int((~inked[inked.argmax() :]).argmax())

    assert title_pixels(3) == title_pixels(10)
    assert title_pixels(40) / title_pixels(10) == pytest.approx(40 * 58 / 60 / 13, rel=0.1)


def test_figures_without_pictures_are_sentences() -> None:
    image = draw_panels([], "There is nothing to show.")
    assert image.width == SMALLEST_WIDTH_PIXELS
    assert image.height < 60
    assert (np.asarray(image) < 128).any()


def test_letters_of_other_alphabets_are_drawn_and_unknown_ones_are_explained(
    said: Callable[[Image.Image], str],
) -> None:
    known = draw_panels([Panel(ROWS, row_names=["\u00fcml\u00e4ut", "\u017e\u0438\u03b2 $x_1$"])], "A title")
    assert "\u017e\u0438\u03b2 $x_1$" in said(known)
    assert MISSING not in said(known)
    unknown = draw_panels([Panel(ROWS, row_names=["\u732b", "b"])], "A title")
    assert f"{MISSING}: a letter that the font does not have." in said(unknown)


def test_the_same_figure_is_the_same_bytes() -> None:
    first, second = (draw_panels([Panel(ROWS, "a", ["b", "c"])], "A title", "N = 5").tobytes() for _ in range(2))
    assert first == second
