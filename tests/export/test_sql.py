"""Expressions in ONNX, against their values in Polars."""

import re

import polars as pl
import pytest
from polars.testing import assert_series_equal

from emm.core.errors import ModelFileError
from tests.export.sql_rows import UNUSABLE, by_graph, by_polars

pytest.importorskip("onnxruntime")

EXPRESSIONS = """
i + 1 | i - j | i * j | -i | f + i | f * g | f - 1 | i * 2.5 | i + 0.1 | f * 0.1 | f * 2.5 | i / j
i / 2 | f / g | i // j | i % j | i % 3 | f % 1.5 | DIV(i, 2) | MOD(j, 2) | CAST(j AS SMALLINT)
TRY_CAST(i AS SMALLINT) + 30000 | TRY_CAST(i AS TINYINT) * 100 | i > 1 | i >= j | i = j | i <> 3
f < g | f <= 0.5 | f = g | i > 0.5 | 1 < i | SQRT(f) > 1 | SQRT(f) = SQRT(f) | SQRT(f) < 1
SQRT(f) >= SQRT(g) | t = 'a' | t <> u | i = f | i BETWEEN 0 AND 10 | i IN (7, 3) | i IN (7, NULL)
f IN (1.5, 2) | t IN ('a', 'b') | i NOT IN (1, 3) | i IS NULL | t IS NOT NULL | SQRT(f) IS NULL
i IS NOT DISTINCT FROM j | t IS DISTINCT FROM u | i > 0 AND f > 0 | i > 0 OR f > 0 | NOT (i > 0)
i > 0 AND TRUE | (i > 0) IS TRUE | (i > 0) IS NOT TRUE | CASE WHEN i > 0 THEN 1 ELSE 0 END
CASE WHEN i > 0 THEN 1 END | CASE WHEN f > 0 THEN f ELSE i END
CASE WHEN i > 0 THEN 1 WHEN i < 0 THEN 0.5 ELSE 2 END | CASE u WHEN 'a' THEN 1 WHEN 'B' THEN 2 END
CASE WHEN i > 0 THEN t ELSE 'none' END | CASE WHEN i > 0 THEN u ELSE NULL END
CASE WHEN i > 0 THEN f > 0 ELSE j > 0 END | CASE WHEN i > 0 THEN t ELSE i END | IF(i > 1, i, j)
COALESCE(i, 0) | COALESCE(i, j) | COALESCE(f, 0.5) | COALESCE(t, u, 'none') | COALESCE(i, f)
IFNULL(i, -1) | COALESCE(i > 0, j > 0) | COALESCE(i, 0.5) | NULLIF(i, 0) | NULLIF(t, 'a')
COALESCE(NULL, i) | GREATEST(i, j) | GREATEST(f, g) | LEAST(f, g, 1) | LEAST(i, 1)
GREATEST(SQRT(f), g) | LEAST(SQRT(f), SQRT(g)) | LN(f) | LOG2(f) | LOG10(f) | LOG1P(f) | SQRT(f)
ABS(i) | ABS(f) | SIGN(f) | SIGN(i) | FLOOR(f) | CEIL(g) | ROUND(f) | ROUND(g) | FLOOR(i)
ROUND(i) | POW(g, 2) | POW(f, 0.5) | CAST(i AS VARCHAR) | CAST(i AS DOUBLE)
CAST(ROUND(f) AS BIGINT) | CAST(f AS BIGINT) | CAST(i > 0 AS BIGINT) | CAST(i > 0 AS VARCHAR)
TRY_CAST(u AS DOUBLE) | TRY_CAST(u AS BIGINT) | TRY_CAST(t AS DOUBLE) | TRY_CAST(f AS INT)
CAST(i AS BOOLEAN) | CAST(CAST(f AS BIGINT) AS VARCHAR) | CAST('5' AS BIGINT) + i
CAST(i AS BIGINT) | UPPER(t) | LOWER(u) | TRIM(t) | LTRIM(t) | RTRIM(t) | TRIM(LEADING 'a' FROM u)
LENGTH(t) | LENGTH(t) - 5 | LEFT(t, 2) | SUBSTR(t, 2, 3) | SUBSTR(t, 3) | LEFT(u, 0)
CONCAT(t, i) | CONCAT(u, '-', j) | t || u | u || i | STARTS_WITH(t, 'A') | ENDS_WITH(t, 'x')
t LIKE '%b%' | u LIKE 'x\\%%' | t LIKE 'a_' | t ILIKE 'ab%' | u LIKE '%.%' | t ~ '^[A-Z]'
REGEXP_LIKE(u, '[0-9]+') | 1.5 | 'x' | TRUE | i > NULL | NULL
"""
ALL = [each.strip() for line in EXPRESSIONS.strip().splitlines() for each in line.split(" | ")]


@pytest.mark.parametrize("expression", ALL)
def test_values_are_those_of_polars(expression: str) -> None:
    assert by_graph(expression) == by_polars(expression)


@pytest.mark.parametrize("expression", ["LN(i)", "EXP(g)", "1 / f * g", "LOG1P(f / 1e9)"])
def test_functions_may_differ_in_the_last_digit(expression: str) -> None:
    found, expected = (pl.Series(each(expression)) for each in (by_graph, by_polars))
    assert_series_equal(found, expected, rel_tol=5e-16, abs_tol=0)


@pytest.mark.parametrize(
    ("expression", "usable"),
    [
        ("CAST(u AS DOUBLE)", [False, False, True, True, True, False, False, True]),
        ("CAST(i AS SMALLINT)", [True, True, True, True, True, False, True, True]),
        ("CAST(g / j AS BIGINT)", [True, True, False, True, True, True, True, True]),
    ],
)
def test_rows_that_can_t_be_cast_are_unusable(expression: str, usable: list[bool]) -> None:
    found = by_graph(f"CASE WHEN {expression} IS NULL THEN 'x' ELSE 'y' END")
    assert [each != UNUSABLE for each in found] == usable


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("SIN(f)", "the function Sin"),
        ("REPLACE(t, 'a', 'b')", "the function Replace"),
        ("t < 'b'", "the order of text"),
        ("CAST(f AS VARCHAR)", "fractions as text"),
        ("CAST(f AS REAL)", "CAST of number AS REAL"),
        ("ROUND(f, 2)", "ROUND to decimals"),
        ("i / 2.5", "a fraction of decimal numbers"),
        ("t ~ '\\d'", "classes such as"),
        ("STARTS_WITH(t, u)", "whose pattern or place is a column"),
        ("POW(i, 2)", "POW of whole numbers"),
        ("EXTRACT(YEAR FROM CAST(t AS DATE))", "AS DATE"),
    ],
)
def test_what_onnx_lacks_is_refused_with_its_reason(expression: str, reason: str) -> None:
    with pytest.raises(ModelFileError, match=re.escape(repr(expression))) as error:
        by_graph(expression)
    assert reason in str(error.value)


def test_a_capital_sigma_is_not_lowered() -> None:
    assert by_graph("LOWER(t)")[:7] == by_polars("LOWER(t)")[:7]
    assert by_graph("LOWER(t)")[7] == UNUSABLE
