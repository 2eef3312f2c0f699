"""Differences between the rates of splits: p values and design effects."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from scipy.stats import fisher_exact, ttest_ind

from emm.data.prepare.checks.labels import Labels, count_labels
from emm.data.prepare.checks.rates import (
    Clusters,
    Difference,
    combined,
    differences,
    drifts,
    mean_p,
    rate_p,
)
from emm.data.tables.names import label_column
from emm.data.tables.schema import CLASSES, REGRESSION
from tests.data.prepare.checks.labels_of_users import counted, effect_of, users
from tests.data.prepare.checks.tables import Splits, binary_rows, own_splits, schema_of, three

LABEL = label_column("t")
SIGNIFICANCE = 0.001


def measured(values: NDArray[np.float64]) -> Labels:
    return Labels(len(values), (), float(values.mean()), float(values.var(ddof=1)))


def compare(splits: Splits, **kinds: object) -> list[Difference]:
    schema = schema_of(splits["train"], **kinds)  # type: ignore[arg-type]
    own = own_splits(splits, schema)
    found = {name: count_labels(rows, schema) for name, rows in own.items()}
    return differences(own, found, schema)


def test_independent_rows_are_compared_by_fishers_exact_test() -> None:
    train, test = counted(12, 400), counted(9, 100)
    expected = fisher_exact([[12, 388], [9, 91]]).pvalue
    assert rate_p(train, test, 1, Clusters()) == pytest.approx(expected)


def test_independent_means_are_compared_by_welchs_test() -> None:
    generator = np.random.default_rng(0)
    first, second = generator.normal(0, 1, 300), generator.normal(0.2, 2, 50)
    expected = ttest_ind(first, second, equal_var=False).pvalue
    assert mean_p(measured(first), measured(second), Clusters()) == pytest.approx(expected)


def test_keys_of_one_row_have_no_design_effect() -> None:
    values = np.random.default_rng(0).random(50)
    found = effect_of(np.arange(50), values)
    assert found == pytest.approx((1.0, 50))


def test_the_design_effect_of_equal_keys_is_the_variance_of_their_means() -> None:
    generator = np.random.default_rng(0)
    keys = np.repeat(np.arange(30), 8)
    values = (generator.random(240) < np.repeat(generator.random(30), 8)).astype(float)
    means = values.reshape(30, 8).mean(axis=1)
    expected = (means.var(ddof=1) / 30) / (values.var(ddof=1) / 240)
    found = effect_of(keys, values)
    assert expected > 1.5
    assert found == pytest.approx((expected, 30))


def test_the_design_effect_of_unequal_keys_is_that_of_a_ratio_estimator() -> None:
    generator = np.random.default_rng(1)
    sizes = generator.integers(1, 20, 25)
    keys, value = np.repeat(np.arange(25), sizes), np.repeat(generator.random(25), sizes)
    mean, rows = value.mean(), len(value)
    deviations = [(value[keys == key] - mean).sum() for key in range(25)]
    variance = 25 / 24 * sum(d**2 for d in deviations) / rows**2
    expected = variance / (value.var(ddof=1) / rows)
    assert effect_of(keys, value) == pytest.approx((expected, rows**2 / (sizes**2).sum()))


def test_a_design_effect_is_never_below_one() -> None:
    """Every key has one 0 and one 1: means of keys vary less than those of random pairs."""
    assert effect_of(np.repeat(np.arange(10), 2), np.tile([0.0, 1.0], 10)).effect == 1


def test_one_key_has_no_design_effect() -> None:
    assert effect_of(np.zeros(5, int), np.array([0.0, 1, 0, 1, 1])) == Clusters()


def test_copies_of_every_row_weigh_as_much_as_the_rows() -> None:
    """Ten copies of a row under one key carry the information of one row."""
    train, test = counted(30, 400), counted(12, 100)
    copied = counted(300, 4000), counted(120, 1000)
    values = np.repeat(np.arange(400) < 30, 10).astype(float)
    clusters = effect_of(np.repeat(np.arange(400), 10), values)
    assert clusters.effect == pytest.approx(10, rel=0.01)
    expected = rate_p(train, test, 1, Clusters())
    assert rate_p(*copied, 1, clusters._replace(keys=np.inf)) == pytest.approx(expected, rel=0.1)


def test_few_keys_are_compared_by_a_t_test() -> None:
    train, test = counted(100, 1000), counted(30, 100)
    assert rate_p(train, test, 1, Clusters(1.0, 3.0)) > 0.01 > rate_p(train, test, 1, Clusters())


def test_a_split_of_unknown_keys_has_as_many_as_its_size_suggests() -> None:
    assert combined(Clusters(3.0, 40), Clusters(), 0.1) == Clusters(3.0, 4.0)
    assert combined(Clusters(3.0, 40), Clusters(5.0, 2.0), 0.1) == Clusters(5.0, 2.0)
    assert combined(Clusters(), Clusters(), 0.1) == Clusters()


@pytest.mark.parametrize(
    ("train", "test"),
    [
        (counted(1045, 102_400), counted(114, 12_800)),  # 1.02 % against 0.89 %
        (counted(190, 1600), counted(22, 200)),  # 11.9 % against 11.0 %
    ],
)
def test_honest_differences_of_small_counts_are_chance(train: Labels, test: Labels) -> None:
    assert rate_p(train, test, 1, Clusters()) > 0.1


def test_the_size_is_relative_to_the_rarer_label() -> None:
    rows = binary_rows(0, 1000)
    label = pl.int_range(pl.len()) % 10 != 0  # 90 % positive
    often = rows.with_columns(label.cast(pl.UInt8).alias(LABEL))
    less = rows.with_columns((pl.int_range(pl.len()) % 5 != 0).cast(pl.UInt8).alias(LABEL))
    validation, test = compare({"train": often, "validation": often, "test": less})
    assert (validation.size, test.size) == pytest.approx((0, 1))
    assert test.what == "test: 80.0000% of 't' are positive, 90.0000% in train"


def test_only_labelled_rows_are_compared() -> None:
    splits = three(binary_rows(0, 3000))
    hidden = pl.when((pl.int_range(pl.len()) % 3 == 0) | (pl.col(LABEL) == 1)).then(LABEL)
    some = {name: rows.with_columns(hidden.alias(LABEL)) for name, rows in splits.items()}
    found = {name: rows[LABEL].drop_nulls() for name, rows in some.items()}
    table = [[int((y == c).sum()) for c in (1, 0)] for y in (found["train"], found["test"])]
    assert compare(some)[1].p == pytest.approx(fisher_exact(table).pvalue)


def test_the_rows_of_a_key_are_clustered() -> None:
    generator = np.random.default_rng(4)
    keys, values = users(generator, 0.12)
    rows = binary_rows(0, len(keys), uid=keys).with_columns(pl.Series(LABEL, values.astype("u1")))
    inside = {"train": pl.col("uid") >= 60, "test": pl.col("uid") < 30}
    inside["validation"] = ~(inside["train"] | inside["test"])
    splits = {name: rows.filter(inside[name]) for name in ("train", "validation", "test")}
    parts = [splits[name] for name in ("train", "test")]
    pair = [counted(int(part[LABEL].sum()), len(part)) for part in parts]
    clusters = [effect_of(part["uid"].to_numpy(), part[LABEL].to_numpy() * 1.0) for part in parts]
    expected = rate_p(*pair, 1, combined(*clusters, len(parts[1]) / len(parts[0])))
    assert clusters[0].effect > 2
    assert compare(splits, key="uid")[1].p == pytest.approx(expected)


@pytest.mark.parametrize("encoded", [True, False])
def test_rows_without_a_known_key_are_no_cluster(encoded: bool) -> None:
    rows = binary_rows(0, 600)
    none = pl.lit(0, pl.Int32) if encoded else pl.lit(None, pl.Int64)
    key = "id" if encoded else "uid"
    rows = rows.with_columns(none.alias(key))
    expected = compare(three(rows))
    assert compare(three(rows), key=key) == expected


def test_every_class_is_compared_with_the_others() -> None:
    rows = binary_rows(0, 900).with_columns(
        (pl.int_range(pl.len()) * 7 % 3).cast(pl.UInt16).alias(LABEL)
    )
    splits = three(rows)
    found = compare(splits, kinds={"t": CLASSES}, classes={"t": ("a", "b", "c")})
    assert len(found) == 6
    c = [int((splits[name][LABEL] == 2).sum()) for name in ("train", "test")]
    rest = [len(splits[name]) - count for name, count in zip(("train", "test"), c, strict=True)]
    last = found[-1]
    assert last.p == pytest.approx(fisher_exact([[c[0], rest[0]], [c[1], rest[1]]]).pvalue)
    assert last.what.startswith("test:")
    assert "of 't' are of class 'c'" in last.what


def regression(rows: int, shift: float) -> Splits:
    values = np.random.default_rng(5).normal(0, 1, rows).astype(np.float32)
    splits = three(binary_rows(0, rows).with_columns(pl.Series(LABEL, values)))
    test = splits["test"].with_columns(pl.col(LABEL) + shift)
    return {**splits, "test": test}


def test_means_of_a_regression_are_compared_in_standard_deviations() -> None:
    splits = regression(2000, 0.8)
    _, test = compare(splits, kinds={"t": REGRESSION})
    labels = [splits[name][LABEL].to_numpy().astype(float) for name in ("train", "test")]
    assert test.size == pytest.approx(abs(labels[1].mean() - labels[0].mean()))
    assert test.p == pytest.approx(ttest_ind(*labels, equal_var=False).pvalue)
    assert test.what.startswith("test: the mean of 't' is +0.")


def test_a_task_without_positives_in_a_split_is_not_compared() -> None:
    splits = three(binary_rows(0, 500))
    none = splits["test"].with_columns(pl.lit(0, pl.UInt8).alias(LABEL))
    assert compare({**splits, "test": none}) == []


LARGE = Difference("test: 2% against 1%", 0.8, 0.0001)


def test_a_large_difference_that_is_not_chance_is_a_fault() -> None:
    same = Difference("same", 0.0, 1.0)
    assert drifts([same, LARGE], 0.5, SIGNIFICANCE) == [
        "test: 2% against 1%: a difference of 0.8, more than 0.5, and p = 0.0002 after correction "
        "for 2 comparisons, below 0.001: was the split made as intended?"
    ]


@pytest.mark.parametrize("change", [{"size": 0.5}, {"p": 0.001}])
def test_a_small_difference_and_one_by_chance_are_no_faults(change: dict[str, float]) -> None:
    assert not drifts([replace(LARGE, **change)], 0.5, SIGNIFICANCE)


def test_p_values_are_corrected_for_the_number_of_comparisons() -> None:
    others = [Difference("same", 0.0, 1.0)] * 9
    assert not drifts([LARGE, *others], 0.5, SIGNIFICANCE)
    assert drifts([LARGE, *others[:8]], 0.5, SIGNIFICANCE)
