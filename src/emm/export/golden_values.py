"""Values of golden rows in the types of raw columns."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from emm.data.tables.inputs import BAG_ROLE, DENSE, Input, ValueType

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def golden_type(column: Input) -> pl.DataType | type[pl.DataType]:
    """The type of a raw column's golden values."""
    if column.role == DENSE:
        return pl.Float64
    unit, _, zone = (column.unit or "us").partition(" ")
    types: dict[ValueType, pl.DataType | type[pl.DataType]] = {
        "text": pl.String,
        "integer": pl.Int64,
        "unsigned": pl.UInt64,
        "number": pl.Float64,
        "single": pl.Float32,
        "boolean": pl.Boolean,
        "date": pl.Date,
        "datetime": pl.Datetime(unit, zone or None),  # type: ignore[arg-type]
        "time": pl.Time,
    }
    plain = types[column.type]
    return pl.List(plain) if column.role == BAG_ROLE else plain


def typed(text: str, kind: ValueType) -> Any:
    """A value of a vocabulary, which has all as text, in its type."""
    if kind in ("integer", "unsigned"):
        return int(text)
    if kind in ("number", "single"):
        return float(text)
    if kind == "boolean":
        return text == "true"
    if kind == "date":
        return date.fromisoformat(text)
    if kind == "datetime":
        return datetime.fromisoformat(text)
    return time.fromisoformat(text) if kind == "time" else text


def unseen_text(kind: ValueType, number: int) -> str | None:
    """A value that is hardly in any vocabulary, from a ``number`` of 19 digits; None if all values
    of the type may be."""
    return {
        "text": f"unseen é€ {number % 1000}",
        "integer": str(number if number % 5 else -number),
        "unsigned": str(2 * number),
        "number": str(number / 3.0e15),
        "single": str(float(np.float32(number / 3.0e15))),
    }.get(kind)


def moments(days: NDArray[np.float64], seconds: NDArray[np.int64], column: Input) -> Sequence[Any]:
    """Days since 1970-01-01 and seconds of the day, [N] each, in the type of a column of dates."""
    found = [
        _EPOCH + timedelta(days=day, seconds=int(second))
        for day, second in zip(days.tolist(), seconds, strict=True)
    ]
    if column.type == "date":
        return [each.date() for each in found]
    if column.type == "time":
        return [each.time() for each in found]
    if column.type == "datetime":
        return [each if " " in (column.unit or "") else each.replace(tzinfo=None) for each in found]
    form = "%Y-%m-%d %H:%M:%S" if column.timed else "%Y-%m-%d"
    return [each.strftime(form) for each in found]
