"""Expressions that are wrong by one word, or by one pair of quotes."""

from collections import Counter
from collections.abc import Callable

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emm.data.custom.comparisons import nearest_values, type_faults, value_faults

ROWS = pl.DataFrame(
    {
        "answer": ["True", "False", None, "True"],
        "country": ["de", "fr", "New York", "it's"],
        "number": [1.0, 2.0, None, 4.0],
        "flag": [True, False, None, True],
        "day": pl.Series(["2024-05-01", "2024-05-02", None, "2024-05-04"]).str.to_date(),
    }
)


def faults_of(expression: str, rows: pl.DataFrame = ROWS, seen: int = 1) -> list[str]:
    """Faults, of which those of values are first looked for in the first ``seen`` rows."""
    label = pl.sql_expr(expression)
    return [
        *type_faults(rows, label, "here"),
        *value_faults(rows.head(seen), label, "here", ("?",), lambda: rows.iter_slices(2)),
    ]


@pytest.mark.parametrize(
    "expression",
    [
        "answer = 'True'",
        "'False' = answer",
        "answer <> 'False'",
        "answer IN ('True', 'False')",
        "country NOT IN ('it''s', 'fr')",
        "LOWER(answer) = 'true'",
        "country IS NOT DISTINCT FROM 'New York'",
        "CASE country WHEN 'fr' THEN 1 ELSE 0 END",
        "number = 4 OR number > 100",
        "number IN (1, 2.0)",
        "number BETWEEN 1 AND 3",
        "flag = TRUE",
        "flag = 1",
        "NOT flag",
        "country LIKE 'x%'",
        "country > 'a'",
        "day = DATE '2024-05-04'",
        "day > DATE '2020-01-01'",
        "answer IS NULL",
        "COALESCE(country, 'none') = 'none'",
    ],
)
def test_comparisons_that_some_row_meets_are_no_fault(expression: str) -> None:
    assert faults_of(expression) == []


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        (
            "answer = 'true'",
            "'answer' is 'true' in none of all 4 rows; its values: 'True', 'False'",
        ),
        ("'no' = answer", "'answer' is 'no' in none of all 4 rows; its values: 'True', 'False'"),
        ("answer != 'yes'", "'answer' is 'yes' in none of all 4 rows"),
        (
            "answer IN ('True', 'Flase')",
            "'answer' is 'Flase' in none of all 4 rows; its values: 'False', 'True'",
        ),
        ("country NOT IN ('DE')", "'country' is 'DE' in none of all 4 rows; its values: 'de', "),
        ("LOWER(answer) = 'True'", "an expression over 'answer' is 'True' in none of all 4 rows"),
        ("CASE country WHEN 'us' THEN 1 ELSE 0 END", "'country' is 'us' in none of all 4 rows"),
        ("number > 0 AND NOT (country = 'es')", "'country' is 'es' in none of all 4 rows"),
        ("COALESCE(number, 0) = 3", "an expression over 'number' is 3 in none of all 4 rows"),
        ("number = 3", "'number' is 3 in none of all 4 rows; its values: '1', '2', '4'"),
        ("number IN (1, 5)", "'number' is 5 in none of all 4 rows"),
        ("number IN (1, 2.5)", "'number' is 2.5 in none of all 4 rows"),
        ("country = 'its'''", "'country' is 'its''' in none of all 4 rows; its values: \"it's\""),
        (
            "country = '?'",
            "'country' is '?' in none of all 4 rows; it is read as missing: write IS NULL",
        ),
        ("day = DATE '2023-05-04'", "'day' is '2023-05-04' in none of all 4 rows"),
        (
            "flag = 'True'",
            "compares 'flag', which holds true and false, with 'True'; write TRUE or FALSE without",
        ),
        ("flag IN ('true')", "write TRUE or FALSE without quotes"),
        (
            "number = '1'",
            "which holds numbers, with '1'; write a number without quotes, such as 1.0",
        ),
        ("number < '3'", "which holds numbers, with '3'; write a number without quotes"),
        ("number IN ('1', '2')", "write a number without quotes"),
        ("country = 1", "which holds text, with 1; write text in quotes, such as 'New York'"),
        ("country = TRUE", "which holds text, with TRUE; write text in quotes"),
        ("day = '2024-05-04'", "which holds times, with '2024-05-04'; write DATE '2024-05-31'"),
        ("answer = NULL", "a comparison with NULL is never true; write IS NULL"),
    ],
)
def test_comparisons_that_no_row_meets_are_named_with_what_to_write(
    expression: str, message: str
) -> None:
    faults = faults_of(expression)
    assert faults[0].startswith("here: ")
    assert message in faults[0]


def test_all_rows_are_read_before_a_value_counts_as_absent() -> None:
    rows = pl.DataFrame({"a": ["x"] * 50 + ["rare"]})
    assert faults_of("a = 'rare'", rows) == []
    assert faults_of("a = 'rara'", rows) == [
        "here: 'a' is 'rara' in none of all 51 rows; its values: 'rare', 'x'"
    ]


WORD = st.text("aAbB' ", min_size=1, max_size=2).filter(lambda text: text == text.strip())
TERMS: dict[str, Callable[[str, str], bool]] = {
    "a = {}": str.__eq__,
    "{} = a": str.__eq__,
    "a <> {}": str.__ne__,
    "a IN ({})": str.__eq__,
    "a NOT IN ({})": str.__ne__,
    "NOT a = {}": str.__ne__,
    "CASE a WHEN {} THEN TRUE ELSE FALSE END": str.__eq__,
}


@settings(deadline=None)
@given(st.lists(WORD, min_size=1, max_size=8), WORD, st.sampled_from([*TERMS]), st.integers(1, 8))
def test_a_comparison_is_computed_right_or_refused(
    values: list[str], word: str, term: str, seen: int
) -> None:
    rows = pl.DataFrame({"a": values})
    quoted = "'" + word.replace("'", "''") + "'"
    expression = term.format(quoted)
    assert bool(faults_of(expression, rows, seen)) == (word not in values)
    computed = rows.select(pl.sql_expr(expression).alias("label")).to_series().to_list()
    assert computed == [TERMS[term](value, word) for value in values]


def test_the_nearest_values_come_first_and_many_are_counted() -> None:
    counts = Counter({f"value {number}": 100 - number for number in range(20)} | {"Berlin": 1})
    assert nearest_values("berlin", counts).startswith("'Berlin', 'value 0', 'value 1', ")
    assert nearest_values("berlin", counts).endswith(" and 13 more")
