"""Rows that a reader can't use, set aside with the reason."""

from collections.abc import Mapping

import polars as pl

from emm.data.dataset import LINE, Chunk
from emm.data.reading.rejected import Rejected

_REASON = "__reason"


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
