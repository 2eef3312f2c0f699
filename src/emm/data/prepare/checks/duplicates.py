"""Rows of validation and test that train has, too: their labels can be learned by heart.

Rows whose features have few possible combinations have twins by coincidence. The labels of such
twins differ about as often as those of any two rows; the labels of repeated rows are equal.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import polars as pl

from emm.data.prepare.checks.table import features_hash, label
from emm.data.tables.schema import Schema

SHARE = 0.01
"""Share of a split's rows above which repeated rows are worth a warning."""

_ROWS = 2**24  # of train whose hashes are in memory at a time
_AGREEMENT = 0.9
_FEATURES, _LABELS, _SAME, _ALIKE = "features", "labels", "same", "alike"


class Repeated(NamedTuple):
    """Rows of a split with twins in train.

    ``rows``: all rows; ``alike``: rows with the features of a row of train; ``same``: rows with
    the features and labels of one; ``agreement``: how much more often the labels of rows with equal
    features agree than those of any rows do; 1 is always (Cohen's kappa).
    """

    rows: int
    alike: int
    same: int
    agreement: float

    @property
    def share(self) -> float:
        return self.same / self.rows


def count_repeated(train: pl.LazyFrame, rows: pl.LazyFrame, schema: Schema) -> Repeated:
    """Count the rows of a split whose features and labels occur in train; all under own names.

    Rows are compared by hashes of 64 bits, of as many rows of train at a time as fit into memory.
    """
    hashed = _hashes(train, schema), _hashes(rows, schema)
    count, total = (int(each.select(pl.len()).collect().item()) for each in (train, rows))
    parts = [*_parts(*hashed, 1 + count // _ROWS)]
    alike, same, agreeing = (sum(part[i] for part in parts) for i in range(3))
    chance = _chance_of_agreement(*hashed)
    agreement = 1.0
    if alike and chance < 1:
        agreement = 1 - (1 - agreeing / alike) / (1 - chance)
    return Repeated(total, int(alike), int(same), agreement)


def seen_rows(
    train: pl.LazyFrame, splits: Mapping[str, pl.LazyFrame], schema: Schema
) -> pl.DataFrame:
    """Whether train has the features of each row of ``splits``, one split after another.

    The columns are ``split`` and ``seen``. All rows have own names; see `count_repeated`.
    """
    features = features_hash(schema).alias(_FEATURES)
    own = pl.concat(rows.select(features, split=pl.lit(name)) for name, rows in splits.items())
    found = own.collect(engine="streaming")
    hashes, seen = found[_FEATURES], pl.repeat(False, len(found), eager=True)
    parts = 1 + int(train.select(pl.len()).collect().item()) // _ROWS
    for part in range(parts):
        here = train.select(features).filter(pl.col(_FEATURES) % parts == part).unique()
        seen |= hashes.is_in(here.collect(engine="streaming").to_series().implode())
    return found.select("split", seen=seen)


def repeated_rows(found: Mapping[str, Repeated], most: float) -> list[str]:
    """Faults: splits of which more than the share ``most`` repeats rows of train."""
    return [
        f"{name}: {each.same:,} of {each.rows:,} rows ({each.share:.1%}, more than {most:.1%}) "
        "have the features and labels of a row of train: remove repeated rows before the split, or "
        "keep rows of one origin together by `split: {by: key, column: ...}`"
        for name, each in found.items()
        if each.share > most and each.agreement >= _AGREEMENT
    ]


def warnings(found: Mapping[str, Repeated]) -> list[str]:
    """Warnings: splits of which more than the share `SHARE` repeats rows of train."""
    return [
        f"{name}: {each.share:.1%} of the rows have the features and labels of a row of train, so "
        "models that learn rows by heart look better than they are"
        for name, each in found.items()
        if each.share > SHARE and each.agreement >= _AGREEMENT
    ]


def _hashes(rows: pl.LazyFrame, schema: Schema) -> pl.LazyFrame:
    labels = [label(number) for number in range(len(schema.tasks))]
    return rows.select(
        features_hash(schema).alias(_FEATURES),
        pl.struct(labels).hash(seed=2).alias(_LABELS),
    )


def _parts(
    train: pl.LazyFrame, rows: pl.LazyFrame, parts: int
) -> Iterator[tuple[float, float, float]]:
    """Rows alike, rows the same and the sum of the shares of agreeing labels, of each part.

    A part has the rows whose features' hash has one remainder.
    """
    for part in range(parts):
        here = pl.col(_FEATURES) % parts == part
        twins = (
            train.filter(here)
            .group_by(_FEATURES, _LABELS)
            .agg(pl.len().alias(_SAME))
            .collect(engine="streaming")
            .lazy()
        )
        alike = twins.group_by(_FEATURES).agg(pl.col(_SAME).sum().alias(_ALIKE))
        found = (
            rows.filter(here)
            .join(alike, on=_FEATURES)
            .join(twins, on=[_FEATURES, _LABELS], how="left")
            .select(
                pl.len().alias(_ALIKE),
                pl.col(_SAME).is_not_null().sum(),
                (pl.col(_SAME).fill_null(0) / pl.col(_ALIKE)).sum().alias("agreeing"),
            )
            .collect(engine="streaming")
        )
        yield found.row(0)


def _chance_of_agreement(train: pl.LazyFrame, rows: pl.LazyFrame) -> float:
    """The probability that a row of the split and a row of train have the same labels."""
    left, right = (
        each.group_by(_LABELS).len().with_columns(pl.col("len") / pl.col("len").sum())
        for each in (train, rows)
    )
    both = left.join(right, on=_LABELS).select((pl.col("len") * pl.col("len_right")).sum())
    return float(both.collect(engine="streaming").item())
