"""Labels of custom data: expressions, and the rows that they are computed for."""

from pathlib import Path

import polars as pl
import pytest

from emm.data.custom.labels import Label, label_name, parse_label, with_labels
from emm.data.custom.tasks import CustomTask, bind_task
from emm.data.datasets.dataset import class_name
from emm.data.reading.chunks import LINE, Chunk
from emm.data.reading.rejected import Rejected
from tests.data.custom.custom_files import describe, put_csv, put_parquet, read

KNOWN = ("visited", "orders", "country", "order date", "^o.*$", "*", "weight")


def parse(expression: str) -> tuple[Label | None, list[str]]:
    errors: list[str] = []
    return parse_label(CustomTask(expression), KNOWN, "here", errors), errors


@pytest.mark.parametrize(
    ("expression", "read"),
    [
        ("visited", ("visited",)),
        ("order date", ("order date",)),
        ("orders > 0 AND visited = 1", ("orders", "visited")),
        ('"order date" IS NOT NULL', ("order date",)),
        ("CASE WHEN country = 'de' THEN 1 ELSE 0 END", ("country",)),
        ("^o.*$", ("column:^o.*$",)),
        ("*", ("column:*",)),
        ("weight > 1", ("column:weight",)),
    ],
)
def test_the_stored_columns_of_an_expression_are_known(
    expression: str, read: tuple[str, ...]
) -> None:
    label, errors = parse(expression)
    assert errors == []
    assert label is not None
    assert label.revealing == read


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("orders >", "here: 'orders >' isn't an SQL expression: unable to parse"),
        ("system('ls')", "here: \"system('ls')\" isn't an SQL expression: unsupported function"),
        ("odrers > 0", "here: no column is called 'odrers'; did you mean 'orders'?"),
        ("1", "here: got '1', expected an expression over columns"),
        ("orders IN (SELECT a FROM read_csv('b'))", "expected an expression without a query"),
        ("COLUMNS('o.*')", "expected an expression over columns, not a pattern"),
        ('"^o.*$" > 1', 'not a pattern such as "*" or "^...$"; give a column of such a name'),
        ('orders > 0 OR "*" > 1', "expected an expression over columns, not a pattern"),
    ],
)
def test_an_expression_that_is_not_a_label_is_reported(expression: str, message: str) -> None:
    label, errors = parse(expression)
    assert label is None
    assert len(errors) == 1
    assert message in errors[0]


def test_columns_with_the_names_of_patterns_are_labels(tmp_path: Path) -> None:
    rows = pl.DataFrame({"^p.*$": [0, 1, 1], "*": [5, 0, 7], "p1": [3, 3, 3], "weight": [1, 2, 3]})
    tasks = {
        "a": CustomTask("^p.*$"),
        "b": CustomTask("*", "regression"),
        "c": CustomTask("weight > 2"),
    }
    dataset = describe(put_csv(tmp_path, "d.csv", rows), tasks=tasks)
    found, _ = read(dataset, tmp_path)
    labels = {name: task.label.cast(pl.Float64) for name, task in dataset.tasks.items()}
    assert found.select(**labels).to_dict(as_series=False) == {
        "a": [0.0, 1.0, 1.0],
        "b": [5.0, 0.0, 7.0],
        "c": [0.0, 0.0, 1.0],
    }


def test_a_later_value_of_another_type_is_rejected_with_its_reason() -> None:
    chunk = Chunk(
        "d.csv",
        pl.DataFrame(
            {LINE: [7, 8, 9, 10], "n": ["1", "x", None, "0"], "b": ["true", "false", "no", None]}
        ),
    )
    cast = {"n": pl.col("n").cast(pl.Float64, strict=False)}
    words = pl.col("value").replace_strict({"true": True, "false": False}, default=None)
    labels = {
        "large": Label(CustomTask("n > 0"), pl.col("n") > 0, {"n": "n"}, cast),
        "b": Label(CustomTask("b"), pl.col("value"), {"value": "b"}, {"value": words}),
    }
    rejected = Rejected("", 1.0)
    rows = with_labels(chunk, labels, rejected)
    assert rows[LINE].to_list() == [7, 10]
    assert rows[label_name("large")].to_list() == [True, False]
    assert rows[label_name("b")].to_list() == [True, None]
    assert [(each["line"], each["reason"], each["text"]) for each in rejected._records] == [
        (8, "the column 'n' of a label isn't a number", "x"),
        (9, "the column 'b' of a label isn't true or false", "no"),
    ]


TASKS = [
    (
        {"expression": "a", "kind": "regression", "positive": "yes"},
        "positive: got kind: regression",
    ),
    ({"expression": "a", "kind": "classes", "positive": "yes"}, "positive: got kind: classes"),
    ({"expression": "a", "classes": ["x", "y"]}, "classes: got kind: binary"),
    ({"expression": "a", "kind": "classes", "classes": ["x"]}, "expected two or more different"),
    (
        {"expression": "a", "kind": "classes", "classes": ["x", "x"]},
        "expected two or more different",
    ),
]


@pytest.mark.parametrize(("settings", "message"), TASKS)
def test_settings_that_do_not_fit_the_kind_are_named(
    settings: dict[str, object], message: str
) -> None:
    errors: list[str] = []
    bind_task(settings, "custom.tasks.t", errors)
    assert len(errors) == 1
    assert message in errors[0]


@pytest.mark.parametrize("put", [put_csv, put_parquet])
def test_the_names_of_classes_are_text_as_it_comes(tmp_path: Path, put: object) -> None:
    rows = pl.DataFrame({"grade": ["True", "007", " b"], "stars": [1.0, None, 3.5], "n": [1, 2, 3]})
    name = "d.csv" if put is put_csv else "d.parquet"
    tasks = {column: CustomTask(column, "classes") for column in rows.columns}
    dataset = describe(put(tmp_path, name, rows), tasks=tasks)  # type: ignore[operator]
    found, _ = read(dataset, tmp_path)
    texts = {name: class_name(task.label) for name, task in dataset.tasks.items()}
    assert found.select(**texts).to_dict(as_series=False) == {
        "grade": ["True", "007", "b"],
        "stars": ["1", None, "3.5"],
        "n": ["1", "2", "3"],
    }
