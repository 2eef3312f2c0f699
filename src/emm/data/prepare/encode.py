"""Label encoding and scaling, fitted on train alone."""

from collections.abc import Sequence

import polars as pl

from emm.data.tables.schema import DenseColumn, SparseColumn

VOCABULARY_SCHEMA = {"column": pl.String, "value": pl.String, "id": pl.Int32, "rows": pl.UInt32}
_POINTS = pl.Series([i / 64 for i in range(1, 64)])

# Whole numbers below this are encoded by a table that has a place for each of them (256 MiB).
_DIRECT = 2**26
# Up to so many values a chain of comparisons by hash is faster than a join.
_FEW = 4096


def fit_vocabularies(train: pl.LazyFrame, columns: Sequence[str], rare_below: int) -> pl.DataFrame:
    """Ids of each column's values by falling frequency in train, ties in the order of the values.

    Gives the columns ``column, value, id, rows``; id 0 marks a value seen fewer than
    ``rare_below`` times. Unseen values aren't listed: they become 0 too.
    """
    counted = [
        train.group_by(pl.col(column).alias("value"))
        .agg(pl.len().cast(pl.UInt32).alias("rows"))
        .drop_nulls("value")
        .sort(["rows", "value"], descending=[True, False])
        .with_columns(pl.col("value").cast(pl.String), column=pl.lit(column))
        for column in columns
    ]
    frequent = pl.col("rows") >= rare_below
    rank = pl.int_range(1, pl.len() + 1, dtype=pl.Int32)
    # Rows fall, so the frequent values are a prefix and their ranks have no gaps.
    frames = [
        frame.with_columns(id=pl.when(frequent).then(rank).otherwise(0).cast(pl.Int32)).select(
            *VOCABULARY_SCHEMA
        )
        for frame in pl.collect_all(counted, engine="streaming")
    ]
    return pl.concat([pl.DataFrame(schema=VOCABULARY_SCHEMA), *frames])


def encode_sparse(
    rows: pl.LazyFrame, vocabularies: pl.DataFrame, columns: Sequence[str]
) -> pl.LazyFrame:
    """Replace values by int32 ids, unseen and null by 0; the rows keep their order."""
    types = rows.collect_schema()
    known = vocabularies.filter(pl.col("id") > 0).partition_by("column", as_dict=True)
    direct = []
    for column in columns:
        vocabulary = known.get((column,), pl.DataFrame(schema=VOCABULARY_SCHEMA))
        values, ids = vocabulary["value"].cast(types[column]), vocabulary["id"]
        if types[column].is_unsigned_integer() and _largest(values) < _DIRECT:
            direct.append(_by_place(column, values, ids))
        elif len(values) <= _FEW:
            direct.append(_by_comparison(column, values, ids))
        else:
            rows = _by_join(rows, column, values, ids)
    return rows.with_columns(direct)


def _by_place(column: str, values: pl.Series, ids: pl.Series) -> pl.Expr:
    last = _largest(values) + 1
    table = pl.zeros(last + 1, dtype=pl.Int32, eager=True).scatter(values, ids)
    # What lies beyond the largest known value reads the last place, which is 0.
    places = pl.col(column).clip(upper_bound=last)
    return pl.lit(table).gather(places).fill_null(0).alias(column)


def _largest(values: pl.Series) -> int:
    return int(values.max() or 0)  # type: ignore[arg-type]


def _by_comparison(column: str, values: pl.Series, ids: pl.Series) -> pl.Expr:
    found = pl.col(column).replace_strict(values, ids, default=0, return_dtype=pl.Int32)
    return found.fill_null(0).alias(column)


def _by_join(rows: pl.LazyFrame, column: str, values: pl.Series, ids: pl.Series) -> pl.LazyFrame:
    table = pl.LazyFrame({column: values, "__id": ids})
    joined = rows.join(table, on=column, how="left", maintain_order="left")
    return joined.with_columns(pl.col("__id").fill_null(0).alias(column)).drop("__id")


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
    """Statistics of each column over train, missing values (null or NaN) left out.

    One column at a time is counted value by value, so that its distinct values alone are held.
    """
    return tuple(_fit_column(train, column) for column in columns)


def _fit_column(train: pl.LazyFrame, column: str) -> DenseColumn:
    value = pl.col(column).fill_nan(None).cast(pl.Float64).alias("value")
    counts = train.group_by(value).len("rows").sort("value").collect(engine="streaming")
    missing = counts.filter(pl.col("value").is_null())["rows"].sum()
    counts = counts.drop_nulls("value")
    sums = train.select(mean=value.mean(), std=value.std(ddof=0)).collect(engine="streaming")
    # A column without a single value counts as constant at 0.
    low, high = counts["value"].min() or 0.0, counts["value"].max() or 0.0
    mode = counts.filter(pl.col("rows") == pl.col("rows").max())["value"].min()
    spread = counts.filter(pl.col("value") != pl.lit(mode, pl.Float64))
    return DenseColumn(
        column,
        minimum=low,  # type: ignore[arg-type]
        maximum=high,  # type: ignore[arg-type]
        mean=_rounded(sums["mean"].item()),
        std=_rounded(sums["std"].item()),
        missing=int(missing),
        constant=low == high,
        quantiles=tuple(sorted({*_quantiles(counts), *_quantiles(spread)})),
    )


def _quantiles(counts: pl.DataFrame) -> list[float]:
    """The nearest value at each of 63 inner points of the rank: each quantile is a real value."""
    if counts.is_empty():
        return []
    places = (_POINTS * (counts["rows"].sum() - 1)).round().cast(pl.Int64)
    return counts["value"].gather(counts["rows"].cum_sum().search_sorted(places, "right")).to_list()


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
