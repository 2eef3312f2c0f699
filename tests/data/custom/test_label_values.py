"""The values of labels: two of any kind, several classes, missing ones."""

from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from emm.core.errors import ParamsError
from emm.data.custom.label_values import computing_faults, number_faults, resolve
from emm.data.custom.tasks import CustomTask, bind_task
from emm.data.datasets.dataset import Dataset
from tests.data.custom.custom_files import describe, put_csv, put_parquet, read

ROWS = pl.DataFrame(
    {
        "orders": [0.0, 1.0, 2.0, None],
        "visited": [True, False, True, True],
        "country": ["de", "fr", "de", None],
        "nothing": pl.Series([None] * 4, dtype=pl.String),
    }
)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("country + 1", "here: can't be computed: "),
        ("nothing = 'a'", "here: null in all of 4 rows"),
        ("orders > AVG(orders)", "here: reads more than one row"),
        ("MAX(orders) > 1", "here: reads more than one row"),
        ("orders > LAG(orders) OVER (ORDER BY country)", "here: reads more than one row"),
    ],
)
def test_expressions_that_are_no_label_of_a_row_are_named(expression: str, message: str) -> None:
    (fault,) = computing_faults(ROWS, pl.sql_expr(expression), "here")
    assert fault.startswith(message)


def number_faults_of(values: list[Any], expression: str = "c", kind: Any = "binary") -> list[str]:
    task = CustomTask(expression, kind)
    return number_faults(pl.Series("label", values), task, "custom.tasks.churned")


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([True, False], "binary"),
        ([0, 1, None], "binary"),
        ([1.0], "binary"),
        ([0.5, 3.0], "regression"),
    ],
)
def test_numbers_and_booleans_are_labels(values: list[Any], kind: str) -> None:
    assert number_faults_of(values, kind=kind) == []


@pytest.mark.parametrize(
    ("values", "expression", "line"),
    [
        (["yes", "no"], "c", "churned: {expression: c, positive: 'yes'}"),
        (["Y", "N", None], "c", "churned: {expression: c, positive: Y}"),
        (["t", "f"], "a: b", "churned: {expression: 'a: b', positive: t}"),
        ([1, 2], "c", "churned: {expression: c, positive: '1'}"),
        ([1.0, 2.0], "c", "churned: {expression: c, positive: '1'}"),
        (["-", "+"], "c", "churned: {expression: c, positive: '-'}"),
    ],
)
def test_of_two_values_the_error_says_the_line_to_write(
    values: list[Any], expression: str, line: str
) -> None:
    (fault,) = number_faults_of(values, expression)
    written = fault.partition("write ")[2]
    errors: list[str] = []
    task = bind_task(yaml.safe_load(written)["churned"], "", errors)
    assert errors == []
    assert (task.expression, yaml.safe_load(line)) == (expression, yaml.safe_load(written))
    distinct = {str(int(v) if isinstance(v, float) else v) for v in values if v is not None}
    assert task.positive in distinct


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            ["a", "b", "c", "d"],
            "got 'a', 'b', 'c', …, expected 0 and 1; write kind: classes, positive: with the value "
            "that counts as 1, or a comparison such as c = 'c'",
        ),
        ([1.0, 2.0, 3.0], "write kind: regression, kind: classes, positive: with the value"),
    ],
)
def test_of_more_values_the_error_names_the_choices(values: list[Any], message: str) -> None:
    (fault,) = number_faults_of(values)
    assert message in fault


def test_text_is_no_regression() -> None:
    assert number_faults_of(["a", "b"], kind="regression") == [
        "custom.tasks.churned: got 'a', 'b', expected numbers, or kind: classes"
    ]


def labels(raw: Path, rows: pl.DataFrame, settings: str, put: Any = put_csv) -> tuple[Any, Dataset]:
    """The label that a line of YAML gives, and its dataset."""
    errors: list[str] = []
    task = bind_task(yaml.safe_load(settings), "custom.tasks.t", errors)
    assert errors == []
    name = "d.csv" if put is put_csv else "d.parquet"
    dataset = describe(put(raw, name, rows), tasks={"t": task})
    found, _ = read(dataset, raw)
    values = found.select(pl.col("x"), label=dataset.tasks["t"].label.cast(pl.Float64))
    return values["label"].to_list(), dataset


TWO = [
    (["yes", "no"], "yes"),
    (["yes", "no"], "'yes'"),
    (["Yes", "No"], "Yes"),
    (["on", "off"], "on"),
    (["true", "false"], "true"),
    (["True", "False"], "'True'"),
    ([True, False], "yes"),
    (["no", "yes"], "no"),
    (["Y", "N"], "Y"),
    (["t", "f"], "t"),
    ([1, 2], "1"),
    ([2, 1], "'2'"),
    ([2.0, 1.0], "2"),
    ([1.5, 2.0], "1.5"),
    (["it's", "a: b"], '"it\'s"'),
    ([" b ", "a"], "b"),
]


@pytest.mark.parametrize("put", [put_csv, put_parquet])
@pytest.mark.parametrize(("two", "positive"), TWO)
def test_the_positive_value_is_1_and_the_other_is_0(
    tmp_path: Path, two: list[Any], positive: str, put: Any
) -> None:
    first, second = two
    rows = pl.DataFrame({"x": [1, 2, 3, 4], "c": [first, second, None, first]})
    found, dataset = labels(tmp_path, rows, f"{{expression: c, positive: {positive}}}", put)
    assert found == [1.0, 0.0, None, 1.0]
    assert dataset.tasks["t"].made_from == ("c",)


def test_positive_may_be_one_of_several_values_or_of_an_expression(tmp_path: Path) -> None:
    rows = pl.DataFrame({"x": [1, 2, 3], "c": ["A", "b", "c"]})
    found, _ = labels(tmp_path, rows, "{expression: LOWER(c), positive: a}")
    assert found == [1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("{expression: c, positive: Ja}", "positive: got 'Ja', expected a value that occurs: 'ja'"),
        (
            "{expression: c, positive: yes}",
            "positive: got True, expected a value that occurs: 'ja'",
        ),
        ("{expression: c, kind: classes, classes: [ja, no]}", "write the class in quotes"),
        ("{expression: n, kind: classes}", "got 1,200 different values in 1,200 rows, expected at"),
    ],
)
def test_values_that_do_not_occur_are_named(tmp_path: Path, settings: str, message: str) -> None:
    rows = pl.DataFrame({"x": range(1200), "c": ["ja", "nein"] * 600, "n": range(1200)})
    with pytest.raises(ParamsError) as error:
        labels(tmp_path, rows, settings)
    assert message in str(error.value)


def test_classes_are_listed_as_text_in_the_files(tmp_path: Path) -> None:
    rows = pl.DataFrame({"x": [1, 2, 3], "c": ["no", "yes", "maybe"]})
    dataset = describe(
        put_csv(tmp_path, "d.csv", rows),
        tasks={"t": CustomTask("c", "classes", classes=(False, "maybe", True))},
    )
    assert dataset.tasks["t"].classes == ("no", "maybe", "yes")


@pytest.mark.parametrize(
    ("value", "texts", "found"),
    [
        (True, ["yes", "no"], "yes"),
        (True, ["yes", "Yes"], None),
        (True, ["1", "0"], None),
        (False, ["off"], "off"),
        (3.0, ["3"], "3"),
        (3, ["3.5"], None),
        (" a ", ["a"], "a"),
    ],
)
def test_a_value_of_the_configuration_stands_for_text(
    value: Any, texts: list[str], found: str | None
) -> None:
    assert resolve(value, Counter(texts)) == found


def test_values_beyond_the_sample_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rare positive value, and a label that is known only in later rows."""
    monkeypatch.setattr("emm.data.custom.read_files.SAMPLE_ROWS", 2)
    rows = pl.DataFrame(
        {"x": [1, 2, 3, 4], "c": ["no", "no", "yes", "no"], "late": [None, None, "5", "0"]}
    )
    assert labels(tmp_path, rows, "{expression: c, positive: yes}")[0] == [0.0, 0.0, 1.0, 0.0]
    assert labels(tmp_path, rows, "{expression: late > 3}")[0] == [None, None, 1.0, 0.0]


@pytest.mark.parametrize(
    ("values", "settings", "message"),
    [
        (
            ["yes", "no", "n/a"],
            "{expression: c, positive: yes}",
            "positive: 'n/a' would count as 0; if it means a missing value, write "
            "missing: ['', NA, 'NULL', n/a], otherwise write a comparison with 'yes'",
        ),
        (
            ["a", "b", "?"],
            "{expression: c, kind: classes}",
            "'?' would be a class; if it means a missing value, write "
            "missing: ['', NA, 'NULL', '?'], otherwise list all classes in classes",
        ),
    ],
)
def test_words_for_a_missing_value_are_asked_about(
    tmp_path: Path, values: list[str], settings: str, message: str
) -> None:
    rows = pl.DataFrame({"x": [1, 2, 3], "c": values})
    with pytest.raises(ParamsError) as error:
        labels(tmp_path, rows, settings)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("values", "settings", "expected"),
    [
        (["1", "0", "nan"], "c", [1.0, 0.0, None]),
        (["2.5", "n/a", "1"], "{expression: c, kind: regression}", [2.5, None, 1.0]),
        (["True", "?", "False"], "c", [1.0, None, 0.0]),
        (["3", "-", "1"], "c > 2", [1.0, None, 0.0]),
        (["+", "-", "+"], "{expression: c, positive: +}", [1.0, 0.0, 1.0]),
    ],
)
def test_words_for_a_missing_number_are_missing_labels(
    tmp_path: Path, values: list[str], settings: str, expected: list[float | None]
) -> None:
    rows = pl.DataFrame({"x": [1, 2, 3], "c": values})
    assert labels(tmp_path, rows, settings)[0] == expected


def test_a_label_that_no_row_has_is_an_error(tmp_path: Path) -> None:
    rows = pl.DataFrame({"x": [1, 2], "c": pl.Series([None, None], dtype=pl.String)})
    with pytest.raises(ParamsError, match=r"custom\.tasks\.t: null in all of 2 rows"):
        labels(tmp_path, rows, "c")
