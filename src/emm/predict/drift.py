"""How new rows differ from those of train, column by column.

The population stability index of a column is the sum over bins of (a - e) ln(a / e), where e is
the share of train's rows in the bin, and a that of the new ones (Siddiqi, Credit Risk Scorecards,
2006). By convention, a distribution with an index of at least 0.2 has changed.
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import chdtri

from emm.core.files import write_json
from emm.data.prepare.about_train import bin_counts, train_bins
from emm.data.tables.inputs import Bins
from emm.data.tables.names import original_name
from emm.predict.encoder import Encoder

LIMIT = 0.2
SINGLE_IDS = 9
"""Values of a sparse column, the most frequent ones of train, with bins of their own."""

_SMALLEST = 1e-4  # share of a bin: those of empty ones would make the index infinite
_CHANCE = 0.001
_SHOWN = 3

Counts = NDArray[np.int64]
Shares = NDArray[np.float64]


@dataclass(frozen=True)
class ColumnDrift:
    """What is different about a column.

    Attributes:
        psi: population stability index.
        changed: whether it is at least `LIMIT`, and not by chance in so few rows.
        unknown: share of the rows whose value isn't one that train knows; None of numbers.
        missing: share of the rows without a value.
        missing_in_train: the same of train; None of a sparse column, where train doesn't tell it
            from rare values.
    """

    name: str
    psi: float
    changed: bool
    unknown: float | None
    missing: float
    missing_in_train: float | None


@dataclass
class Drift:
    """Counts of the rows that have been added, by column and bin."""

    encoder: Encoder
    bins: dict[str, Bins]
    rows: int = 0
    _counts: dict[str, Counts] = field(default_factory=dict)
    _missing: dict[str, int] = field(default_factory=dict)

    def add(self, encoded: pl.DataFrame, missing: dict[str, int]) -> None:
        """Count encoded rows, so many of which had no value in a column."""
        self.rows += len(encoded)
        for name in self.bins:
            found = bin_counts(encoded[name], np.array(self.bins[name].edges, np.float32))
            self._add(name, found, missing)
        for name in self.encoder.schema.sparse_names:
            ids = np.minimum(encoded[name].to_numpy(), SINGLE_IDS + 1)
            self._add(name, np.bincount(ids, minlength=SINGLE_IDS + 2), missing)

    def _add(self, name: str, counts: Counts, missing: dict[str, int]) -> None:
        self._counts[name] = self._counts.get(name, np.zeros(len(counts), np.int64)) + counts
        self._missing[name] = self._missing.get(name, 0) + missing.get(name, 0)

    def columns(self) -> list[ColumnDrift]:
        """The drift of every dense and sparse column; () without rows."""
        if not self.rows:
            return []
        dense = [self._dense(name) for name in self.bins]
        return [*dense, *(self._sparse(name) for name in self.encoder.schema.sparse_names)]

    def _dense(self, name: str) -> ColumnDrift:
        column = next(each for each in self.encoder.schema.dense if each.name == name)
        counts = np.append(self._counts[name], self._missing[name])
        # Missing values are stored as the mean, in whose bin they were counted.
        edges = np.array(self.bins[name].edges, np.float32)
        place = np.searchsorted(edges, np.float32(column.scaled(column.mean)), side="right")
        counts[place] -= self._missing[name]
        expected = np.array(self.bins[name].shares)
        return self._column(name, counts, expected, None, float(expected[-1]))

    def _sparse(self, name: str) -> ColumnDrift:
        known = self.encoder.vocabularies.filter(
            (pl.col("column") == name) & (pl.col("id") > 0)
        ).sort("id")["rows"]
        total = max(self.encoder.schema.splits["train"].rows, 1)
        others = known[SINGLE_IDS:].sum() if len(known) > SINGLE_IDS else 0
        single = [*known[:SINGLE_IDS], *[0] * (SINGLE_IDS - len(known))]
        rest = total - int(known.sum() or 0)
        expected = np.array([rest, *single, others]) / total
        counts = self._counts[name]
        unknown = (int(counts[0]) - self._missing[name]) / self.rows
        return self._column(name, counts, expected, unknown, None)

    def _column(
        self, name: str, counts: Counts, expected: Shares, unknown: float | None, before: Any
    ) -> ColumnDrift:
        psi = population_stability(counts / self.rows, expected)
        return ColumnDrift(
            original_name(name),
            round(psi, 6),
            psi >= LIMIT and not by_chance(counts, expected),
            None if unknown is None else round(unknown, 6),
            round(self._missing[name] / self.rows, 6),
            before,
        )


def population_stability(found: Shares, expected: Shares) -> float:
    """The index of the shares ``found`` in bins against those ``expected``."""
    a, e = np.maximum(found, _SMALLEST), np.maximum(expected, _SMALLEST)
    return float(((a - e) * np.log(a / e)).sum())


def by_chance(counts: Counts, expected: Shares) -> bool:
    """Whether counts in bins may well be those of a draw from the shares ``expected``: the G-test,
    at the level 0.001."""
    found = counts / counts.sum()
    some = counts > 0
    g = 2 * (counts[some] * np.log(found[some] / np.maximum(expected[some], _SMALLEST))).sum()
    bins = int((some | (expected > 0)).sum())
    return bool(g < chdtri(max(bins - 1, 1), _CHANCE))


def drift_from(encoder: Encoder, processed: Path | None = None) -> Drift:
    """A count of no rows yet; ``processed``: has train.parquet, for data whose inputs say nothing
    about its distribution."""
    bins = dict(encoder.inputs.bins)
    train = None if processed is None else processed / "train.parquet"
    if not bins and encoder.schema.dense and train is not None and train.exists():
        bins = train_bins(train, encoder.schema)
    return Drift(encoder, bins)


def drift_line(columns: list[ColumnDrift]) -> str:
    """One sentence about the columns that differ from train's."""
    changed = sorted((c for c in columns if c.changed), key=lambda c: -c.psi)
    if not columns:
        return "drift: nothing to compare"
    if not changed:
        largest = max(columns, key=lambda c: c.psi)
        return (
            f"drift: no column differs from train's (largest PSI {largest.psi:.2f}: {largest.name})"
        )
    shown = ", ".join(f"{each.name} {each.psi:.2f}{_unknown(each)}" for each in changed[:_SHOWN])
    more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
    return (
        f"warning: {len(changed)} of {len(columns)} columns differ from train's, with a PSI of "
        f"{LIMIT} or more: {shown}{more}"
    )


def _unknown(column: ColumnDrift) -> str:
    return f" ({column.unknown:.0%} unknown values)" if column.unknown else ""


def write_drift(drift: Drift, path: Path) -> list[ColumnDrift]:
    """Write the drift of every column as JSON; returns it."""
    columns = drift.columns()
    described = [asdict(each) for each in columns]
    write_json(path, {"rows": drift.rows, "limit": LIMIT, "columns": described})
    return columns
