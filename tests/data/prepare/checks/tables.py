"""Generated splits and their schema."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from emm.data.prepare.checks.table import own_names
from emm.data.tables.names import label_column
from emm.data.tables.schema import FORMAT, SPLITS, DenseColumn, Schema, SparseColumn, Split

Splits = dict[str, pl.DataFrame]


def schema_of(
    rows: pl.DataFrame,
    tasks: Sequence[str] = ("t",),
    *,
    key: str | None = None,
    kinds: Mapping[str, str] | None = None,
    classes: Mapping[str, tuple[str, ...]] | None = None,
    splits: Splits | None = None,
) -> Schema:
    """A schema in which float32 columns are dense features and int32 columns sparse ones."""
    types = dict(rows.schema)
    labels = {label_column(task) for task in tasks}
    dense = [n for n, kind in types.items() if kind == pl.Float32 and n not in labels]
    sparse = [n for n, kind in types.items() if kind == pl.Int32 and n not in labels]
    return Schema(
        format=FORMAT,
        dataset="tiny",
        title="Tiny",
        licence="",
        origin="",
        tasks=tuple(tasks),
        key=key,
        weight=None,
        dense=tuple(
            DenseColumn(n, 0.0, 1.0, 0.5, 0.1, 0, constant=False, quantiles=()) for n in dense
        ),
        sparse=tuple(SparseColumn(n, _cardinality(rows[n]), 0, constant=False) for n in sparse),
        splits={name: Split(len(each), {}) for name, each in (splits or {}).items()},
        vocabularies={},
        kinds=kinds or {},
        classes=classes or {},
    )


def _cardinality(ids: pl.Series) -> int:
    return int(ids.max() or 0) + 1  # type: ignore[arg-type]


def own(rows: pl.DataFrame, schema: Schema) -> pl.LazyFrame:
    """The rows under the names that the checks use."""
    return own_names(rows.lazy(), schema)


def own_splits(splits: Splits, schema: Schema) -> dict[str, pl.LazyFrame]:
    return {name: own(rows, schema) for name, rows in splits.items()}


def write_splits(folder: Path, splits: Splits) -> None:
    for name, rows in splits.items():
        rows.write_parquet(folder / f"{name}.parquet")


def binary_rows(seed: int, rows: int, rate: float = 0.5, **columns: Any) -> pl.DataFrame:
    """Rows of one noisy dense column, one sparse column and a binary label ``t``."""
    generator = np.random.default_rng(seed)
    label = generator.random(rows) < rate
    return pl.DataFrame(
        {
            "number": (label + generator.normal(0, 1.5, rows)).astype(np.float32),
            "id": generator.integers(0, 4, rows).astype(np.int32),
            label_column("t"): label.astype(np.uint8),
            **columns,
        }
    )


def three(rows: pl.DataFrame, seed: int = 0, shares: tuple[float, float] = (0.1, 0.1)) -> Splits:
    """An honest random split."""
    place = np.random.default_rng(seed).permutation(len(rows))
    first, second = (round(share * len(rows)) for share in shares)
    parts = place[first + second :], place[:first], place[first : first + second]
    return {name: rows[np.sort(part)] for name, part in zip(SPLITS, parts, strict=True)}
