"""Parse lists of items in a text column, a block at a time.

A list is items joined by ``\\x01``; an item is ``field \\x02 feature id \\x03 value``. Polars
parses the items of all lists of a block as one frame, and numpy sorts them into columns. The work
is linear in the number of bytes.

Shapes: R lists, I items, K fields.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from emm.core.errors import DataError

CONTROLS = "\x01\x02\x03"
FAULT = "__fault"
"""Column with the reason why a list can't be used; null for a good list."""

_NO_MARKS = bytes(code for code in range(256) if chr(code) not in CONTROLS + "\n")
_TO_CSV = bytes.maketrans(b"\x01\x03", b"\n\x02")
_ITEM = r"[^\x01-\x03\n]*\x02[^\x01-\x03\n]*\x03[^\x01-\x03\n]*"
_LIST = rf"\A{_ITEM}(?:\x01{_ITEM})*\z"
_NO_ITEM = np.iinfo(np.int64).min
_LOWER_HALF = 0xFFFFFFFF


@dataclass(frozen=True)
class Fields:
    """The fields that a list may have, and the columns that are read from them.

    Args:
        names: all fields. Each becomes a column with the feature id of its item (UInt32, null
            without an item).
        valued: fields whose item's value becomes a column ``D<field>`` (Float32, 0 without an
            item).
        bags: fields whose ids all become a column ``bag:<field>`` (a list in the order of the
            text, null without an item).
    """

    names: tuple[str, ...]
    valued: tuple[str, ...] = ()
    bags: tuple[str, ...] = ()

    @property
    def columns(self) -> list[str]:
        """Names of the columns with ids and values."""
        return [*self.names, *(f"D{name}" for name in self.valued)]


@dataclass(frozen=True)
class _Items:
    """Field (0 to K - 1), id, value and number of the list of each item, all [I]."""

    fields: NDArray[np.uint8]
    ids: NDArray[np.uint32]
    values: NDArray[np.float32]
    rows: NDArray[np.int64]


def bag_column(field: str) -> str:
    """Name of the column with all ids of a field."""
    return f"bag:{field}"


def parse_lists(lists: pl.Series, stated: pl.Series, fields: Fields) -> pl.DataFrame:
    """Parse each of ``lists`` [R] into a row; ``stated`` [R]: their numbers of items, as text.

    Of several items of a field, the first one with the largest value counts.

    A list is faulty (column FAULT) if an item is malformed or has an unknown field, an id that
    isn't a whole number or a value that isn't finite, or if ``stated`` is wrong.
    """
    lists, stated = lists.fill_null(""), stated.fill_null("")
    text: bytes = lists.str.join("\n").cast(pl.Binary).item() or b""
    counts = _counts(text, len(lists))
    if counts is None:
        counts = np.zeros(len(lists), dtype=np.int64)
        wrong = ~lists.str.contains(_LIST)
        faults = _where(wrong, "the list isn't made of field \\x02 id \\x03 value, joined by \\x01")
    else:
        items = _parse_items(text, fields.names, int(counts.sum()))
        rows = np.repeat(np.arange(len(lists)), counts)
        faults = _faults(items, rows, counts, stated)
    if faults.null_count() < len(faults):
        good = faults.is_null()
        kept = parse_lists(lists.filter(good), stated.filter(good), fields)
        return _insert_faulty(kept, faults)
    codes, ids, values = (items[name].to_numpy() for name in ("field", "id", "value"))
    return columns_of_items(codes, ids, values, counts, fields)


def columns_of_items(
    codes: NDArray[np.uint8],
    ids: NDArray[np.uint32],
    values: NDArray[np.float32],
    counts: NDArray[np.int64],
    fields: Fields,
) -> pl.DataFrame:
    """Build the columns of good lists from their items, in order.

    Args:
        codes: index [I] of each item's field in ``fields.names``.
        ids: feature ids [I].
        values: values [I].
        counts: number of items [R] of each list.
    """
    rows = np.repeat(np.arange(len(counts)), counts)
    items = _Items(codes, ids, values, rows)
    return pl.DataFrame(
        [
            *_strongest(items, fields, len(counts)),
            *(_bag(items, fields.names.index(name), name, len(counts)) for name in fields.bags),
            pl.Series(FAULT, [None], dtype=pl.String).new_from_index(0, len(counts)),
        ]
    )


def _counts(text: bytes, rows: int) -> NDArray[np.int64] | None:
    """Number of items [R] of each line; None unless the marks of every item are in order."""
    if not rows:
        return np.zeros(0, dtype=np.int64)
    marks = np.frombuffer(text.translate(None, _NO_MARKS) + b"\n", dtype=np.uint8)
    if len(marks) % 3:
        return None
    field, value, end = marks.reshape(-1, 3).T
    last = np.flatnonzero(end == ord("\n"))
    right = (field == 2) & (value == 3) & ((end == 1) | (end == ord("\n")))
    return np.diff(last, prepend=-1) if right.all() and len(last) == rows else None


def _parse_items(text: bytes, names: Sequence[str], count: int) -> pl.DataFrame:
    """Parse the field (0 to K - 1), id and value of all items; invalid ones are null."""
    schema = {"field": pl.String, "id": pl.UInt32, "value": pl.Float32}
    if not count:
        return pl.DataFrame(schema={**schema, "field": pl.UInt8})
    items = pl.read_csv(
        text.translate(_TO_CSV),
        has_header=False,
        separator="\x02",
        quote_char=None,
        schema=schema,
        ignore_errors=True,
    )
    if len(items) != count:
        raise DataError("lists could not be split into items", got=len(items), expected=count)
    codes = pl.col("field").cast(pl.Enum(names), strict=False).to_physical().cast(pl.UInt8)
    return items.with_columns(codes)


def _faults(
    items: pl.DataFrame, rows: NDArray[np.int64], counts: NDArray[np.int64], stated: pl.Series
) -> pl.Series:
    """The reason why each list can't be used [R], null for a good list."""
    count = pl.lit(pl.Series(counts))
    number = stated.cast(pl.Int64, strict=False)
    reasons = [
        pl.when(pl.lit(number).ne_missing(count)).then(
            pl.format("feature_num is {}, the list has {} items", pl.lit(stated), count)
        )
    ]
    for column, reason in (
        ("field", "an item of an unknown field"),
        ("id", "a feature id that isn't a whole number"),
        ("value", "a value that isn't a finite number"),
    ):
        values = items[column]
        wrong = values.is_null() if column != "value" else ~values.is_finite().fill_null(False)
        if wrong.any():
            found = np.bincount(rows[wrong.to_numpy()], minlength=len(counts)) > 0
            reasons.append(pl.when(pl.lit(pl.Series(found))).then(pl.lit(reason)))
    return pl.select(pl.coalesce(reasons)).to_series()


def _where(wrong: pl.Series, reason: str) -> pl.Series:
    return pl.select(pl.when(pl.lit(wrong)).then(pl.lit(reason))).to_series()


def _insert_faulty(kept: pl.DataFrame, faults: pl.Series) -> pl.DataFrame:
    """Insert a row of nulls with its fault among ``kept`` for each faulty list."""
    numbered = pl.DataFrame({"row": range(len(faults)), "__why": faults})
    places = numbered.filter(faults.is_null())["row"]
    spread = numbered.join(
        kept.with_columns(row=places), on="row", how="left", maintain_order="left"
    )
    return spread.with_columns(pl.coalesce("__why", FAULT).alias(FAULT)).drop("row", "__why")


def _strongest(items: _Items, fields: Fields, rows: int) -> list[pl.Series]:
    """Columns with the id, and for ``fields.valued`` the value, of each field's strongest item."""
    best = np.full((len(fields.names), rows), _NO_ITEM)
    slots = items.fields * np.int64(rows) + items.rows
    np.maximum.at(best.reshape(-1), slots, _ranks(items.values))
    columns = []
    for name, rank in zip(fields.names, best, strict=True):
        found = np.flatnonzero(rank != _NO_ITEM)
        places = len(items.ids) - 1 - (rank[found] & _LOWER_HALF)
        columns.append(_column(name, rows, found, items.ids[places]))
        if name in fields.valued:
            values = np.zeros(rows, dtype=np.float32)
            values[found] = items.values[places]
            columns.append(pl.Series(f"D{name}", values))
    return columns


def _ranks(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Integers [I] that rank the items by value, and the first of equal ones highest.

    The upper half holds the bits of the value, which order like the value once the bits of
    negative numbers are inverted. The lower half counts the items from the end.
    """
    bits = (values + np.float32(0)).view(np.int32)  # -0 becomes 0
    bits ^= (bits >> 31) & np.int32(0x7FFFFFFF)
    ranks = bits.astype(np.int64)
    ranks <<= 32
    ranks |= np.arange(len(values) - 1, -1, -1)
    return ranks


def _column(name: str, rows: int, found: NDArray[np.int64], ids: NDArray[np.uint32]) -> pl.Series:
    """Column with ``ids`` in the rows ``found`` and null in all others."""
    values, known = np.zeros(rows, dtype=np.uint32), np.zeros(rows, dtype=bool)
    values[found], known[found] = ids, True
    column = pl.Series(values)
    return pl.select(pl.when(pl.lit(pl.Series(known))).then(pl.lit(column)).alias(name)).to_series()


def _bag(items: _Items, field: int, name: str, rows: int) -> pl.Series:
    wanted = items.fields == field
    bags = (
        pl.DataFrame({"row": items.rows[wanted], "ids": items.ids[wanted]})
        .group_by("row", maintain_order=True)
        .agg("ids")
    )
    every = pl.DataFrame({"row": np.arange(rows)})
    joined = every.join(bags, on="row", how="left", maintain_order="left")
    return joined["ids"].alias(bag_column(name))
