"""Inference of features and casts."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emm.data.custom.columns import (
    MAX_CATEGORIES,
    as_bag,
    as_label,
    as_sparse,
    as_time,
    infer,
    not_a_number,
)


def kind_of(values: list[object]) -> str | None:
    return infer(pl.DataFrame({"a": pl.Series(values, strict=False)}), ["a"])["a"]


FEATURES: dict[str, tuple[list[object], str | None]] = {
    "fractions": (["0.5", "1"], "dense"),
    "a few whole numbers": (["1", "2", None, "-3"], "sparse"),
    "as many as a category may have": ([*map(str, range(MAX_CATEGORIES))], "sparse"),
    "one more": ([*map(str, range(MAX_CATEGORIES + 1))], "dense"),
    "whole numbers as pandas writes them": (["1.0", "2.0"], "sparse"),
    "codes": ([f"0{number:04}" for number in range(1000)], "sparse"),
    "text": (["a", "1"], "sparse"),
    "infinity": (["inf", "1.5"], "sparse"),
    "nothing": ([None, None], "sparse"),
    "booleans": ([True, False], "sparse"),
    "typed fractions": ([0.5, 1.0], "dense"),
    "typed whole numbers": ([*range(1000)], "dense"),
    "lists": ([["a"], ["b"]], None),
    "bytes": ([b"a", b"b"], None),
    "small decimals": (["0.01", "0.02"], "dense"),
}


@pytest.mark.parametrize(("values", "kind"), FEATURES.values(), ids=FEATURES)
def test_the_kind_of_a_column_is_inferred_from_its_values(
    values: list[object], kind: str | None
) -> None:
    assert kind_of(values) == kind


@given(st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=300))
def test_whole_numbers_are_dense_if_many_differ(values: list[int]) -> None:
    expected = "dense" if len(set(values)) > MAX_CATEGORIES else "sparse"
    assert kind_of([str(value) for value in values]) == expected


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (["0", "1", None], [0.0, 1.0, None]),
        (["True", "false", None], [True, False, None]),
        (["yes", "no", "1"], ["yes", "no", "1"]),
        (["007", "1"], ["007", "1"]),
    ],
)
def test_text_is_cast_to_the_type_of_its_values_for_expressions(
    texts: list[str | None], values: list[object]
) -> None:
    column = pl.Series("a", texts)
    assert column.to_frame().select(as_label(column)).to_series().to_list() == values


def test_later_values_of_another_type_are_null() -> None:
    later = pl.DataFrame({"number": ["x"], "boolean": ["x"]})
    number, boolean = pl.Series("number", ["1"]), pl.Series("boolean", ["true"])
    assert later.select(as_label(number), as_label(boolean)).row(0) == (None, None)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        (pl.Series("a", ["x", None]), ["x", None]),
        (pl.Series("a", [3, 4], dtype=pl.UInt32), [3, 4]),
        (pl.Series("a", [3.0, 4.5, None]), ["3", "4.5", None]),
        (pl.Series("a", [True, False]), ["true", "false"]),
    ],
)
def test_a_sparse_column_is_cast_to_text_or_whole_numbers(
    column: pl.Series, values: list[object]
) -> None:
    assert column.to_frame().select(as_sparse(column)).to_series().to_list() == values


def test_bags_are_cast_to_lists_of_text() -> None:
    text = pl.Series("a", ["x| y", "", "|z|", None])
    lists = pl.Series("a", [[1, 2], [], None])
    assert text.to_frame().select(as_bag(text, "|")).to_series().to_list() == [
        ["x", "y"],
        [],
        ["z"],
        None,
    ]
    assert lists.to_frame().select(as_bag(lists, "|")).to_series().to_list() == [
        ["1", "2"],
        [],
        None,
    ]


@pytest.mark.parametrize(
    "texts", [["31.05.2024"], ["2024-05-31", "May"], ["2024-05-31T10:00+02:00"]]
)
def test_text_that_does_not_sort_by_time_is_not_a_time(texts: list[str]) -> None:
    assert as_time(pl.Series("a", texts)) is None


def test_the_first_value_that_is_not_a_number_is_found() -> None:
    assert not_a_number(pl.Series(["1", None, "x", "y"])) == "x"
    assert not_a_number(pl.Series(["1", "2.5"])) is None
    assert not_a_number(pl.Series(np.arange(3))) is None
