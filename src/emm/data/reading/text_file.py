"""Delimited text files: their first line, and their content in blocks of complete lines."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from emm.core.errors import DataError

BLOCK_BYTES = 16 * 2**20  # about half a million short lines
MAX_LINE_BYTES = 4 * BLOCK_BYTES
CHECK_RAW_FILE = "check the raw file, then `dvc repro download`"

_BOM = b"\xef\xbb\xbf"
_OTHER_FORMATS = {
    b"\x1f\x8b": "a gzip file",
    b"PK\x03\x04": "a zip file",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ": "an xz file",
    b"\x28\xb5\x2f\xfd": "a zstandard file",
    b"7z\xbc\xaf": "a 7-zip file",
    b"PAR1": "a Parquet file",
    b"\xff\xfe": "text in UTF-16",
    b"\xfe\xff": "text in UTF-16",
}


def first_line(path: Path, name: str) -> tuple[int, str]:
    """Return the offset of the second line in bytes, and the first line without its BOM.

    Raises DataError if the file is missing, empty or not text.
    """
    if not path.is_file():
        raise DataError(f"{name} is missing", where=path, next_step=CHECK_RAW_FILE)
    with path.open("rb") as file:
        line = file.readline(2**20)
    if not line.removeprefix(_BOM).strip():
        empty = path.stat().st_size <= len(_BOM)
        what = "is empty" if empty else "starts with an empty line"
        raise DataError(f"{name} {what}", where=path, next_step=CHECK_RAW_FILE)
    for magic, what in _OTHER_FORMATS.items():
        if line.startswith(magic):
            raise DataError(
                f"{name} isn't text",
                where=path,
                got=what,
                expected="delimited text in UTF-8",
                next_step="unpack or convert it, then `dvc repro`",
            )
    return len(line), line.removeprefix(_BOM).decode(errors="replace").rstrip("\r\n")


def expect_header(path: Path, names: Sequence[str], columns: Sequence[str]) -> None:
    """Raise DataError unless the header's ``names`` contain each of ``columns`` exactly once."""
    lacking = [column for column in columns if column not in names]
    twice = [column for column in columns if names.count(column) > 1]
    if lacking or twice:
        what = f"lacks {', '.join(lacking)}" if lacking else f"has {', '.join(twice)} twice"
        raise DataError(
            f"the header of {path.name} {what}",
            where=f"{path}, line 1",
            got=", ".join(names)[:500],
            expected=", ".join(columns),
            next_step="check that it is the published file, with its header and separator",
        )


def expect_no_header(path: Path, names: Sequence[str], columns: Sequence[str]) -> None:
    """Raise DataError if most values of the first line are names of ``columns``."""
    known = {column.casefold() for column in columns}
    if 2 * sum(name.casefold() in known for name in names) > len(names):
        raise DataError(
            f"{path.name} has a header, but the published file has none",
            where=f"{path}, line 1",
            got=", ".join(names)[:500],
            expected="a row of values",
            next_step="remove the first line, then `dvc repro`",
        )


def blocks(path: Path, start: int) -> Iterator[bytes]:
    """Yield the file from byte ``start`` on in blocks of complete lines, without its BOM."""
    with path.open("rb") as file:
        file.seek(start or len(_BOM) * (file.read(len(_BOM)) == _BOM))
        rest = b""
        while block := file.read(BLOCK_BYTES):
            block = rest + block
            end = block.rfind(b"\n") + 1
            if not end and len(block) > MAX_LINE_BYTES:
                raise DataError(
                    f"{path.name} has a line of more than {MAX_LINE_BYTES:,} bytes",
                    where=path,
                    next_step=CHECK_RAW_FILE,
                )
            rest = block[end:]
            if end:
                yield block[:end]
        if rest:
            yield rest
