"""Pictures in panels: the one way in which a figure of pictures gets its title, caption, names and margins.

Pictures keep their pixels, enlarged by a whole factor without smoothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from gan_pipelines.reporting import lettering
from gan_pipelines.reporting.lettering import LINE, MISSING, Line

SMALLEST_SIDE_PIXELS = 56
"""Smaller pictures are enlarged by a whole factor to be visible."""
LETTER_PIXELS = 13
WIDTH_IN_LETTERS = 60
"""Letters of a wide sheet are larger, so that they can be read where it is shown as wide as a page."""
SMALLEST_WIDTH_PIXELS = 560
LONGEST_NAME_LETTERS = 24
BORDER, WHITE = 64, 255
MISSING_NOTE = f"{MISSING}: a letter that the font does not have."
DESCRIPTION = "Description"
"""The text chunk of PNG that describes a picture."""


@dataclass(frozen=True)
class Panel:
    """Rows of pictures, and what is said of them.

    Attributes:
        rows: pictures from left to right, 0..255; a row may be shorter than others.
        title: above them.
        row_names: on the left, from above; long ones are cut.
        column_names: above the columns.
        below: a text below each picture, row by row; it may have two lines.
    """

    rows: Sequence[UInt8[Tensor, "columns channels height width"]]
    title: str = ""
    row_names: Sequence[str] = ()
    column_names: Sequence[str] = ()
    below: Sequence[Sequence[str]] = ()


def draw_panels(panels: Sequence[Panel], title: str, caption: str = "", across: int = 1) -> Image.Image:
    """A white sheet with a title, a caption below it, and panels.

    Args:
        panels: of pictures of one size.
        title: what is shown, in one sentence.
        caption: how many of what, drawn with which seed, and what it is compared with.
        across: panels per line.

    Returns:
        The sheet; all that is written on it stands in its `info` too, under `DESCRIPTION`.
    """
    rows = [panels[start : start + across] for start in range(0, len(panels), across)]
    widths = [
        max(_grid_size(panel)[0] for panel in panels[column::across]) for column in range(min(across, len(panels)))
    ]
    letter = max(LETTER_PIXELS, round(sum(widths) / WIDTH_IN_LETTERS))
    least = SMALLEST_WIDTH_PIXELS - 2 * letter if across == 1 else 0  # that a title may take
    placed = [[_Placed(panel, width, letter, least) for panel, width in zip(row, widths, strict=False)] for row in rows]
    lefts = [max((row[column].left for row in placed if column < len(row)), default=0) for column in range(across)]
    width = max(sum(lefts) + sum(widths) + letter * (len(widths) + 1), SMALLEST_WIDTH_PIXELS)
    lines: list[Line] = []
    top = _write_block(lines, title, letter, letter // 2, width, bold=True)
    top = _write_block(lines, _with_note(caption, title, panels), letter, top, width) + letter // 2
    spots = list[tuple[_Placed, int, int]]()
    for row in placed:
        head = max(panel.head for panel in row)
        for column, panel in enumerate(row):
            left = sum(lefts[: column + 1]) + sum(widths[:column]) + letter * (column + 1)
            spots.append((panel, left, top + head))
            lines += panel.lines(left, top + head)
        top += head + max(panel.height for panel in row) + letter
    canvas = np.full((top, width, 3), WHITE, dtype=np.uint8)
    for panel, left, above in spots:
        panel.paste(canvas, left, above)
    sheet = Image.fromarray(canvas)
    lettering.write(sheet, lines)
    sheet.info[DESCRIPTION] = " ".join(lettering.printable(line.text) for line in lines if line.text)
    return sheet


def picture_grid(pictures: UInt8[Tensor, "count channels height width"], columns: int) -> Image.Image:
    """Pictures row by row, without any text."""
    panel = Panel(pictures.split(columns))
    placed = _Placed(panel, 0, LETTER_PIXELS)
    width, height = _grid_size(panel)
    canvas = np.full((height, width, 3), WHITE, dtype=np.uint8)
    placed.paste(canvas, 0, 0)
    return Image.fromarray(canvas)


class _Placed:
    """A panel with the sizes, in pixels, that its texts and pictures take.

    Attributes:
        left: width of the names of its rows.
        head: height of what stands above its pictures.
        height: of its pictures and of what stands below each.
    """

    def __init__(self, panel: Panel, width: int, letter: int, least: int = 0) -> None:
        self.panel, self.letter = panel, letter
        self.factor = _factor(panel)
        self.names = [lettering.cut(name, LONGEST_NAME_LETTERS) for name in panel.row_names]
        self.left = round(max((lettering.width(name, letter) for name in self.names), default=-letter)) + letter
        self.small = letter * 0.85
        self.title = lettering.broken(panel.title, max(self.left + width, least), letter, bold=True)
        self.head = round((len(self.title) + bool(panel.column_names)) * letter * LINE)
        under = max((text.count("\n") + 1 for row in panel.below for text in row), default=0)
        self.strip = round(under * self.small * LINE)
        self.cell = [self.factor * (size + 1) for size in panel.rows[0].shape[2:]]
        self.height = len(panel.rows) * (self.cell[0] + self.strip) + self.factor

    def lines(self, left: int, top: int) -> Iterator[Line]:
        """What is said of the pictures, whose upper left corner is that point."""
        down, across, letter, small = self.cell[0] + self.strip, self.cell[1], self.letter, self.small
        for number, line in enumerate(self.title):
            yield Line(line, left - self.left, top - self.head + number * letter * LINE, letter, bold=True)
        for number, name in enumerate(self.names):
            y = top + number * down + self.factor + (self.cell[0] - letter) / 2
            yield Line(name, left - letter / 2, y, letter, align="r")
        middles = [left + (column + 0.5) * across + self.factor / 2 for column in range(max(map(len, self.panel.rows)))]
        for x, name in zip(middles, self.panel.column_names, strict=False):
            yield Line(name, x, top - letter * 0.3 - small, small, align="m")
        for row, texts in enumerate(self.panel.below):
            for x, text in zip(middles, texts, strict=False):
                for number, line in enumerate(text.split("\n")):
                    y = top + row * down + self.cell[0] + self.factor + small * (0.15 + number * LINE)
                    yield Line(lettering.fitting(line, across - self.factor, small), x, y, small, align="m")

    def paste(self, canvas: "np.ndarray[Any, Any]", left: int, top: int) -> None:
        """Draw the pictures, each with a grey border."""
        factor, (height, width) = self.factor, self.cell
        for row, pictures in enumerate(self.panel.rows):
            y = top + row * (height + self.strip)
            for column, picture in enumerate(pictures.numpy()):
                x = left + column * width
                canvas[y : y + height + factor, x : x + width + factor] = BORDER
                enlarged = picture.repeat(factor, axis=1).repeat(factor, axis=2).transpose(1, 2, 0)
                canvas[y + factor : y + height, x + factor : x + width] = enlarged


def _factor(panel: Panel) -> int:
    return max(1, -(-SMALLEST_SIDE_PIXELS // max(panel.rows[0].shape[2:])))


def _grid_size(panel: Panel) -> tuple[int, int]:
    """Width and height of the pictures without any text."""
    factor, (height, width) = _factor(panel), panel.rows[0].shape[2:]
    columns = max(map(len, panel.rows))
    return columns * factor * (width + 1) + factor, len(panel.rows) * factor * (height + 1) + factor


def _write_block(lines: list[Line], text: str, letter: int, top: int, width: int, bold: bool = False) -> int:
    """Add a text over the whole width, and return where it ends."""
    found = lettering.broken(text, width - 2 * letter, letter, bold)
    lines += [Line(line, letter, top + number * letter * LINE, letter, bold) for number, line in enumerate(found)]
    return top + round(len(found) * letter * LINE)


def _with_note(caption: str, title: str, panels: Sequence[Panel]) -> str:
    said = [caption, title, *(text for panel in panels for text in (panel.title, *panel.row_names))]
    return f"{caption} {MISSING_NOTE}" if any(MISSING in lettering.printable(text) for text in said) else caption
