"""The raw columns inside an exported model, as members from outside read them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emm.data.tables.kinds import INTEGER, RawKind
from emm.export.columns import GraphInput
from emm.export.nodes import Nodes
from emm.export.sql.values import Value, either, where


@dataclass(frozen=True)
class RawColumn:
    """A raw column: its tensor [B, 1], text without blanks around it or doubles."""

    tensor: str
    given: GraphInput


class RawColumns:
    """Raw columns by name.

    ``missing``: texts that stand for a missing value; ``numbers``: these among them that are
    numbers.
    """

    def __init__(
        self,
        nodes: Nodes,
        columns: Sequence[RawColumn],
        missing: Sequence[str],
        numbers: Sequence[float],
    ) -> None:
        self.nodes, self.missing, self.numbers = nodes, [*filter(None, missing)], numbers
        self.columns = {each.given.column: each for each in columns}

    def value(self, column: str, kind: RawKind) -> Value:
        """A column of that kind; text where its tensor is, even if that says whole numbers."""
        each, nodes = self.columns[column], self.nodes
        if each.given.type == "text":
            return Value(each.tensor, "text", self._missing(each))
        number = self.number(column)
        missing = nodes.add("IsNaN", [number])
        if kind != INTEGER:
            return Value(number, "number", missing)
        safe = where(nodes, missing, nodes.constant(np.array(0.0)), number)
        return Value(nodes.cast(safe, "INT64"), "integer", missing)

    def number(self, column: str) -> str:
        """A column as doubles [B, 1], NaN where it is missing."""
        each, nodes = self.columns[column], self.nodes
        if each.given.type == "double":
            found = each.tensor
        else:
            word = nodes.constant(np.array("nan", object))
            found = nodes.cast(where(nodes, self._missing(each), word, each.tensor), "DOUBLE")
        for number in self.numbers:
            same = nodes.add("Equal", [found, nodes.constant(np.array(number, np.float64))])
            found = nodes.add("Where", [same, nodes.constant(np.array(np.nan)), found])
        return found

    def rows(self) -> str:
        """A condition [B, 1], in which nothing but its shape counts."""
        tensor = next(iter(self.columns.values())).tensor
        return self.nodes.add("Equal", [tensor, tensor])

    def _missing(self, column: RawColumn) -> str:
        """Where a column of text has one that stands for a missing value."""
        nodes, words = self.nodes, {*self.missing, column.given.missing or ""}
        same = [
            nodes.add("Equal", [column.tensor, nodes.constant(np.array(word, object))])
            for word in sorted(words)
        ]
        return str(either(nodes, *same))
