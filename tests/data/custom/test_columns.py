"""Casts of columns."""

from datetime import date

import polars as pl
import pytest

from emm.data.custom.columns import as_bag, as_dense, as_label, as_sparse, as_time


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
        (pl.Series("a", ["3.00", "4.50"]).cast(pl.Decimal(9, 2)), ["3", "4.5"]),
        (pl.Series("a", ["x", None], dtype=pl.Categorical), ["x", None]),
        (pl.Series("a", ["x"], dtype=pl.Enum(["y", "x"])), ["x"]),
        (pl.Series("a", [date(2024, 5, 31)]), ["2024-05-31"]),
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


@pytest.mark.parametrize(
    ("column", "values"),
    [
        (
            pl.Series("a", ["1.5", "NaN", "n/a", "-", "Inf", "x", None]),
            ["1.5", *[None] * 4, "x", None],
        ),
        (pl.Series("a", [1.5, float("inf"), float("nan"), None]), [1.5, None, None, None]),
        (pl.Series("a", [1, None], dtype=pl.UInt8), [1, None]),
        (pl.Series("a", ["1", "?"], dtype=pl.Categorical), ["1", None]),
    ],
)
def test_a_dense_column_has_no_words_for_missing_values(
    column: pl.Series, values: list[object]
) -> None:
    assert column.to_frame().select(as_dense(column)).to_series().to_list() == values
