"""Reading a dataset from files that a test writes."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from emm.data.datasets.dataset import Dataset
from emm.data.reading.chunks import Reading
from emm.data.reading.rejected import Rejected


def read(
    dataset: Dataset, folder: Path, files: Mapping[str, str], part: str = "all"
) -> tuple[pl.DataFrame, list[tuple[int, str]]]:
    """All rows of a part, and line number and reason of each rejected line."""
    raw, scratch = folder / "raw", folder / "scratch"
    for each in (raw, scratch):
        each.mkdir(exist_ok=True)
    for name, text in files.items():
        (raw / name).write_text(text)
    records: list[tuple[int, str]] = []

    class Kept(Rejected):
        def add(self, file, lines, reason, texts=None):  # type: ignore[no-untyped-def]
            super().add(file, lines, reason, texts)
            reasons = [reason] * len(lines) if isinstance(reason, str) else list(reason)
            records.extend(zip(list(lines), reasons, strict=True))

    chunks = list(dataset.read(Reading(raw, Kept(dataset.name, 1.0), scratch), part))
    rows = pl.concat([chunk.rows for chunk in chunks])
    assert {*dataset.dense, *dataset.sparse} <= set(rows.columns)
    assert not list(scratch.iterdir())
    return rows, records


def labels(dataset: Dataset, rows: pl.DataFrame, task: str) -> list[float | None]:
    """The labels of a task as numbers."""
    return rows.select(dataset.tasks[task].label.cast(pl.Float64)).to_series().to_list()


def csv(header: str, *lines: str) -> str:
    return "\n".join([header, *lines]) + "\n"
