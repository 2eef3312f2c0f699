"""The features of custom data: those with a configured role, and the inferred ones."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from emm.data.custom.columns import as_bag, as_dense, as_sparse
from emm.data.custom.dates import DateFeatures, date_features, is_date
from emm.data.custom.inference import (
    DATES,
    DENSE,
    SPARSE,
    Inferred,
    infer,
    line,
    other_words,
    table,
    unusable,
    word_faults,
)
from emm.data.custom.numbers import parse_numbers
from emm.data.custom.roles import CustomColumns
from emm.data.tables.names import original_name
from emm.data.tables.schema import InferredColumn

_WORDS_SHOWN = 3


@dataclass(frozen=True)
class Features:
    """The features in the order of the files.

    Args:
        dense: dense features, with those from ``dates``.
        raw_dense: columns that are dense features themselves.
        sparse: sparse features.
        dates: columns of dates and times.
        casts: of the raw columns.
        inferred: columns without a configured role.
    """

    dense: tuple[str, ...]
    raw_dense: tuple[str, ...]
    sparse: tuple[str, ...]
    dates: tuple[DateFeatures, ...]
    casts: Mapping[str, pl.Expr]
    inferred: tuple[InferredColumn, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns to read."""
        return (*self.raw_dense, *self.sparse, *(each.column for each in self.dates))


def find_features(
    sample: pl.DataFrame,
    columns: CustomColumns,
    others: set[str],
    missing: Sequence[str],
    where: str,
) -> tuple[Features, list[str]]:
    """The features in a sample, and messages for the values that don't fit.

    ``others``: columns with another use; ``missing``: texts that are read as null.
    """
    errors = [*_unusable(sample, columns, where)]
    if errors:
        return Features((), (), (), (), {}, ()), errors
    inferred = _inferred(sample, columns, others)
    roles = _roles(sample, columns, inferred)
    dates = _dates(sample, [name for name, role in roles.items() if role == DATES])
    errors += _misfits(sample, columns, dates, missing, where)
    errors += word_faults(where, inferred, missing, _sparse_so_far(columns, inferred))
    dense = list[str]()
    for name, role in roles.items():
        dense += [name] if role == DENSE else dates[name].names if name in dates else []
    errors += _taken(sample, dates, where)
    raw_dense, sparse = (
        tuple(name for name, role in roles.items() if role == wanted) for wanted in (DENSE, SPARSE)
    )
    casts = {
        **{name: as_dense(sample[name]) for name in raw_dense},
        **{name: as_sparse(sample[name]) for name in sparse},
        **{name: as_bag(sample[name], separator) for name, separator in columns.bags.items()},
    }
    listing = table(sample, inferred, dates)
    found = Features(tuple(dense), raw_dense, sparse, tuple(dates.values()), casts, listing)
    return found, errors


def _inferred(
    sample: pl.DataFrame, columns: CustomColumns, others: set[str]
) -> dict[str, Inferred]:
    """What the columns without a role are."""
    used = {*(columns.dense or ()), *(columns.sparse or ()), *(columns.dates or ())}
    used |= {*columns.bags, *columns.drop, *others}
    exact = columns.dense is not None and columns.sparse is not None
    found = dict[str, Inferred]()
    for column in sample:
        if column.name not in used:
            each = Inferred(None, "dense and sparse are configured") if exact else infer(column)
            if each.role == DATES and columns.dates is not None:
                each = replace(each, role=SPARSE, note="", words=None)
            found[column.name] = each
    return found


def _roles(
    sample: pl.DataFrame, columns: CustomColumns, inferred: Mapping[str, Inferred]
) -> dict[str, str | None]:
    """The role of each feature, in the order of the sample."""
    roles = {name: each.role for name, each in inferred.items()}
    for role, names in ((DENSE, columns.dense), (SPARSE, columns.sparse), (DATES, columns.dates)):
        roles |= dict.fromkeys(names or (), role)
    return {name: roles[name] for name in sample.columns if name in roles}


def _dates(sample: pl.DataFrame, names: Sequence[str]) -> dict[str, DateFeatures]:
    found = {name: date_features(sample[name]) for name in names}
    return {name: each for name, each in found.items() if each is not None}


def _sparse_so_far(columns: CustomColumns, inferred: Mapping[str, Inferred]) -> list[str]:
    """The names that a setting `sparse` needs to leave the roles of these columns as they are."""
    names = list(columns.sparse or ())
    if columns.dense is not None and columns.sparse is None:
        names = [name for name, each in inferred.items() if each.role == SPARSE]
    return [*map(original_name, names)]


def _unusable(sample: pl.DataFrame, columns: CustomColumns, where: str) -> Iterator[str]:
    """Messages for columns of a type that fits none of their roles."""
    roles = {"dense": columns.dense, "sparse": columns.sparse, "dates": columns.dates}
    roles |= {"key": (columns.key or "",), "weight": (columns.weight or "",)}
    for role, names in roles.items():
        for name in names or ():
            what = unusable(sample[name].dtype) if name else None
            if what:
                yield (
                    f"{where}.{role}: {original_name(name)!r} holds {what}, expected numbers, text "
                    "or times; convert the column, or name it in drop"
                )
    for name in columns.bags:
        dtype = sample[name].dtype
        inner = sample[name].explode().dtype if isinstance(dtype, pl.List) else dtype
        if unusable(inner) or not (isinstance(dtype, pl.List) or dtype == pl.String):
            yield (
                f"{where}.bags: {original_name(name)!r} is of type {dtype}, expected text or lists "
                "of text or numbers"
            )


def _misfits(
    sample: pl.DataFrame,
    columns: CustomColumns,
    dates: Mapping[str, DateFeatures],
    missing: Sequence[str],
    where: str,
) -> Iterator[str]:
    """Messages for configured columns with other values than numbers or dates."""
    for role, names in ((DENSE, columns.dense), (DATES, columns.dates)):
        for name in names or ():
            values = sample[name].drop_nulls()
            words = dict[str, int]()
            if values.dtype == pl.String or role == DENSE:
                good = is_date(values) if role == DATES else parse_numbers(values).is_not_null()
                words = other_words(values, good)
            elif name not in dates:
                words = {str(values[0]) if len(values) else "nothing": len(values)}
            if words:
                what = "a number" if role == DENSE else "a date such as 2024-05-31 17:05"
                some = [*words][:_WORDS_SHOWN]
                yield (
                    f"{where}.{role}: {original_name(name)!r} holds {', '.join(map(repr, some))}, "
                    f"which isn't {what}; where it means a missing value, write "
                    f"{line('missing', [*missing, *some])}"
                )


def _taken(sample: pl.DataFrame, dates: Mapping[str, DateFeatures], where: str) -> Iterator[str]:
    """Messages for dates whose features would have the names of columns."""
    for name, each in dates.items():
        for feature in each.names:
            if feature in sample.columns:
                yield (
                    f"{where}.dates: {original_name(name)!r} has a feature {feature!r}, which is "
                    "also a column; rename it, or write dates: []"
                )
