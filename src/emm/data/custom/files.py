"""The CSV and Parquet files of custom data: their names, their format, their columns."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from emm.core.errors import DataError
from emm.data.custom.numbers import PLAIN, Notation
from emm.data.datasets.source import RawFile, Source, unpacked_name
from emm.data.reading.encodings import UTF8
from emm.data.reading.text_file import expect_distinct, first_line, split_values

PATTERNS = ("*.csv", "*.parquet")
"""Files that are read if none are named: all files of one of these kinds."""

_MAX_BYTES = 2**40
_SUFFIX = ".parquet"
_SEPARATORS = (";", "\t", "|", ",")


@dataclass(frozen=True)
class CustomFiles:
    """The files of each part and their format.

    Args:
        parts: names or globs of the files of each part; none stand for `PATTERNS`.
        separator: between the values of a delimited file.
        missing: values that are read as null.
        columns: names of all columns of files without a header.
        encoding: of delimited files.
        notation: of the numbers in delimited files.
        numbers: columns with numbers in this notation.
    """

    parts: Mapping[str, Sequence[str]]
    separator: str = ","
    missing: Sequence[str] = ("", "NA", "NULL")
    columns: tuple[str, ...] = ()
    encoding: str = UTF8
    notation: Notation = PLAIN
    numbers: tuple[str, ...] = ()

    @property
    def patterns(self) -> list[str]:
        return [pattern for patterns in self.parts.values() for pattern in patterns]

    def paths(self, raw: Path, part: str) -> list[Path]:
        """The files of a part in the folder ``raw``, by name; DataError if there are none."""
        patterns = [*map(unpacked_name, self.parts[part])] or PATTERNS
        found = {path for pattern in patterns for path in raw.glob(pattern)}
        if not found:
            raise DataError(
                f"no files for the part {part}",
                where=raw,
                expected=" or ".join(patterns),
                next_step="dvc repro download",
            )
        return sorted(found)

    def with_plain_numbers(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The same rows with numbers as Polars reads them."""
        names = [name for name in self.numbers if name in rows.columns]
        return rows.with_columns(self.notation.plain(pl.col(name)) for name in names)


def custom_source(name: str, patterns: Sequence[str]) -> Source:
    """The source of custom data: files with these names or globs, by default `PATTERNS`."""
    named = tuple(RawFile(pattern, pattern=True) for pattern in patterns)
    first, *others = PATTERNS
    return Source(
        title=name,
        homepage="",
        doi=None,
        licence="",
        citation="",
        files=named or (RawFile(first, aliases=tuple(others), pattern=True),),
        urls=(),
        package=None,
        max_bytes=_MAX_BYTES,
        by_hand="",
    )


def columns_of(path: Path, files: CustomFiles) -> list[str]:
    """Names of the columns in a file's header or schema, without empty names.

    Raises DataError for a file that can't be read, or doesn't have the columns of ``files``.
    """
    if is_parquet(path):
        if files.columns:
            raise DataError(
                "the columns of a Parquet file have names already",
                where=path,
                next_step="remove custom.columns, which names those of files without a header",
            )
        with readable(path):
            # pandas writes its index under an empty name.
            return [name for name in pl.read_parquet_schema(path) if name]
    _, line = first_line(path, path.name, encoding=files.encoding, quotes=True)
    values = split_values(line, files.separator, quotes=True)
    others = [each for each in _SEPARATORS if each != files.separator and each in line]
    if len(values) == 1 and others:
        raise DataError(
            f"{path.name} has one column only",
            where=f"{path}, line 1",
            got=line[:200],
            expected=f"values with {files.separator!r} between them",
            next_step=f"write `separator: {json.dumps(others[0])}` in the section custom",
        )
    if files.columns and len(values) != len(files.columns):
        raise DataError(
            f"{path.name} has another number of columns than custom.columns",
            where=f"{path}, line 1",
            got=f"{len(values)} values: {line[:200]}",
            expected=f"{len(files.columns)}: {', '.join(files.columns)}"[:200],
            next_step="write the names of all columns, in order, in custom.columns",
        )
    names = files.columns or [name for name in values if name]
    if not files.columns:
        expect_distinct(path, names, names)
    return [*names]


def is_parquet(path: Path) -> bool:
    return path.suffix.lower() == _SUFFIX


@contextmanager
def readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(
            f"{path.name} can't be read as Parquet",
            where=path,
            got=str(error).partition("\n")[0],
            next_step="write the file again, then run: dvc repro",
        ) from error
