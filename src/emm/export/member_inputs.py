"""The inputs of a member from outside as tensors: columns, or SQL expressions over them."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from emm.core.errors import ModelFileError
from emm.data.tables.expressions import columns_read
from emm.data.tables.kinds import INTEGER, NUMBER, TEXT, RawKind
from emm.export.graph_raw import RawColumns
from emm.export.nodes import Nodes
from emm.export.sql.casts import cast, to_number
from emm.export.sql.evaluate import sql_value
from emm.export.sql.text import trimmed
from emm.export.sql.values import NotExpressibleError, Surroundings, Value, as_text, either, where

_KINDS: Mapping[str, RawKind] = {"text": TEXT, "integer": INTEGER}


class MemberInputs:
    """The inputs of a member by name, [B, 1] each.

    ``columns``: the column or expression of each; ``kinds``: of the columns; ``where``: of the
    member, for messages; ``encoded``: gives an encoded column, of a member that reads those.
    ``unusable``: the rows, bool, for which the member has no prediction; in the project they are an
    error.
    """

    def __init__(
        self,
        raw: RawColumns,
        columns: Mapping[str, str],
        kinds: Mapping[str, RawKind],
        where: str,
        encoded: Callable[[str], str] | None = None,
    ) -> None:
        self.nodes: Nodes = raw.nodes
        self.raw, self.columns, self.kinds = raw, columns, kinds
        self.where, self.encoded = where, encoded
        self.unusable: list[str] = []
        self._values: dict[str, Value] = {}

    def kind(self, name: str) -> RawKind:
        """Whether an input is text, whole numbers or numbers."""
        column = self.columns[name]
        if column in self.kinds:
            return self.kinds[column]
        return _KINDS.get(self.value(name).kind, NUMBER)

    def value(self, name: str) -> Value:
        """An input as its column or expression gives it."""
        if name not in self._values:
            column = self.columns[name]
            if column in self.kinds:
                self._values[name] = self._column(column)
            else:
                self._values[name] = self._expression(name, column)
        return self._values[name]

    def number(self, name: str, *, blank_is_missing: bool = False) -> str:
        """An input as doubles, NaN where it is missing; rows whose text is no number are unusable.

        ``blank_is_missing``: text without any character is no error, as for trees of files.
        """
        column = self.columns[name]
        if self.encoded is not None and column in self.kinds:
            return self.nodes.cast(self.encoded(column), "DOUBLE")
        if self.kinds.get(column, TEXT) != TEXT:
            return self.raw.number(column)
        found = self.value(name)
        if found.kind == TEXT:
            text = trimmed(self.nodes, "StripChars", found.tensor, None)
            missing = found.missing
            if blank_is_missing:
                empty = self.nodes.constant(np.array("", object))
                missing = either(self.nodes, missing, self.nodes.add("Equal", [text, empty]))
            found = replace(found, tensor=text, missing=missing)
        found = to_number(self.nodes, found, self.unusable.append)
        if found.missing is None:
            return found.tensor
        nan = self.nodes.constant(np.array(np.nan))
        return where(self.nodes, found.missing, nan, found.tensor)

    def integer(self, name: str) -> str:
        """An input as int64; rows without a value are unusable."""
        found = self.value(name)
        if found.kind == "integer":
            if found.missing is not None:
                self.unusable.append(found.missing)
            return found.tensor
        number, nodes = self.number(name), self.nodes
        whole = nodes.add("Equal", [number, nodes.add("Floor", [number])])  # false for NaN
        self.unusable.append(nodes.add("Not", [whole]))
        safe = where(nodes, whole, number, nodes.constant(np.array(0.0)))
        return nodes.cast(safe, "INT64")

    def text(self, name: str) -> str:
        """An input as text, empty where it is missing."""
        found = self._as_text(name)
        if found.missing is None:
            return found.tensor
        empty = self.nodes.constant(np.array("", object))
        return where(self.nodes, found.missing, empty, found.tensor)

    def given_text(self, name: str) -> str:
        """An input as text; rows without a value are unusable."""
        found = self._as_text(name)
        if found.missing is not None:
            self.unusable.append(found.missing)
        return found.tensor

    def _as_text(self, name: str) -> Value:
        try:
            return as_text(self.nodes, self.value(name))
        except NotExpressibleError as reason:
            raise self._refused(name, str(reason)) from None

    def _column(self, column: str) -> Value:
        if self.encoded is None:
            kind = self.kinds[column]
            found = self.raw.value(column, kind)
            if kind == INTEGER and found.kind == TEXT:
                return cast(self.nodes, found, "Int64", self.unusable.append)
            return found
        tensor = self.encoded(column)
        if self.kinds[column] == INTEGER:
            return Value(self.nodes.cast(tensor, "INT64"), "integer", bits=32)
        return Value(self.nodes.cast(tensor, "DOUBLE"), "number")

    def _expression(self, name: str, text: str) -> Value:
        if self.encoded is not None:
            read = columns_read(text, [*self.kinds], self.where)
            if any(self.kinds[each] == NUMBER for each in read):
                raise self._refused(name, "single precision, over encoded numbers")
        given = Surroundings(
            self.nodes,
            [*self.kinds],
            self._column,
            self.raw.rows(),
            self.unusable.append,
            f"{self.where}.columns: {name}",
        )
        return sql_value(given, text)

    def _refused(self, name: str, reason: str) -> ModelFileError:
        return ModelFileError(
            f"the input {name!r} can't be exported: it has {reason}",
            where=f"{self.where}.columns: {name}",
            got=self.columns[name],
            next_step="write the expression another way, or export the member as ONNX with what "
            "it computes",
        )
