"""The CSV and Parquet files of custom data: their names, their columns, their rows in chunks."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from polars.selectors import by_name

from emm.core.errors import DataError
from emm.data.datasets.source import RawFile, Source
from emm.data.reading.chunks import LINE, Chunk
from emm.data.reading.delimited import read_delimited
from emm.data.reading.rejected import Rejected
from emm.data.reading.text_file import first_line
from emm.data.tables.names import original_name

PATTERNS = ("*.csv", "*.parquet")
"""Files that are read if none are named: all files of one of these kinds."""

SAMPLE_FILES, SAMPLE_ROWS = 10, 100_000

_CHUNK_ROWS = 200_000
_MAX_BYTES = 2**40
_SUFFIX = ".parquet"


@dataclass(frozen=True)
class CustomFiles:
    """The files of each part and their format.

    Args:
        parts: names or globs of the files of each part; none stand for `PATTERNS`.
        separator: between the values of a delimited file.
        missing: values that are read as null.
    """

    parts: Mapping[str, Sequence[str]]
    separator: str = ","
    missing: Sequence[str] = ("", "NA", "NULL")

    @property
    def patterns(self) -> list[str]:
        return [pattern for patterns in self.parts.values() for pattern in patterns]

    def paths(self, raw: Path, part: str) -> list[Path]:
        """The files of a part in the folder ``raw``, by name; DataError if there are none."""
        patterns = self.parts[part] or PATTERNS
        found = {path for pattern in patterns for path in raw.glob(pattern)}
        if not found:
            raise DataError(
                f"no files for the part {part}",
                where=raw,
                expected=" or ".join(patterns),
                next_step="dvc repro download",
            )
        return sorted(found)


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


def columns_of(path: Path, separator: str) -> list[str]:
    """Names of the columns in a file's header or schema, without empty names."""
    if is_parquet(path):
        with _readable(path):
            return [name for name in pl.read_parquet_schema(path) if name]
    _, line = first_line(path, path.name)
    names = (name.strip().strip('"') for name in line.split(separator))
    # pandas writes its index under an empty name.
    return [name for name in names if name]


def read_file(
    path: Path, columns: Sequence[str], files: CustomFiles, rejected: Rejected
) -> Iterator[Chunk]:
    """Yield the rows of a file: text of a delimited file, typed columns of a Parquet file.

    ``columns``: stored names (`emm.data.tables.names`), as are those of the rows.
    Raises DataError if the file can't be read or lacks a column.
    """
    names = [original_name(column) for column in columns]
    chunks = (
        _read_parquet(path, names, rejected)
        if is_parquet(path)
        else read_delimited(path, names, files.separator, rejected, header=True, quotes=True)
    )
    for chunk in chunks:
        rows = chunk.rows.rename(dict(zip(names, columns, strict=True)))
        nulls = [_as_null(column, files.missing) for column in rows.drop(LINE)]
        yield Chunk(chunk.file, rows.with_columns(nulls))


def read_sample(paths: Sequence[Path], columns: Sequence[str], files: CustomFiles) -> pl.DataFrame:
    """Read the first rows of up to `SAMPLE_FILES` files."""
    paths = paths[:SAMPLE_FILES]
    rejected = Rejected("", 1.0)
    heads = []
    for path in paths:
        chunk = next(read_file(path, columns, files, rejected), None)
        if chunk is not None:
            heads.append(chunk.rows.head(SAMPLE_ROWS // len(paths)))
    if not heads:
        raise DataError("no row can be read", where=", ".join(map(str, paths)))
    try:
        return pl.concat(heads).drop(LINE)
    except pl.exceptions.PolarsError as error:
        raise DataError(
            "the types of columns differ between files",
            where=", ".join(map(str, paths)),
            got=str(error).partition("\n")[0],
            next_step="write all files with the same types",
        ) from error


def is_parquet(path: Path) -> bool:
    return path.suffix.lower() == _SUFFIX


def _read_parquet(path: Path, columns: Sequence[str], rejected: Rejected) -> Iterator[Chunk]:
    lacking = [column for column in columns if column not in columns_of(path, "")]
    if lacking:
        raise DataError(
            f"{path.name} lacks {', '.join(lacking)}",
            where=path,
            next_step="write all files with the same columns",
        )
    number = 1
    with _readable(path):
        rows = pl.scan_parquet(path).select(by_name(*columns))
        for batch in rows.collect_batches(chunk_size=_CHUNK_ROWS, maintain_order=True):
            rejected.seen(len(batch))
            yield Chunk(path.name, batch.with_row_index(LINE, offset=number))
            number += len(batch)


def _as_null(column: pl.Series, missing: Sequence[str]) -> pl.Expr:
    """A column with null in place of the values ``missing``."""
    value = pl.col(column.name)
    if column.dtype == pl.String:
        return pl.when(~value.is_in(list(missing))).then(value)
    if column.dtype.is_numeric():
        numbers = [number for text in missing if (number := _number(text)) is not None]
        value = value.fill_nan(None) if column.dtype.is_float() else value
        return pl.when(~value.cast(pl.Float64).is_in(numbers)).then(value)
    return value


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(
            f"{path.name} can't be read as Parquet",
            where=path,
            got=str(error).partition("\n")[0],
            next_step="write the file again, then run: dvc repro",
        ) from error
