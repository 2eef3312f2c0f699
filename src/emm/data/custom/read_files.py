"""The rows of custom data, in chunks, and a sample of them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl
from polars.selectors import by_name

from emm.core.errors import DataError
from emm.data.custom.files import CustomFiles, columns_of, is_parquet, readable
from emm.data.reading.chunks import LINE, Chunk
from emm.data.reading.delimited import read_delimited
from emm.data.reading.malformed import NOT_UTF8
from emm.data.reading.rejected import Rejected
from emm.data.tables.names import original_name

SAMPLE_FILES, SAMPLE_ROWS = 10, 100_000

_CHUNK_ROWS = 200_000
_MAX_NOT_UTF8 = 0.01


def read_file(
    path: Path, columns: Sequence[str], files: CustomFiles, rejected: Rejected
) -> Iterator[Chunk]:
    """Yield the rows of a file: text of a delimited file, typed columns of a Parquet file.

    ``columns``: stored names (`emm.data.tables.names`), as are those of the rows.
    Raises DataError if the file can't be read or lacks a column.
    """
    names = [original_name(column) for column in columns]
    chunks = (
        _read_parquet(path, names, files, rejected)
        if is_parquet(path)
        else _read_text(path, names, files, rejected)
    )
    for chunk in chunks:
        rows = chunk.rows.rename(dict(zip(names, columns, strict=True)))
        nulls = [as_null(column, files.missing) for column in rows.drop(LINE)]
        yield Chunk(chunk.file, files.with_plain_numbers(rows.with_columns(nulls)))


def read_sample(paths: Sequence[Path], columns: Sequence[str], files: CustomFiles) -> pl.DataFrame:
    """Read the first rows of up to `SAMPLE_FILES` files."""
    paths = paths[:SAMPLE_FILES]
    rejected = _NotUtf8()
    heads = []
    for path in paths:
        chunk = next(read_file(path, columns, files, rejected), None)
        if chunk is not None:
            heads.append(chunk.rows.head(SAMPLE_ROWS // len(paths)))
    rejected.check_encoding(paths[0])
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


class _NotUtf8(Rejected):
    """Counts the lines that aren't UTF-8."""

    def __init__(self) -> None:
        super().__init__("", 1.0)
        self.not_utf8 = 0

    def add(
        self,
        file: str,
        lines: pl.Series | Sequence[int],
        reason: pl.Series | str,
        texts: pl.Series | None = None,
    ) -> None:
        reasons = pl.Series([reason]) if isinstance(reason, str) else reason
        self.not_utf8 += int((reasons == NOT_UTF8).sum())

    def check_encoding(self, path: Path) -> None:
        """Raise DataError if these are more than a few."""
        if self.not_utf8 > _MAX_NOT_UTF8 * self.lines:
            raise DataError(
                f"{path.name} isn't text in UTF-8",
                where=path,
                got=f"other bytes in {self.not_utf8:,} of the first {self.lines:,} records",
                next_step="write `encoding: latin-1`, or the encoding that it is in, in the "
                "section custom",
            )


def _read_text(
    path: Path, columns: Sequence[str], files: CustomFiles, rejected: Rejected
) -> Iterator[Chunk]:
    return read_delimited(
        path,
        columns,
        files.separator,
        rejected,
        header=not files.columns,
        fields=files.columns or None,
        quotes=True,
        encoding=files.encoding,
    )


def _read_parquet(
    path: Path, columns: Sequence[str], files: CustomFiles, rejected: Rejected
) -> Iterator[Chunk]:
    known = columns_of(path, files)
    lacking = [column for column in columns if column not in known]
    if lacking:
        raise DataError(
            f"{path.name} lacks {', '.join(lacking)}",
            where=path,
            next_step="write all files with the same columns",
        )
    number = 1
    with readable(path):
        rows = pl.scan_parquet(path).select(by_name(*columns))
        for batch in rows.collect_batches(chunk_size=_CHUNK_ROWS, maintain_order=True):
            rejected.seen(len(batch))
            yield Chunk(path.name, batch.with_row_index(LINE, offset=number))
            number += len(batch)


def as_null(column: pl.Series, missing: Sequence[str]) -> pl.Expr:
    """A column with null in place of the values ``missing``."""
    value = pl.col(column.name)
    if column.dtype == pl.String:
        return pl.when(~value.is_in(list(missing))).then(value)
    if isinstance(column.dtype, pl.Categorical | pl.Enum):
        return pl.when(~value.cast(pl.String).is_in(list(missing))).then(value)
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
