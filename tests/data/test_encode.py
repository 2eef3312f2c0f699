import math
from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emm.data.encode import (
    describe_sparse,
    encode_sparse,
    fit_dense,
    fit_vocabularies,
    scale_dense,
)

VALUES = st.lists(st.one_of(st.none(), st.text("abcé ", max_size=2)), min_size=1, max_size=40)


def vocabulary(values: list[str | None], rare_below: int = 1) -> pl.DataFrame:
    train = pl.LazyFrame({"x": values}, schema={"x": pl.String})
    return fit_vocabularies(train, ["x"], rare_below)


def encode(fitted: pl.DataFrame, values: list[str | None]) -> list[int]:
    frame = pl.DataFrame({"x": values}, schema={"x": pl.String})
    return frame.select(encode_sparse(fitted, ["x"]))["x"].to_list()


@given(VALUES, VALUES, st.integers(1, 4))
def test_ids_equal_a_plain_restatement(
    train: list[str | None], other: list[str | None], rare_below: int
) -> None:
    counts = Counter(value for value in train if value is not None)
    ranked = sorted(counts, key=lambda value: (-counts[value], value.encode()))
    ids = {v: i for i, v in enumerate((v for v in ranked if counts[v] >= rare_below), start=1)}
    fitted = vocabulary(train, rare_below)
    assert encode(fitted, other) == [ids.get(value, 0) for value in other]
    assert describe_sparse(fitted, ["x"])[0].cardinality == len(ids) + 1
    assert describe_sparse(fitted, ["x"])[0].rare == len(counts) - len(ids)


@given(VALUES, st.randoms(use_true_random=False))
def test_the_order_of_rows_is_irrelevant(train: list[str | None], random: object) -> None:
    shuffled = list(train)
    random.shuffle(shuffled)
    assert vocabulary(train).equals(vocabulary(shuffled))


def test_unseen_rare_and_missing_values_become_0() -> None:
    fitted = vocabulary(["a", "a", "b"], rare_below=2)
    assert encode(fitted, ["a", "b", "never seen", None]) == [1, 0, 0, 0]


def test_ids_are_int32() -> None:
    frame = pl.DataFrame({"x": ["a"]}).select(encode_sparse(vocabulary(["a"]), ["x"]))
    assert frame["x"].dtype == pl.Int32


def test_dense_statistics_equal_numpys() -> None:
    values = np.random.default_rng(0).lognormal(size=501)
    (column,) = fit_dense(pl.LazyFrame({"x": values}), ["x"])
    assert (column.minimum, column.maximum) == (values.min(), values.max())
    assert column.mean == pytest.approx(values.mean(), rel=1e-9)
    assert column.std == pytest.approx(values.std(), rel=1e-9)
    points = np.arange(1, 64) / 64
    expected = np.unique(np.quantile(values, points, method="nearest"))
    assert np.isin(column.quantiles, values).all()
    np.testing.assert_allclose(column.quantiles, expected, rtol=0.05)


def test_scaling_sends_train_to_0_and_1_and_leaves_the_rest_unclipped() -> None:
    columns = fit_dense(pl.LazyFrame({"x": [10.0, 20.0, 30.0]}), ["x"])
    scaled = pl.DataFrame({"x": [10.0, 30.0, 50.0, 0.0]}).select(scale_dense(columns))
    assert scaled["x"].to_list() == [0.0, 1.0, 2.0, -0.5]
    assert scaled["x"].dtype == pl.Float32


def test_missing_numbers_become_the_train_mean_and_are_counted() -> None:
    train = pl.LazyFrame({"x": [0.0, 1.0, None, math.nan]})
    columns = fit_dense(train, ["x"])
    assert columns[0].missing == 2
    assert train.select(scale_dense(columns)).collect()["x"].to_list() == [0.0, 1.0, 0.5, 0.5]


@pytest.mark.parametrize("values", [[3.0, 3.0], [None, None]])
def test_a_constant_or_empty_column_is_declared_and_scaled_to_0(
    values: list[float | None],
) -> None:
    train = pl.LazyFrame({"x": values}, schema={"x": pl.Float64})
    columns = fit_dense(train, ["x"])
    assert columns[0].constant
    assert train.select(scale_dense(columns)).collect()["x"].to_list() == [0.0, 0.0]
