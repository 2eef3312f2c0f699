"""Labels of custom data: from a column or an expression to the values of a task."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from emm.data.custom.columns import unknown_column
from emm.data.custom.numbers import is_missing
from emm.data.custom.tasks import CustomTask
from emm.data.reading.chunks import LINE, Chunk
from emm.data.reading.rejected import Rejected
from emm.data.tables.names import stored_name

_VALUE = "value"
_TYPES = {pl.Float64: "a number", pl.Boolean: "true or false"}


@dataclass(frozen=True)
class Label:
    """How a task's label is computed.

    Args:
        expression: over ``columns``.
        columns: for each name in the expression, the stored column.
        casts: of columns of text, to numbers or booleans.
    """

    task: CustomTask
    expression: pl.Expr
    columns: Mapping[str, str]
    casts: Mapping[str, pl.Expr] = field(default_factory=dict)

    @property
    def column_only(self) -> bool:
        """Whether the expression is a column."""
        return [*self.columns] == [_VALUE]

    @property
    def revealing(self) -> tuple[str, ...]:
        """The stored columns that reveal the label."""
        return tuple(
            dict.fromkeys([*self.columns.values(), *map(stored_name, self.task.made_from)])
        )

    def read(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The columns of the expression, by their names there, before they are cast."""
        return rows.select(pl.col(stored).alias(name) for name, stored in self.columns.items())

    def cast(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The columns of the expression, cast."""
        return self.read(rows).with_columns(cast.alias(name) for name, cast in self.casts.items())


def parse_label(
    task: CustomTask, columns: Sequence[str], where: str, errors: list[str]
) -> Label | None:
    """Parse the expression of a task; returns None after appending its faults to ``errors``."""
    if task.expression in columns:
        return Label(task, pl.col(_VALUE), {_VALUE: stored_name(task.expression)})
    if re.search(r"\bselect\b", task.expression, re.IGNORECASE):
        errors.append(f"{where}: got {task.expression!r}, expected an expression without a query")
        return None
    try:
        expression = pl.sql_expr(task.expression)
    except pl.exceptions.PolarsError as error:
        errors.append(f"{where}: {task.expression!r} isn't an SQL expression: {_first_line(error)}")
        return None
    read = tuple(dict.fromkeys(expression.meta.root_names()))
    unknown = [column for column in read if column not in columns]
    errors.extend(unknown_column(where, column, columns) for column in unknown)
    pattern = expression.meta.has_multiple_outputs()
    if pattern:
        errors.append(
            f"{where}: got {task.expression!r}, expected an expression over columns, not a pattern "
            'such as "*" or "^...$"; give a column of such a name another one'
        )
    elif not read:
        errors.append(f"{where}: got {task.expression!r}, expected an expression over columns")
    if pattern or unknown or not read:
        return None
    return Label(task, expression, {name: stored_name(name) for name in read})


def label_name(task: str) -> str:
    """Name of the temporary column with a task's label."""
    return f"__label:{task}"


def with_labels(chunk: Chunk, labels: Mapping[str, Label], rejected: Rejected) -> pl.DataFrame:
    """Add the column `label_name` of each task; reject rows with a value of another type."""
    rows, found = chunk.rows, list[pl.Series]()
    bad = pl.repeat(value=False, n=len(rows), eager=True, dtype=pl.Boolean)
    for task, label in labels.items():
        raw, cast = label.read(rows), label.cast(rows)
        for name in label.casts:
            wrong = raw[name].is_not_null() & cast[name].is_null() & ~bad
            if wrong.any():
                wrong &= ~raw.select(is_missing(pl.col(name))).to_series().fill_null(value=False)
                column = label.task.expression if label.column_only else name
                reason = f"the column {column!r} of a label isn't {_TYPES[type(cast[name].dtype)]}"
                texts = raw[name].filter(wrong).cast(pl.String)
                rejected.add(chunk.file, rows[LINE].filter(wrong), reason, texts)
                bad |= wrong
        found.append(cast.select(label.expression.alias(label_name(task))).to_series())
    return rows.with_columns(found).filter(~bad)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
