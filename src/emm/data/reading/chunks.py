"""Rows on their way from raw files: chunks of bounded size, and what reading needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import polars as pl

from emm.data.reading.rejected import Rejected

_REASON = "__reason"
LINE = "__line"
"""A chunk's column with each row's line number in its file, from 1."""


class Chunk(NamedTuple):
    """Some rows of a file, ``file`` as messages name it."""

    file: str
    rows: pl.DataFrame


@dataclass(frozen=True)
class Reading:
    """What a dataset is read with.

    ``raw``: the folder of its published files; ``rejected``: takes malformed lines; ``scratch``:
    an empty folder for what only the reading needs; ``bags``: whether whole bags of multi-valued
    fields are wanted.
    """

    raw: Path
    rejected: Rejected
    scratch: Path
    bags: bool = False


def without_faults(chunk: Chunk, faults: Mapping[str, pl.Expr], rejected: Rejected) -> pl.DataFrame:
    """The chunk's rows, less those of which a fault is true or null: these go to ``rejected``.

    ``faults``: reason -> expression over the chunk's columns; the first that applies is given.
    """
    reasons = (
        pl.when(fault.fill_null(value=True)).then(pl.lit(reason))
        for reason, fault in faults.items()
    )
    marked = chunk.rows.with_columns(pl.coalesce(*reasons).alias(_REASON))
    bad = marked.filter(pl.col(_REASON).is_not_null())
    if bad.is_empty():
        return chunk.rows
    texts = bad.select(
        pl.concat_str(pl.exclude(LINE, _REASON).cast(pl.String).fill_null(""), separator=",")
    ).to_series()
    rejected.add(chunk.file, bad[LINE], bad[_REASON], texts)
    return marked.filter(pl.col(_REASON).is_null()).drop(_REASON)
