"""Label encoding and scaling, fitted on train alone."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from emm.data.schema import DenseColumn, SparseColumn

VOCABULARY_SCHEMA = {"column": pl.String, "value": pl.String, "id": pl.Int32, "rows": pl.UInt32}
_POINTS = pl.Series([i / 64 for i in range(1, 64)])


def fit_vocabularies(train: pl.LazyFrame, columns: Sequence[str], rare_below: int) -> pl.DataFrame:
    """Ids of each column's values by falling frequency in train, ties in the order of the text.

    Gives the columns ``column, value, id, rows``; id 0 marks a value seen fewer than
    ``rare_below`` times. Unseen values aren't listed: they become 0 too.
    """
    counted = [
        train.group_by(pl.col(column).alias("value"))
        .agg(pl.len().cast(pl.UInt32).alias("rows"))
        .drop_nulls("value")
        .sort(["rows", "value"], descending=[True, False])
        .with_columns(column=pl.lit(column))
        for column in columns
    ]
    frequent = pl.col("rows") >= rare_below
    rank = pl.int_range(1, pl.len() + 1, dtype=pl.Int32)
    # Rows fall, so the frequent values are a prefix and their ranks have no gaps.
    frames = [
        frame.with_columns(id=pl.when(frequent).then(rank).otherwise(0).cast(pl.Int32)).select(
            *VOCABULARY_SCHEMA
        )
        for frame in pl.collect_all(counted)
    ]
    return pl.concat([pl.DataFrame(schema=VOCABULARY_SCHEMA), *frames])


def encode_sparse(vocabularies: pl.DataFrame, columns: Sequence[str]) -> list[pl.Expr]:
    """Expressions that turn each column's values into int32 ids; unseen and null become 0."""
    return [_encode(column, vocabularies.filter(pl.col("column") == column)) for column in columns]


def _encode(column: str, vocabulary: pl.DataFrame) -> pl.Expr:
    known = vocabulary.filter(pl.col("id") > 0)
    ids = pl.col(column).replace_strict(
        known["value"], known["id"], default=0, return_dtype=pl.Int32
    )
    return ids.fill_null(0).alias(column)


def describe_sparse(vocabularies: pl.DataFrame, columns: Sequence[str]) -> tuple[SparseColumn, ...]:
    """Cardinality and number of rare values of each column."""
    described = []
    for column in columns:
        ids = vocabularies.filter(pl.col("column") == column)["id"]
        kept = int((ids > 0).sum())
        rare = len(ids) - kept
        constant = kept + (rare > 0) <= 1
        described.append(SparseColumn(column, kept + 1, rare, constant))
    return tuple(described)


def fit_dense(train: pl.LazyFrame, columns: Sequence[str]) -> tuple[DenseColumn, ...]:
    """Statistics of each column over train, missing values (null or NaN) left out."""
    if not columns:
        return ()
    values = {column: pl.col(column).fill_nan(None).cast(pl.Float64) for column in columns}
    row = (
        train.select(
            expression.alias(f"{name}:{column}")
            for column, value in values.items()
            for name, expression in _statistics(value).items()
        )
        .collect()
        .row(0, named=True)
    )
    return tuple(
        _dense_column(column, {name: row[f"{name}:{column}"] for name in _statistics(pl.lit(0.0))})
        for column in columns
    )


def _statistics(value: pl.Expr) -> dict[str, pl.Expr]:
    ordered = value.drop_nulls().sort()
    spread = ordered.filter(ordered != ordered.mode().min())
    return {
        "minimum": value.min(),
        "maximum": value.max(),
        "mean": value.mean(),
        "std": value.std(ddof=0),
        "missing": value.null_count(),
        "quantiles": _quantiles(ordered).append(_quantiles(spread)).implode(),
    }


def _quantiles(ordered: pl.Expr) -> pl.Expr:
    """The nearest value at each of 63 inner points of the rank: each quantile is a real value."""
    places = (pl.lit(_POINTS) * (ordered.len() - 1)).round().cast(pl.Int64)
    return ordered.gather(places, null_on_oob=True)


def _dense_column(name: str, found: Mapping[str, Any]) -> DenseColumn:
    # A column without a single value counts as constant at 0.
    low, high = found["minimum"] or 0.0, found["maximum"] or 0.0
    return DenseColumn(
        name,
        minimum=low,
        maximum=high,
        mean=_rounded(found["mean"]),
        std=_rounded(found["std"]),
        missing=found["missing"],
        constant=low == high,
        quantiles=tuple(sorted(set(found["quantiles"]) - {None})),
    )


def _rounded(value: float | None) -> float:
    # The order of a parallel sum is not fixed: rounding keeps its last bits out of the schema.
    return float(f"{value or 0.0:.10g}")


def scale_dense(columns: Sequence[DenseColumn]) -> list[pl.Expr]:
    """Min-max expressions: train lies in [0, 1], values beyond its range outside, unclipped."""
    return [_scale(column) for column in columns]


def _scale(column: DenseColumn) -> pl.Expr:
    width = 1.0 if column.constant else column.maximum - column.minimum
    value = pl.col(column.name).cast(pl.Float64).fill_nan(None).fill_null(column.mean)
    return ((value - column.minimum) / width).cast(pl.Float32).alias(column.name)
