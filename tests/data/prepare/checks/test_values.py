"""Invalid ids, missing values and constants."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from emm.data.prepare.checks.values import invalid_values
from tests.data.prepare.checks.tables import binary_rows, own, schema_of

ROWS = binary_rows(0, 400)
SCHEMA = schema_of(ROWS)


def faults(rows: pl.DataFrame, split: str = "train") -> list[str]:
    return invalid_values({split: own(rows, SCHEMA)}, SCHEMA)


def test_valid_values_have_no_faults() -> None:
    assert faults(ROWS) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (pl.lit(4, pl.Int32).alias("id"), "'id' has 400 ids outside of its vocabulary"),
        (pl.lit(-1, pl.Int32).alias("id"), "'id' has 400 ids outside of its vocabulary"),
        (pl.lit(None, pl.Int32).alias("id"), "'id' has 400 ids outside of its vocabulary"),
        (pl.lit(None, pl.Float32).alias("number"), "'number' has 400 missing values"),
        (pl.lit(np.nan, pl.Float32).alias("number"), "'number' has 400 missing values"),
        (pl.lit(0.5, pl.Float32).alias("number"), "'number' is constant and the schema doesn't"),
        (pl.lit(1, pl.Int32).alias("id"), "'id' is constant and the schema doesn't"),
    ],
)
def test_a_fault_names_the_column_and_the_number_of_rows(change: pl.Expr, message: str) -> None:
    assert f"train: the column {message}" in faults(ROWS.with_columns(change))[0]


def test_all_columns_are_checked() -> None:
    broken = ROWS.with_columns(number=pl.lit(0.5, pl.Float32), id=pl.lit(9, pl.Int32))
    assert len(faults(broken)) == 3


def test_a_column_may_be_constant_in_other_splits() -> None:
    assert faults(ROWS.with_columns(id=pl.lit(1, pl.Int32)), "validation") == []


def test_a_declared_constant_has_no_fault() -> None:
    schema = replace(SCHEMA, dense=(replace(SCHEMA.dense[0], constant=True),))
    rows = ROWS.with_columns(number=pl.lit(0.0, pl.Float32))
    assert invalid_values({"train": own(rows, schema)}, schema) == []
