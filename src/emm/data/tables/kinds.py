"""Kinds of raw columns, and where those that are kept are stored."""

from collections.abc import Mapping
from typing import Literal

import polars as pl

RAW = "raw"
"""Folder of processed data with the raw columns, and ``COLUMNS``, which says what there is."""
COLUMNS = "columns.json"

RawKind = Literal["text", "number", "integer"]
TEXT: RawKind = "text"
NUMBER: RawKind = "number"
INTEGER: RawKind = "integer"

TYPES: Mapping[RawKind, type[pl.DataType]] = {
    TEXT: pl.String,
    NUMBER: pl.Float64,
    INTEGER: pl.Int64,
}
"""Type of a kept column by its kind."""


def kind_of_type(dtype: pl.DataType) -> RawKind | None:
    """The kind of a column of this type as it is read; None for lists and the like."""
    if dtype.is_integer() or dtype == pl.Boolean:
        return INTEGER
    if dtype.is_numeric():
        return NUMBER
    texts = (pl.String, pl.Categorical, pl.Enum, pl.Null)
    return TEXT if dtype in texts or (dtype.is_temporal() and dtype != pl.Duration) else None
