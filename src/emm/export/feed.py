"""Raw rows in the form of an exported model's tensors."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import polars as pl

from emm.core.errors import DataError, ParamsError, nearest
from emm.export.columns import GraphInput


def feed(rows: pl.DataFrame, inputs: Iterable[GraphInput]) -> dict[str, np.ndarray]:
    """Raw rows as a session of onnxruntime takes them, by the names of the tensors.

    Other columns are ignored. Raises ParamsError if a column is missing, DataError for values that
    aren't of its tensor's type.
    """
    return {each.name: _tensor(_column(rows, each), each) for each in inputs}


def _column(rows: pl.DataFrame, given: GraphInput) -> pl.Series:
    if given.column not in rows.columns:
        raise ParamsError(
            f"there is no column {given.column!r}; {nearest(given.column, rows.columns)}",
            where="the new rows",
            got=", ".join(rows.columns)[:500],
            next_step="name the columns as in the raw files on which the model was trained",
        )
    return rows[given.column]


def _tensor(column: pl.Series, given: GraphInput) -> np.ndarray:
    if given.items:
        return _items(column, given)
    if given.type == "text":
        if isinstance(column.dtype, pl.Datetime):
            column = column.dt.replace_time_zone(None)  # as it is written there
        texts = column.cast(pl.String).fill_null(given.missing or "")
        return texts.to_numpy().astype(object).reshape(-1, 1)
    if column.dtype == pl.String:
        column = column.str.strip_chars().replace("", None)
    numbers = column.cast(pl.Float64, strict=False)
    if numbers.null_count() > column.null_count():
        bad = column.filter(column.is_not_null() & numbers.is_null())
        raise DataError(
            f"the column {given.column!r} holds values that aren't numbers",
            where=given.column,
            got=repr(bad[0]),
            expected="numbers; a missing value is null",
            next_step="correct the column, or predict with `emm predict`, which leaves such rows "
            "out",
        )
    return numbers.fill_null(np.nan).to_numpy().reshape(-1, 1)


def _items(column: pl.Series, given: GraphInput) -> np.ndarray:
    """Lists, padded at their ends to the length of the longest."""
    if not isinstance(column.dtype, pl.List):
        raise DataError(
            f"the column {given.column!r} holds no lists",
            where=given.column,
            got=str(column.dtype),
            expected="a list of values in each row",
            next_step="split it, such as pl.col(name).str.split('|')",
        )
    lists: list[list[Any] | None] = column.cast(pl.List(pl.String)).to_list()
    longest = max((len(each) for each in lists if each), default=0)
    found = np.full((len(lists), max(longest, 1)), given.missing or "", dtype=object)
    for row, each in enumerate(lists):
        kept = [text for text in each or [] if text is not None]
        found[row, : len(kept)] = kept
    return found
