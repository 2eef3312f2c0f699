"""Lines that end in a list of items, a whole block at a time, where nothing is out of order.

One pass of Polars' CSV reader over the block suffices: in a copy every item stands on a line of
its own, behind a line with the other columns. `emm.data.reading.items` is the careful way, for any
block that isn't made exactly so, and says what is wrong with which line.

Shapes: R lines, I items.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from emm.data.reading.items import FAULT, Fields, columns_of_items

_COMMA, _LINE_END = ord(","), ord("\n")
# What stays of a block: its structure, and control characters, which no good block has.
_PLAIN = bytes(code for code in range(32, 256) if code != _COMMA)
_TO_TABLE = bytes.maketrans(b"\x01\x02\x03", b"\n,,")
_UNKNOWN = 255
_TYPES = (pl.String, pl.UInt32, pl.Float32)


def read_block(block: bytes, columns: Sequence[str], fields: Fields) -> pl.DataFrame | None:
    """The lines' other ``columns``, the last of which states the number of items, and their lists'.

    None for a block with any line that isn't as it should be; ``columns`` are typed as they come.
    """
    if not block.isascii() or b" " in block or not block.endswith(b"\n"):
        return None
    counts = _counts(block, len(columns))
    if counts is None:
        return None
    table = _table(block, len(columns))
    first = np.cumsum(counts + 1) - counts - 1  # [R], the table's rows of the other columns
    if len(table) != len(counts) + int(counts.sum()):
        return None
    lines = table[first.astype(np.uint32)]
    stated = lines.to_series(len(columns) - 1).cast(pl.Int64, strict=False)
    if any(lines.to_series(n).has_nulls() for n in range(len(columns))):
        return None
    is_item = np.ones(len(table), dtype=bool)
    is_item[first] = False
    items = table.filter(pl.Series(is_item))
    codes = items.to_series(0).cast(pl.Enum(fields.names), strict=False).to_physical()
    ids, values = items.to_series(1), items.to_series(2)
    wrong = codes.has_nulls() or ids.has_nulls() or not values.is_finite().fill_null(False).all()
    if wrong or not np.array_equal(stated.to_numpy(), counts):
        return None
    found = columns_of_items(
        codes.cast(pl.UInt8).to_numpy(), ids.to_numpy(), values.to_numpy(), counts, fields
    )
    others = lines[:, : len(columns)]
    others.columns = list(columns)
    return pl.concat([others, found.drop(FAULT)], how="horizontal")


def _counts(block: bytes, columns: int) -> NDArray[np.int64] | None:
    """Number of items of each line [R]; None unless every line has its marks in their order."""
    marks = np.frombuffer(block.translate(None, _PLAIN), dtype=np.uint8)
    ends = np.flatnonzero(marks == _LINE_END)
    starts = np.concatenate([[0], ends[:-1] + 1])
    if (ends - starts).min(initial=columns) < columns:
        return None
    rest = np.ones(len(marks), dtype=bool)
    for column in range(columns):
        if (marks[starts + column] != _COMMA).any():
            return None
        rest[starts + column] = False
    of_items = marks[rest]
    if len(of_items) % 3:
        return None
    field, value, end = of_items.reshape(-1, 3).T
    right = (field == 2) & (value == 3) & ((end == 1) | (end == _LINE_END))
    lengths = ends - starts + 1 - columns
    # Each line ends with an item's end, and so has whole items.
    return lengths // 3 if right.all() and not (lengths % 3).any() else None


def _table(block: bytes, columns: int) -> pl.DataFrame:
    """A row of each line's other columns, and below it one of each of its items."""
    text = bytearray(block.translate(_TO_TABLE))
    commas = np.flatnonzero(np.frombuffer(block, dtype=np.uint8) == _COMMA)
    np.frombuffer(text, dtype=np.uint8)[commas[columns - 1 :: columns]] = _LINE_END
    width = max(columns, len(_TYPES))
    names = [f"column {place}" for place in range(width)]
    types = [*_TYPES, *(pl.String for _ in range(width - len(_TYPES)))]
    # The reader takes the number of columns from the first line: a header.
    return pl.read_csv(
        ",".join(names).encode() + b"\n" + text,
        separator=",",
        quote_char=None,
        schema=dict(zip(names, types, strict=True)),
        ignore_errors=True,
    )
