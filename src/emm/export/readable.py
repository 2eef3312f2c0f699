"""Rows that every member from outside can read.

In the project, a value that a member or its expression can't take is an error: text that is no
number, a category that is missing. The exported model has no prediction for such a row.
"""

from collections.abc import Iterator

import polars as pl

from emm.core.errors import DataError, ParamsError
from emm.data.tables.kinds import RawKind
from emm.export.members import Outside, raw_of
from emm.predict.encoder import Encoder
from emm.predict.outside import OutsideScorer
from emm.predict.values import raw_values


def member_rows(encoder: Encoder, rows: pl.DataFrame, outside: Outside) -> pl.DataFrame:
    """The raw columns that members read, as preprocess keeps them."""
    kinds: dict[str, RawKind] = raw_of(outside)
    return pl.DataFrame(
        [raw_values(rows[name], name, kind, encoder.inputs)[0] for name, kind in kinds.items()]
    )


def readable_rows(encoder: Encoder, rows: pl.DataFrame, outside: Outside) -> pl.DataFrame:
    """The rows that every member can read. Raises the member's error if there is none."""
    encoded, raw = encoder.encode(rows), member_rows(encoder, rows, outside)
    raw = raw if raw.columns else rows.select([])
    good = pl.Series([True] * len(rows))
    for scorer in outside.values():
        bad = [*_unreadable(scorer, encoded, raw, 0, len(rows))]
        if len(bad) == len(rows):
            scorer.scores(encoded[:1], raw[:1])
        good[bad] = False
    return rows.filter(good)


def _unreadable(
    scorer: OutsideScorer, encoded: pl.DataFrame, raw: pl.DataFrame, start: int, stop: int
) -> Iterator[int]:
    """The numbers of rows that a member can't read, found by halves."""
    try:
        scorer.scores(encoded[start:stop], raw[start:stop])
    except (DataError, ParamsError):
        if stop - start == 1:
            yield start
            return
        middle = (start + stop) // 2
        yield from _unreadable(scorer, encoded, raw, start, middle)
        yield from _unreadable(scorer, encoded, raw, middle, stop)
