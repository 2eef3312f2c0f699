"""The section `custom` of conf/<dataset>/data.yaml."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from emm.config.binding import bind
from emm.data.custom.settings import CustomDataSettings, custom_faults
from emm.data.custom.tasks import CustomTask

CUSTOM = """
files: [visits.csv]
tasks: {visit: visited, spend: {expression: amount, kind: regression}}
split: {by: random, validation: 0.1, test: 0.1}
"""
Change = Callable[[dict[str, Any]], object]


def faults_of(change: Change, tasks: tuple[str, ...] = ("visit",)) -> list[str]:
    tree = yaml.safe_load(CUSTOM)
    change(tree)
    errors: list[str] = []
    custom = bind(CustomDataSettings, tree, "custom", errors)
    return errors or custom_faults(custom, tasks)


def settings_of(text: str) -> CustomDataSettings:
    errors: list[str] = []
    settings: CustomDataSettings = bind(CustomDataSettings, yaml.safe_load(text), "", errors)
    assert errors == []
    return settings


def test_a_task_is_an_expression_or_keys() -> None:
    assert settings_of(CUSTOM).custom_tasks == {
        "visit": CustomTask("visited"),
        "spend": CustomTask("amount", "regression"),
    }


def test_a_bare_null_is_text_among_the_missing_values() -> None:
    custom = settings_of('{tasks: {a: b}, missing: ["", NA, NULL, -1, 2.5]}')
    assert custom.missing_texts == ("", "NA", "NULL", "null", "Null", "-1", "2.5")


def test_values_of_a_column_are_text() -> None:
    split = settings_of(
        "{tasks: {a: b}, split: {by: column, validation: 2019, test: [2020, x]}}"
    ).split
    assert split is not None
    assert (split.values("validation"), split.values("test")) == (("2019",), ("2020", "x"))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("{tasks: {}}", {"all": ()}),
        ("{tasks: {}, files: [a, b]}", {"all": ("a", "b")}),
        ("{tasks: {}, test: [b], train: [a]}", {"train": ("a",), "test": ("b",)}),
    ],
)
def test_files_are_of_one_part_or_of_several(text: str, parts: object) -> None:
    custom = settings_of(text)
    assert custom.parts == parts
    assert list(custom.parts) == list(parts)  # type: ignore[call-overload]


def split(**keys: Any) -> Change:
    return lambda tree: tree.update(split=keys)


def parts(**keys: Any) -> Change:
    def change(tree: dict[str, Any]) -> None:
        del tree["files"], tree["split"]
        tree.update(keys)

    return change


SHARES = {"validation": 0.1, "test": 0.1}
TRAIN_TEST = {"train": ["a.csv"], "test": ["b.csv"]}


@pytest.mark.parametrize(
    "change",
    [
        lambda tree: None,
        split(by="time", column="date", **SHARES),
        split(by="key", column="user", **SHARES),
        lambda tree: tree.update(key="user", split={"by": "key", **SHARES}),
        split(by="column", column="year", validation=[2019], test=2020),
        parts(**TRAIN_TEST),
        parts(**TRAIN_TEST, split={"by": "file", "validation": 0.1}),
        parts(**TRAIN_TEST, validation=["c.csv"], split={"by": "file"}),
    ],
)
def test_a_valid_section_has_no_faults(change: Change) -> None:
    assert faults_of(change) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (
            lambda tree: tree["tasks"].update(visit={"expression": "a", "knid": "binary"}),
            "custom.tasks.visit.knid: unknown key; did you mean 'kind'?",
        ),
        (
            lambda tree: tree["tasks"].update(visit=3),
            "custom.tasks.visit: got 3, expected the keys expression, kind, made_from, "
            "positive, classes",
        ),
        (
            lambda tree: tree["tasks"]["spend"].update(kind="count"),
            "custom.tasks.spend.kind: got 'count', expected binary or regression or classes",
        ),
        (
            lambda tree: tree.update(TRAIN_TEST, split={"by": "file"}),
            "custom.files: got files and train, test, expected files, or train and test",
        ),
        (
            parts(train=["a.csv"]),
            "custom: got only files of train, expected those of train and test",
        ),
        (
            parts(train=["a.csv"], test=["a.csv"]),
            "custom: 'a.csv' is named twice; remove one of them",
        ),
        (
            lambda tree: tree.update(files=["2024/*.csv"]),
            "custom: got '2024/*.csv', expected a name or glob; folders go into source.path",
        ),
        (
            lambda tree: tree.update(files=["a.csv.gz", "a.csv"]),
            "custom: 'a.csv' is named twice; remove one of them",
        ),
        (
            lambda tree: tree.pop("split"),
            "custom.split: missing; expected how to split the rows, such as "
            "{by: random, validation: 0.1, test: 0.1}",
        ),
        (
            split(by="date"),
            "custom.split.by: got 'date', expected time or key or column or random or file",
        ),
        (
            split(by="time", **SHARES),
            "custom.split.column: missing; expected the column that holds the time",
        ),
        (
            split(by="key", **SHARES),
            "custom.split.column: missing; expected the column whose values stay together",
        ),
        (
            split(by="column", validation="a", test="b"),
            "custom.split.column: missing; expected the column whose values name the split",
        ),
        (
            split(by="column", column="part", test="b"),
            "custom.split.validation: missing; expected values of the column",
        ),
        (
            split(by="column", column="part", validation="b", test=["a", "b"]),
            "custom.split: a value marks both validation and test",
        ),
        (
            split(by="random", validation=10, test=0.1),
            "custom.split.validation: got 10, expected a share between 0 and 1",
        ),
        (
            split(by="random", validation=0.1),
            "custom.split.test: got None, expected a share between 0 and 1",
        ),
        (
            split(by="random", validation=0.5, test=0.5),
            "custom.split: validation and test take 1, expected less than all",
        ),
        (
            split(by="file"),
            "custom.split.by: got file, expected the keys train and test with their files",
        ),
        (
            parts(**TRAIN_TEST, split={"by": "random", **SHARES}),
            "custom.split.by: got random, expected file, as each split has its files",
        ),
        (
            parts(**TRAIN_TEST, split={"by": "file", "test": 0.1}),
            "custom.split.test: got 0.1, expected none: test has its files",
        ),
        (
            parts(**TRAIN_TEST, validation=["c"], split={"by": "file", "validation": 0.1}),
            "custom.split.validation: got a share, expected none: validation has its files",
        ),
    ],
)
def test_a_fault_is_named(change: Change, fault: str) -> None:
    assert faults_of(change) == [fault]


def test_a_chosen_task_must_be_described() -> None:
    assert faults_of(lambda tree: None, tasks=("visit", "spent")) == [
        "tasks: no task is called 'spent'; did you mean 'spend'?"
    ]
