"""Find the malformed records of a block of delimited text with quoted values."""

from typing import NamedTuple

import numpy as np
import polars as pl

from emm.data.reading.malformed import (
    CONTROL,
    EMPTY,
    NOT_UTF8,
    NUMBER,
    REASON,
    TEXT,
    Format,
    control_bytes,
    is_utf8,
    wrong_length,
)
from emm.data.reading.quoted import (
    LINE_FEED,
    RETURN,
    Bytes,
    Dialect,
    Mask,
    Places,
    Records,
    Span,
    quotes_in,
)

MISPLACED = "a quote within a value, or one that is missing"


class Examined(NamedTuple):
    """A block's records.

    Args:
        lines: number of its lines.
        records: number of its records.
        good: the text of the good ones, without blanks around quoted values.
        numbers: number of the first line of each of these, from 0.
        bad: the others, with number, reason and text.
    """

    lines: int
    records: int
    good: bytes
    numbers: pl.Series
    bad: pl.DataFrame


class _Bounds(NamedTuple):
    """Start and stop of each record, and its number of fields and of its first line."""

    starts: Places
    stops: Places
    fields: Places
    numbers: Places
    lines: int


def examine_records(records: Records, format_: Format, dialect: Dialect) -> Examined:
    """Separate a block's good records from the bad ones."""
    quotes = quotes_in(records)
    trimmed = _without_blanks(records, quotes, dialect)
    if trimmed is not records:
        records, quotes = trimmed, quotes_in(trimmed)
    data = np.frombuffer(records.text, np.uint8)
    outside = _outside(data, quotes)
    bounds = _bounds(data, outside, format_)
    reasons = _reasons(records, data, outside, bounds, format_)
    bad = np.any(list(reasons.values()), axis=0)
    numbers = pl.Series(NUMBER, bounds.numbers[~bad])
    listing = _listing(records.text, np.flatnonzero(bad), reasons, bounds, format_)
    good = records.text
    if len(listing):
        good = data[np.repeat(~bad, np.diff(bounds.starts, append=len(data)))].tobytes()
    return Examined(bounds.lines, len(bad), good, numbers, listing)


def _without_blanks(records: Records, quotes: Places, dialect: Dialect) -> Records:
    """The same records without the blanks around quoted values."""
    data = np.frombuffer(records.text, np.uint8)
    left = _blanks_from(data, quotes[::2], -1, dialect)
    right = _blanks_from(data, quotes[1::2], 1, dialect)
    blanks = np.sort(np.concatenate([left, right]))
    if not len(blanks):
        return records
    spans = np.array(records.faults, np.int64).reshape(-1, 2)
    moved = (spans - np.searchsorted(blanks, spans)).tolist()
    text = np.delete(data, blanks).tobytes()
    return Records(text, tuple(Span(*span) for span in moved))


def _blanks_from(data: Bytes, places: Places, step: int, dialect: Dialect) -> Places:
    """Places of the blanks next to each place, in one direction."""
    found = [np.empty(0, np.int64)]
    while len(places):
        places = places + step
        places = places[(places >= 0) & (places < len(data))]
        places = places[dialect.is_blank[data[places]]]
        found.append(places)
    return np.concatenate(found)


def _outside(data: Bytes, quotes: Places) -> Mask:
    """Whether each byte is outside of a quoted value."""
    outside = np.ones(len(quotes) + 1, bool)
    outside[1::2] = False
    return np.repeat(outside, np.diff(quotes, prepend=0, append=len(data)))


def _bounds(data: Bytes, outside: Mask, format_: Format) -> _Bounds:
    feeds = data == LINE_FEED
    stops = np.flatnonzero(feeds & outside)
    lines = int(np.count_nonzero(feeds))
    if data[-1] != LINE_FEED:
        stops, lines = np.append(stops, len(data)), lines + 1
    starts = np.append(0, stops[:-1] + 1)
    separators = np.flatnonzero((data == ord(format_.separator)) & outside)
    fields = np.diff(np.searchsorted(separators, stops), prepend=0) + 1
    numbers = np.arange(len(starts))
    if lines > len(starts):
        numbers = np.searchsorted(np.flatnonzero(feeds), starts)
    return _Bounds(starts, stops, fields, numbers, lines)


def _reasons(
    records: Records, data: Bytes, outside: Mask, bounds: _Bounds, format_: Format
) -> dict[str, Mask]:
    """Reasons for rejecting records, the first ones first, and to which they apply."""
    last = data[np.maximum(bounds.stops - 1, 0)]
    length = bounds.stops - bounds.starts
    return {
        MISPLACED: _faulty(records, bounds),
        CONTROL: _holding(_controls(records.text, data, outside, format_), bounds),
        NOT_UTF8: _not_utf8(records.text, data, bounds),
        EMPTY: (length == 0) | ((length == 1) & (last == RETURN)),
        wrong_length("", format_): bounds.fields != len(format_.fields),
    }


def _faulty(records: Records, bounds: _Bounds) -> Mask:
    edges = np.searchsorted(bounds.starts, np.array(records.faults, np.int64).reshape(-1, 2))
    found = np.zeros(len(bounds.starts), bool)
    for start, stop in edges.tolist():
        found[start:stop] = True
    return found


def _holding(places: Places, bounds: _Bounds) -> Mask:
    """Which records hold any of these places."""
    found = np.zeros(len(bounds.starts), bool)
    found[np.searchsorted(bounds.stops, places)] = True
    return found


def _controls(text: bytes, data: Bytes, outside: Mask, format_: Format) -> Places:
    """Places of control characters; a carriage return may stand within a quoted value."""
    unwanted = control_bytes(format_)
    found = [np.empty(0, np.int64)]
    if len(text.translate(None, unwanted)) < len(text):
        found.append(np.flatnonzero(np.isin(data, list(unwanted))))
    if b"\r" in text:
        returns = np.flatnonzero((data == RETURN) & outside)
        following = np.append(data, LINE_FEED)[returns + 1]
        found.append(returns[following != LINE_FEED])
    return np.concatenate(found)


def _not_utf8(text: bytes, data: Bytes, bounds: _Bounds) -> Mask:
    found = np.zeros(len(bounds.starts), bool)
    if not is_utf8(text):
        suspects = np.flatnonzero(_holding(np.flatnonzero(data >= 128), bounds))
        for number in suspects.tolist():
            found[number] = not is_utf8(text[bounds.starts[number] : bounds.stops[number]])
    return found


def _listing(
    text: bytes, bad: Places, reasons: dict[str, Mask], bounds: _Bounds, format_: Format
) -> pl.DataFrame:
    """The bad records with number, reason and text."""
    *others, (_, _) = reasons.items()
    rows = []
    for number in bad.tolist():
        length = wrong_length(str(bounds.fields[number]), format_)
        reason = next((reason for reason, mask in others if mask[number]), length)
        line = text[bounds.starts[number] : bounds.stops[number]]
        shown = line.decode(errors="replace").removesuffix("\r")
        rows.append((int(bounds.numbers[number]), reason, shown))
    return pl.DataFrame(
        rows, schema={NUMBER: pl.Int64, REASON: pl.String, TEXT: pl.String}, orient="row"
    )
