"""Lines that end in a list of items, a whole block at a time, where nothing is out of order.

In a copy of the block every item stands on a line of its own, behind a line with the other
columns, so that one pass of Polars' CSV reader suffices. `emm.data.reading.items` is the careful
way, for any block that isn't made exactly so, and says what is wrong with which line.

Shapes: R lines, P columns before the list, I items.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from emm.data.reading.items import FAULT, Fields, columns_of_items

_COMMA, _LINE_END = ord(","), ord("\n")
# What stays of a block: its structure, and control characters, which no good block has.
_PLAIN = bytes(code for code in range(32, 256) if code != _COMMA)
_TO_TABLE = bytes.maketrans(b"\x01\x02\x03", b"\n,,")
_TYPES = {"text": pl.String, "number": pl.UInt32, "value": pl.Float32}
_UNKNOWN = 255


def read_block(block: bytes, columns: Sequence[str], fields: Fields) -> pl.DataFrame | None:
    """The lines' other ``columns``, the last of which states the number of items, and their lists'.

    Of these columns the second is a whole number, the third, unless it is the last, a number. None
    for a block with any line that isn't as it should be.
    """
    if not block.isascii() or b" " in block or not block.endswith(b"\n"):
        return None
    counts = _counts(block, len(columns))
    if counts is None:
        return None
    table, others = _tables(block, len(columns))
    if len(table) != len(counts) + counts.sum() or table["number"].has_nulls():
        return None
    first = np.cumsum(counts + 1) - counts - 1  # [R], the table's rows of the other columns
    is_item = np.ones(len(table), dtype=bool)
    is_item[first] = False
    codes = _codes(table["text"], fields.names)[is_item]
    values = table["value"].fill_null(float("nan")).to_numpy()
    if (codes == _UNKNOWN).any() or not np.isfinite(values[is_item]).all():
        return None
    heads = table[first.astype(np.uint32)].select(pl.all().name.prefix("own "))
    lines = pl.concat([heads[:, : len(columns)], others], how="horizontal")
    lines.columns = list(columns)
    stated = lines[columns[-1]].cast(pl.Int64, strict=False)
    if any(column.has_nulls() for column in lines) or (stated != pl.Series(counts)).any():
        return None
    ids = table["number"].to_numpy()[is_item]
    found = columns_of_items(codes, ids, values[is_item], counts, fields)
    return pl.concat([lines, found.drop(FAULT)], how="horizontal")


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


def _tables(block: bytes, columns: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A row of each line's first three columns, and below it one of each of its items; beside
    that the lines' columns from the fourth on, as text."""
    text = bytearray(block.translate(_TO_TABLE))
    data = np.frombuffer(text, dtype=np.uint8)
    commas = np.flatnonzero(np.frombuffer(block, dtype=np.uint8) == _COMMA).reshape(-1, columns)
    data[commas[:, -1]] = _LINE_END
    table = _read(text, _TYPES)
    more = {str(place): pl.String for place in range(len(_TYPES), columns)}
    if not more:
        return table, pl.DataFrame()
    starts, stops = commas[:, len(_TYPES) - 1] + 1, commas[:, -1] + 1
    lengths = stops - starts
    shifts = np.repeat(starts - (np.cumsum(lengths) - lengths), lengths)
    return table, _read(data[shifts + np.arange(len(shifts))].tobytes(), more)


def _read(text: bytes | bytearray, schema: Mapping[str, type[pl.DataType]]) -> pl.DataFrame:
    # The reader takes the number of columns from the first line: a header. What a line has more
    # is read beside this table.
    return pl.read_csv(
        ",".join(schema).encode() + b"\n" + text,
        separator=",",
        quote_char=None,
        schema=dict(schema),
        ignore_errors=True,
        truncate_ragged_lines=True,
    )


def _codes(texts: pl.Series, names: Sequence[str]) -> NDArray[np.uint8]:
    """The place of each text among ``names``, or that it is none of them."""
    places = texts.cast(pl.Enum(names), strict=False).to_physical().cast(pl.UInt8)
    return places.fill_null(_UNKNOWN).to_numpy()
