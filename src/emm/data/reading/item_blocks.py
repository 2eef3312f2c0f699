"""Fast parser for blocks of well-formed lines that end in a list of items.

One pass finds the marks (commas, line ends and the control characters of the lists) of all lines.
The texts between them are a few bytes long, and `emm.data.reading.words` parses them all at once.
Any other block is left to `emm.data.reading.items`, which is slower and names each bad line.

Shapes: R lines, P columns before the list, M marks, I items.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from emm.data.reading.items import FAULT, Fields, columns_of_items
from emm.data.reading.words import WORD_BYTES, codes, decimals, whole_numbers, words

_COMMA, _LINE_END = ord(","), ord("\n")
_LAST_MARK = _COMMA  # control characters, blanks and quotes have lower codes, digits higher ones
_SLICE = 32_768  # items parsed at a time, so that their words stay in the processor's cache
_TYPES = (pl.String, pl.UInt32, pl.Float32)

_Bytes = NDArray[np.uint8]
_Positions = NDArray[np.int64]


class _Marks(NamedTuple):
    """Positions of the marks in a block.

    ``ends`` [R]: line ends. ``commas`` [R, P]: ends of the columns. ``counts`` [R]: number of
    items of each line. ``before`` [I]: the mark before each item. ``of_field``, ``of_id``,
    ``of_value`` [I]: the marks after its field, id and value.
    """

    ends: _Positions
    commas: _Positions
    counts: _Positions
    before: _Positions
    of_field: _Positions
    of_id: _Positions
    of_value: _Positions


class _Items(NamedTuple):
    codes: NDArray[np.uint8]
    ids: NDArray[np.uint32]
    values: NDArray[np.float32]


def read_block(block: bytes, columns: Sequence[str], fields: Fields) -> pl.DataFrame | None:
    """Parse a block of well-formed lines; return None if any line isn't well formed.

    Args:
        columns: the columns before the list. The second is a whole number, the third a number,
            the others are text; the last states the number of items in the list.
        fields: the fields of the list to return as columns.
    """
    if not block.isascii() or not block.endswith(b"\n"):
        return None
    data = np.frombuffer(block, dtype=np.uint8)
    marks = _marks(data, len(columns))
    if marks is None:
        return None
    lines = _lines(data, marks, columns)
    if lines is None:
        return None
    stated = lines[columns[-1]].cast(pl.Int64, strict=False)
    if any(column.has_nulls() for column in lines) or (stated != pl.Series(marks.counts)).any():
        return None
    items = _items(data, marks, fields.names)
    if items is None:
        return None
    found = columns_of_items(*items, marks.counts, fields)
    return pl.concat([lines, found.drop(FAULT)], how="horizontal")


def _marks(data: _Bytes, columns: int) -> _Marks | None:
    """Find the marks; None unless every line has them in order and no other low character."""
    at = np.flatnonzero(data <= _LAST_MARK)
    kinds = data[at]
    ends = np.flatnonzero(kinds == _LINE_END)
    starts = np.concatenate([[0], ends[:-1] + 1])
    if (ends - starts).min(initial=columns) < columns:
        return None
    heads = starts[:, None] + np.arange(columns)  # [R, P]
    if (kinds[heads] != _COMMA).any():
        return None
    of_items = np.ones(len(at), dtype=bool)
    of_items[heads] = False
    kinds, places = kinds[of_items], at[of_items]
    if len(kinds) % 3:
        return None
    field, value, end = kinds.reshape(-1, 3).T
    if not ((field == 2) & (value == 3) & ((end == 1) | (end == _LINE_END))).all():
        return None
    lengths = ends - starts + 1 - columns
    # The last mark of a line ends an item, so a multiple of three means complete items.
    if (lengths % 3).any():
        return None
    counts, commas = lengths // 3, at[heads]
    of_field, of_id, of_value = places.reshape(-1, 3).T
    before = np.roll(of_value, 1)
    before[np.cumsum(counts) - counts] = commas[:, -1]
    return _Marks(at[ends], commas, counts, before, of_field, of_id, of_value)


def _lines(data: _Bytes, marks: _Marks, columns: Sequence[str]) -> pl.DataFrame | None:
    """Parse the columns before the lists; None if one of their numbers isn't a number."""
    starts, stops = np.concatenate([[0], marks.ends[:-1] + 1]), marks.commas[:, -1] + 1
    lengths = stops - starts
    shifts = np.repeat(starts - (np.cumsum(lengths) - lengths), lengths)
    text = data[shifts + np.arange(len(shifts))]
    text[np.cumsum(lengths) - 1] = _LINE_END
    types = [*_TYPES, *[pl.String] * len(columns)]
    schema = dict(zip(columns, types, strict=False))
    try:
        return pl.read_csv(text.tobytes(), has_header=False, quote_char=None, schema=schema)
    except pl.exceptions.ComputeError:
        return None


def _items(data: _Bytes, marks: _Marks, names: Sequence[str]) -> _Items | None:
    """Parse all items; None if one isn't a known field with two numbers."""
    count = len(marks.before)
    if count and marks.of_field[0] < WORD_BYTES:
        return None
    items = _Items(
        np.empty(count, np.uint8), np.empty(count, np.uint32), np.empty(count, np.float32)
    )
    for first in range(0, count, _SLICE):
        some = slice(first, first + _SLICE)
        before, of_field, of_id, of_value = (positions[some] for positions in marks[3:])
        known = codes(words(data, of_field), of_field - before - 1, names)
        if (known == len(names)).any():
            return None
        items.codes[some] = known
        ids, odd_ids = whole_numbers(words(data, of_id), of_id - of_field - 1)
        values, odd_values = decimals(words(data, of_value), of_value - of_id - 1)
        if not (
            _parse_singly(data, of_field, of_id, odd_ids, ids, pl.UInt32)
            and _parse_singly(data, of_id, of_value, odd_values, values, pl.Float32)
        ):
            return None
        items.ids[some], items.values[some] = ids, values
    return items


def _parse_singly(
    data: _Bytes,
    before: _Positions,
    ends: _Positions,
    odd: NDArray[np.bool_],
    numbers: NDArray[np.uint32] | NDArray[np.float32],
    type_: type[pl.DataType],
) -> bool:
    """Parse the ``odd`` [I] texts one by one into ``numbers`` [I].

    Returns whether all of them are finite numbers.
    """
    which = np.flatnonzero(odd)
    if not len(which):
        return True
    texts = [data[before[i] + 1 : ends[i]].tobytes().decode() for i in which]
    found = pl.Series(texts, dtype=pl.String).cast(type_, strict=False)
    if found.has_nulls() or not found.cast(pl.Float64).is_finite().all():
        return False
    numbers[which] = found.to_numpy()
    return True
