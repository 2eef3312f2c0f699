"""Sphinx configuration: Markdown pages and the API reference; `make docs` builds them strictly."""

import re
from importlib.metadata import version as version_of
from pathlib import Path

from sphinx.application import Sphinx

DOCS = Path(__file__).parent

project = "EMM"
author = "The EMM pipeline authors"
version = release = version_of("emm")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "EMM"

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4  # the same anchors as on GitHub

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
# Types are shown without links: neither torch nor the internal packages are documented here.
nitpick_ignore_regex = [(r"py:.*", r".*")]

_LINK = re.compile(r"\[([^]]+)\]\((\.\./[^)#\s]*)(?:#[^)\s]*)?\)")
_CODE = re.compile(r"(``.+?``)", re.DOTALL)


def link_to_repository(_app: Sphinx, _page: str, content: list[str]) -> None:
    """Turn links to files outside of docs/ into downloads; folders lose their link."""

    def replacement(link: re.Match[str]) -> str:
        text, target = link.groups()
        return f"[{text}](path:{target})" if (DOCS / target).is_file() else text

    content[0] = _LINK.sub(replacement, content[0])


def escape_docstring(_app: Sphinx, *described: object) -> None:
    """Docstrings are plain text with backticks; nothing else in them is markup."""
    lines = described[-1]
    if isinstance(lines, list):
        parts = _CODE.split("\n".join(lines))
        parts[::2] = [re.sub(r"([*|]|(?<=\w)_(?!\w))", r"\\\1", part) for part in parts[::2]]
        lines[:] = "".join(parts).split("\n")


def setup(app: Sphinx) -> None:
    """Register both hooks."""
    app.connect("source-read", link_to_repository)
    app.connect("autodoc-process-docstring", escape_docstring, priority=400)
