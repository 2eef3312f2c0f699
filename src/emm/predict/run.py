"""Predict the rows of files in bounded memory."""

import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import polars as pl

from emm.core.errors import DataError, ParamsError
from emm.core.files import atomic_file
from emm.core.process import keep_freed_memory
from emm.core.progress import Report, progress, say
from emm.data.reading.prefetch import prefetch
from emm.predict.drift import Drift, drift_from, drift_line, write_drift
from emm.predict.engine import Engine, Here
from emm.predict.files import Table, is_packed, open_table, unpacked
from emm.predict.model import NO_NUMBER, RowModel, finite
from emm.predict.output import Output, Places, places_of, require_suffix
from emm.predict.predictor import UNIT, Predictor, at_places
from emm.predict.reading import (
    Block,
    Refusals,
    Refused,
    count_rows,
    read_blocks,
    refused_lines,
    text_of,
)
from emm.predict.units import Part, regrouped


@dataclass(frozen=True)
class Written:
    """What was written: ``rows`` of predictions, ``refused`` of them nulls, listed in ``rejected``
    with their reasons."""

    rows: int
    refused: int
    seconds: float
    rejected: Path
    drift: Path


class _Encoded(NamedTuple):
    """A block of rows, encoded; ``missing``: by processed column, how many have no value;
    ``refused``: those that can't be used."""

    part: Part
    missing: dict[str, int]
    refused: Sequence[Refused]


@dataclass
class _Run:
    """The rows of files on their way; ``file``: name of the first, ``done``: how many have been
    predicted."""

    predictor: Predictor
    engine: Engine
    refusals: Refusals
    drift: Drift
    places: Places
    file: str
    as_logits: bool
    done: int = 0

    def predicted(self, tables: Iterable[Table], report: Report) -> Iterator[pl.DataFrame]:
        """Yield rows of the output, part by part."""
        started = time.monotonic()
        for part, logits in self.engine.predicted(regrouped(self._parts(tables), UNIT)):
            usable, good = finite(logits), part.good
            if not usable.all():
                self._refuse(part.places.filter(good).filter(~usable))
                logits = logits[usable.to_numpy()]
                good = at_places(usable.to_frame(), good).to_series().fill_null(value=False)
            found = self.predictor.outputs(logits, as_logits=self.as_logits)
            if not good.all():
                found = at_places(found, good)
            yield part.places.hstack(found.get_columns())
            self.done += len(part.places)
            rate = self.done / max(time.monotonic() - started, 1e-9)
            report(self.done, f"{rate:,.0f} rows/s")

    def _refuse(self, places: pl.DataFrame) -> None:
        """List rows for which the model gives no number."""
        if self.places.file:
            for (file,), rows in places.group_by("file", maintain_order=True):
                self.refusals.write(refused_lines(str(file), rows["line"], NO_NUMBER))
        else:
            self.refusals.write(refused_lines(self.file, places["line"], NO_NUMBER))

    def _parts(self, tables: Iterable[Table]) -> Iterator[Part]:
        key = [self.places.key] if self.places.key else []
        columns = list(dict.fromkeys([*self.predictor.columns, *key]))
        for table in tables:
            encode = partial(self._encoded, trimmed=table.separator is not None)
            # Blocks are encoded while the model computes.
            for found in prefetch(encode, read_blocks(table, columns), threads=1):
                self.refusals.write(found.refused)
                self.drift.add(found.part.features, found.missing)
                yield found.part

    def _encoded(self, block: Block, *, trimmed: bool) -> _Encoded:
        """Encode a block. Nothing of its raw rows is kept: they are most of what is in memory."""
        encoded = self.predictor.encode(block.rows, trimmed=trimmed)
        refused, bad = [*block.refused], encoded.reasons.is_not_null()
        if bad.any():
            lines, texts = block.lines.filter(block.readable), text_of(block.rows.filter(bad))
            reasons = encoded.reasons.drop_nulls()
            refused += refused_lines(block.file, lines.filter(bad), reasons, texts)
        good = at_places((~bad).alias("good").to_frame(), block.readable).to_series()
        part = Part(
            self.places.of(block), good.fill_null(value=False), encoded.features, encoded.raw
        )
        return _Encoded(part, encoded.missing, refused)


def predict_files(
    model: RowModel,
    files: Sequence[Path],
    out: Path,
    *,
    as_logits: bool = False,
    processed: Path | None = None,
    engine: Engine | None = None,
) -> Written:
    """Write a row of predictions for every row of the files, in order, to ``out``.

    The columns are `Places` and those of `Predictor.predict`, or with ``as_logits`` of
    `Predictor.logits`. Rows that can't be used have nulls, and OUT.rejected.jsonl lists them.
    OUT.drift.json says how the rows differ from those of train; ``processed``: see `drift_from`.
    ``engine``: computes the logits of ``model``, by default in this process.
    Files are replaced when all is done. Raises ParamsError for a missing column, and DataError if a
    file, or every row, can't be used.
    """
    require_suffix(out)
    if out.resolve() in {path.resolve() for path in files}:
        raise ParamsError("the predictions would replace their rows", where=out, next_step="--out")
    keep_freed_memory()
    rejected, drift_file = _next_to(out, "rejected.jsonl"), _next_to(out, "drift.json")
    predictor, started = Predictor(model), time.monotonic()
    drift = drift_from(model.encoder, processed)
    # The outer one removes what killed processes left next to OUT, so that it must come first.
    with atomic_file(out) as temporary, _scratch(out) as scratch:
        tables = _Tables(files, predictor, scratch)
        output = Output(temporary, out, scratch)
        with atomic_file(rejected) as listing, listing.open("w", encoding="utf-8") as lines:
            refusals, first = Refusals(lines), files[0].name
            run = _Run(
                predictor, engine or Here(model), refusals, drift, tables.places, first, as_logits
            )
            with progress("Predicting", tables.rows) as report:
                for rows in run.predicted(tables, report):
                    output.write(rows)
        _require_usable(run, rejected)
        output.close()
        columns = write_drift(drift, drift_file)
    if not refusals.count:
        rejected.unlink()
    say(drift_line(columns))
    return Written(run.done, refusals.count, time.monotonic() - started, rejected, drift_file)


def _require_usable(run: _Run, rejected: Path) -> None:
    if run.refusals.count == run.done:
        raise DataError(
            "no row can be predicted",
            where=rejected if run.done else None,
            got=f"{run.done:,} rows, of which none can be used" if run.done else "no rows",
            next_step="look at the reasons there, and correct the rows" if run.done else None,
        )


class _Tables:
    """The files as tables. Plain ones are opened at once, so that a wrong one is noticed before any
    row is read; others are unpacked one at a time."""

    def __init__(self, files: Sequence[Path], predictor: Predictor, scratch: Path) -> None:
        self._files, self._predictor, self._scratch = files, predictor, scratch
        plain = [path for path in files if not is_packed(path)]
        self._plain = {path: open_table(path, path.name, predictor) for path in plain}

    @property
    def places(self) -> Places:
        return places_of([*self._plain.values()], self._predictor.encoder, len(self._files))

    @property
    def rows(self) -> float | None:
        """About how many there are; None if that isn't known."""
        every = len(self._plain) == len(self._files)
        return sum(map(count_rows, self._plain.values())) if every else None

    def __iter__(self) -> Iterator[Table]:
        for path in self._files:
            if path in self._plain:
                yield self._plain[path]
            else:
                with unpacked(path, self._scratch) as file:
                    yield open_table(file, path.name, self._predictor)


def _next_to(out: Path, end: str) -> Path:
    return out.with_name(f"{out.name}.{end}")


@contextmanager
def _scratch(out: Path) -> Iterator[Path]:
    """A folder next to ``out`` for what is written on the way; those of killed processes go when
    ``out`` is written again, by their names."""
    folder = out.with_name(f".{out.name}.parts.{os.getpid()}.tmp")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
