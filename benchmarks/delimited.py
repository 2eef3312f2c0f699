"""Speed of reading CSV files without and with quoted values, compared with Python's csv module.

    python -m benchmarks.delimited --rows 2000000

The files are generated in a temporary folder. The quoted text has separators and doubled quotes,
and in the third file line breaks. Both programs make the same frames: text columns, stripped, null
in place of empty values. Seconds are processor time, so that other work matters less.
"""

import argparse
import csv
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from benchmarks.results import add_out, save
from emm.data.reading.delimited import read_delimited
from emm.data.reading.rejected import Rejected

_COLUMNS = ("user", "price", "country", "age", "note", "click")
_SCHEMA = dict.fromkeys(_COLUMNS, pl.String)
_CHUNK_ROWS = 250_000
_WORDS = {
    "no quotes": ("alpha", "beta", "gamma", "delta"),
    "quotes": ("alpha", "blue,", "green;", '"best"'),
    "line breaks": ("alpha", "blue,", "green\n", '"best"'),
}


@dataclass(frozen=True)
class Measured:
    """Seconds for all rows of one file, by this package and by the csv module."""

    file: str
    rows: int
    emm: float
    csv_module: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    add_out(parser)
    options = parser.parse_args()
    runs = []
    with TemporaryDirectory() as folder:
        for name, words in _WORDS.items():
            path = Path(folder) / "data.csv"
            _write(path, options.rows, words)
            ours, theirs = (_seconds(read, path, options.rows) for read in (_emm, _csv_module))
            runs.append(Measured(name, options.rows, ours, theirs))
    Console().print(_table(runs))
    save(options.out, "delimited", {"runs": [asdict(run) for run in runs]})


def _write(path: Path, rows: int, words: tuple[str, ...]) -> None:
    draw = np.random.default_rng(0)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for number in range(rows):
            note = " ".join(words[place] for place in draw.integers(0, len(words), 4))
            writer.writerow([number % 50_000, number / 100, "de", number % 100, note, number % 2])


def _seconds(read: Callable[[Path], Iterator[int]], path: Path, rows: int) -> float:
    start = time.process_time()
    found = sum(read(path))
    seconds = time.process_time() - start
    if found != rows:
        raise RuntimeError(f"{found:,} rows instead of {rows:,}")
    return seconds


def _emm(path: Path) -> Iterator[int]:
    rejected = Rejected("benchmark", 0.0)
    for chunk in read_delimited(path, _COLUMNS, ",", rejected, header=True, quotes=True):
        yield len(chunk.rows)


def _csv_module(path: Path) -> Iterator[int]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = ([value.strip() or None for value in row] for row in csv.reader(file))
        next(rows)
        while chunk := [*islice(rows, _CHUNK_ROWS)]:
            yield len(pl.DataFrame(chunk, schema=_SCHEMA, orient="row"))


def _table(runs: list[Measured]) -> Table:
    table = Table("file", "rows", "emm, s", "csv module, s", "ratio")
    for run in runs:
        ratio = run.csv_module / run.emm
        times = f"{run.emm:.2f}", f"{run.csv_module:.2f}", f"{ratio:.1f}"
        table.add_row(run.file, f"{run.rows:,}", *times)
    return table


if __name__ == "__main__":
    main()
