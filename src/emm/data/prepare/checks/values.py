"""Ids outside of the vocabulary, missing values, and constant columns that aren't declared."""

from collections.abc import Mapping

import polars as pl

from emm.data.prepare.checks.table import feature, features_of
from emm.data.tables.names import original_name
from emm.data.tables.schema import DenseColumn, Schema, SparseColumn


def invalid_values(splits: Mapping[str, pl.LazyFrame], schema: Schema) -> list[str]:
    """Faults of the values in the feature columns; ``splits`` have own names."""
    return [fault for name, rows in splits.items() for fault in _invalid(name, rows, schema)]


def _invalid(split: str, rows: pl.LazyFrame, schema: Schema) -> list[str]:
    names = features_of(schema)
    columns = [pl.col(feature(number)) for number in range(len(names))]
    dense, sparse = columns[: len(schema.dense)], columns[len(schema.dense) :]
    wrong = [column.is_null() | column.is_nan() for column in dense]
    wrong += [
        ~column.is_between(0, described.cardinality - 1).fill_null(value=False)
        for column, described in zip(sparse, schema.sparse, strict=True)
    ]
    # A column may be constant by chance in a small validation split, so only train counts.
    varies = [column.min() != column.max() for column in columns] if split == "train" else []
    found = rows.select(
        *(expression.sum().alias(f"wrong{i}") for i, expression in enumerate(wrong)),
        *(expression.alias(f"varies{i}") for i, expression in enumerate(varies)),
    ).collect(engine="streaming")
    row = found.row(0, named=True)
    faults = []
    declared: list[DenseColumn | SparseColumn] = [*schema.dense, *schema.sparse]
    for number, described in enumerate(declared):
        where = f"{split}: the column {original_name(described.name)!r}"
        kind = "missing values" if number < len(schema.dense) else "ids outside of its vocabulary"
        if row[f"wrong{number}"]:
            faults.append(f"{where} has {row[f'wrong{number}']:,} {kind}")
        if not row.get(f"varies{number}", True) and not described.constant:
            faults.append(f"{where} is constant and the schema doesn't say so")
    return faults
