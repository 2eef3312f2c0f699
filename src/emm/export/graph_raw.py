"""The raw columns inside an exported model, as members from outside read them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emm.core.errors import ModelFileError
from emm.data.tables.kinds import NUMBER, RawKind
from emm.export.columns import GraphInput
from emm.export.nodes import Nodes


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

    def text(self, column: str, kind: RawKind, member: str) -> str:
        """A column as text [B, 1], empty where it is missing.

        Raises ModelFileError for fractions, which have no one form as text.
        """
        each, nodes = self.columns[column], self.nodes
        if each.given.type == "text":
            empty = nodes.constant(np.array("", object))
            found, words = each.tensor, [*self.missing]
            words += [each.given.missing] if each.given.missing else []
            for word in words:
                same = nodes.add("Equal", [each.tensor, nodes.constant(np.array(word, object))])
                found = nodes.add("Where", [same, empty, found])
            return found
        if kind == NUMBER:
            raise ModelFileError(
                f"the member {member} reads the numbers of {column!r} as text",
                where=f"fusion.pool.{member}",
                next_step="export the member with numbers as its input",
            )
        numbers = self.number(column)
        written = nodes.add(
            "Cast", [nodes.cast(numbers, "INT64")], to=nodes.onnx.TensorProto.STRING
        )
        empty = nodes.constant(np.array("", object))
        return nodes.add("Where", [nodes.add("IsNaN", [numbers]), empty, written])

    def number(self, column: str) -> str:
        """A column as doubles [B, 1], NaN where it is missing."""
        each, nodes = self.columns[column], self.nodes
        if each.given.type == "double":
            found = each.tensor
        else:
            text = self.text(column, "text", "")
            blank = nodes.add("Equal", [text, nodes.constant(np.array("", object))])
            word = nodes.constant(np.array("nan", object))
            found = nodes.cast(nodes.add("Where", [blank, word, text]), "DOUBLE")
        for number in self.numbers:
            same = nodes.add("Equal", [found, nodes.constant(np.array(number, np.float64))])
            found = nodes.add("Where", [same, nodes.constant(np.array(np.nan)), found])
        return found
