"""A Markdown extension: formulas as GitHub writes them, `$...$` and fences of `math`, become MathML at build time."""

import re
from html import unescape
from itertools import pairwise
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from latex2mathml.converter import convert_to_element
from markdown import Markdown
from markdown.extensions import Extension
from markdown.inlinepatterns import InlineProcessor

INLINE = r"(?<![\\\w$])\$(?!\s)((?:\\.|[^\\$])+?)(?<!\s)\$(?![\w$])([.,;:?!)\]]*)"
"""A formula, and the punctuation that stays on its line."""
BEFORE_ESCAPES = 185
"""Below code (190), whose dollars stay, and above backslashes (180), which belong to the formula."""

LETTERS = {
    "double-struck": {"E": "\N{MATHEMATICAL DOUBLE-STRUCK CAPITAL E}"},
    "script": {"N": "\N{MATHEMATICAL SCRIPT CAPITAL N}"},
}
"""What browsers do not make of the attribute `mathvariant`, by its value."""
NAMES = {"{aligned}": "{align*}", r"\arg\max": r"\mathrm{arg}\max"}
"""What latex2mathml calls otherwise."""
THIN = "0.167em"
OPERATORS = ("mo", "mspace")
MINUS, BARS = "\N{MINUS SIGN}", "\N{DOUBLE VERTICAL LINE}"
CLOSING = (")", "]", BARS)


def to_mathml(formula: str, display: str = "inline") -> Element:
    r"""A formula in LaTeX as an element of MathML that browsers set as LaTeX does.

    Raises:
        KeyError: a letter in `\mathbb` or `\mathcal` that `LETTERS` lacks.
    """
    for latex, known in NAMES.items():
        formula = formula.replace(latex, known)
    root: Element = convert_to_element(formula, display=display)
    for element in list(root.iter()):
        element.text = unescape(element.text or "") or None
        variant = element.get("mathvariant")
        if variant in LETTERS:
            element.text = LETTERS[variant][element.text or ""]
            del element.attrib["mathvariant"]
    for element in list(root.iter("mrow")):
        if len(element) > 1 and all(child.tag == "mi" and child.get("mathvariant") == "normal" for child in element):
            word = "".join(child.text or "" for child in element)
            element[:] = []
            SubElement(element, "mi").text = word
    for element in list(root.iter()):
        _space_words(element)
        _form_operators(element)
    return root


def _space_words(parent: Element) -> None:
    """Put a thin space between a word, such as log, and the letters or numbers beside it."""
    if parent.tag not in ("math", "mrow", "mtd", "mstyle"):
        return
    for left, right in pairwise(list(parent)):
        letters = left.tag not in OPERATORS and right.tag not in OPERATORS
        if letters and (_is_word(left) or _is_word(right)):
            parent.insert(list(parent).index(right), Element("mspace", width=THIN))


def _form_operators(parent: Element) -> None:
    """Say what browsers cannot infer: that a minus is a sign, a semicolon separates, and a norm's bars do not grow."""
    before = None
    for element in parent:
        if element.text == ";":
            element.tag = "mo"
            element.set("separator", "true")
        elif element.text == MINUS and (before is None or (before.tag == "mo" and before.text not in CLOSING)):
            element.set("form", "prefix")
        elif element.text == BARS:
            element.set("stretchy", "false")
        before = element


def _is_word(element: Element) -> bool:
    """Whether it is a name of several letters, with or without an index."""
    while element.tag in ("mrow", "msub", "msup", "msubsup", "munder") and len(element):
        element = element[0]
    return element.tag == "mi" and len(element.text or "") > 1 and (element.text or "").isalpha()


def fence(source: str, *_: Any, **__: Any) -> str:
    """A fence of `math` as a block; the arguments are those of pymdownx.superfences."""
    return f'<div class="formula">{tostring(to_mathml(source, "block"), encoding="unicode")}</div>'


class Inline(InlineProcessor):
    """`$...$` within a paragraph."""

    def handleMatch(self, m: re.Match[str], data: str) -> tuple[Element, int, int]:  # noqa: ARG002, N802 - Markdown's name
        """The formula with its punctuation, and where they stood."""
        span = Element("span", {"class": "nobreak"})
        formula = to_mathml(m.group(1))
        for element in formula.iter():  # Markdown writes what it gets
            element.text = (element.text or "").replace("&", "&amp;").replace("<", "&lt;") or None
        formula.tail = m.group(2)
        span.append(formula)
        return span, m.start(0), m.end(0)


class Formulas(Extension):
    """What zensical.toml names."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802 - Markdown's name
        """Register the formulas of a line; in the plain ones of docstrings an underscore is an index, no emphasis."""
        md.inlinePatterns.deregister("em_strong2", strict=False)
        md.inlinePatterns.register(Inline(INLINE, md), "formula", BEFORE_ESCAPES)


def makeExtension(**_: Any) -> Formulas:  # noqa: N802 - Markdown's name
    """Markdown calls it."""
    return Formulas()
