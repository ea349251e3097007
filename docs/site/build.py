"""Builds the documentation into site/: `make docs`.

The pages keep the places that they have in the repository, so their links are the same here and there. kedro-viz's page
of the pipelines stands beside them. Afterwards every link within the site must lead somewhere, and no page may load
anything from elsewhere.
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
from tempfile import TemporaryDirectory
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).parents[2]
STAGED, SITE = ROOT / "build" / "docs", ROOT / "site"
PACKAGE = "gan_pipelines"
TOP = ("README.md", "README.zh.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "CITATION.cff", "LICENSE")
POLICY = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'self' 'unsafe-inline' data: blob:\">"
"""What a browser may load for a page: files of the site, and what its scripts make themselves."""
QUIET = {"KEDRO_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
FONT = "ziamath/fonts/STIXTwoMath-Regular.ttf"
"""A font for formulas under the SIL Open Font License; this package has it, and is needed for nothing else."""
LOADED = {"script": "src", "img": "src", "source": "src", "iframe": "src", "link": "href"}
"""Attributes of elements that a browser loads by itself; `a` it does not."""
NAMING = ("canonical", "next", "prev", "alternate")
"""Links of a head that only name another page."""


def main() -> None:
    """Stage the pages, build the site and check it.

    Raises:
        SystemExit: a part cannot be built, a link leads nowhere, or a page loads something from elsewhere.
    """
    stage(ROOT, STAGED)
    draw_graph(STAGED / "graph")
    shutil.rmtree(SITE, ignore_errors=True)
    call(ROOT, "zensical", "build", "--strict", "--clean", PYTHONPATH=str(Path(__file__).parent))
    (SITE / "404.html").unlink()  # its links hold only at the root of a server
    for page in SITE.rglob("*.html"):
        seal(page)
    if problems := sorted(set(check(SITE))):
        sys.exit("\n".join(["Error: the site is not whole:", *problems]))
    print(f"The site is whole: open {SITE / 'index.html'}. Its search and graph need make docs-serve.")


def call(folder: Path, *arguments: str, **environment: str) -> None:
    """Run a module of this Python in a folder.

    Raises:
        SystemExit: it fails.
    """
    command = [sys.executable, "-m", *arguments]
    if subprocess.run(command, cwd=folder, env={**os.environ, **environment}, check=False).returncode:  # noqa: S603 - ours
        sys.exit(f"Error: {' '.join(arguments)} failed; the lines above say why")


def draw_graph(place: Path) -> None:
    """Put kedro-viz's page of the pipelines, which needs no server, into a folder."""
    with TemporaryDirectory() as folder:  # kedro-viz writes into build/ of the project that it draws
        project = Path(folder)
        for name in ("pyproject.toml", ".telemetry"):
            shutil.copy(ROOT / name, project)
        for name in ("conf", "src"):
            shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("local", "__pycache__"))
        (project / "conf" / "local").mkdir()
        call(project, "kedro", "viz", "build", "--include-hooks", PYTHONPATH=str(project / "src"), **QUIET)
        for name in ("404.html", "autoreload.html", "telemetry.html"):
            (project / "build" / name).unlink()
        index = project / "build" / "index.html"
        fonts = r"<link\b[^>]*\bhref=\"https:[^>]*>"  # from a server of fonts; without them it takes the reader's own
        index.write_text(re.sub(fonts, "", index.read_text(encoding="utf-8")), encoding="utf-8")
        shutil.copytree(project / "build", place)


def seal(page: Path) -> None:
    """Let no browser load anything from elsewhere on behalf of a page's scripts.

    Raises:
        SystemExit: the page has no head that could say so.
    """
    start, head, rest = page.read_text(encoding="utf-8").partition("<head>")
    if not head:
        sys.exit(f"Error: {page} has no <head>")
    page.write_text(f"{start}{head}{POLICY}{rest}", encoding="utf-8")


def stage(root: Path, staged: Path) -> None:
    """Copy the pages and pictures of a repository, and write a page for each package of the source."""
    shutil.rmtree(staged, ignore_errors=True)
    shutil.copytree(root / "docs", staged / "docs", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
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
        attribute = LOADED.get(tag)
        if attribute in values and values.get("rel") not in NAMING:
            self.loaded.add(values[attribute])


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
