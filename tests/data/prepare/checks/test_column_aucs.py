"""How well single columns rank the tasks."""

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from emm.data.prepare.checks.column_aucs import auc_of_counts, column_aucs, highest, leaks
from emm.data.tables.names import label_column
from emm.data.tables.schema import CLASSES, REGRESSION
from tests.data.prepare.checks.tables import binary_rows, own, schema_of

LABEL = label_column("t")
ROWS = 400


@pytest.fixture
def rows() -> pl.DataFrame:
    return binary_rows(0, ROWS).with_columns(pl.col("number").round(1))


def aucs(rows: pl.DataFrame, **kinds: object) -> dict[str, float]:
    schema = schema_of(rows, **kinds)  # type: ignore[arg-type]
    return column_aucs(own(rows, schema), schema)["t"]


def of_means(rows: pl.DataFrame, positive: pl.Expr) -> float:
    """The AUC of a sparse column, as the module defines it."""
    labelled = rows.drop_nulls(LABEL).with_columns(positive=positive)
    learned, rest = labelled.gather_every(2), labelled.gather_every(2, 1)
    means = dict(learned.group_by("id").agg(pl.col("positive").mean()).rows())
    found = float(roc_auc_score(rest["positive"], [means.get(i, -1.0) for i in rest["id"]]))
    return max(found, 1 - found)


def test_a_dense_column_has_the_auc_of_scikit_learn(rows: pl.DataFrame) -> None:
    expected = roc_auc_score(rows[LABEL], rows["number"])
    assert aucs(rows)["number"] == pytest.approx(expected, abs=1e-12)


def test_an_auc_below_a_half_counts_as_its_complement(rows: pl.DataFrame) -> None:
    turned = rows.with_columns(-pl.col("number"))
    assert aucs(turned)["number"] == pytest.approx(aucs(rows)["number"], abs=1e-12)


def test_a_sparse_column_ranks_by_means_of_other_rows(rows: pl.DataFrame) -> None:
    noisy = (pl.col(LABEL) + (pl.int_range(pl.len()) % 3 == 0)).cast(pl.Int32)
    rows = rows.with_columns(id=noisy)
    assert aucs(rows)["id"] == pytest.approx(of_means(rows, pl.col(LABEL) == 1), abs=1e-12)


def test_a_unique_key_as_a_feature_is_not_a_leak(rows: pl.DataFrame) -> None:
    unique = rows.with_columns(id=pl.int_range(pl.len(), dtype=pl.Int32))
    assert aucs(unique)["id"] == pytest.approx(0.5, abs=0.01)


def test_rows_without_a_label_are_left_out(rows: pl.DataFrame) -> None:
    """Every second label is missing, so a column must be learned on every second labelled row."""
    missing = pl.when(pl.int_range(pl.len()) % 2 == 0).then(LABEL).alias(LABEL)
    rows = rows.with_columns(missing, id=pl.col(LABEL).cast(pl.Int32))
    known = rows.drop_nulls(LABEL)
    found = aucs(rows)
    assert found["number"] == pytest.approx(roc_auc_score(known[LABEL], known["number"]), abs=1e-12)
    assert found["id"] == 1


def test_each_task_has_its_own_labelled_rows(rows: pl.DataFrame) -> None:
    other = rows.with_columns(
        pl.when(pl.col(LABEL) == 1).then(0).otherwise(1).cast(pl.UInt8).alias("label:u"),
        pl.when(pl.int_range(pl.len()) < 100).then(LABEL).alias(LABEL),
    )
    schema = schema_of(other, ("t", "u"))
    found = column_aucs(own(other, schema), schema)
    expected = roc_auc_score(rows[LABEL][:100], rows["number"][:100])
    assert found["t"]["number"] == pytest.approx(max(expected, 1 - expected), abs=1e-12)
    assert found["u"]["number"] == pytest.approx(aucs(rows)["number"], abs=1e-12)


def test_a_regression_counts_labels_above_the_mean_as_positive(rows: pl.DataFrame) -> None:
    noise = np.random.default_rng(1).normal(0, 1, ROWS)
    values = rows.with_columns((pl.col("number") + noise).cast(pl.Float32).alias(LABEL))
    found = aucs(values, kinds={"t": REGRESSION})
    expected = roc_auc_score(values[LABEL] > 0, values["number"])
    assert found["number"] == pytest.approx(expected, abs=1e-12)
    assert found["id"] == pytest.approx(of_means(values, pl.col(LABEL) > 0), abs=1e-12)


def test_a_task_of_classes_has_the_best_auc_of_one_class_against_the_rest() -> None:
    generator = np.random.default_rng(0)
    number = generator.integers(0, 3, ROWS)
    score = (number == 1) * 0.7 + generator.normal(0, 1, ROWS)
    rows = pl.DataFrame(
        {
            "number": score.astype(np.float32),
            "id": generator.integers(0, 5, ROWS).astype(np.int32),
            LABEL: number.astype(np.uint16),
        }
    )
    found = aucs(rows, kinds={"t": CLASSES}, classes={"t": ("a", "b", "c")})
    each = [roc_auc_score(number == c, score.astype(np.float32)) for c in range(3)]
    assert found["number"] == pytest.approx(max(max(a, 1 - a) for a in each), abs=1e-12)
    assert found["id"] == pytest.approx(
        max(of_means(rows, pl.col(LABEL) == c) for c in range(3)), abs=1e-12
    )


def test_many_columns_are_read_in_several_steps(
    rows: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = rows.with_columns(pl.col("number").shift(i, fill_value=0).alias(f"n{i}") for i in (1, 2))
    expected = aucs(wide)
    monkeypatch.setattr("emm.data.prepare.checks.column_aucs._VALUES", ROWS)
    assert aucs(wide) == expected
    assert set(expected) == {"number", "n1", "n2", "id"}


def test_groups_of_one_score_count_as_ties() -> None:
    score, rows, positives = np.array([1.0, 2.0, 1.0]), np.array([2.0, 3, 1]), np.array([1.0, 3, 0])
    expected = roc_auc_score([1, 0, 1, 1, 1, 0], [1, 1, 2, 2, 2, 1])
    assert auc_of_counts(score, rows, positives) == pytest.approx(expected)


def test_an_auc_without_positives_is_a_half() -> None:
    assert auc_of_counts(np.array([1.0, 2.0]), np.array([2, 3]), np.array([0, 0])) == 0.5


@pytest.mark.parametrize("sign", [1, -1])
def test_the_label_as_a_dense_feature_is_a_leak(rows: pl.DataFrame, sign: int) -> None:
    leaky = rows.with_columns(number=pl.col(LABEL).cast(pl.Float32) * sign)
    (fault,) = leaks({"t": aucs(leaky)}, 0.995)
    assert "the column 'number' alone ranks 't' with AUC 1.0000, more than 0.995" in fault


def test_the_label_as_a_sparse_feature_is_a_leak(rows: pl.DataFrame) -> None:
    leaky = rows.with_columns(id=pl.col(LABEL).cast(pl.Int32))
    (fault,) = leaks({"t": aucs(leaky)}, 0.995)
    assert "the column 'id' alone ranks 't' with AUC 1.0000" in fault


def test_a_column_at_the_limit_is_no_leak() -> None:
    assert not leaks({"t": {"number": 0.995}}, 0.995)


def test_the_highest_come_first_and_equal_ones_by_name() -> None:
    assert list(highest({"c": 0.7, "b": 0.6, "a": 0.7}, 2)) == ["a", "c"]
