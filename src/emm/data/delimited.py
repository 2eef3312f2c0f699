"""Delimited text without a header, read so that a damaged row is an error and never a shift."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from emm.core.errors import DataError


def read_delimited(path: Path, columns: Sequence[str], separator: str) -> pl.LazyFrame:
    """Scan ``path`` into text columns named ``columns``, blanks around values removed.

    Quotes have no meaning; an empty value is null. Raises DataError, after one pass over the
    file, for an absent or empty file and for the first line with more or fewer fields.
    """
    lines = _lines(path)
    fields = pl.col("line").str.count_matches(separator, literal=True) + 1
    found = (
        lines.with_row_index("number", offset=1)
        .select(
            pl.len().alias("lines"),
            pl.col("number").filter(fields != len(columns)).first(),
            fields.filter(fields != len(columns)).first().alias("fields"),
        )
        .collect()
        .row(0, named=True)
    )
    if found["number"] is not None or not found["lines"]:
        raise DataError(
            f"{path.name} has a line with the wrong number of fields",
            where=f"{path}, line {found['number'] or 1}",
            got=f"{found['fields'] or 0} fields",
            expected=f"{len(columns)}: {', '.join(columns)}",
            next_step="check the raw file, then `dvc repro download`",
        )
    values = pl.scan_csv(
        path,
        has_header=False,
        separator=separator,
        quote_char=None,
        schema=dict.fromkeys(columns, pl.String),
    ).select(pl.all().str.strip_chars())
    return values.select(pl.when(pl.all() != "").then(pl.all()))


def _lines(path: Path) -> pl.LazyFrame:
    if not path.is_file():
        raise DataError(f"{path} isn't there", where=path, next_step="dvc repro download")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty", where=path, next_step="dvc repro download")
    return pl.scan_lines(path, name="line")
