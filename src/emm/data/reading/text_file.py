"""Delimited text files: their first line, and their content in blocks of complete records."""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from emm.core.errors import DataError
from emm.data.reading.encodings import UTF8, open_utf8, same_encoding
from emm.data.reading.quoted import Dialect, Records, complete_records

BLOCK_BYTES = 16 * 2**20  # about half a million short lines
MAX_LINE_BYTES = 4 * BLOCK_BYTES
CHECK_RAW_FILE = "check the raw file, then `dvc repro download`"

_BOM = b"\xef\xbb\xbf"
_MAX_FIRST_LINE = 2**20
_OTHER_FORMATS = {
    b"\x1f\x8b": "a gzip file",
    b"PK\x03\x04": "a zip file",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ": "an xz file",
    b"\x28\xb5\x2f\xfd": "a zstandard file",
    b"7z\xbc\xaf": "a 7-zip file",
    b"PAR1": "a Parquet file",
}
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def first_line(
    path: Path, name: str, *, encoding: str = UTF8, quotes: bool = False
) -> tuple[int, str]:
    """Return the offset of the second line in bytes of UTF-8, and the first line without its BOM.

    ``quotes``: the first record instead, whose quoted values may have line breaks.
    Raises DataError if the file is missing, empty or not text.
    """
    if not path.is_file():
        raise DataError(f"{name} is missing", where=path, next_step=CHECK_RAW_FILE)
    _expect_text(path, name, encoding)
    with open_utf8(path, encoding) as file:
        line = file.readline(_MAX_FIRST_LINE)
        if quotes:
            line = _first_record(line, file)
    text = line.removeprefix(_BOM)
    if not text.strip():
        what = "starts with an empty line" if text else "is empty"
        raise DataError(f"{name} {what}", where=path, next_step=CHECK_RAW_FILE)
    return len(line), text.decode(errors="replace").rstrip("\r\n")


def split_values(line: str, separator: str, *, quotes: bool) -> list[str]:
    """The values of a line or record, without blanks around them."""
    if not quotes:
        return [value.strip().strip('"') for value in line.split(separator)]
    lines = io.StringIO(line, newline="")
    try:
        values = next(csv.reader(lines, delimiter=separator, skipinitialspace=separator != " "))
    except csv.Error:  # a value of more than 131,072 characters
        values = line.split(separator)
    return [value.strip() for value in values]


def _expect_text(path: Path, name: str, encoding: str) -> None:
    """Raise DataError if the file starts like one of another format."""
    with path.open("rb") as file:
        start = file.read(max(map(len, _OTHER_FORMATS)))
    what = next((what for magic, what in _OTHER_FORMATS.items() if start.startswith(magic)), None)
    if what is not None:
        raise DataError(
            f"{name} isn't text",
            where=path,
            got=what,
            expected="delimited text",
            next_step="unpack or convert it, then `dvc repro`",
        )
    if start.startswith(_UTF16) and same_encoding(encoding, UTF8):
        raise DataError(
            f"{name} isn't text in UTF-8",
            where=path,
            got="text in UTF-16",
            next_step="if it is your own data, write `encoding: utf-16` in the section custom; "
            "otherwise convert the file, then `dvc repro`",
        )


def _first_record(line: bytes, file: IO[bytes]) -> bytes:
    """Append lines while a quote is open; the first line only if it is never closed."""
    record = line
    while record.count(b'"') % 2 and len(record) < _MAX_FIRST_LINE:
        more = file.readline(_MAX_FIRST_LINE)
        if not more:
            return line
        record += more
    return line if record.count(b'"') % 2 else record


def expect_header(path: Path, names: Sequence[str], columns: Sequence[str]) -> None:
    """Raise DataError unless the header's ``names`` contain each of ``columns`` exactly once."""
    lacking = [column for column in columns if column not in names]
    if lacking:
        raise DataError(
            f"the header of {path.name} lacks {', '.join(lacking)}",
            where=f"{path}, line 1",
            got=", ".join(names)[:500],
            expected=f"also {', '.join(lacking)}",
            next_step="check that it is the published file, with its header and separator",
        )
    expect_distinct(path, names, columns)


def expect_distinct(path: Path, names: Sequence[str], columns: Sequence[str]) -> None:
    """Raise DataError if any of ``columns`` is more than once among the header's ``names``."""
    counts = Counter(names)
    twice = {column: counts[column] for column in columns if counts[column] > 1}
    if twice:
        first = next(iter(twice))
        places = [str(place) for place, name in enumerate(names, start=1) if name == first]
        raise DataError(
            f"the header of {path.name} has {', '.join(map(repr, twice))} more than once",
            where=f"{path}, line 1",
            got=f"{first!r} as columns {' and '.join(places)}",
            expected="each name once",
            next_step="rename one of these columns in the file, then `dvc repro`",
        )


def expect_no_header(path: Path, names: Sequence[str], columns: Sequence[str]) -> None:
    """Raise DataError if most values of the first line are names of ``columns``."""
    known = {column.casefold() for column in columns}
    if 2 * sum(name.casefold() in known for name in names) > len(names):
        raise DataError(
            f"{path.name} has a header, but its columns have names already",
            where=f"{path}, line 1",
            got=", ".join(names)[:500],
            expected="a row of values",
            next_step="if it is your own data, remove `columns` from the section custom; "
            "otherwise remove the first line, then `dvc repro`",
        )


def blocks(
    path: Path, start: int, *, encoding: str = UTF8, dialect: Dialect | None = None
) -> Iterator[Records]:
    """Yield the file from byte ``start`` on in blocks of complete lines, without its BOM.

    ``dialect``: blocks of complete records instead, whose quoted values may have line breaks.
    """
    with open_utf8(path, encoding) as file:
        skipped = file.read(start or len(_BOM))
        rest = b"" if start else skipped.removeprefix(_BOM)
        # Texts of one size: the memory of one serves the next.
        while block := file.read(BLOCK_BYTES - len(rest) % BLOCK_BYTES):
            text = rest + block
            found = _complete(text, dialect)
            rest = text[len(found.text) :]
            del block, text  # not kept while the records are used
            if len(rest) > MAX_LINE_BYTES:
                raise DataError(
                    f"{path.name} has a line of more than {MAX_LINE_BYTES:,} bytes",
                    where=path,
                    next_step=CHECK_RAW_FILE,
                )
            if found.text:
                yield found
        if rest:
            yield Records(rest) if dialect is None else complete_records(rest, dialect, last=True)


def _complete(text: bytes, dialect: Dialect | None) -> Records:
    if dialect is None:
        return Records(text[: text.rfind(b"\n") + 1])
    return complete_records(text, dialect, last=False)
