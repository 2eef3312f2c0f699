"""Read delimited text in blocks; a malformed record is rejected and never shifts a column."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl

from emm.core.errors import DataError
from emm.data.reading.chunks import LINE, Chunk
from emm.data.reading.encodings import UTF8
from emm.data.reading.malformed import (
    NOT_UTF8,
    NUMBER,
    REASON,
    TEXT,
    Format,
    examine,
    look,
)
from emm.data.reading.prefetch import THREADS, prefetch
from emm.data.reading.quoted import Dialect, Records
from emm.data.reading.records import examine_records
from emm.data.reading.rejected import Rejected
from emm.data.reading.text_file import (
    CHECK_RAW_FILE,
    blocks,
    expect_header,
    expect_no_header,
    first_line,
    split_values,
)

_CHECK_FORMAT = (
    "check that it is the published file or, if it is your own data, `separator` in the section "
    "custom; then `dvc repro download`"
)
_OTHER_ENCODING = (
    "if it is your own data, write `encoding: latin-1`, or the encoding that it is in, in the "
    "section custom; otherwise check that it is the published file"
)
_SEPARATORS = (",", "\t", ";", "|", " ")

FastParser = Callable[[bytes], pl.DataFrame | None]
"""Parses a block of good lines; returns None if any line may be malformed."""


def read_delimited(
    path: Path,
    columns: Sequence[str],
    separator: str,
    rejected: Rejected,
    *,
    header: bool = False,
    quotes: bool = False,
    fields: Sequence[str] | None = None,
    name: str | None = None,
    controls: str = "",
    encoding: str = UTF8,
    fast_parser: FastParser | None = None,
    threads: int = THREADS,
) -> Iterator[Chunk]:
    """Yield a file's rows in chunks of bounded size: text columns, and line numbers from 1.

    Whitespace around values is stripped; an empty value is null. A record is rejected if it has the
    wrong number of fields, a control character, bytes that aren't UTF-8, or misplaced quotes (see
    `emm.data.reading.quoted`).

    Args:
        columns: names of the columns to return.
        header: the first record must name all ``columns``, in any order. Without ``header`` the
            file must hold exactly the ``fields``, and its first line must not look like a header.
        quotes: values may be quoted (RFC 4180), and have line breaks then; the number of a record
            is that of its first line. Otherwise quotes are plain text.
        fields: names of all columns of a file without a header, by default ``columns``.
        name: the file's name in messages.
        controls: control characters that are allowed.
        encoding: of the file.
        fast_parser: tried first on every block; its rows may have other columns than ``columns``.
        threads: that parse ahead; each holds a block in memory. 0: nothing is parsed ahead.

    Raises DataError if the file is missing, empty, compressed, in another encoding, or without
    columns or good lines.
    """
    name = name or path.name
    start, first = first_line(path, name, encoding=encoding, quotes=header and quotes)
    names = split_values(first, separator, quotes=header and quotes)
    number = first.count("\n") + 2
    if header:
        expect_header(path, names, columns)
    else:
        start, number, fields = 0, 1, fields or columns
        expect_no_header(path, names, fields)
        names = list(fields)
    format_ = Format(name, tuple(names), tuple(columns), separator, quotes, controls)
    parser = fast_parser or partial(_parse_plain, format_=format_)
    found = blocks(path, start, encoding=encoding, dialect=_dialect(format_))
    return _chunks(path, found, format_, parser, rejected, number, threads)


def _dialect(format_: Format) -> Dialect | None:
    return Dialect(format_.separator, len(format_.fields)) if format_.quotes else None


@dataclass(frozen=True)
class _Block:
    """A parsed block: its number of ``lines`` and ``records``, the good ``rows``, the ``bad`` ones.

    Lines are numbered from 0 within the block.
    """

    lines: int
    records: int
    rows: pl.DataFrame
    bad: pl.DataFrame | None = None


def _chunks(
    path: Path,
    found: Iterator[Records],
    format_: Format,
    fast_parser: FastParser,
    rejected: Rejected,
    number: int,
    threads: int,
) -> Iterator[Chunk]:
    """Yield the rows of blocks, the first of which starts at line ``number``."""
    first = True
    parse = partial(_read_block, format_=format_, fast_parser=fast_parser)
    for block in prefetch(parse, found, threads):
        if block.bad is not None:
            bad = block.bad.with_columns(pl.col(NUMBER) + number)
            if first and len(bad) == block.records:
                raise _no_good_line(path, format_, bad)
            rejected.add(format_.name, bad[NUMBER], bad[REASON], bad[TEXT])
        first = False
        rejected.seen(block.records)
        if len(block.rows):
            rows = block.rows.with_columns((pl.col(LINE) + number).cast(pl.UInt32))
            yield Chunk(format_.name, rows)
        number += block.lines
    if first:
        raise DataError(f"{path.name} has no rows", where=path, next_step=CHECK_RAW_FILE)


def _read_block(block: Records, format_: Format, fast_parser: FastParser) -> _Block:
    """Parse a block by the fast parser if possible, otherwise check every record."""
    rows = fast_parser(block.text)
    if rows is not None:
        return _Block(len(rows), len(rows), rows.with_columns(pl.int_range(pl.len()).alias(LINE)))
    dialect = _dialect(format_)
    if dialect is not None and b'"' in block.text:
        return _read_quoted(block, format_, dialect)
    lines, bad = examine(block.text, format_)
    if bad.is_empty():
        return _Block(len(lines), len(lines), _parse(block.text, format_, lines[NUMBER]))
    kept = lines.join(bad, on=NUMBER, how="anti", maintain_order="left")
    if kept.is_empty():
        return _Block(len(lines), len(lines), kept.clear(), bad)
    rows = _parse("\n".join(kept[TEXT]).encode(), format_, kept[NUMBER])
    return _Block(len(lines), len(lines), rows, bad)


def _read_quoted(block: Records, format_: Format, dialect: Dialect) -> _Block:
    found = examine_records(block, format_, dialect)
    rows = _parse(found.good, format_, found.numbers) if found.good else found.bad.clear()
    return _Block(found.lines, found.records, rows, found.bad if len(found.bad) else None)


def _parse_plain(block: bytes, format_: Format) -> pl.DataFrame | None:
    """Parse a block without quotes whose total number of fields is right; None for any other.

    The CSV reader refuses a line with too many fields. As the total is right, no line has too few
    either.
    """
    if format_.quotes and b'"' in block:
        return None
    found = look(block, format_)
    if not found.regular:
        return None
    try:
        return _values(block, format_, blanks=found.blanks)
    except (pl.exceptions.ComputeError, pl.exceptions.SchemaError):
        return None


def _parse(block: bytes, format_: Format, numbers: pl.Series) -> pl.DataFrame:
    """Parse lines that are known to be good; add their line ``numbers``."""
    rows = _values(block, format_, blanks=look(block, format_).blanks)
    if len(rows) != len(numbers):
        raise DataError(
            f"{format_.name} could not be split into values",
            got=f"{len(rows):,} rows",
            expected=f"{len(numbers):,}",
        )
    return rows.with_columns(numbers.alias(LINE))


def _values(block: bytes, format_: Format, *, blanks: bool) -> pl.DataFrame:
    """Parse the wanted columns of a block as text; ``blanks``: there may be some around values.

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
    if quotes or blanks:
        rows = rows.select(pl.all().str.strip_chars())
        rows = rows.select(pl.when(pl.all() != "").then(pl.all()))
    return rows


def _no_good_line(path: Path, format_: Format, bad: pl.DataFrame) -> DataError:
    """Error for a file without a good line; the usual cause is a different separator."""
    line = bad.row(0, named=True)
    counts = {s: line[TEXT].count(s) + 1 for s in _SEPARATORS if s != format_.separator}
    other = max(counts, key=lambda s: (counts[s] == len(format_.fields), counts[s]))
    hint = f"; {counts[other]} fields with the separator {other!r}" if counts[other] > 1 else ""
    return DataError(
        f"no line of {path.name} can be read",
        where=f"{path}, line {line[NUMBER]}",
        got=f"{line[REASON]}{hint}: {line[TEXT][:200]!r}",
        expected=f"{len(format_.fields)} fields, separator {format_.separator!r}: "
        f"{', '.join(format_.fields)}"[:500],
        next_step=_OTHER_ENCODING if line[REASON] == NOT_UTF8 else _CHECK_FORMAT,
    )
