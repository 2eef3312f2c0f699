"""Counts of labels, and splits that lack them."""

import numpy as np
import polars as pl
import pytest

from emm.data.prepare.checks.labels import FEW, Found, count_labels, few, has_all, lacking
from emm.data.tables.names import label_column
from emm.data.tables.schema import CLASSES, REGRESSION, SPLITS, Schema
from tests.data.prepare.checks.tables import Splits, own, schema_of

LABEL = label_column("t")


def table(values: list[float | None], kind: type[pl.DataType] = pl.UInt8) -> pl.DataFrame:
    number = np.arange(len(values), dtype=np.float32)
    return pl.DataFrame({"number": number, LABEL: pl.Series(values, dtype=kind, strict=False)})


def found_in(splits: Splits, schema: Schema) -> Found:
    return {name: count_labels(own(rows, schema), schema) for name, rows in splits.items()}


def faults(train: pl.DataFrame, validation: pl.DataFrame, test: pl.DataFrame, **k: object) -> list:
    splits = dict(zip(SPLITS, (train, validation, test), strict=True))
    schema = schema_of(train, **k)  # type: ignore[arg-type]
    return lacking(found_in(splits, schema), schema)


def test_only_labelled_rows_count() -> None:
    rows = table([1, 0, None, 1, None])
    found = count_labels(own(rows, schema_of(rows)), schema_of(rows))["t"]
    assert (found.labelled, found.counts) == (3, (1, 2))
    assert found.rates == pytest.approx((1 / 3, 2 / 3))


def test_classes_are_counted_in_their_order() -> None:
    rows = table([2, 0, 2, None], pl.UInt16)
    schema = schema_of(rows, kinds={"t": CLASSES}, classes={"t": ("a", "b", "c")})
    assert count_labels(own(rows, schema), schema)["t"].counts == (1, 0, 2)


def test_a_regression_has_mean_and_variance_of_its_labels() -> None:
    values = [0.5, -1.25, 2.0]
    rows = table([*values, None], pl.Float32)
    schema = schema_of(rows, kinds={"t": REGRESSION})
    found = count_labels(own(rows, schema), schema)["t"]
    assert (found.labelled, found.counts) == (3, ())
    assert (found.mean, found.variance) == pytest.approx((np.mean(values), np.var(values, ddof=1)))


GOOD = table([0, 1, 0, 1])


def test_splits_with_both_labels_lack_nothing() -> None:
    assert faults(GOOD, GOOD, GOOD) == []


def test_a_task_that_is_0_everywhere_is_named_in_each_split() -> None:
    zero = table([0, 0, 0])
    found = faults(zero, zero, zero)
    assert [fault.split(":")[0] for fault in found] == list(SPLITS)
    assert "no row of 't' has the label 1" in found[0]
    assert found[0].endswith(
        "correct what the label is computed from, or leave the task out of `tasks`"
    )


def test_positives_only_in_train_and_validation_are_named_with_counts() -> None:
    (fault,) = faults(GOOD, GOOD, table([0, 0, 0, None]))
    assert fault == (
        "test: no row of 't' has the label 1 (labelled rows that have it: train: 2 of 4; "
        "validation: 2 of 4; test: 0 of 3): give the split more rows, split by another rule, or "
        "leave the task out of `tasks`"
    )


def test_a_positive_whose_label_is_missing_does_not_count() -> None:
    (fault,) = faults(GOOD, table([1, None, 1]), GOOD)
    assert fault.startswith("validation: no row of 't' has the label 0")


def test_a_task_without_labelled_rows_in_a_split_is_named() -> None:
    (fault,) = faults(GOOD, table([None, None]), GOOD)
    assert "validation: no row has a label of 't' (train has 4, validation has 0, test has 4)" in (
        fault
    )


def test_a_class_without_rows_in_a_split_is_named() -> None:
    every, two = table([0, 1, 2], pl.UInt16), table([0, 1, 1], pl.UInt16)
    names = {"kinds": {"t": CLASSES}, "classes": {"t": ("low", "mid", "high")}}
    (fault,) = faults(every, every, two, **names)
    assert fault.startswith("test: no row of 't' has the class high (labelled rows that have it: ")


def test_a_single_class_is_named() -> None:
    one = table([0, 0], pl.UInt16)
    found = faults(one, one, one, kinds={"t": CLASSES}, classes={"t": ("low",)})
    assert found[0] == "train: 't' has only the class low: leave the task out of `tasks`"


def test_a_regression_of_one_value_in_a_split_is_named() -> None:
    several, same = table([0.5, 1.0], pl.Float32), table([0.5, 0.5, None], pl.Float32)
    (fault,) = faults(several, same, several, kinds={"t": REGRESSION})
    assert fault.startswith("validation: all 2 labelled rows of 't' have the same value")


def test_has_all_is_false_for_a_task_that_lacks_something() -> None:
    splits = {"train": GOOD, "validation": GOOD, "test": table([0, 0])}
    schema = schema_of(GOOD)
    assert not has_all(found_in(splits, schema), schema, "t")
    assert has_all(found_in({**splits, "test": GOOD}, schema), schema, "t")


@pytest.mark.parametrize(("positives", "warned"), [(FEW - 1, True), (FEW, False)])
def test_few_positives_in_test_are_a_warning(positives: int, warned: bool) -> None:
    rows = table([*[1.0] * positives, *[0.0] * 200])
    schema = schema_of(rows)
    warnings = few(count_labels(own(rows, schema), schema), schema)
    assert bool(warnings) == warned
    if warned:
        assert f"test has only {positives} rows of 't' with the label 1" in warnings[0]
