"""A split's rows under names of the checks' own, which no column of the data can have."""

from pathlib import Path

import polars as pl
from polars.selectors import by_name

from emm.data.tables.names import BAG, BAGS, label_column
from emm.data.tables.schema import Schema

KEY = "key"
BAG_HASH = "bags"


def feature(number: int) -> str:
    """Own name of a feature by its number: dense columns come first, then sparse ones."""
    return f"x{number}"


def label(number: int) -> str:
    """Own name of a task's label."""
    return f"y{number}"


def features_of(schema: Schema) -> list[str]:
    """The stored names of all features, in order."""
    return [*schema.dense_names, *schema.sparse_names]


def own_names(rows: pl.LazyFrame, schema: Schema) -> pl.LazyFrame:
    """Select the features, the labels and the key, under the names of this module."""
    # `by_name`, because `pl.col` would read names such as * or ^p.*$ as patterns.
    return rows.select(
        *(by_name(name).alias(feature(i)) for i, name in enumerate(features_of(schema))),
        *(by_name(label_column(task)).alias(label(i)) for i, task in enumerate(schema.tasks)),
        *([by_name(schema.key).alias(KEY)] if schema.key is not None else []),
        *([by_name(BAG)] if schema.bags else []),
    )


def open_split(folder: Path, split: str, schema: Schema) -> pl.LazyFrame:
    """The rows of a split, under own names; ``bags`` is the hash of all of a row's bags."""
    rows = own_names(pl.scan_parquet(folder / f"{split}.parquet", glob=False), schema)
    if not schema.bags:
        return rows
    bags = pl.scan_parquet(folder / BAGS, glob=False)
    fields = pl.struct(by_name(column.name) for column in schema.bags)
    hashes = bags.select(fields.hash()).collect(engine="streaming").to_series()
    return rows.with_columns(pl.lit(hashes).gather(BAG).alias(BAG_HASH)).drop(BAG)


def features_hash(schema: Schema) -> pl.Expr:
    """A hash of 64 bits of all features of a row under own names, and of its bags."""
    names = [feature(number) for number in range(len(features_of(schema)))]
    return pl.struct(*names, *([BAG_HASH] if schema.bags else [])).hash(seed=1)
