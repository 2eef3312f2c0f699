"""Chunks of rows of bounded size, and the context in which a dataset is read."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import polars as pl

from emm.data.reading.rejected import Rejected

_REASON = "\0reason"
LINE = "\0line"
"""Column of a chunk with the line number of each row in its file, from 1.

No column of a table has such a name."""


class Chunk(NamedTuple):
    """Some rows of a file; ``file`` is the name to show in messages."""

    file: str
    rows: pl.DataFrame


@dataclass(frozen=True)
class Reading:
    """The context in which a dataset is read.

    Args:
        raw: folder of the published files.
        rejected: collects malformed lines.
        scratch: an empty folder for temporary files.
        bags: whether the bags of multi-valued fields are read too.
    """

    raw: Path
    rejected: Rejected
    scratch: Path
    bags: bool = False


def without_faults(chunk: Chunk, faults: Mapping[str, pl.Expr], rejected: Rejected) -> pl.DataFrame:
    """Return the chunk's rows without faults; reject rows for which a fault is true or null.

    ``faults`` maps each reason to an expression over the chunk's columns. A row is rejected with
    the first reason that applies.
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
