"""Builds the documentation into site/: `make docs`.

The pages keep the places that they have in the repository, so their links are the same here and there. Afterwards every
link within the site must lead somewhere, and no page may load anything from elsewhere.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from importlib.metadata import distribution
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).parents[2]
STAGED, SITE = ROOT / "build" / "docs", ROOT / "site"
PACKAGE = "gan_pipelines"
TOP = ("README.md", "README.zh.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "CITATION.cff", "LICENSE")
FONT = "ziamath/fonts/STIXTwoMath-Regular.ttf"
"""A font for formulas under the SIL Open Font License; this package has it, and is needed for nothing else."""
LOADED = {"script": "src", "img": "src", "source": "src", "iframe": "src", "link": "href"}
"""Attributes of elements that a browser loads by itself; `a` it does not."""


def main() -> None:
    """Stage the pages, build the site and check it.

    Raises:
        SystemExit: zensical warns or fails, a link leads nowhere, or a page loads something from elsewhere.
    """
    stage(ROOT, STAGED)
    shutil.rmtree(SITE, ignore_errors=True)
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    if subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode:  # noqa: S603 - no outside input
        sys.exit("Error: the site could not be built; the lines above say why")
    (SITE / "404.html").unlink()  # its links hold only at the root of a server
    if problems := sorted(set(check(SITE))):
        sys.exit("\n".join(["Error: the site is not whole:", *problems]))
    print(f"The site is whole: open {SITE / 'index.html'}")


def stage(root: Path, staged: Path) -> None:
    """Copy the pages and pictures of a repository, and write a page for each package of the source."""
    shutil.rmtree(staged, ignore_errors=True)
    shutil.copytree(root / "docs", staged / "docs", ignore=shutil.ignore_patterns("*.py", "__pycache__", "theme"))
    for name in TOP:
        shutil.copy(root / name, staged)
    shutil.copy(str(distribution("ziamath").locate_file(FONT)), staged / "docs" / "site")
    (staged / "api").mkdir()
    for place, text in api_pages(root / "src" / PACKAGE).items():
        (staged / "api" / place).write_text(text, encoding="utf-8")


def api_pages(package: Path) -> Mapping[str, str]:
    """The pages of the API by file name: one per package or module of the first level, and a table of them."""
    rows, pages = [], {}
    for path in sorted(package.iterdir()):
        modules = sorted(path.rglob("*.py")) if path.is_dir() else [path]
        public = [module for module in modules if module.suffix == ".py" and not module.stem.startswith("_")]
        if not public:
            continue
        first = path / "__init__.py" if path.is_dir() else path
        summary = (ast.get_docstring(ast.parse(first.read_text(encoding="utf-8"))) or "").partition("\n")[0]
        rows.append(f"| [{path.stem}]({path.stem}.md) | {summary} |")
        names = [".".join(module.relative_to(package.parent).with_suffix("").parts) for module in public]
        pages[f"{path.stem}.md"] = "\n\n".join([f"# {path.stem}", summary, *(f"::: {name}" for name in names), ""])
    pages["README.md"] = "\n".join(["# API", "", "From the docstrings.", "", "| | |", "|---|---|", *rows, ""])
    return pages


class Page(HTMLParser):
    """What one page of the site defines, links to and loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: set[str] = set()
        self.loaded: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note anchors, links, and what is loaded."""
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.add(values["href"])
        # of the links in a head, a browser loads none that only name another place of the page
        if (
            tag in LOADED
            and LOADED[tag] in values
            and values.get("rel") not in ("canonical", "next", "prev", "alternate")
        ):
            self.loaded.add(values[LOADED[tag]])


def check(site: Path) -> Iterator[str]:
    """What is wrong with a built site: links and files that are not there, and what is loaded from elsewhere."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in site.resolve().rglob("*.html")}
    for path, page in pages.items():
        name = path.relative_to(site.resolve())
        for address in page.links | page.loaded:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                if address in page.loaded and parts.scheme != "data":
                    yield f"{name}: loads {address}"
                continue
            start = site if parts.path.startswith("/") else path.parent
            target = (start / unquote(parts.path).lstrip("/")).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file():
                yield f"{name}: {address} leads nowhere"
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                yield f"{name}: {address} has no such anchor"
    for path in site.rglob("*.css"):
        for address in re.findall(r"(?:url\(|@import\s+)[\"']?((?:https?:)?//[^\"')\s]+)", path.read_text("utf-8")):
            yield f"{path.relative_to(site)}: loads {address}"


if __name__ == "__main__":
    main()
