"""Labels of processed data: missing ones, regressions, classes, and their counts."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emm.core.errors import DataError
from emm.data.datasets.dataset import Dataset, Task
from emm.data.datasets.split_rules import AsPublished, Halved
from emm.data.prepare.preprocess import preprocess
from emm.data.reading.chunks import LINE, Chunk, Reading
from emm.data.tables.loading import load_split
from emm.data.tables.names import label_column
from emm.data.tables.schema import SPLITS, Schema, load_schema
from tests.data.fetch.tiny_source import SOURCE

BINARY = Task(pl.col("click"), ("click",), optional=True)
NUMBER = Task(pl.col("spent"), ("spent",), "regression", optional=True)
GRADE = Task(pl.col("grade"), ("grade",), "classes", optional=True)
Parts = Mapping[str, Mapping[str, list[Any]]]


def dataset(tasks: Mapping[str, Task], parts: Parts, **changes: Any) -> Dataset:
    """Rows with the columns of the labels, and a feature that is their number."""

    def read(reading: Reading, part: str) -> Iterator[Chunk]:
        rows = pl.DataFrame(parts[part], strict=False)
        reading.rejected.seen(len(rows))
        number = pl.int_range(pl.len()).cast(pl.String)
        yield Chunk(f"{part}.csv", rows.with_columns(number.alias("n")).with_row_index(LINE, 1))

    settings = {"split": AsPublished(), "parts": tuple(parts), **changes}
    return Dataset("tiny", SOURCE, (), ("n",), tasks, read, **settings)


def run(
    folder: Path, tasks: Mapping[str, Task], parts: Parts, **changes: Any
) -> tuple[Schema, dict[str, pl.DataFrame]]:
    out = folder / "out"
    out.mkdir()
    preprocess(
        dataset(tasks, parts, **changes),
        folder,
        out,
        tasks=[*tasks],
        seed=0,
        rare_below=1,
        rejected=folder / "rejected.jsonl",
    )
    frames = {split: pl.read_parquet(out / f"{split}.parquet") for split in SPLITS}
    return load_schema(out / "schema.json"), frames


def same(rows: dict[str, list[Any]]) -> Parts:
    """The same rows in all three splits."""
    return dict.fromkeys(SPLITS, rows)


LABELS = st.lists(
    st.tuples(
        st.sampled_from([0, 1, None]),
        st.one_of(st.none(), st.integers(-9, 9).map(float)),
        st.sampled_from(["b", "a", None]),
    ),
    min_size=1,
    max_size=12,
)
KNOWN = [(0, 1.0, "a"), (1, None, "b")]


@settings(deadline=None, max_examples=30)
@given(st.tuples(LABELS, LABELS, LABELS))
def test_a_missing_label_keeps_the_row_for_the_other_tasks(
    drawn: tuple[list[tuple[Any, ...]], ...],
) -> None:
    tasks = {"click": BINARY, "spent": NUMBER, "grade": GRADE}
    every = {s: KNOWN + rows for s, rows in zip(SPLITS, drawn, strict=True)}
    parts = {
        split: dict(zip(tasks, map(list, zip(*rows, strict=True)), strict=True))
        for split, rows in every.items()
    }
    with tempfile.TemporaryDirectory() as folder:
        schema, _ = run(Path(folder), tasks, parts)
        records = (Path(folder) / "rejected.jsonl").read_text().splitlines()
        tensors = {s: load_split(Path(folder) / f"out/{s}.parquet", schema) for s in SPLITS}
    spent = [row[1] for row in every["train"] if row[1] is not None]
    mean, std = np.mean(spent), np.std(spent) or 1.0
    unlabelled = 0
    for split, rows in every.items():
        kept = [row for row in rows if row != (None, None, None)]
        unlabelled += len(rows) - len(kept)
        expected = [
            [
                np.nan if click is None else click,
                np.nan if amount is None else (amount - mean) / std,
                np.nan if grade is None else "ab".index(grade),
            ]
            for click, amount, grade in kept
        ]
        np.testing.assert_allclose(tensors[split].labels.numpy(), expected, atol=1e-6)
        counts = {task: sum(row[n] is not None for row in kept) for n, task in enumerate(tasks)}
        assert schema.splits[split].rows == len(kept)
        assert all(schema.splits[split].labelled_rows(task) == n for task, n in counts.items())
        clicks = [row[0] for row in kept if row[0] is not None]
        assert schema.splits[split].positive_rate["click"] == pytest.approx(np.mean(clicks))
        grades = [row[2] for row in kept if row[2] is not None]
        shares = [grades.count(name) / len(grades) for name in "ab"]
        assert schema.splits[split].class_rates["grade"] == pytest.approx(shares)
    assert schema.partly_labelled
    assert schema.targets["spent"].mean == pytest.approx(mean)
    reasons = [json.loads(line)["reason"] for line in records]
    assert reasons == ["no task has a label"] * unlabelled


def test_without_missing_labels_nothing_says_so(tmp_path: Path) -> None:
    schema, _ = run(tmp_path, {"click": BINARY}, same({"click": [0, 1, 1]}))
    assert not schema.partly_labelled
    assert '"labelled"' not in (tmp_path / "out/schema.json").read_text()
    assert '"kinds"' not in (tmp_path / "out/schema.json").read_text()
    labels = load_split(tmp_path / "out/train.parquet", schema).labels
    assert labels.dtype == torch.uint8


def test_rows_without_any_label_do_not_count_as_faulty(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    schema, _ = run(tmp_path, {"click": BINARY}, same({"click": [0, None, None, None, 1]}))
    assert schema.splits["train"].rows == 2
    assert "left out 9 of 15 lines, which have no label of any task" in capsys.readouterr().err


def test_not_all_rows_without_any_label_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emm.data.reading.rejected.MAX_UNLABELLED", 4)
    run(tmp_path, {"click": BINARY}, same({"click": [0, None, None, None, 1]}))
    records = map(json.loads, (tmp_path / "rejected.jsonl").read_text().splitlines())
    found = [(each["file"], each["line"]) for each in records]
    assert found == [("train.csv", 2), ("train.csv", 3), ("train.csv", 4), ("validation.csv", 2)]


def test_a_faulty_label_of_one_task_rejects_the_row(tmp_path: Path) -> None:
    tasks = {"click": BINARY, "spent": NUMBER}
    rows = {"click": [0, 1, 7], "spent": [1.0, 2.0, None]}
    with pytest.raises(DataError, match="'label click' has no known value"):
        run(tmp_path, tasks, same(rows))


def test_a_null_label_that_is_not_optional_rejects_the_row(tmp_path: Path) -> None:
    task = Task(pl.col("click"), ("click",))
    with pytest.raises(DataError, match="'label click' has no known value"):
        run(tmp_path, {"click": task}, same({"click": [0, 1, None]}))


def test_halves_have_the_same_pattern_of_missing_labels_and_classes(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    rows = 400
    columns: dict[str, list[Any]] = {
        "click": draw.choice(
            np.array([0, 1, None], dtype=object), rows, p=[0.5, 0.1, 0.4]
        ).tolist(),
        "spent": draw.choice(np.array([1.5, 2.5, None], dtype=object), rows).tolist(),
        "grade": draw.choice(
            np.array(["a", "b", None], dtype=object), rows, p=[0.8, 0.1, 0.1]
        ).tolist(),
    }
    tasks = {"click": BINARY, "spent": NUMBER, "grade": GRADE}
    parts = {"train": columns, "test": columns}
    schema, frames = run(tmp_path, tasks, parts, split=Halved())
    patterns = [
        frames[split]
        .select(
            pl.col(label_column("click")),
            pl.col(label_column("spent")).is_null(),
            pl.col(label_column("grade")),
        )
        .rows()
        for split in ("validation", "test")
    ]
    for pattern in {*patterns[0], *patterns[1]}:
        assert abs(patterns[0].count(pattern) - patterns[1].count(pattern)) <= 1
    assert schema.partly_labelled


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (["b", "a", "c"], ("a", "b", "c")),
        (["10", "9", "-1"], ("-1", "9", "10")),
        ([10, 9, 100], ("9", "10", "100")),
        ([1.5, 1.0, 20.0], ("1", "1.5", "20")),
        (["10", "9", "x"], ("10", "9", "x")),
        ([True, False, True], ("false", "true")),
    ],
)
def test_classes_are_in_the_order_of_numbers_or_of_letters(
    tmp_path: Path, values: list[Any], names: tuple[str, ...]
) -> None:
    schema, frames = run(tmp_path, {"grade": GRADE}, same({"grade": values}))
    assert schema.classes == {"grade": names}
    assert schema.kinds == {"grade": "classes"}
    stored = frames["test"][label_column("grade")]
    assert stored.dtype == pl.UInt16
    texts = [
        str(v).lower() if isinstance(v, bool) else f"{v:g}" if isinstance(v, float) else str(v)
        for v in values
    ]
    assert [names[number] for number in stored] == texts


def test_the_order_of_classes_may_be_given(tmp_path: Path) -> None:
    task = Task(pl.col("grade"), ("grade",), "classes", ("low", "mid", "high"))
    schema, frames = run(tmp_path, {"grade": task}, same({"grade": ["mid", "high", "low"]}))
    assert schema.classes["grade"] == ("low", "mid", "high")
    assert frames["train"][label_column("grade")].to_list() == [1, 2, 0]


def parts_of(train: list[Any], validation: list[Any], test: list[Any]) -> Parts:
    rows = zip(SPLITS, (train, validation, test), strict=True)
    return {split: {"grade": values} for split, values in rows}


LISTED = Task(pl.col("grade"), ("grade",), "classes", ("a", "b"))
WRONG: dict[str, tuple[Task, Parts, str]] = {
    "unseen": (
        GRADE,
        parts_of(["a", "b"], ["a", "x", "x", "y"], ["b", "x"]),
        "(?s)train has no row of some classes of the task 'grade'.*"
        "got: rows of validation: 2 of 'x', 1 of 'y'; rows of test: 1 of 'x'.*"
        "expected: classes of train: 1 of 'a', 1 of 'b'.*choose another split",
    ),
    "one class": (
        GRADE,
        parts_of(["a", "a"], ["a"], ["a"]),
        "(?s)too few classes.*got: 1; rows: 2",
    ),
    "too many": (
        GRADE,
        parts_of([*range(1001)], [1], [1]),
        "(?s)too many classes.*got: 1,001.*expected: 2 to 1000.*write kind: regression",
    ),
    "unlisted": (
        LISTED,
        parts_of(["a", "b", "c", "c"], ["a"], ["a"]),
        "(?s)aren't those that the task lists.*got: rows of train: 1 of 'a', 1 of 'b', 2 of 'c'",
    ),
    "listed, without rows": (
        LISTED,
        parts_of(["a", "c"], ["a"], ["a"]),
        "(?s)aren't those that the task lists.*expected: classes: a, b",
    ),
    "not a number": (
        GRADE,
        same({"grade": [1.5, 2.0, float("nan")]}),
        "'label grade' has no known",
    ),
    "no label in train": (
        GRADE,
        parts_of([None, None], ["a"], ["b"]),
        "tiny has no usable rows in its part train",
    ),
}


@pytest.mark.parametrize(("task", "parts", "message"), WRONG.values(), ids=WRONG)
def test_classes_that_can_not_be_learned_are_an_error(
    tmp_path: Path, task: Task, parts: Parts, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        run(tmp_path, {"grade": task}, parts)


@pytest.mark.parametrize("task", ["click", "spent", "grade"])
def test_a_task_without_labels_in_train_is_an_error(tmp_path: Path, task: str) -> None:
    tasks = {"click": BINARY, "spent": NUMBER, "grade": GRADE}
    full = {"click": [0, 1], "spent": [1.0, 2.0], "grade": ["a", "b"]}
    parts = {**same(full), "train": {**full, task: [None, None]}}
    with pytest.raises(
        DataError, match=f"(?s)train has no label of the task '{task}'.*got: 2 rows"
    ):
        run(tmp_path, tasks, parts)


@pytest.mark.parametrize("value", [0, 1])
def test_a_binary_task_that_is_the_same_in_every_row_is_an_error(
    tmp_path: Path, value: int
) -> None:
    rows = {"click": [value, value, None], "spent": [1.0, 2.0, 3.0]}
    with pytest.raises(
        DataError, match=f"(?s)'click' is {value} in every row.*2 rows with a label"
    ):
        run(tmp_path, {"click": BINARY, "spent": NUMBER}, same(rows))


def test_a_constant_regression_label_is_stored_as_0(tmp_path: Path) -> None:
    schema, frames = run(tmp_path, {"spent": NUMBER}, same({"spent": [3.0, 3.0]}))
    assert (schema.targets["spent"].mean, schema.targets["spent"].std) == (3.0, 1.0)
    assert frames["train"][label_column("spent")].to_list() == [0.0, 0.0]
