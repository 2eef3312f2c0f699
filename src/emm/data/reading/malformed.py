"""Find the malformed lines of a block of delimited text without quoted values."""

import io
from dataclasses import dataclass

import polars as pl

TEXT, NUMBER, REASON = "text", "number", "reason"
"""Columns of `examine`: a line, its number in the block, and the reason for rejecting it."""

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
