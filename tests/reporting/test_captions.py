"""Titles and names stand where they belong, and the grid is untouched."""

import numpy as np
import pytest
from PIL import Image

from gan_pipelines.reporting.captions import captioned

GRID = Image.fromarray(np.random.default_rng(3).integers(0, 256, (150, 200, 3), dtype=np.uint8))
NAMES = ("0", "", "T-shirt/top")


def ink(picture: np.ndarray) -> int:
    """Dark pixels."""
    return int((picture.min(axis=-1) < 128).sum())


def test_the_grid_stands_lower_right_as_it_was() -> None:
    sheet = captioned(GRID, NAMES, "A title that is too long for one line of two hundred pixels")
    assert sheet.width > GRID.width
    assert sheet.height > GRID.height
    np.testing.assert_array_equal(np.asarray(sheet)[-150:, -200:], np.asarray(GRID))
    assert np.asarray(captioned(GRID)).tobytes() == np.asarray(GRID).tobytes()


def test_each_row_has_its_name_on_its_left() -> None:
    sheet = np.asarray(captioned(GRID, NAMES, "A title"))
    left, top = sheet.shape[1] - 200, sheet.shape[0] - 150
    rows = [ink(sheet[top + 50 * row : top + 50 * (row + 1), :left]) for row in range(3)]
    assert rows[1] == 0
    assert 0 < rows[0] < rows[2]
    for row in (0, 2):  # in the middle of its row
        assert ink(sheet[top + 50 * row + 15 : top + 50 * (row + 1) - 15, :left]) == rows[row]


def test_a_title_takes_as_many_lines_as_it_needs_and_none_is_cut() -> None:
    heights = {captioned(GRID, title=" ".join(["word"] * count)).height for count in (1, 2)}
    assert len(heights) == 1
    long = np.asarray(captioned(GRID, title=" ".join(["word"] * 20)))
    assert long.shape[0] > min(heights)
    assert ink(long[: long.shape[0] - 150, -3:]) == 0  # nothing touches the right edge


@pytest.mark.parametrize("name", ["\u00fcml\u00e4ut", "\u017e\u0438\u03b2"])
def test_letters_with_accents_and_of_other_alphabets_are_drawn(name: str) -> None:
    """A letter that a font lacks is drawn as its box, so two of them would look alike."""
    letters = {captioned(GRID, [letter]).crop((0, 0, 30, 150)).tobytes() for letter in name}
    assert len(letters) == len(set(name))


def test_a_long_name_is_cut_and_leaves_the_grid_its_place() -> None:
    sheet = captioned(GRID, ["word " * 40] * 3)
    assert sheet.width < GRID.width + 250
    unbroken = captioned(GRID, ["x" * 300])
    assert unbroken.width < GRID.width + 250
