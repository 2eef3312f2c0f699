"""Values of a reference that stand for missing ones, which the raw columns have as missing.

The readers of raw files know words for a missing value, such as those of ``custom.missing``. A
model that was trained on the word predicts right in its reference, and wrong on the missing value.
"""

import polars as pl

from emm.core.errors import DataError
from emm.outside.reference import Reference
from emm.outside.train_columns import TrainColumns

_WORD = r"^(\W*|(?i)na|n/a|nan|null|none|unknown|missing)$"
_FEWEST, _TIMES = 5, 3
"""A value that stands for a missing one is about as frequent as these: at least so many rows, and
up to so many times more or less frequent."""


def require_no_word(reference: Reference, column: pl.Series, train: TrainColumns) -> None:
    """Raise DataError if a value that no row of train has seems to mean a missing one.

    ``column``: values of the reference's column that no row of train has.
    """
    given = reference.rows.get_column(column.name)
    if given.null_count() or column.is_empty():
        return
    share = train.missing(column.name)
    if not share:
        return
    counts = column.value_counts(sort=True, name="rows")
    value, rows = counts.row(0)
    alike = share / _TIMES <= rows / len(given) <= share * _TIMES
    if (rows >= _FEWEST and alike) or _is_word(value):
        quoted = f"'{value}'" if isinstance(value, str) else f"{value:g}"
        raise DataError(
            f"the reference's column {column.name!r} has the value {quoted}, the raw column has "
            "missing values in its place",
            where=reference.path,
            got=f"{quoted} in {rows:,} of {len(given):,} rows, and in no row of train",
            expected=f"missing values, as in {share:.1%} of train",
            next_step=f'write an expression under `columns`, {{{column.name}: "COALESCE('
            f'{column.name}, {quoted})"}}, and leave the value empty in the reference',
        )


def _is_word(value: object) -> bool:
    return isinstance(value, str) and bool(pl.Series([value]).str.contains(_WORD).item())
