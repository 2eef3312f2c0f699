"""Tasks that the features determine together."""

import numpy as np
import polars as pl
import pytest

from emm.data.prepare.checks.column_aucs import column_aucs
from emm.data.prepare.checks.determined import Together, columns_together, determined
from emm.data.tables.names import label_column
from emm.data.tables.schema import CLASSES, REGRESSION
from tests.data.prepare.checks.tables import own, schema_of

LABEL = label_column("t")
ROWS = 3000


def table(seed: int = 0) -> pl.DataFrame:
    generator = np.random.default_rng(seed)
    numbers = {name: generator.normal(size=ROWS).astype(np.float32) for name in ("a", "b", "c")}
    ids = generator.integers(0, 4, ROWS).astype(np.int32)
    return pl.DataFrame({**numbers, "id": ids})


def together(rows: pl.DataFrame, **kinds: object) -> dict[str, Together]:
    schema = schema_of(rows, **kinds)  # type: ignore[arg-type]
    train = own(rows, schema)
    return columns_together(train, schema, column_aucs(train, schema))


def binary(label: pl.Expr) -> pl.DataFrame:
    return table().with_columns(label.cast(pl.UInt8).alias(LABEL))


def test_a_label_of_two_columns_is_determined_by_both() -> None:
    found = together(binary((pl.col("a") > 0) ^ (pl.col("id") % 2 == 1)))
    assert found["t"].auc > 0.999
    assert set(found["t"].columns) == {"a", "id"}
    (warning,) = determined(found)
    assert "the features together rank 't' with an AUC above 0.999" in warning
    assert "'a'" in warning
    assert "'id'" in warning


def test_an_honest_label_is_not_determined() -> None:
    noise = pl.Series(np.random.default_rng(1).normal(size=ROWS))
    found = together(binary(pl.col("a") + pl.col("b") + noise > 0))
    assert 0.75 < found["t"].auc < 0.95
    assert determined(found) == []


def test_a_label_that_one_column_determines_is_left_to_the_check_of_columns() -> None:
    assert together(binary(pl.col("a") > 0)) == {}


def test_rows_without_a_label_are_left_out() -> None:
    determines = (pl.col("a") > 0) ^ (pl.col("b") > 0)
    known = pl.when(pl.col("c") > 0).then(determines)
    assert together(binary(known))["t"].auc > 0.99


@pytest.mark.parametrize("positives", [0, 49])
def test_a_task_with_too_few_positives_is_left_out(positives: int) -> None:
    assert together(binary(pl.int_range(pl.len()) < positives)) == {}


def test_a_rare_label_is_learned_from_as_many_other_rows() -> None:
    rare = binary((pl.col("a") > 1.2) & (pl.col("b") > 0.8))
    assert 50 < rare[LABEL].sum() < 100
    assert together(rare)["t"].auc > 0.98


def test_the_mean_of_a_regression_divides_its_labels() -> None:
    value = pl.when((pl.col("a") > 0) ^ (pl.col("b") > 0)).then(1.0).otherwise(-1.0)
    rows = table().with_columns(value.cast(pl.Float32).alias(LABEL))
    found = together(rows, kinds={"t": REGRESSION})
    assert set(found["t"].columns) == {"a", "b"}


def test_classes_are_determined_together() -> None:
    place = (pl.col("a") > 0).cast(pl.Int32) + (pl.col("b") > 0).cast(pl.Int32)
    rows = table().with_columns(place.cast(pl.UInt16).alias(LABEL))
    found = together(rows, kinds={"t": CLASSES}, classes={"t": ("none", "one", "two")})
    assert found["t"].auc > 0.999
    assert set(found["t"].columns) == {"a", "b"}


def test_columns_that_replace_each_other_are_not_named() -> None:
    (warning,) = determined({"t": Together(0.9999, ())})
    assert "several columns can replace each other" in warning


def test_the_result_is_the_same_every_time() -> None:
    rows = binary((pl.col("a") > 0) ^ (pl.col("b") > 0.1))
    assert together(rows) == together(rows)
