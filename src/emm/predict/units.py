"""Rows of files regrouped into units of one size, whatever blocks they were read in."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import polars as pl


class Part(NamedTuple):
    """Some rows, in order.

    Attributes:
        places: what says which row is which: line, key.
        good: which of them can be used.
        features: of the good ones, encoded.
        raw: of the good ones, raw columns that the model reads, too.
    """

    places: pl.DataFrame
    good: pl.Series
    features: pl.DataFrame
    raw: pl.DataFrame


def regrouped(parts: Iterable[Part], size: int) -> Iterator[Part]:
    """Yield all rows in order in parts with ``size`` good rows; the last one has fewer."""
    pending, waiting = list[Part](), 0
    for part in parts:
        pending.append(part)
        waiting += len(part.features)
        if waiting >= size:
            rest = _joined(pending)
            while len(rest.features) >= size:
                first, rest = _split(rest, size)
                yield first
            pending, waiting = [rest], len(rest.features)
    if pending:
        last = _joined(pending)
        if len(last.places):
            yield last


def _joined(parts: Sequence[Part]) -> Part:
    if len(parts) == 1:
        return parts[0]
    raw = [part.raw for part in parts]
    return Part(
        pl.concat([part.places for part in parts]),
        pl.concat([part.good for part in parts]),
        pl.concat([part.features for part in parts]),
        pl.concat(raw) if raw[0].columns else raw[0],
    )


def _split(part: Part, size: int) -> tuple[Part, Part]:
    """The rows up to the next good one after ``size`` good ones, and the others."""
    rows = int((part.good.cast(pl.UInt32).cum_sum() <= size).sum())
    return (
        Part(part.places[:rows], part.good[:rows], part.features[:size], part.raw[:size]),
        Part(part.places[rows:], part.good[rows:], part.features[size:], part.raw[size:]),
    )
