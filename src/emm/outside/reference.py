"""Reference rows of an outside model: raw rows with the original's own predictions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from polars.selectors import by_name

from emm.core.errors import DataError, nearest
from emm.data.tables.kinds import INTEGER, TEXT, RawKind
from emm.outside.settings import MIN_REFERENCE_ROWS

PREDICTION = "prediction"
MAX_ROWS = 100_000
_MISSING = ("", "na", "nan", "null", "none", "<na>")
_SHOWN = 3


@dataclass(frozen=True)
class Reference:
    """Rows in the kinds of their columns, and the original's predictions [N, C] in float64."""

    path: Path
    rows: pl.DataFrame
    predictions: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.rows)


def prediction_columns(classes: Sequence[str]) -> list[str]:
    """The columns with the original's predictions: one, or one for each class."""
    return [f"{PREDICTION}:{name}" for name in classes] or [PREDICTION]


def reference_columns(path: Path) -> list[str]:
    """The columns of a reference besides the predictions, in order. Raises DataError."""
    names = _scan(path).collect_schema().names()
    return [name for name in names if name.partition(":")[0] != PREDICTION]


def read_reference(
    path: Path,
    columns: Sequence[str],
    kinds: Mapping[str, RawKind],
    classes: Sequence[str],
    output: str | None = None,
) -> Reference:
    """Read the ``columns`` that a model needs, in their ``kinds``, and the predictions.

    The predictions are in the columns `prediction_columns`, or in one called as the model's
    ``output``, with a list for several classes, as exported models have them.

    Raises DataError for a file that can't be read, with too few or too many rows, without one of
    the columns, or with values of another kind.
    """
    scan = _scan(path)
    names = scan.collect_schema().names()
    predictions = prediction_columns(classes)
    if output in names and not {*predictions} <= {*names}:
        predictions = [str(output)]
    for name in (*predictions, *columns):
        if name not in names:
            raise _lacking(path, name, names, predictions)
    rows = scan.head(MAX_ROWS + 1).select(by_name(*predictions, *columns))
    found = rows.collect()
    if not MIN_REFERENCE_ROWS <= len(found) <= MAX_ROWS:
        raise _refused(
            path,
            "the reference has too few rows" if len(found) <= MAX_ROWS else "has too many rows",
            got=f"{len(found):,} rows" if len(found) <= MAX_ROWS else f"more than {MAX_ROWS:,}",
            expected=f"{MIN_REFERENCE_ROWS} to {MAX_ROWS:,}",
            next_step="write some hundred raw rows, among them rows with missing values",
        )
    values = _values(path, found.select(by_name(*predictions)), max(1, len(classes)))
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values).all(axis=1))[0]) + 1
        raise _refused(
            path,
            f"row {row} of the reference has no finite prediction",
            next_step="write the model's own prediction of every row",
        )
    typed = [_typed(path, found.get_column(name), kinds[name]) for name in columns]
    return Reference(path, pl.DataFrame(typed), values)


def _values(path: Path, given: pl.DataFrame, width: int) -> NDArray[np.float64]:
    """The predictions [N, ``width``], from a column for each class or one of lists."""
    first = given.to_series()
    if isinstance(first.dtype, pl.List | pl.Array):
        lists = first.cast(pl.List(pl.Float64))
        if not (lists.list.len() == width).fill_null(value=False).all():
            raise _refused(
                path,
                f"the reference's column {first.name!r} doesn't hold a list of predictions per row",
                expected=f"{width} numbers, one for each class",
            )
        return lists.explode().to_numpy().reshape(len(first), width)
    numbers = given.select(_number(path, column) for column in given)
    return numbers.to_numpy().astype(np.float64).reshape(numbers.shape)


def _scan(path: Path) -> pl.LazyFrame:
    if path.suffix.lower() not in (".parquet", ".csv"):
        raise _refused(path, "is no reference", expected="a .parquet or .csv file")
    try:
        if path.suffix.lower() == ".parquet":
            scan = pl.scan_parquet(path, glob=False)
        else:
            scan = pl.scan_csv(path, glob=False, infer_schema=False)
        scan.collect_schema()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise _refused(
            path, f"can't be read: {error}".partition("\n")[0], next_step="write it again"
        ) from error
    return scan


def _typed(path: Path, column: pl.Series, kind: RawKind) -> pl.Series:
    """A column in the type in which the raw column of this kind is stored."""
    if kind == TEXT:
        return _text(column)
    numbers = _number(path, column)
    if kind != INTEGER:
        return numbers
    whole = numbers.cast(pl.Int64, strict=False)
    if (numbers.is_not_null() & (whole.cast(pl.Float64) != numbers).fill_null(value=True)).any():
        return numbers
    return whole


def _text(column: pl.Series) -> pl.Series:
    """Text; pandas writes whole numbers as 3.0 if a value is missing."""
    texts = column.cast(pl.String)
    if column.dtype.is_float():
        texts = texts.str.strip_suffix(".0")
    return texts.set(texts.is_in(["", "NaN"]) if column.dtype.is_float() else texts == "", None)


def _number(path: Path, column: pl.Series) -> pl.Series:
    if column.dtype != pl.String and not isinstance(column.dtype, pl.Categorical | pl.Enum):
        try:
            return column.cast(pl.Float64).fill_nan(None)
        except pl.exceptions.PolarsError:
            column = column.cast(pl.String)
    texts = column.cast(pl.String).str.strip_chars()
    numbers = texts.cast(pl.Float64, strict=False).fill_nan(None)
    bad = texts.is_not_null() & numbers.is_null() & ~texts.str.to_lowercase().is_in(_MISSING)
    if bad.any():
        shown = ", ".join(map(repr, texts.filter(bad).unique().sort().head(_SHOWN)))
        raise _refused(
            path,
            f"the reference's column {column.name!r} holds other values than numbers",
            got=shown,
            expected="numbers, or nothing where they are missing",
            next_step="write the rows as they are in the raw files",
        )
    return numbers


def _lacking(path: Path, name: str, names: Sequence[str], predictions: Sequence[str]) -> DataError:
    what = "the original's predictions" if name in predictions else f"{name!r}, which it reads"
    return _refused(
        path,
        f"the reference has no column with {what}",
        got=", ".join(names),
        expected=f"{name}; {nearest(name, names)}",
        next_step="write the raw rows with the column "
        + " and ".join(predictions)
        + " next to them: pool/README.md",
    )


def _refused(
    path: Path,
    what: str,
    *,
    got: object = None,
    expected: object = None,
    next_step: str = "write it as pool/README.md says",
) -> DataError:
    return DataError(what, where=path, got=got, expected=expected, next_step=next_step)
