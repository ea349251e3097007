"""The documents: links, both READMEs, formulas, what is stated twice, and the check of the built site.

`make docs` builds the site itself, and fails on what these tests find in a small one.
"""

import importlib.util
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import unquote
from xml.etree.ElementTree import Element

import markdown
import pytest
import yaml

from gan_pipelines import __version__

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"\]\(([^()\s]+)\)")


def load(name: str) -> ModuleType:
    """A module of docs/site, which is no package."""
    spec = importlib.util.spec_from_file_location(f"site_{name}", ROOT / "docs" / "site" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


build, formulas = load("build"), load("formulas")


def prose(page: Path) -> str:
    """A page without its blocks and spans of code."""
    without_blocks = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"(`+)[^`].*?\1", "code", without_blocks)


def anchors(page: Path) -> set[str]:
    """The names of a page's headings, as GitHub and the site make them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ +(.+?) *$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", link):
            assert link.startswith("https://"), link
            continue
        place, _, anchor = unquote(link).partition("#")
        target = (page.parent / place).resolve() if place else page
        assert target.is_file(), link
        assert target.is_relative_to(ROOT), link
        assert not anchor or anchor in anchors(target), link


def named(entries: list[Any]) -> Iterator[str]:
    """The pages of a navigation."""
    for entry in entries:
        for place in [entry] if isinstance(entry, str) else entry.values():
            yield from [place] if isinstance(place, str) else named(place)


def test_the_navigation_has_every_page_and_package() -> None:
    config = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]
    decisions = {page for page in PAGES if page.parent.name == "adr" and page.name != "README.md"}
    packages = {path.parent.name for path in ROOT.glob("src/gan_pipelines/*/__init__.py")}
    expected = {str(page.relative_to(ROOT)) for page in PAGES if page not in decisions}
    assert set(named(config["nav"])) == expected | {"api/README.md", "graph/index.html?types=nodes"} | {
        f"api/{name}.md" for name in packages
    }
    index = (ROOT / "docs" / "adr" / "README.md").read_text(encoding="utf-8")
    assert {page.name for page in decisions} == {link for link in LINK.findall(index) if link.startswith("0")}


def commands(page: Path) -> list[str]:
    """The commands of a README in their order, without comments."""
    text = page.read_text(encoding="utf-8")
    blocks = "\n".join(re.findall(r"^```sh\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL))
    lines = [line.partition("#")[0].strip() for line in blocks.splitlines()]
    return [*lines, *re.findall(r"`((?:make|kedro) [^`]+)`", text)]


def test_both_readmes_have_the_same_commands_numbers_and_links() -> None:
    english, chinese = ROOT / "README.md", ROOT / "README.zh.md"
    assert commands(english) == commands(chinese)
    assert len(commands(english)) > 5

    def links(page: Path) -> list[str]:
        return [link for link in LINK.findall(page.read_text(encoding="utf-8")) if not link.startswith("README")]

    def rows(page: Path) -> list[list[str]]:
        lines = page.read_text(encoding="utf-8").splitlines()
        return [re.findall(r"-?\d+\.\d+", line) for line in lines if line.startswith("|")]

    assert links(english) == links(chinese)
    assert rows(english) == rows(chinese)


def test_every_target_that_a_document_names_is_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    scripts = [ROOT / name for name in (".ci/run", "Dockerfile", ".devcontainer/devcontainer.json")]
    for page in [*PAGES, *scripts]:
        text = page.read_text(encoding="utf-8")
        assert set(re.findall(r"(?:`|^|RUN |\": \")make ([a-z-]+)", text, flags=re.MULTILINE)) <= targets, page


def test_the_citation_names_this_version_and_both_papers() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == __version__
    papers = [(paper["authors"][0]["family-names"], paper["year"]) for paper in citation["references"]]
    assert papers == [("Huang", 2017), ("Chen", 2016)]


def test_the_container_runs_the_readme_without_root() -> None:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    assert lines.index("USER 1000:1000") < lines.index("RUN make setup") < lines.index('CMD ["make", "run"]')
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    assert container["postCreateCommand"] == "make setup"
    stage = f" AS {container['build']['target']}"
    assert [line for line in lines if line.endswith(stage)]


def written(page: Path) -> Iterator[tuple[str, str]]:
    """The formulas of a page, each with its display."""
    text = page.read_text(encoding="utf-8")
    for formula in re.findall(r"^```math\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL):
        yield formula, "block"
    for match in re.finditer(formulas.INLINE, prose(page)):
        yield match.group(1), "inline"


def text_of(element: Element) -> str:
    return "".join(element.itertext())


@pytest.mark.parametrize("page", [page for page in PAGES if any(written(page))], ids=lambda page: page.stem)
def test_every_formula_becomes_mathml(page: Path) -> None:
    for formula, display in written(page):
        math = formulas.to_mathml(formula, display)
        assert not re.search(r"[\\&$]", text_of(math)), formula
        assert {element.get("mathvariant") for element in math.iter()} <= {None, "normal"}, formula


def test_words_are_one_upright_name_with_room_beside_them() -> None:
    math = formulas.to_mathml(r"2 \ln x + \mathrm{softplus}(-\ell)")
    assert [element.text for element in math.iter("mi")] == ["ln", "x", "softplus", "\N{SCRIPT SMALL L}"]
    (row,) = math
    tags = [element.tag for element in row][:5]
    assert tags == ["mn", "mspace", "mi", "mspace", "mi"]
    (sign,) = [element for element in math.iter("mo") if element.text == formulas.MINUS]
    assert sign.get("form") == "prefix"


def test_dollars_in_code_and_prices_are_no_formulas() -> None:
    html = markdown.markdown("`$x$`, $5 or $6, and $h_i$.", extensions=[formulas.makeExtension()])
    assert html.count("<math") == 1
    assert "<code>$x$</code>, $5 or $6" in html
    assert "</math>.</span>" in html


SOUND = (
    '<link href="a.css" rel="stylesheet"><h1 id="top">x</h1><a href="b.html#there">b</a> <a href="https://c.org">c</a>'
)


@pytest.mark.parametrize(
    ("name", "broken", "problem"),
    [
        ("a.html", '<a href="c.html">c</a>', "c.html leads nowhere"),
        ("a.html", '<a href="b.html#gone">b</a>', "b.html#gone has no such anchor"),
        ("a.html", '<script src="https://cdn.org/x.js"></script>', "loads https://cdn.org/x.js"),
        ("a.html", '<img src="//cdn.org/x.png">', "loads //cdn.org/x.png"),
        ("a.html", '<link href="https://fonts.org" rel="preconnect">', "loads https://fonts.org"),
        ("a.html", '<img src="gone.png">', "gone.png leads nowhere"),
        ("a.css", "@font-face { src: url(https://fonts.org/x.woff2) }", "loads https://fonts.org/x.woff2"),
    ],
)
def test_the_check_of_the_site_names_what_is_broken(tmp_path: Path, name: str, broken: str, problem: str) -> None:
    (tmp_path / "a.html").write_text(SOUND)
    (tmp_path / "b.html").write_text('<h2 id="there">y</h2><a href="#there">y</a><a href="/a.html">a</a>')
    (tmp_path / "a.css").write_text("p { background: url(data:image/png;base64,) }")
    assert list(build.check(tmp_path)) == []
    (tmp_path / name).write_text((tmp_path / name).read_text() + broken)
    assert list(build.check(tmp_path)) == [f"{name}: {problem}"]


def test_the_api_has_a_page_of_every_public_module() -> None:
    pages = build.api_pages(ROOT / "src" / "gan_pipelines")
    assert "::: gan_pipelines.losses.entropy\n" in pages["losses.md"]
    assert "::: gan_pipelines.pipelines.sgan_levels.nodes\n" in pages["pipelines.md"]
    assert "[losses](losses.md) | The losses of SGAN" in pages["README.md"]
    assert "__main__" not in "".join(pages.values())
