"""What the documents tell a reader to type: their blocks of code and the commands within their sentences.

A block that cannot run in a test, or for too long, says why in the line above it, which no reader sees:

    <!-- not run: needs an account -->
    <!-- not run to its end: trains seven stacks -->
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import dropwhile, groupby
from pathlib import Path
from typing import Any

from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.runner import SequentialRunner

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
    if path.name != "CHANGELOG.md"  # tells of earlier versions
)
RUN = ("sh", "python", "yaml", "toml", "diff", "command")
"""What of a page is run, written or applied; the rest is there to be read."""
BLOCK = re.compile(
    r"(?:^<!-- not run(?P<begun> to its end)?: (?P<reason>.+?) -->\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
SPAN = re.compile(r"(?<!`)(`{1,2})(?!`)(?P<text>[^\n]+?)(?<!`)\1(?!`)")
COMMAND = re.compile(
    r"(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?"
    r"(?:(?:kedro|make|python|gan-pipelines|dask|mlflow|docker) [a-z-]|for \w+ in |benchmarks/\w+\.py)"
)
"""How the spans of code begin that are commands."""
SEPARATORS = ("&&", ";", "|", "(", ")", "do", "done")
"""Words between commands, in the shell."""
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
PLACEHOLDER = re.compile(r"<[a-z]+>|\b[A-Z]{3,}\b(?!_)")
"""What a reader fills in: `<version>`, `NAME`."""


@dataclass(frozen=True)
class Code:
    """A block of a page, or a command in a sentence of it.

    Attributes:
        page: where it stands.
        line: of the page, from 1 on.
        language: of the block, such as `sh`; `command` in a sentence.
        text: itself.
        reason: why it is not run; empty if it is.
        begun: whether it is run up to the first node of each command.
    """

    page: Path = field(compare=False)
    line: int = field(compare=False)
    language: str
    text: str
    reason: str = ""
    begun: bool = False

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def file(self) -> str:
        """The file that a block is, if its first line is a comment that names one; else empty."""
        found = re.match(r"# ([\w.]+/[\w./]+)\n", self.text)
        return found[1] if found and self.language != "command" else ""

    def commands(self) -> Iterator[list[str]]:
        """The words of each command, without what is assigned before it."""
        for line in self.text.replace("\\\n", " ").splitlines():
            lexer = shlex.shlex(line, posix=True, punctuation_chars="();&|")
            lexer.whitespace_split = True
            for separates, group in groupby(lexer, SEPARATORS.__contains__):
                words = list(dropwhile(ASSIGNMENT.match, [] if separates else group))
                if words:
                    yield [words[0].removeprefix(".venv/bin/"), *(word.replace("\\`", "`") for word in words[1:])]


def read(page: Path) -> list[Code]:
    """The blocks and commands of a page in their order."""
    text = page.read_text(encoding="utf-8")
    found = [
        (match.start("text"), match["language"], match["text"], match["reason"] or "", bool(match["begun"]))
        for match in BLOCK.finditer(text)
    ]
    found += [
        (match.start("text"), "command", match["text"], "", True)
        for match in SPAN.finditer(without_blocks(text))
        if COMMAND.match(match["text"])
    ]
    return [Code(page, text.count("\n", 0, start) + 1, *code) for start, *code in sorted(found)]


def spans(page: Path) -> list[str]:
    """The spans of code in the sentences of a page."""
    return [match["text"] for match in SPAN.finditer(without_blocks(page.read_text(encoding="utf-8")))]


def without_blocks(text: str) -> str:
    """A text of the same length, with blanks in place of its blocks."""
    return BLOCK.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def options_of(words: list[str]) -> Iterator[tuple[str, str]]:
    """The long options of a command with their values."""
    for word in words:
        if word.startswith("--"):
            name, _, value = word.partition("=")
            yield name, value


class Reached(Exception):
    """A run came to its first node."""


class UpToTheFirstNode(SequentialRunner):
    """A runner for commands within sentences: all that precedes the first node happens, and no node runs."""

    def _run(self, pipeline: Pipeline, catalog: CatalogProtocol, *arguments: Any, **options: Any) -> None:
        raise Reached
