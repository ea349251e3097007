"""Pictures in panels: the one way in which a figure of pictures gets its title, caption, names and margins.

matplotlib writes the text; pictures keep their pixels, enlarged by a whole factor without smoothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

if TYPE_CHECKING:  # only those who draw wait for it
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties

SMALLEST_SIDE_PIXELS = 56
"""Smaller pictures are enlarged by a whole factor to be visible."""
LETTER_PIXELS = 13
WIDTH_IN_LETTERS = 60
"""Letters of a wide sheet are larger, so that they can be read where it is shown as wide as a page."""
SMALLEST_WIDTH_PIXELS = 560
LONGEST_NAME_LETTERS = 24
LINE = 1.45
"""From one line to the next, in heights of a letter."""
BORDER, WHITE = 64, 255
MISSING = "\N{REPLACEMENT CHARACTER}"
MISSING_NOTE = f"{MISSING}: a letter that the font does not have."


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


def draw_panels(panels: Sequence[Panel], title: str, caption: str = "", across: int = 1) -> "Figure":
    """A white sheet with a title, a caption below it, and panels.

    Args:
        panels: of pictures of one size.
        title: what is shown, in one sentence.
        caption: how many of what, drawn with which seed, and what it is compared with.
        across: panels per line.
    """
    lines = [panels[start : start + across] for start in range(0, len(panels), across)]
    widths = [
        max(_grid_size(panel)[0] for panel in panels[column::across]) for column in range(min(across, len(panels)))
    ]
    letter = max(LETTER_PIXELS, round(sum(widths) / WIDTH_IN_LETTERS))
    least = SMALLEST_WIDTH_PIXELS - 2 * letter if across == 1 else 0  # that a title may take
    placed = [
        [_Placed(panel, width, letter, least) for panel, width in zip(row, widths, strict=False)] for row in lines
    ]
    lefts = [max((line[column].left for line in placed if column < len(line)), default=0) for column in range(across)]
    width = max(sum(lefts) + sum(widths) + letter * (len(widths) + 1), SMALLEST_WIDTH_PIXELS)
    texts: list[_Text] = []
    top = _write_block(texts, title, letter, letter // 2, width, bold=True)
    top = _write_block(texts, _with_note(caption, title, panels), letter, top, width) + letter // 2
    spots = list[tuple[_Placed, int, int]]()
    for line in placed:
        head = max(panel.head for panel in line)
        for column, panel in enumerate(line):
            left = sum(lefts[: column + 1]) + sum(widths[:column]) + letter * (column + 1)
            spots.append((panel, left, top + head))
            texts += panel.texts(left, top + head)
        top += head + max(panel.height for panel in line) + letter
    canvas = np.full((top, width, 3), WHITE, dtype=np.uint8)
    for panel, left, above in spots:
        panel.paste(canvas, left, above)
    return _figure(canvas, texts)


def to_image(figure: "Figure") -> Image.Image:
    """The figure as a picture, pixel by pixel."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())


def picture_grid(pictures: UInt8[Tensor, "count channels height width"], columns: int) -> Image.Image:
    """Pictures row by row, without any text."""
    panel = Panel(pictures.split(columns))
    placed = _Placed(panel, 0, LETTER_PIXELS)
    width, height = _grid_size(panel)
    canvas = np.full((height, width, 3), WHITE, dtype=np.uint8)
    placed.paste(canvas, 0, 0)
    return Image.fromarray(canvas)


@dataclass(frozen=True)
class _Text:
    """A line of text; `x` and `y` in pixels from the upper left corner, and which point of it lies there."""

    text: str
    x: float
    y: float
    letter: float
    bold: bool = False
    across: str = "left"
    down: str = "top"


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
        self.names = [_cut(name) for name in panel.row_names]
        self.left = round(max((_width(name, letter) for name in self.names), default=-letter)) + letter
        self.small = letter * 0.85
        self.title = _broken(panel.title, max(self.left + width, least), letter, bold=True)
        self.head = round((len(self.title) + bool(panel.column_names)) * letter * LINE)
        under = max((text.count("\n") + 1 for row in panel.below for text in row), default=0)
        self.strip = round(under * self.small * LINE)
        self.cell = [self.factor * (size + 1) for size in panel.rows[0].shape[2:]]
        self.height = len(panel.rows) * (self.cell[0] + self.strip) + self.factor

    def texts(self, left: int, top: int) -> Iterator[_Text]:
        """What is said of the pictures, whose upper left corner is that point."""
        down, across = self.cell[0] + self.strip, self.cell[1]
        for number, line in enumerate(self.title):
            y = top - self.head + number * self.letter * LINE
            yield _Text(line, left - self.left, y, self.letter, bold=True)
        for number, name in enumerate(self.names):
            y = top + number * down + self.factor + self.cell[0] / 2
            yield _Text(name, left - self.letter / 2, y, self.letter, across="right", down="center")
        for number, name in enumerate(self.panel.column_names):
            x = left + (number + 0.5) * across + self.factor / 2
            yield _Text(name, x, top - self.letter * 0.3, self.small, across="center", down="bottom")
        for row, found in enumerate(self.panel.below):
            for column, text in enumerate(found):
                for number, line in enumerate(text.split("\n")):
                    x = left + (column + 0.5) * across + self.factor / 2
                    y = top + row * down + self.cell[0] + self.factor + self.small * (0.15 + number * LINE)
                    fitting = _fitting(line, across - self.factor, self.small)
                    yield _Text(fitting, x, y, self.small, across="center")

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


def _write_block(texts: list[_Text], text: str, letter: int, top: int, width: int, bold: bool = False) -> int:
    """Add a text over the whole width, and return where it ends."""
    lines = _broken(text, width - 2 * letter, letter, bold)
    texts += [_Text(line, letter, top + number * letter * LINE, letter, bold) for number, line in enumerate(lines)]
    return top + round(len(lines) * letter * LINE)


def _with_note(caption: str, title: str, panels: Sequence[Panel]) -> str:
    said = [caption, title, *(text for panel in panels for text in (panel.title, *panel.row_names))]
    return f"{caption} {MISSING_NOTE}" if any(MISSING in _printable(text) for text in said) else caption


def _figure(canvas: "np.ndarray[Any, Any]", texts: Sequence[_Text]) -> "Figure":
    from matplotlib.figure import Figure

    height, width = canvas.shape[:2]
    figure = Figure(figsize=((width + 0.01) / 72, (height + 0.01) / 72), dpi=72)  # a point is a pixel
    figure.figimage(canvas, 0, 0, origin="upper")
    for text in texts:
        figure.text(
            text.x / width,
            1 - text.y / height,
            _printable(text.text),
            fontproperties=_font(text.bold, text.letter),
            horizontalalignment=text.across,
            verticalalignment=text.down,
            parse_math=False,
        )
    return figure


def _font_file(bold: bool) -> Path:
    """DejaVu Sans, which has the letters of most alphabets and comes with matplotlib."""
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"DejaVuSans{'-Bold' * bold}.ttf"


@cache
def _font(bold: bool, letter: float) -> "FontProperties":
    from matplotlib.font_manager import FontProperties

    return FontProperties(fname=_font_file(bold), size=letter)


@cache
def _letters() -> frozenset[int]:
    """The letters that both fonts have."""
    from matplotlib.ft2font import FT2Font

    regular, bold = (FT2Font(str(_font_file(bold))).get_charmap() for bold in (False, True))
    return frozenset(regular.keys() & bold.keys())


def _printable(text: str) -> str:
    return "".join(letter if ord(letter) in _letters() else MISSING for letter in text)


@cache
def _renderer() -> Any:
    from matplotlib.backends.backend_agg import RendererAgg

    return RendererAgg(1, 1, 72)


def _width(text: str, letter: float, bold: bool = False) -> float:
    width: float = _renderer().get_text_width_height_descent(_printable(text), _font(bold, letter), False)[0]
    return width


def _cut(name: str) -> str:
    return name if len(name) <= LONGEST_NAME_LETTERS else f"{name[: LONGEST_NAME_LETTERS - 1]}\N{HORIZONTAL ELLIPSIS}"


def _fitting(text: str, width: float, letter: float) -> str:
    """The text, or as much of it as fits."""
    shown = text
    while len(shown) > 1 and _width(shown, letter) > width:
        shown = f"{shown.rstrip(chr(0x2026))[:-1]}\N{HORIZONTAL ELLIPSIS}"
    return shown


def _broken(text: str, width: float, letter: float, bold: bool = False) -> list[str]:
    """The text in lines that fit, with at least one word in each."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and _width(longer, letter, bold) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
