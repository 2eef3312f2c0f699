"""Find the malformed lines of a block of delimited text without quoted values."""

import io
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl

TEXT, NUMBER, REASON = "text", "number", "reason"
"""Columns of `examine`: a line, its number in the block, and the reason for rejecting it."""

_PIECE = 2**17
_FIRST_PRINTED = 32

CONTROL, NOT_UTF8, EMPTY = "a control character", "bytes that aren't UTF-8", "an empty line"


@dataclass(frozen=True)
class Format:
    """Format of a file's lines: all ``fields`` in the file's order, and the ``wanted`` ones."""

    name: str
    fields: tuple[str, ...]
    wanted: tuple[str, ...]
    separator: str
    quotes: bool
    controls: str


def examine(block: bytes, format_: Format) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return a block's lines with their numbers, and the bad ones with a reason."""
    faults = {}
    line = pl.col(TEXT)
    if has_controls(block, format_):
        unwanted = "".join(f"\\x{code:02x}" for code in (*control_bytes(format_), 13))
        faults[CONTROL] = line.str.contains(f"[{unwanted}]")
    if not is_utf8(block):
        # In such a block, a genuine replacement character is rejected too.
        block = block.decode(errors="replace").encode()
        faults[NOT_UTF8] = line.str.contains("\ufffd", literal=True)
    faults[EMPTY] = line == ""
    fields = line.str.count_matches(format_.separator, literal=True) + 1
    at_fault = pl.any_horizontal(*faults.values(), fields != len(format_.fields))
    lines = pl.read_lines(io.BytesIO(block), name=TEXT).with_columns(
        pl.int_range(pl.len(), dtype=pl.Int64).alias(NUMBER)
    )
    reasons = [pl.when(fault).then(pl.lit(reason)) for reason, fault in faults.items()]
    length = pl.format(wrong_length("{}", format_), fields)
    return lines, lines.filter(at_fault).with_columns(pl.coalesce(*reasons, length).alias(REASON))


def wrong_length(fields: str, format_: Format) -> str:
    """Reason for rejecting a line with another number of fields."""
    return f"{fields} fields instead of {len(format_.fields)}"


def control_bytes(format_: Format) -> bytes:
    """The control characters that may not occur, apart from a carriage return within a line."""
    allowed = {*format_.controls, format_.separator, "\t", "\n", "\r"}
    return bytes(code for code in range(32) if chr(code) not in allowed)


def has_controls(block: bytes, format_: Format) -> bool:
    """Whether any byte is a control character other than a line end, a tab or an allowed one."""
    plain = bytes({*range(256)} - {*control_bytes(format_)})
    bare_return = b"\r" in block and block.count(b"\r") != block.count(b"\r\n")
    return bare_return or bool(block.translate(None, plain))


def is_utf8(block: bytes) -> bool:
    """Whether the block is valid UTF-8."""
    try:
        return block.isascii() or bool(block.decode())
    except UnicodeDecodeError:
        return False


class Look(NamedTuple):
    """What the bytes of a block without quotes show.

    Attributes:
        regular: no line is empty, the number of separators is right, and no byte is one that
            `examine` rejects. As `examine` checks each line, the total is enough here.
        blanks: there may be whitespace around a value.
    """

    regular: bool
    blanks: bool


def look(block: bytes, format_: Format) -> Look:
    """Look at a block, piece by piece, so that the comparisons stay in the processor's cache."""
    data, separator = np.frombuffer(block, np.uint8), ord(format_.separator)
    newlines = separators = controls = 0
    empty = blanks = False
    for start in range(0, len(data), _PIECE):
        piece = data[start : start + _PIECE + 1]  # the last byte is the first of the next one
        newline, between, blank = piece == ord("\n"), piece == separator, piece == ord(" ")
        end, own = newline | between, slice(0, _PIECE)
        newlines += int(np.count_nonzero(newline[own]))
        separators += int(np.count_nonzero(between[own]))
        controls += int(np.count_nonzero(piece[own] < _FIRST_PRINTED))
        empty |= bool((newline[1:] & newline[:-1]).any())
        blanks |= bool((blank[1:] & end[:-1]).any() or (blank[:-1] & end[1:]).any())
    lines = newlines + (not block.endswith(b"\n"))
    known = newlines + (separators if separator < _FIRST_PRINTED else 0)
    printed = controls == known or not has_controls(block, format_)
    counted = separators == lines * (len(format_.fields) - 1)
    # Tabs and more than ASCII's whitespace may be blanks, too.
    plain = block.isascii() and controls == known and separator != ord(" ")
    blanks |= not plain or block.startswith(b" ") or block.endswith(b" ")
    return Look(counted and not empty and printed and is_utf8(block), blanks)
