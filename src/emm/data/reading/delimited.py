"""Read delimited text in blocks; a malformed line is rejected and never shifts a column."""

import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl

from emm.core.errors import DataError
from emm.data.reading.chunks import LINE, Chunk
from emm.data.reading.prefetch import prefetch
from emm.data.reading.rejected import Rejected
from emm.data.reading.text_file import (
    CHECK_RAW_FILE,
    blocks,
    expect_header,
    expect_no_header,
    first_line,
)

_SEPARATORS = (",", "\t", ";", "|", " ")
_TEXT, _NUMBER, _REASON = "text", "number", "reason"

FastParser = Callable[[bytes], pl.DataFrame | None]
"""Parses a block of good lines; returns None if any line may be malformed."""


@dataclass(frozen=True)
class _Format:
    """Format of a file's lines: all ``fields`` in the file's order, and the ``wanted`` ones."""

    name: str
    fields: tuple[str, ...]
    wanted: tuple[str, ...]
    separator: str
    quotes: bool
    controls: str


def read_delimited(
    path: Path,
    columns: Sequence[str],
    separator: str,
    rejected: Rejected,
    *,
    header: bool = False,
    quotes: bool = False,
    name: str | None = None,
    controls: str = "",
    fast_parser: FastParser | None = None,
) -> Iterator[Chunk]:
    """Yield a file's rows in chunks of bounded size: text columns, and line numbers from 1.

    Whitespace around values is stripped; an empty value is null. A line is rejected if it has the
    wrong number of fields, a control character, bytes that aren't UTF-8, or quotes that RFC 4180
    doesn't allow within a line.

    Args:
        columns: names of the columns to return.
        header: the first line must name all ``columns``, in any order. Without ``header`` the
            file must hold exactly these columns, and its first line must not look like a header.
        quotes: values may be quoted; otherwise quotes are plain text.
        name: the file's name in messages.
        controls: control characters that are allowed.
        fast_parser: tried first on every block; its rows may have other columns than ``columns``.

    Raises DataError if the file is missing, empty, compressed, or without columns or good lines.
    """
    name = name or path.name
    start, first = first_line(path, name)
    names = [value.strip().strip('"') for value in first.split(separator)]
    if header:
        expect_header(path, names, columns)
    else:
        expect_no_header(path, names, columns)
        names = list(columns)
    fields = _Format(name, tuple(names), tuple(columns), separator, quotes, controls)
    parser = fast_parser or partial(_parse_plain, format_=fields)
    return _chunks(path, fields, parser, rejected, start if header else 0, 2 if header else 1)


@dataclass(frozen=True)
class _Block:
    """A parsed block: its number of ``lines``, the good ``rows``, the ``bad`` lines.

    Lines are numbered from 0 within the block.
    """

    lines: int
    rows: pl.DataFrame
    bad: pl.DataFrame | None = None


def _chunks(
    path: Path,
    format_: _Format,
    fast_parser: FastParser,
    rejected: Rejected,
    start: int,
    number: int,
) -> Iterator[Chunk]:
    """Yield the lines from byte ``start`` on, the first of which has line number ``number``."""
    first = True
    parse = partial(_read_block, format_=format_, fast_parser=fast_parser)
    for block in prefetch(parse, blocks(path, start)):
        if block.bad is not None:
            bad = block.bad.with_columns(pl.col(_NUMBER) + number)
            if first and len(bad) == block.lines:
                raise _no_good_line(path, format_, bad)
            rejected.add(format_.name, bad[_NUMBER], bad[_REASON], bad[_TEXT])
        first = False
        rejected.seen(block.lines)
        if len(block.rows):
            rows = block.rows.with_columns((pl.col(LINE) + number).cast(pl.UInt32))
            yield Chunk(format_.name, rows)
        number += block.lines
    if first:
        raise DataError(f"{path.name} has no rows", where=path, next_step=CHECK_RAW_FILE)


def _read_block(block: bytes, format_: _Format, fast_parser: FastParser) -> _Block:
    """Parse a block by the fast parser if possible, otherwise check every line."""
    rows = fast_parser(block)
    if rows is not None:
        return _Block(len(rows), rows.with_columns(pl.int_range(pl.len()).alias(LINE)))
    lines, bad = _examine(block, format_)
    if bad.is_empty():
        return _Block(len(lines), _parse(block, format_, lines[_NUMBER]))
    kept = lines.join(bad, on=_NUMBER, how="anti", maintain_order="left")
    if kept.is_empty():
        return _Block(len(lines), kept.clear(), bad)
    rows = _parse("\n".join(kept[_TEXT]).encode(), format_, kept[_NUMBER])
    return _Block(len(lines), rows, bad)


def _parse_plain(block: bytes, format_: _Format) -> pl.DataFrame | None:
    """Parse a block without quotes whose total number of fields is right; None for any other.

    The CSV reader refuses a line with too many fields. As the total is right, no line has too few
    either.
    """
    between = format_.separator.encode()
    lines = block.count(b"\n") + (not block.endswith(b"\n"))
    quoted = format_.quotes and b'"' in block
    if quoted or block.count(between) != lines * (len(format_.fields) - 1) or b"\n\n" in block:
        return None
    if _has_controls(block, format_) or not _is_utf8(block):
        return None
    try:
        return _values(block, format_)
    except (pl.exceptions.ComputeError, pl.exceptions.SchemaError):
        return None


def _examine(block: bytes, format_: _Format) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return a block's lines with their numbers, and the bad ones with a reason."""
    faults = {}
    line = pl.col(_TEXT)
    if _has_controls(block, format_):
        allowed = format_.controls + format_.separator + "\t"
        unwanted = "".join(f"\\x{code:02x}" for code in range(32) if chr(code) not in allowed)
        faults["a control character"] = line.str.contains(f"[{unwanted}]")
    if not _is_utf8(block):
        # In such a block, a genuine replacement character is rejected too.
        block = block.decode(errors="replace").encode()
        faults["bytes that aren't UTF-8"] = line.str.contains("\ufffd", literal=True)
    unquoted = line
    if format_.quotes and b'"' in block:
        faults["an odd number of quotes"] = line.str.count_matches('"', literal=True) % 2 == 1
        faults["a quote within a value"] = ~line.str.contains(_quoted(format_.separator))
        unquoted = line.str.replace_all('"[^"]*"', "")
    faults["an empty line"] = line == ""
    fields = unquoted.str.count_matches(format_.separator, literal=True) + 1
    at_fault = pl.any_horizontal(*faults.values(), fields != len(format_.fields))
    lines = pl.read_lines(io.BytesIO(block), name=_TEXT).with_columns(
        pl.int_range(pl.len(), dtype=pl.Int64).alias(_NUMBER)
    )
    reasons = [pl.when(fault).then(pl.lit(reason)) for reason, fault in faults.items()]
    length = pl.format(f"{{}} fields instead of {len(format_.fields)}", fields)
    return lines, lines.filter(at_fault).with_columns(pl.coalesce(*reasons, length).alias(_REASON))


def _has_controls(block: bytes, format_: _Format) -> bool:
    """Whether any byte is a control character other than a line end, a tab or an allowed one."""
    allowed = {*format_.controls, format_.separator, "\t", "\n", "\r"}
    plain = bytes(code for code in range(256) if code >= 32 or chr(code) in allowed)
    bare_return = b"\r" in block and block.count(b"\r") != block.count(b"\r\n")
    return bare_return or bool(block.translate(None, plain))


def _is_utf8(block: bytes) -> bool:
    try:
        return block.isascii() or bool(block.decode())
    except UnicodeDecodeError:
        return False


def _quoted(separator: str) -> str:
    """Pattern of a line whose values have no quotes or are fully quoted (RFC 4180, section 2)."""
    value = f'(?:[^"{re.escape(separator)}]*|"(?:[^"]|"")*")'
    return f"^{value}(?:{re.escape(separator)}{value})*$"


def _parse(block: bytes, format_: _Format, numbers: pl.Series) -> pl.DataFrame:
    """Parse lines that are known to be good; add their line ``numbers``."""
    rows = _values(block, format_)
    if len(rows) != len(numbers):
        raise DataError(
            f"{format_.name} could not be split into values",
            got=f"{len(rows):,} rows",
            expected=f"{len(numbers):,}",
        )
    return rows.with_columns(numbers.alias(LINE))


def _values(block: bytes, format_: _Format) -> pl.DataFrame:
    """Parse the wanted columns of a block as text.

    Raises Polars' ComputeError or SchemaError for a line with too many fields.
    """
    quotes = format_.quotes and b'"' in block
    places = [format_.fields.index(column) for column in format_.wanted]
    every = pl.read_csv(
        block,
        has_header=False,
        separator=format_.separator,
        quote_char='"' if quotes else None,
        schema={str(place): pl.String for place in range(len(format_.fields))},
    )
    rows = every.select(
        pl.col(str(place)).alias(column)
        for place, column in zip(places, format_.wanted, strict=True)
    )
    if quotes or b" " in block or b"\t" in block or not block.isascii():
        rows = rows.select(pl.all().str.strip_chars())
        rows = rows.select(pl.when(pl.all() != "").then(pl.all()))
    return rows


def _no_good_line(path: Path, format_: _Format, bad: pl.DataFrame) -> DataError:
    """Error for a file without a good line; the usual cause is a different separator."""
    line = bad.row(0, named=True)
    counts = {s: line[_TEXT].count(s) + 1 for s in _SEPARATORS if s != format_.separator}
    other = max(counts, key=lambda s: (counts[s] == len(format_.fields), counts[s]))
    hint = f"; {counts[other]} fields with the separator {other!r}" if counts[other] > 1 else ""
    return DataError(
        f"no line of {path.name} can be read",
        where=f"{path}, line {line[_NUMBER]}",
        got=f"{line[_REASON]}{hint}: {line[_TEXT][:200]!r}",
        expected=f"{len(format_.fields)} fields, separator {format_.separator!r}: "
        f"{', '.join(format_.fields)}"[:500],
        next_step="check that it is the published file, then `dvc repro download`",
    )
