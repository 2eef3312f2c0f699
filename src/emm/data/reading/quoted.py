"""Records of delimited text with quoted values (RFC 4180): where they end, which are malformed.

A quote opens a value if only blanks stand between it and the separator or line break before it. It
closes the value if only blanks stand between it and the next separator or line break. Two quotes
within a quoted value stand for one. Any other quote makes its record malformed.

A malformed record may have swallowed others, because a closing quote is missing. If most of its
lines after the first, and the last one, are records of their own, only the first is rejected and
reading resumes at the second. Otherwise all of its lines are rejected: they may be lines of a text
that merely look like records. A value that isn't closed within `MAX_QUOTED_BYTES`, or at all, is
treated in the same way, whatever its last line is.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MAX_QUOTED_BYTES = 2**20

QUOTE, LINE_FEED, RETURN = b'"\n\r'

Bytes = NDArray[np.uint8]
Places = NDArray[np.int64]
Mask = NDArray[np.bool_]


class Span(NamedTuple):
    """Bytes of a block, from the start of a line to that of another."""

    start: int
    stop: int


@dataclass(frozen=True)
class Records:
    """Complete records, and the lines among them that belong to malformed ones."""

    text: bytes
    faults: tuple[Span, ...] = ()


@dataclass(frozen=True)
class Dialect:
    """The separator of a file with quotes, an ASCII character, and the number of its fields."""

    separator: str
    fields: int

    @cached_property
    def blanks(self) -> bytes:
        """Bytes that may surround a quoted value."""
        return b" \t".replace(self.separator.encode(), b"")

    @cached_property
    def is_blank(self) -> Mask:
        """Whether each byte is one of them."""
        return np.isin(np.arange(256), list(self.blanks))

    @cached_property
    def line(self) -> re.Pattern[bytes]:
        """Pattern of a line that is a record of its own."""
        between, blanks = re.escape(self.separator.encode()), b"[%b]*" % re.escape(self.blanks)
        plain, quoted = b'[^"%b\r\n]*' % between, b'%b"(?:[^"]|"")*"%b' % (blanks, blanks)
        value = b"(?:%b|%b)" % (plain, quoted)
        return re.compile(b"%b(?:%b%b){%d}\r?" % (value, between, value, self.fields - 1))


def complete_records(text: bytes, dialect: Dialect, *, last: bool) -> Records:
    """The complete records at the start of ``text``, which starts with one.

    ``last``: nothing follows ``text`` in the file. Otherwise the result is empty if no record is
    complete.
    """
    if not last:
        text = text[: text.rfind(b"\n") + 1]
    if b'"' not in text:
        return Records(text)
    quotes = _quotes_of(text, dialect)
    if quotes.alternate and quotes.longest <= MAX_QUOTED_BYTES:
        if len(quotes.places) % 2 == 0:
            return Records(text)
        if not last and len(text) - quotes.opening[-1] <= MAX_QUOTED_BYTES:
            return Records(text[: _start_of_last(text, quotes.places)])
    return _Scan(text, dialect, quotes, last=last).records()


def places_of(data: Bytes, byte: int) -> Places:
    return np.flatnonzero(data == byte)


def quotes_in(records: Records) -> Places:
    """Places of the quotes outside of faults: they open and close values in turn."""
    places = places_of(np.frombuffer(records.text, np.uint8), QUOTE)
    if records.faults:
        edges = np.searchsorted(places, np.array(records.faults)).T  # [2, faults]
        starts, stops = (np.bincount(each, minlength=len(places) + 1) for each in edges)
        places = places[np.cumsum(starts - stops)[:-1] == 0]
    return places


@dataclass(frozen=True)
class _Quotes:
    """Places of quotes; whether each can open or close a value, or is the first of two."""

    places: Places
    opens: Mask
    closes: Mask
    doubled: Mask

    @property
    def alternate(self) -> bool:
        """Whether the quotes open and close values in turn; the last value may be open."""
        first_of_two = self.doubled[1::2]
        opened, closed = self.opens[::2].copy(), self.closes[1::2] | first_of_two
        opened[1:] |= first_of_two[: len(opened) - 1]
        return bool(opened.all() and closed.all())

    @property
    def opening(self) -> Places:
        """Places of the alternating quotes that open a value."""
        second_of_two = np.append(np.False_, self.doubled[1::2])
        return self.places[::2][~second_of_two[: len(self.places[::2])]]

    @property
    def longest(self) -> int:
        """Bytes between the quotes around the longest closed value, if the quotes alternate."""
        closing = self.places[1::2][~self.doubled[1::2]]
        return int(np.max(closing - self.opening[: len(closing)], initial=0))


def _quotes_of(text: bytes, dialect: Dialect) -> _Quotes:
    # Padded, so that every quote has neighbours.
    data = np.frombuffer(b"\n%b\n\n" % text, np.uint8)
    places = places_of(data, QUOTE)
    before, after = (_past_blanks(data, places, step, dialect) for step in (-1, 1))
    separator = dialect.separator.encode()[0]
    left, right = data[before], data[after]
    ends = (right == RETURN) & (data[after + 1] == LINE_FEED)
    return _Quotes(
        places - 1,
        opens=(left == separator) | (left == LINE_FEED),
        closes=(right == separator) | (right == LINE_FEED) | ends,
        doubled=np.append(np.diff(places) == 1, np.False_),
    )


def _past_blanks(data: Bytes, places: Places, step: int, dialect: Dialect) -> Places:
    """The first byte before (``step`` -1) or after each place that isn't a blank."""
    found = places + step
    blank = np.flatnonzero(dialect.is_blank[data[found]])
    while len(blank):
        found[blank] += step
        blank = blank[dialect.is_blank[data[found[blank]]]]
    return found


def _start_of_last(text: bytes, quotes: Places) -> int:
    """Start of the record in which the last of the alternating quotes opens a value."""
    end = int(quotes[-1])
    while (feed := text.rfind(b"\n", 0, end)) >= 0:
        before = int(np.searchsorted(quotes, feed))
        if before % 2 == 0:
            break
        end = int(quotes[before - 1])
    return feed + 1


class _Scan:
    """Follows the quotes of a text with malformed records, one by one."""

    def __init__(self, text: bytes, dialect: Dialect, quotes: _Quotes, *, last: bool) -> None:
        self.text, self.dialect, self.last = text, dialect, last
        self.places: list[int] = quotes.places.tolist()
        self.opens: list[bool] = quotes.opens.tolist()
        self.closes: list[bool] = quotes.closes.tolist()
        self.doubled: list[bool] = quotes.doubled.tolist()

    def records(self) -> Records:
        """The complete records of the text."""
        faults = list[Span]()
        record = after = number = 0  # the record's start, the end of its last quoted value
        broken = False
        while number < len(self.places):
            at = self.places[number]
            if feed := self.text.rfind(b"\n", after, at) + 1:
                faults += self._faults(record, self._end_of_line(after)) if broken else ()
                record, broken = feed, False
            closing, proper = self._closing(number) if self.opens[number] else (number, False)
            if closing is not None:
                broken |= not proper
                number, after = closing + 1, self.places[closing] + 1
            elif not self.last and len(self.text) - at <= MAX_QUOTED_BYTES:
                return Records(self.text[:record], tuple(faults))
            else:
                after = self._end_of_line(min(at + MAX_QUOTED_BYTES, len(self.text)))
                faults += self._faults(record, after, closed=False)
                number, record, broken = bisect_left(self.places, after), after, False
        faults += self._faults(record, self._end_of_line(after)) if broken else ()
        return Records(self.text, tuple(faults))

    def _closing(self, opening: int) -> tuple[int | None, bool]:
        """Number of the quote that closes a value, if any; whether all before it are doubled."""
        number, proper = opening + 1, True
        limit = self.places[opening] + MAX_QUOTED_BYTES
        while number < len(self.places) and self.places[number] <= limit:
            if self.doubled[number]:
                number += 2
            elif self.closes[number]:
                return number, proper
            else:
                number, proper = number + 1, False
        return None, proper

    def _end_of_line(self, at: int) -> int:
        return self.text.find(b"\n", at) + 1 or len(self.text)

    def _faults(self, start: int, stop: int, *, closed: bool = True) -> Iterator[Span]:
        """The lines to reject of a malformed record; ``closed``: its last value is."""
        lines = self.text[start:stop].removesuffix(b"\n").split(b"\n")
        good = [self.dialect.line.fullmatch(line) is not None for line in lines[1:]]
        if 2 * sum(good) <= len(good) or (closed and not good[-1]):
            yield Span(start, stop)
            return
        for line, fine in zip(lines, [False, *good], strict=True):
            if not fine:
                yield Span(start, min(start + len(line) + 1, stop))
            start += len(line) + 1
