"""What the first line of a delimited file tells: is it text, and is it a header."""

from collections.abc import Sequence
from pathlib import Path

from emm.core.errors import DataError

BOM = b"\xef\xbb\xbf"
GET_IT = "check the raw file, then `dvc repro download`"

_OTHER = {
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
    """The byte at which the second line starts, and the first line's text without a BOM.

    Raises DataError if the file is absent, empty, or something else than text.
    """
    if not path.is_file():
        raise DataError(f"{name} isn't there", where=path, next_step=GET_IT)
    with path.open("rb") as file:
        line = file.readline(2**20)
    if not line.removeprefix(BOM).strip():
        empty = path.stat().st_size <= len(BOM)
        what = "is empty" if empty else "starts with an empty line"
        raise DataError(f"{name} {what}", where=path, next_step=GET_IT)
    for magic, what in _OTHER.items():
        if line.startswith(magic):
            raise DataError(
                f"{name} isn't text",
                where=path,
                got=what,
                expected="delimited text in UTF-8",
                next_step="unpack or convert it, then `dvc repro`",
            )
    return len(line), line.removeprefix(BOM).decode(errors="replace").rstrip("\r\n")


def expect_header(path: Path, names: Sequence[str], columns: Sequence[str]) -> None:
    """DataError unless each of ``columns`` stands once among the header's ``names``."""
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
    """DataError if most of the first line's values are names of ``columns``."""
    known = {column.casefold() for column in columns}
    if 2 * sum(name.casefold() in known for name in names) > len(names):
        raise DataError(
            f"{path.name} has a header where none belongs",
            where=f"{path}, line 1",
            got=", ".join(names)[:500],
            expected="a row of values: the file as published",
            next_step="remove the first line, then `dvc repro`",
        )
