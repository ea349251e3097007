"""What a figure says beside its pictures: a title above, a name left of each row."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

LETTER_PIXELS = 13
MARGIN_PIXELS = 6
LONGEST_NAME_LETTERS = 24


def captioned(grid: Image.Image, names: Sequence[str] = (), title: str = "") -> Image.Image:
    """The grid in the lower right corner of a white sheet, with a title above it and its rows named.

    Args:
        grid: of rows of equal height.
        names: of its rows, from above; an empty one leaves its row without a name. Long ones are cut.
        title: broken into as many lines as it takes.
    """
    font = _font()
    longest = LONGEST_NAME_LETTERS
    shown = [name if len(name) <= longest else f"{name[: longest - 1]}\N{HORIZONTAL ELLIPSIS}" for name in names]
    left = max((round(font.getlength(name)) for name in shown), default=-2 * MARGIN_PIXELS) + 2 * MARGIN_PIXELS
    lines = _broken(title, left + grid.width - 2 * MARGIN_PIXELS, font)
    top = len(lines) * (LETTER_PIXELS + MARGIN_PIXELS) + (MARGIN_PIXELS if lines else 0)
    sheet = Image.new("RGB", (left + grid.width, top + grid.height), "white")
    draw = ImageDraw.Draw(sheet)
    for number, line in enumerate(lines):
        draw.text((MARGIN_PIXELS, MARGIN_PIXELS + number * (LETTER_PIXELS + MARGIN_PIXELS)), line, "black", font)
    for number, name in enumerate(shown):
        middle = top + round((number + 0.5) * grid.height / len(shown))
        draw.text((left - MARGIN_PIXELS, middle), name, "black", font, anchor="rm")
    sheet.paste(grid, (left, top))
    return sheet


def above_each_other(pictures: Sequence[Image.Image]) -> Image.Image:
    """Pictures on one white sheet, the first on top."""
    sheet = Image.new(
        "RGB", (max(picture.width for picture in pictures), sum(each.height for each in pictures)), "white"
    )
    top = 0
    for picture in pictures:
        sheet.paste(picture, (0, top))
        top += picture.height
    return sheet


@cache
def _font() -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which has the letters of most alphabets and comes with matplotlib; Pillow's own has no accents."""
    import matplotlib  # only those who draw wait for it

    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", LETTER_PIXELS)


def _broken(text: str, width_pixels: int, font: ImageFont.FreeTypeFont) -> list[str]:
    """The text in lines that fit, with at least one word in each."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width_pixels:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
