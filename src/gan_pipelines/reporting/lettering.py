"""Lines of text on pictures: how wide they are, where they break, and how they are drawn.

The font is DejaVu Sans, which has the letters of most alphabets and comes with matplotlib.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

LINE = 1.45
"""From one line to the next, in heights of a letter."""
BASELINE = 0.85
"""Of a line, from its top on, in heights of a letter."""
ELLIPSIS, MISSING = "\N{HORIZONTAL ELLIPSIS}", "\N{REPLACEMENT CHARACTER}"
BLACK = (0, 0, 0)


@dataclass(frozen=True)
class Line:
    """A line of text.

    Attributes:
        text: what it says.
        x: in pixels from the left.
        y: its top, in pixels from above.
        letter: height of a letter in pixels.
        bold: whether its letters are.
        align: which point of it lies at `x`: `l`, `m` or `r` for its left end, middle or right end.
    """

    text: str
    x: float
    y: float
    letter: float
    bold: bool = False
    align: str = "l"


def write(image: Image.Image, lines: Sequence[Line]) -> None:
    """Draw lines of text on a picture; letters that the font does not have are shown as `MISSING`."""
    draw = ImageDraw.Draw(image)
    for line in lines:
        place = round(line.x), round(line.y + BASELINE * line.letter)
        font = _font(line.bold, line.letter)
        draw.text(place, printable(line.text), BLACK, font, anchor=f"{line.align}s")


def width(text: str, letter: float, bold: bool = False) -> float:
    """Of a line, in pixels."""
    return _font(bold, letter).getlength(printable(text))


def broken(text: str, room: float, letter: float, bold: bool = False) -> list[str]:
    """The text in lines that fit into so many pixels, with at least one word in each."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and width(longer, letter, bold) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def cut(text: str, letters: int) -> str:
    """The text, or its first letters."""
    return text if len(text) <= letters else f"{text[: letters - 1]}{ELLIPSIS}"


def fitting(text: str, room: float, letter: float) -> str:
    """The text, or as many of its letters as fit into so many pixels, but at least one."""
    lengths = range(len(text), 1, -1)
    return next((shown for n in lengths if width(shown := cut(text, n), letter) <= room), text[:1])


def printable(text: str) -> str:
    """The text with `MISSING` in place of letters that the font does not have."""
    return "".join(letter if ord(letter) in _letters() else MISSING for letter in text)


def _font_file(bold: bool) -> Path:
    import matplotlib  # only those who draw wait for it

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"DejaVuSans{'-Bold' * bold}.ttf"


@cache
def _font(bold: bool, letter: float) -> ImageFont.FreeTypeFont:
    # the other layout engine is not installed everywhere
    return ImageFont.truetype(_font_file(bold), letter, layout_engine=ImageFont.Layout.BASIC)


@cache
def _letters() -> frozenset[int]:
    """The letters that both fonts have."""
    from matplotlib.ft2font import FT2Font

    regular, bold = (FT2Font(str(_font_file(bold))).get_charmap() for bold in (False, True))
    return frozenset(regular.keys() & bold.keys())
