"""The values of a label in the files: their types, which is positive, and faults."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import polars as pl
import yaml

from emm.data.custom.columns import as_label
from emm.data.custom.comparisons import (
    Frames,
    count_values,
    nearest_values,
    type_faults,
    value_faults,
)
from emm.data.custom.inference import line
from emm.data.custom.labels import Label
from emm.data.custom.numbers import MISSING_WORDS
from emm.data.custom.tasks import CustomTask
from emm.data.datasets.dataset import MAX_CLASSES, class_name
from emm.data.tables.schema import BINARY, CLASSES

_SINGLE_ROWS = 50
_EXAMPLES = 1000
_SHOWN = 3
_WORDS = {True: ("true", "yes", "on"), False: ("false", "no", "off")}
_POSITIVE = ("yes", "y", "true", "t", "1", "on", "positive")

Everything = Callable[[Sequence[str]], Iterable[pl.DataFrame]]
"""Reads stored columns of all rows, in frames of bounded size."""


def fit_label(
    label: Label, sample: pl.DataFrame, where: str, missing: Sequence[str], everything: Everything
) -> tuple[Label, list[str]]:
    """Fit a label to its values; also return its faults.

    ``where``: the task's place in the configuration, for messages; ``missing``: texts that are
    read as null. All rows are read where the ``sample`` doesn't hold a value that is looked for.
    """

    def frames() -> Iterable[pl.DataFrame]:
        return map(label.cast, everything([*label.columns.values()]))

    task = label.task
    raw = _with_examples(label.read(sample), frames)
    if not (label.column_only and (task.positive is not None or task.kind == CLASSES)):
        label = replace(label, casts={name: as_label(raw[name]) for name in raw.columns})
    rows = raw.with_columns(cast.alias(name) for name, cast in label.casts.items())
    faults = type_faults(rows, label.expression, where)
    faults = faults or computing_faults(rows, label.expression, where)
    faults = faults or value_faults(rows, label.expression, where, missing, frames)
    if faults:
        return label, faults
    if task.positive is not None:
        return _with_positive(label, rows, where, missing, frames)
    if task.kind == CLASSES:
        return _with_classes(label, rows, where, missing)
    return label, number_faults(rows.select(label.expression).to_series(), task, where)


def _with_examples(rows: pl.DataFrame, frames: Frames) -> pl.DataFrame:
    """Add rows with values of the columns that have none in the sample."""
    for name in rows.columns:
        if rows[name].null_count() == len(rows):
            for frame in frames():
                known = frame.filter(frame[name].is_not_null()).head(_EXAMPLES)
                if len(known):
                    rows = pl.concat([rows, known], how="vertical_relaxed")
                    break
    return rows


def computing_faults(rows: pl.DataFrame, expression: pl.Expr, where: str) -> list[str]:
    """Faults of an expression that can't be computed, or not from the values of a single row."""
    label = expression.alias("label")
    few = rows.head(_SINGLE_ROWS)
    try:
        found = rows.select(label).to_series()
        together = few.select(label).to_series()
        singly = pl.concat([row.select(label).to_series() for row in few.iter_slices(1)])
    except pl.exceptions.PolarsError as error:
        return [f"{where}: can't be computed: {str(error).partition(chr(10))[0]}"]
    if not together.equals(singly):
        return [f"{where}: reads more than one row, expected an expression over a row's columns"]
    return [] if found.count() else [f"{where}: null in all of {len(rows):,} rows"]


def number_faults(values: pl.Series, task: CustomTask, where: str) -> list[str]:
    """Faults of the values of a label that is 0 or 1, or a number."""
    distinct = values.drop_nulls().unique().sort()
    shown = ", ".join(map(repr, distinct.head(_SHOWN).to_list()))
    shown = f"{shown}, …" if len(distinct) > _SHOWN else shown
    numeric = distinct.dtype.is_numeric() or distinct.dtype == pl.Boolean
    if task.kind != BINARY:
        expected = "numbers, or kind: classes"
        return [] if numeric else [f"{where}: got {shown}, expected {expected}"]
    if numeric and distinct.cast(pl.Float64).is_in([0.0, 1.0]).all():
        return []
    if len(distinct) == 2:
        positive, negative = _likely_positive(distinct)
        return [
            f"{where}: got {shown}, expected 0 and 1; to learn {positive!r} against {negative!r}, "
            f"write {_line(task, where, positive)}"
        ]
    others = ["kind: classes", "positive: with the value that counts as 1"]
    others = ["kind: regression", *others] if numeric else others
    return [
        f"{where}: got {shown}, expected 0 and 1; write {', '.join(others)}, or a comparison "
        f"such as {_example(task, distinct)}"
    ]


def _likely_positive(two: pl.Series) -> tuple[str, str]:
    first, second = two.to_frame().select(class_name(pl.col(two.name))).to_series().to_list()
    return (first, second) if first.casefold() in _POSITIVE else (second, first)


def _line(task: CustomTask, where: str, positive: str) -> str:
    """The line of the configuration that names the positive value."""
    name = where.rpartition(".")[2]
    made_from = {"made_from": [*task.made_from]} if task.made_from else {}
    settings = {"expression": task.expression, "positive": positive, **made_from}
    text = yaml.safe_dump({name: settings}, default_flow_style=True, width=10_000, sort_keys=False)
    return text.strip()[1:-1]


def _example(task: CustomTask, values: pl.Series) -> str:
    value = values[len(values) // 2]
    if isinstance(value, int | float):
        return f"{task.expression} > {value:g}"
    return f"{task.expression} = '{value}'"


def _with_positive(
    label: Label, rows: pl.DataFrame, where: str, missing: Sequence[str], frames: Frames
) -> tuple[Label, list[str]]:
    """The label that is 1 where the expression has the positive value."""
    counts, positive = count_values(rows, label.expression), label.task.positive
    found = resolve(positive, counts)
    if found is None:
        counts = sum((count_values(frame, label.expression) for frame in frames()), Counter[str]())
        found = resolve(positive, counts)
    words = _missing_words(counts) if len(counts) > 2 else []
    if found is None:
        near = nearest_values(str(positive), counts)
        return label, [f"{where}.positive: got {positive!r}, expected a value that occurs: {near}"]
    if words:
        return label, [
            f"{where}.positive: {words[0]!r} would count as 0; if it means a missing value, write "
            f"{line('missing', [*missing, *words])}, otherwise write a comparison with {found!r}"
        ]
    return replace(label, expression=class_name(label.expression) == found), []


def _with_classes(
    label: Label, rows: pl.DataFrame, where: str, missing: Sequence[str]
) -> tuple[Label, list[str]]:
    """The label with the names of its classes as text."""
    counts = count_values(rows, label.expression)
    if len(counts) > MAX_CLASSES:
        return label, [
            f"{where}: got {len(counts):,} different values in {len(rows):,} rows, expected at "
            f"most {MAX_CLASSES} classes; write kind: regression for quantities, or merge rare "
            "classes in the expression"
        ]
    words = [] if label.task.classes else _missing_words(counts)
    if words:
        return label, [
            f"{where}: {words[0]!r} would be a class; if it means a missing value, write "
            f"{line('missing', [*missing, *words])}, otherwise list all classes in classes"
        ]
    found = [(value, resolve(value, counts)) for value in label.task.classes]
    faults = [
        f"{where}.classes: got {str(value).lower()}, which yes, no, on and off are in YAML; write "
        "the class in quotes"
        for value, name in found
        if name is None and isinstance(value, bool)
    ]
    classes = tuple(name or _text(value) for value, name in found)
    return replace(label, task=replace(label.task, classes=classes)), faults


def _missing_words(counts: Counter[str]) -> list[str]:
    return [word for word in sorted(counts) if word.casefold() in MISSING_WORDS]


def resolve(value: Any, counts: Counter[str]) -> str | None:
    """The text among ``counts`` that a value of the configuration stands for, or None.

    YAML reads yes, no, on and off as true and false.
    """
    if isinstance(value, bool):
        found = [text for text in counts if text.casefold() in _WORDS[value]]
        return found[0] if len(found) == 1 else None
    return _text(value) if _text(value) in counts else None


def _text(value: Any) -> str:
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value)) if whole else str(value).strip()
