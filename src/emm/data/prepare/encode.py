"""Encoding of sparse columns and scaling of dense ones, fitted on train only."""

from collections.abc import Sequence

import polars as pl

from emm.data.tables.schema import DenseColumn, SparseColumn

VOCABULARY_SCHEMA = {"column": pl.String, "value": pl.String, "id": pl.Int32, "rows": pl.UInt32}
_POINTS = pl.Series([i / 64 for i in range(1, 64)])

# Whole numbers below this are encoded by indexing an array of at most 256 MiB.
_MAX_INDEX = 2**26
# For at most so many values, an Enum or `replace_strict` is faster than a join.
_MAX_REPLACED = 4096


def fit_vocabularies(train: pl.LazyFrame, columns: Sequence[str], rare_below: int) -> pl.DataFrame:
    """Assign ids to each column's values by descending frequency in train, then by value.

    Returns the columns ``column, value, id, rows``. Values with fewer than ``rare_below`` rows get
    id 0. Values that don't occur in train aren't listed; they are encoded as 0, too.
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
    # Frequent values come first, so their ranks have no gaps.
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
    """Replace values by int32 ids, and unknown values and null by 0; keeps the order of rows."""
    types = rows.collect_schema()
    known = vocabularies.filter(pl.col("id") > 0).partition_by("column", as_dict=True)
    direct = []
    for column in columns:
        vocabulary = known.get((column,), pl.DataFrame(schema=VOCABULARY_SCHEMA))
        values, ids = vocabulary["value"].cast(types[column]), vocabulary["id"]
        if types[column].is_unsigned_integer() and _largest(values) < _MAX_INDEX:
            direct.append(_by_index(column, values, ids))
        elif len(values) <= _MAX_REPLACED:
            by = _by_code if types[column] == pl.String else _by_replacement
            direct.append(by(column, values, ids))
        else:
            rows = _by_join(rows, column, values, ids)
    return rows.with_columns(direct)


def _by_index(column: str, values: pl.Series, ids: pl.Series) -> pl.Expr:
    last = _largest(values) + 1
    id_of = pl.zeros(last + 1, dtype=pl.Int32, eager=True).scatter(values, ids)
    # Values beyond the largest known one read the last element, which is 0.
    indices = pl.col(column).clip(upper_bound=last)
    return pl.lit(id_of).gather(indices).fill_null(0).alias(column)


def _largest(values: pl.Series) -> int:
    return int(values.max() or 0)  # type: ignore[arg-type]


def _by_replacement(column: str, values: pl.Series, ids: pl.Series) -> pl.Expr:
    found = pl.col(column).replace_strict(values, ids, default=0, return_dtype=pl.Int32)
    return found.fill_null(0).alias(column)


def _by_code(column: str, values: pl.Series, ids: pl.Series) -> pl.Expr:
    # Codes of an Enum are places in its list of categories.
    code = pl.col(column).cast(pl.Enum(values), strict=False).to_physical()
    return pl.lit(ids).gather(code).fill_null(0).alias(column)


def _by_join(rows: pl.LazyFrame, column: str, values: pl.Series, ids: pl.Series) -> pl.LazyFrame:
    known = pl.LazyFrame({column: values, "__id": ids})
    joined = rows.join(known, on=column, how="left", maintain_order="left")
    return joined.with_columns(pl.col("__id").fill_null(0).alias(column)).drop("__id")


def describe_sparse(vocabularies: pl.DataFrame, columns: Sequence[str]) -> tuple[SparseColumn, ...]:
    """Describe each sparse column: its cardinality and number of rare values."""
    described = []
    for column in columns:
        ids = vocabularies.filter(pl.col("column") == column)["id"]
        kept = int((ids > 0).sum())
        rare = len(ids) - kept
        constant = kept + (rare > 0) <= 1
        described.append(SparseColumn(column, kept + 1, rare, constant))
    return tuple(described)


def fit_dense(train: pl.LazyFrame, columns: Sequence[str]) -> tuple[DenseColumn, ...]:
    """Compute the statistics of each column over train, without missing values (null or NaN).

    Values are counted one column at a time, so memory holds the distinct values of one column.
    """
    return tuple(_fit_column(train, column) for column in columns)


def _fit_column(train: pl.LazyFrame, column: str) -> DenseColumn:
    value = pl.col(column).fill_nan(None).cast(pl.Float64).alias("value")
    counts = train.group_by(value).len("rows").sort("value").collect(engine="streaming")
    missing = counts.filter(pl.col("value").is_null())["rows"].sum()
    counts = counts.drop_nulls("value")
    sums = train.select(mean=value.mean(), std=value.std(ddof=0)).collect(engine="streaming")
    # A column without values counts as constant 0.
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
    """The 63 inner 64-quantiles, each the nearest value of the column."""
    if counts.is_empty():
        return []
    places = (_POINTS * (counts["rows"].sum() - 1)).round().cast(pl.Int64)
    return counts["value"].gather(counts["rows"].cum_sum().search_sorted(places, "right")).to_list()


def _rounded(value: float | None) -> float:
    # Parallel sums differ in their last bits between runs, rounded values don't.
    return float(f"{value or 0.0:.10g}")


def scale_dense(columns: Sequence[DenseColumn]) -> list[pl.Expr]:
    """Min-max scaling: train is in [0, 1]; values outside of its range aren't clipped."""
    return [_scale(column) for column in columns]


def _scale(column: DenseColumn) -> pl.Expr:
    width = 1.0 if column.constant else column.maximum - column.minimum
    value = pl.col(column.name).cast(pl.Float64).fill_nan(None).fill_null(column.mean)
    return ((value - column.minimum) / width).cast(pl.Float32).alias(column.name)
