"""Render report pages: Jinja2 templates for the text, and Markdown tables."""

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from emm.report.names import display_name, join_names

NOTHING = "-"


def render(template: str, package: str = "emm.report", **values: Any) -> str:
    """Fill in ``template`` of ``package``'s folder ``templates``; return Markdown.

    A variable that the template uses and ``values`` lacks is an error. Empty sections of a
    template may leave blank lines; runs of them become one.
    """
    text = _environment(package).get_template(template).render(values)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table that is also legible as source: first column left-aligned, the others right."""
    header, *rows = ([_cell(text) for text in row] for row in (header, *rows))
    columns = list(zip(header, *rows, strict=True))
    widths = [max(3, *map(len, column)) for column in columns]
    rule = [":" + "-" * (widths[0] - 1), *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join(_line(row, widths) for row in [header, rule, *rows])


def code(text: str) -> str:
    """``text`` from data as it stands, whatever Markdown would make of it; at most one line."""
    line = " ".join(text.split())
    if not line:
        return NOTHING
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    space = " " if line[0] == "`" or line[-1] == "`" else ""
    return f"{fence}{space}{line}{space}{fence}"


@cache
def _environment(package: str) -> Environment:
    environment = Environment(
        loader=PackageLoader(package),
        undefined=StrictUndefined,
        trim_blocks=True,
        autoescape=False,  # Markdown, not HTML
    )
    environment.filters |= {"display_name": display_name, "join_names": join_names}
    return environment


def _cell(text: str) -> str:
    """``text`` on one line, without the character that separates cells."""
    return " ".join(text.splitlines()).replace("|", r"\|")


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cells[0].ljust(widths[0])]
    padded += [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
    return f"| {' | '.join(padded)} |"
