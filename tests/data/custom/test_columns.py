"""Inference of features, casts, and labels from expressions."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emm.data.custom.columns import (
    MAX_CATEGORIES,
    CustomTask,
    as_bag,
    as_label,
    as_sparse,
    as_time,
    check_label,
    columns_read,
    infer,
    not_a_number,
    parse_label,
)

KNOWN = ("visited", "orders", "country", "order date")


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
    ("expression", "read"),
    [
        ("visited", ("visited",)),
        ("order date", ("order date",)),
        ("orders > 0 AND visited = 1", ("orders", "visited")),
        ('"order date" IS NOT NULL', ("order date",)),
        ("CASE WHEN country = 'de' THEN 1 ELSE 0 END", ("country",)),
    ],
)
def test_the_columns_of_an_expression_are_known(expression: str, read: tuple[str, ...]) -> None:
    errors: list[str] = []
    found = parse_label(CustomTask(expression), KNOWN, "here", errors)
    assert errors == []
    assert found is not None
    assert columns_read(found) == read


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("orders >", "here: 'orders >' isn't an SQL expression: unable to parse"),
        ("system('ls')", "here: \"system('ls')\" isn't an SQL expression: unsupported function"),
        ("odrers > 0", "here: no column is called 'odrers'; did you mean 'orders'?"),
        ("1", "here: got '1', expected an expression over columns"),
        ("orders IN (SELECT a FROM read_csv('b'))", "expected an expression without a query"),
        ("COLUMNS('o.*')", "expected an expression over columns"),
    ],
)
def test_an_expression_that_is_not_a_label_is_reported(expression: str, message: str) -> None:
    errors: list[str] = []
    assert parse_label(CustomTask(expression), KNOWN, "here", errors) is None
    assert len(errors) == 1
    assert message in errors[0]


ROWS = pl.DataFrame(
    {
        "orders": [0.0, 1.0, 2.0, None],
        "visited": [True, False, True, True],
        "country": ["de", "fr", "de", None],
        "nothing": pl.Series([None] * 4, dtype=pl.String),
    }
)


@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        ("visited", "binary"),
        ("orders > 0", "binary"),
        ("orders", "regression"),
        ("country = 'de'", "binary"),
    ],
)
def test_numbers_and_booleans_are_labels(expression: str, kind: str) -> None:
    assert check_label(ROWS, pl.sql_expr(expression), kind, "here") == []


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("orders", "here: got 0.0, 1.0, 2.0, expected 0 and 1, or kind: regression"),
        ("country", "here: got 'de', 'fr', expected numbers; write a comparison"),
        ("country > 1", "here: can't be computed: cannot compare string with numeric type"),
        ("nothing = 'a'", "here: null in the first 4 rows"),
        ("orders > AVG(orders)", "here: reads more than one row"),
        ("MAX(orders) > 1", "here: reads more than one row"),
        ("orders > LAG(orders) OVER (ORDER BY country)", "here: reads more than one row"),
    ],
)
def test_other_values_are_not_labels(expression: str, message: str) -> None:
    faults = check_label(ROWS, pl.sql_expr(expression), "binary", "here")
    assert len(faults) == 1
    assert message in faults[0]


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
