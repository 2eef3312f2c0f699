"""Links, anchors and sizes of the documentation."""

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
    *(ROOT / name / "README.md" for name in ("pool", "benchmarks", "examples")),
    *sorted((ROOT / "docs").glob("*.md")),
]

FENCE = re.compile(r"^( *)(```+|~~~+).*?^\1\2", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)


def text_of(page: Path) -> str:
    """The page without its code blocks."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
    return re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")


@cache
def anchors(page: Path) -> set[str]:
    return {slug(heading) for heading in HEADING.findall(text_of(page))}


def broken(page: Path) -> list[str]:
    """The relative links of the page that lead nowhere."""
    links = [link for link in LINK.findall(text_of(page)) if not re.match(r"[a-z]+:", link)]
    return [link for link in links if not leads_somewhere(page, link)]


def leads_somewhere(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not (target.exists() and target.is_relative_to(ROOT)):
        return False
    return not anchor or (target.suffix == ".md" and anchor in anchors(target))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    assert broken(page) == []


def test_a_broken_link_is_noticed() -> None:
    page = ROOT / "docs" / "index.md"
    assert leads_somewhere(page, "glossary.md#data")
    assert not leads_somewhere(page, "glossary.md#nowhere")
    assert not leads_somewhere(page, "nowhere.md")


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    names = {page.stem for page in PAGES if page.parent.name == "docs"} - {"index"}
    assert {name for name in names if f"({name}.md)" not in index} == set()
    assert {name for name in names if f"\n{name}\n" not in index} == set()


def test_every_documented_module_exists() -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    paths = [
        ROOT / "src" / name.replace(".", "/") for name in re.findall(r"automodule:: (.+)", text)
    ]
    assert paths
    assert [p for p in paths if not (p.with_suffix(".py").is_file() or p.is_dir())] == []


def test_every_page_has_one_title() -> None:
    titles = {page: len(re.findall(r"^# ", text_of(page), re.MULTILINE)) for page in PAGES}
    assert {page.name: count for page, count in titles.items() if count != 1} == {}


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 250


def test_the_glossary_has_at_most_forty_terms_each_once() -> None:
    glossary = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    terms = re.findall(r"^- \*\*(.+?)\*\*: .+\.$", glossary, re.MULTILINE)
    assert len(terms) == len(set(terms)) == len(re.findall(r"^- ", glossary, re.MULTILINE))
    assert 0 < len(terms) <= 40
