"""Whether a reference's columns are the project's raw columns: same texts, same units.

A model whose reference holds other values than the raw files predicts right there and wrong here.
"""

from collections.abc import Sequence

import polars as pl

from emm.core.errors import DataError
from emm.outside.missing_words import require_no_word
from emm.outside.reference import Reference
from emm.outside.train_columns import TrainColumns

MAX_UNKNOWN = 0.5
"""Share of a reference's texts in a column that no row of train may have."""
MAX_OUTSIDE = 0.1
"""Share of a reference's numbers in a column that may be outside of train's range."""

_SHOWN = 3
_WORDS = ("NA", "N/A", "n/a", "NULL", "null", "None", "NaN", "nan", "<NA>", "#N/A", "#NA")


def require_same_columns(reference: Reference, train: TrainColumns, columns: Sequence[str]) -> None:
    """Raise DataError if a column of the reference isn't that of train, by its values.

    Columns of which ``train`` knows nothing aren't compared.
    """
    for name in filter(train.knows, columns):
        given = reference.rows.get_column(name)
        column = given.drop_nulls()
        if given.dtype == pl.String:
            known = train.texts(name)
            _same_missing(reference, given, known)
            _same_texts(reference, column, known.drop_nulls(), train)
        elif len(column):
            _same_units(reference, column, train)


def _same_missing(reference: Reference, column: pl.Series, known: pl.Series) -> None:
    """Texts such as NA, which pandas' read_csv takes for missing values, are texts here."""
    words = known.filter(known.is_in(_WORDS))
    if not column.null_count() or known.null_count() or not len(words):
        return
    if column.is_in(words.implode()).any():
        return
    raise DataError(
        f"the reference's column {column.name!r} lacks values that the raw column has",
        where=reference.path,
        got=f"{column.null_count():,} missing values, which no row of train has",
        expected=f"the text {words[0]!r}",
        next_step="read the rows that the model learns with keep_default_na=False of pandas' "
        "read_csv, and train it again; or write an expression under `columns`: "
        f"{{{column.name}: \"NULLIF({column.name}, '{words[0]}')\"}}",
    )


def _same_texts(
    reference: Reference, column: pl.Series, known: pl.Series, train: TrainColumns
) -> None:
    unknown = column.filter(~column.is_in(known.implode()))
    blanks = unknown.str.strip_chars().is_in(known.implode())
    if len(unknown) <= MAX_UNKNOWN * len(column) and not blanks.any():
        require_no_word(reference, unknown, train)
        return
    shown = ", ".join(map(repr, unknown.unique().sort().head(_SHOWN)))
    raise DataError(
        f"the reference's column {column.name!r} holds other texts than the raw column",
        where=reference.path,
        got=f"{shown}, in no row of train",
        expected=", ".join(map(repr, known.sort().head(_SHOWN))),
        next_step=_without_blanks(column.name, unknown.filter(blanks))
        if blanks.any()
        else "write the rows as they are in the raw files, and train the model on these; or name "
        "the column that it reads under `columns`",
    )


def _without_blanks(name: str, texts: pl.Series) -> str:
    """What to do about texts with blanks at their ends."""
    found = texts.unique().sort()
    if found.str.starts_with(" ").all() and len(found) > 1:
        expression = f"' ' || {name}"
    else:
        cases = [f"WHEN {_sql(text.strip())} THEN {_sql(text)}" for text in found]
        expression = f"CASE {name} {' '.join(cases)} ELSE {name} END"
    return (
        "blanks around texts are removed here: train the model without them (skipinitialspace=True "
        "of pandas' read_csv removes those before a text, .str.strip() both); or, for a model that "
        f'knows them, write columns: {{{name}: "{expression}"}} and this column of the reference '
        "without blanks"
    )


def _sql(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _same_units(reference: Reference, column: pl.Series, train: TrainColumns) -> None:
    low, high = train.numbers(column.name)
    if low is None or high is None:
        return
    outside = column.filter((column < low) | (column > high))
    if len(outside) > MAX_OUTSIDE * len(column):
        raise DataError(
            f"the reference's column {column.name!r} isn't in the raw column's units",
            where=reference.path,
            got=f"{column.min()!r} to {column.max()!r}, {len(outside):,} of {len(column):,} values "
            "outside of train's range",
            expected=f"{low:g} to {high:g}",
            next_step="write the rows as they are in the raw files, before any scaling; a model "
            "that reads scaled values needs the same scaling as an SQL expression under `columns`",
        )
    require_no_word(reference, outside, train)
