"""New rows in blocks of bounded size, with every row that can't be used at its place."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, NamedTuple

import polars as pl
from polars.selectors import by_name

from emm.data.custom.files import readable
from emm.data.reading.chunks import LINE
from emm.data.reading.delimited import read_delimited
from emm.data.reading.rejected import MAX_TEXT, Rejected
from emm.predict.files import Table

_ROWS = 65_536  # of a Parquet file, read at a time


class Refused(NamedTuple):
    """A line of a file that can't be used; ``text``: its start, if it is known."""

    file: str
    line: int
    reason: str
    text: str | None


class Block(NamedTuple):
    """Some rows of a file, in order.

    Attributes:
        file: its name.
        lines: the number of each row's first line, or of a row of a Parquet file, from 1.
        rows: the raw columns of the rows that can be read.
        readable: which of the lines these are.
        refused: the others.
    """

    file: str
    lines: pl.Series
    rows: pl.DataFrame
    readable: pl.Series
    refused: Sequence[Refused] = ()


class Refusals:
    """Writes the rows that can't be used to a file, as JSON lines."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out
        self.count = 0

    def write(self, refused: Iterable[Refused]) -> None:
        """Write some lines of a file."""
        for each in refused:
            self._out.write(json.dumps(each._asdict(), ensure_ascii=False) + "\n")
            self.count += 1


class _Unreadable(Rejected):
    """Collects the lines of a file that can't be read."""

    def __init__(self) -> None:
        super().__init__("", 1.0)
        self._found = list[Refused]()

    def add(
        self,
        file: str,
        lines: pl.Series | Sequence[int],
        reason: pl.Series | str,
        texts: pl.Series | None = None,
    ) -> None:
        """Reject lines of a file; see `Rejected.add`."""
        self._found += refused_lines(file, lines, reason, texts)

    def taken(self) -> list[Refused]:
        """The lines that were rejected since this was last called."""
        found, self._found = self._found, []
        return found


def refused_lines(
    file: str,
    lines: pl.Series | Sequence[int],
    reason: pl.Series | str,
    texts: pl.Series | None = None,
) -> Iterator[Refused]:
    """Lines of a file that can't be used; ``reason``: of all of them, or of each."""
    numbers = [int(each) for each in lines]
    reasons = [reason] * len(numbers) if isinstance(reason, str) else reason.to_list()
    shown = [None] * len(numbers) if texts is None else texts.str.slice(0, MAX_TEXT).to_list()
    for line, why, text in zip(numbers, reasons, shown, strict=True):
        yield Refused(file, line, why, text)


def read_blocks(table: Table, columns: Sequence[str]) -> Iterator[Block]:
    """Yield all rows of a file with these raw columns, and the lines that can't be read.

    Raises DataError if no row of a text file can be read.
    """
    if table.separator is None:
        yield from _parquet_blocks(table, columns)
        return
    unreadable = _Unreadable()
    chunks = read_delimited(
        table.path,
        columns,
        table.separator,
        unreadable,
        header=table.header,
        quotes=table.quotes,
        fields=None if table.header else table.columns,
        name=table.name,
        encoding=table.encoding,
        threads=0,  # others encode meanwhile; reading ahead would cost memory
    )
    for chunk in chunks:
        yield _with_refused(table.name, chunk.rows, unreadable.taken())
    rest = unreadable.taken()
    if rest:
        empty = pl.DataFrame(schema={LINE: pl.UInt32, **dict.fromkeys(columns, pl.String)})
        yield _with_refused(table.name, empty, rest)


def _with_refused(file: str, rows: pl.DataFrame, refused: Sequence[Refused]) -> Block:
    """The rows of a block, with the lines of it that can't be read at their places."""
    good = rows[LINE].cast(pl.Int64)
    rows = rows.drop(LINE)
    if not refused:
        return Block(file, good, rows, pl.repeat(value=True, n=len(good), eager=True))
    lines = [each.line for each in refused]
    both = pl.concat(
        [
            pl.DataFrame({"line": good, "readable": True}),
            pl.DataFrame({"line": lines, "readable": False}, schema_overrides={"line": pl.Int64}),
        ]
    ).sort("line", maintain_order=True)
    return Block(file, both["line"], rows, both["readable"], refused)


def _parquet_blocks(table: Table, columns: Sequence[str]) -> Iterator[Block]:
    number = 1
    with readable(table.path):
        rows = pl.scan_parquet(table.path, glob=False).select(by_name(*columns))
        for batch in rows.collect_batches(chunk_size=_ROWS, maintain_order=True):
            lines = pl.int_range(number, number + len(batch), eager=True, dtype=pl.Int64)
            yield Block(table.name, lines, batch, pl.repeat(True, len(batch), eager=True))
            number += len(batch)


def count_rows(table: Table) -> float:
    """The number of rows of a file; of a text file, estimated by its first lines."""
    if table.separator is None:
        with readable(table.path):
            scan = pl.scan_parquet(table.path, glob=False).select(pl.len())
            return float(scan.collect().item())
    size = table.path.stat().st_size
    with table.path.open("rb") as file:
        start = file.read(2**20)
    return size * max(start.count(b"\n"), 1) / max(len(start), 1)


def text_of(rows: pl.DataFrame) -> pl.Series:
    """Each row as text, for messages."""
    plain = [column for column in rows if not column.dtype.is_nested()]
    texts = pl.DataFrame(plain).select(
        pl.concat_str(pl.all().cast(pl.String, strict=False).fill_null(""), separator=",")
    )
    return texts.to_series() if plain else pl.repeat("", len(rows), eager=True)
