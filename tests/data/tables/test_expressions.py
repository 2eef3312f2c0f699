import polars as pl
import pytest

from emm.core.errors import ParamsError
from emm.data.tables.expressions import columns_read, evaluated

ROWS = pl.DataFrame(
    {
        "a": [1.0, 2.5, None],
        "b": ["x", "y", None],
        "capital gain": [1, 2, 3],
        "a*2": [7, 8, 9],
        "^b$": [4, 5, 6],
        "*": [0, 0, 1],
    }
)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a", [1.0, 2.5, None]),
        ("a * 2", [2.0, 5.0, None]),
        ("a*2", [7, 8, 9]),
        ("^b$", [4, 5, 6]),
        ("*", [0, 0, 1]),
        ('"capital gain" + 1', [2, 3, 4]),
        ("UPPER(b)", ["X", "Y", None]),
        ("COALESCE(a, -1)", [1.0, 2.5, -1.0]),
        ("CASE WHEN b = 'x' THEN 1 ELSE 0 END", [1, 0, 0]),
        ("b IN ('x', 'z')", [True, False, None]),
        ("GREATEST(a, 2)", [2.0, 2.5, 2.0]),
        ("CAST(a AS VARCHAR)", ["1.0", "2.5", None]),
        ("7", [7, 7, 7]),
        ("NULL", [None, None, None]),
    ],
)
def test_an_input_is_a_column_or_an_expression(text: str, values: list[object]) -> None:
    assert evaluated(ROWS, {"input": text})["input"].to_list() == values


@pytest.mark.parametrize(
    "text",
    [
        "AVG(a)",
        "a + AVG(a)",
        "a * SUM(a)",
        "COUNT(*)",
        "a * COUNT(*)",
        "CASE WHEN a > 1 THEN 2 ELSE MAX(a) END",
        "ROW_NUMBER() OVER (ORDER BY a)",
        "ROW_NUMBER() OVER ()",
        "LAG(a) OVER (ORDER BY a)",
        "SUM(a) OVER (PARTITION BY b)",
        "FIRST(a)",
        "CORR(a, a)",
        "QUANTILE_CONT(a, 0.5)",
        "UNNEST(a)",
        "ARRAY_AGG(a)",
    ],
)
def test_values_of_several_rows_are_refused(text: str) -> None:
    with pytest.raises(ParamsError, match=r"isn't the value of one row(.|\n)*columns: input"):
        evaluated(ROWS, {"input": text})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ages", "reads 'ages', which is no column"),
        ("capital gain + 1", "did you mean 'capital gain'(.|\n)*double quotes"),
        ("(SELECT 1)", "is a query"),
        ("read_csv('/etc/passwd')", "neither a column nor an SQL expression"),
        ("CAST(b AS DOUBLE)", "can't be evaluated: conversion from `str` to `f64` failed"),
    ],
)
def test_a_wrong_expression_is_named(text: str, message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        evaluated(ROWS, {"input": text})


def test_the_columns_of_an_expression() -> None:
    columns = ROWS.columns
    assert columns_read("capital gain", columns, "input") == ("capital gain",)
    assert columns_read('a / 2 + COALESCE(a, "capital gain")', columns, "input") == (
        "a",
        "capital gain",
    )
    with pytest.raises(ParamsError, match="which is no column"):
        columns_read("aa", columns, "input")
