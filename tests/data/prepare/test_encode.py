import math
from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emm.data.prepare.encode import (
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
    rows = pl.LazyFrame({"x": values}, schema={"x": pl.String})
    return encode_sparse(rows, fitted, ["x"]).collect()["x"].to_list()


@given(VALUES, VALUES, st.integers(1, 4))
def test_ids_are_those_of_a_simple_implementation(
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
def test_ids_do_not_depend_on_the_order_of_rows(train: list[str | None], random: object) -> None:
    shuffled = list(train)
    random.shuffle(shuffled)
    assert vocabulary(train).equals(vocabulary(shuffled))


def test_unknown_rare_and_missing_values_become_0() -> None:
    fitted = vocabulary(["a", "a", "b"], rare_below=2)
    assert encode(fitted, ["a", "b", "never seen", None]) == [1, 0, 0, 0]


def test_ids_are_int32() -> None:
    rows = encode_sparse(pl.LazyFrame({"x": ["a"]}), vocabulary(["a"]), ["x"])
    assert rows.collect()["x"].dtype == pl.Int32


@pytest.mark.parametrize(
    ("kind", "largest"), [(pl.UInt32, 50), (pl.UInt32, 2**26), (pl.Int64, 50), (pl.UInt64, 2**40)]
)
@pytest.mark.parametrize("distinct", [20, 6000])
def test_whole_numbers_of_every_size_and_number_are_encoded(
    kind: type[pl.DataType], largest: int, distinct: int
) -> None:
    draw = np.random.default_rng(0)
    pool = draw.integers(0, largest, distinct)
    train, other = (pl.Series("x", draw.choice(pool, 9000)).cast(kind) for _ in range(2))
    other = pl.concat([other, pl.Series("x", [largest + 5, None]).cast(kind)])
    numbers = fit_vocabularies(pl.LazyFrame([train]), ["x"], 2)
    found = encode_sparse(pl.LazyFrame([other]), numbers, ["x"]).collect()["x"]
    counts = Counter(train)
    ranked = sorted(counts, key=lambda value: (-counts[value], value))
    ids = {v: i for i, v in enumerate((v for v in ranked if counts[v] >= 2), start=1)}
    assert found.to_list() == [ids.get(value, 0) for value in other]


def test_large_vocabularies_are_encoded() -> None:
    train = [f"v{n % 9000}" for n in range(20_000)]
    fitted = vocabulary(train)
    ids = dict(fitted.select("value", "id").iter_rows())
    assert encode(fitted, [*train, None, "new"]) == [*(ids[value] for value in train), 0, 0]


def test_dense_statistics_are_those_of_numpy() -> None:
    values = np.random.default_rng(0).lognormal(size=501)
    (column,) = fit_dense(pl.LazyFrame({"x": values}), ["x"])
    assert (column.minimum, column.maximum) == (values.min(), values.max())
    assert column.mean == pytest.approx(values.mean(), rel=1e-9)
    assert column.std == pytest.approx(values.std(), rel=1e-9)


def plain_quantiles(values: list[float]) -> set[float]:
    """The values nearest to the 63 inner 64-quantiles, ties to the even rank."""
    ordered = sorted(values)
    return {ordered[round(i / 64 * (len(ordered) - 1))] for i in range(1, 64)} if ordered else set()


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=150))
def test_quantiles_are_of_all_rows_and_of_rows_without_the_most_frequent_value(
    values: list[float],
) -> None:
    counts = Counter(values)
    common = min(value for value in counts if counts[value] == max(counts.values()))
    rest = [value for value in values if value != common]
    expected = plain_quantiles(values) | plain_quantiles(rest)
    (column,) = fit_dense(pl.LazyFrame({"x": values}), ["x"])
    assert column.quantiles == tuple(sorted(expected))


def test_a_column_of_mostly_zeros_has_quantiles_of_the_other_values() -> None:
    amounts = [float(n) for n in range(1, 65)]
    (column,) = fit_dense(pl.LazyFrame({"x": [0.0] * 10_000 + amounts}), ["x"])
    assert column.quantiles == (0.0, *map(float, range(2, 64)))


def test_quantiles_ignore_missing_values() -> None:
    values = [1.0, None, 2.0, math.nan, 3.0, None, None]
    gaps, none = (fit_dense(pl.LazyFrame({"x": x}), ["x"]) for x in (values, [1.0, 2.0, 3.0]))
    assert gaps[0].quantiles == none[0].quantiles == (1.0, 2.0, 3.0)


def test_train_is_scaled_to_0_and_1_and_other_values_are_not_clipped() -> None:
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
