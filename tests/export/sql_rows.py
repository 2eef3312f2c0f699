"""A table with columns of every kind, and expressions over it by Polars and in a graph."""

from typing import Any

import numpy as np
import polars as pl

from emm.data.tables.expressions import evaluated
from emm.export.member_inputs import MemberInputs
from emm.export.nodes import Nodes
from tests.export.members_in_graph import in_graph

UNUSABLE = "\1"
ROWS = pl.DataFrame(
    {
        "i": [7, -7, 0, None, 3, 2**40, -1, 12],
        "j": [2, 2, 0, 1, -2, 5, None, 12],
        "f": [1.5, -0.0, 0.0, None, -2.5, 0.1, 1e9, 2.0],
        "g": [0.5, 2.5, 0.0, 1.0, None, 0.3, -7.25, 2.0],
        "t": ["Ab é", " B\t", "ß İ x", None, "1.5", "straße", "a", "ΟΔΟΣ"],
        "u": ["a", "B", "12", "-3", None, "x%y", "a", "1e3"],
    },
    schema={"i": pl.Int64, "j": pl.Int64, "f": pl.Float64, "g": pl.Float64}
    | dict.fromkeys("tu", pl.String),
)


def by_polars(expression: str, rows: pl.DataFrame = ROWS) -> list[Any]:
    """What the project makes of it: numbers as floats, and nothing for NaN."""
    column = evaluated(rows, {"v": expression})["v"]
    if column.dtype != pl.String:
        column = column.cast(pl.Float64).fill_nan(None)
    return column.to_list()


def by_graph(expression: str, rows: pl.DataFrame = ROWS) -> list[Any]:
    """What the graph makes of it."""
    text = False

    def added(_: Nodes, member: MemberInputs) -> str:
        nonlocal text
        found = member.value("v")
        text = found.kind == "text"
        if not text:
            return member.number("v")
        word = member.nodes.constant(np.array("\0", object))
        if found.missing is None:
            return found.tensor
        return member.nodes.add("Where", [found.missing, word, found.tensor])

    found = in_graph(rows, {"v": expression}, added, nothing=lambda: _nothing(text=text))
    values = found.flatten().tolist()
    return [None if value == "\0" or value != value else value for value in values]


def _nothing(*, text: bool) -> np.ndarray:
    return np.array(UNUSABLE, object) if text else np.array(np.nan)
