"""The raw columns that a model reads."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from emm.core.errors import ParamsError, nearest
from emm.data.tables.inputs import DATE, DENSE, SPARSE, Input, Role
from emm.data.tables.kinds import INTEGER, NUMBER, TEXT, RawKind
from emm.data.tables.names import stored_name
from emm.predict.values import date_values


@dataclass(frozen=True)
class Column:
    """A raw column that a model reads.

    Args:
        name: in the raw files.
        role: dense, sparse, bag, or date, whose parts are dense features.
        kind: how its values are compared or computed with: as text, whole numbers or numbers.
        features: names of the processed columns that are made from it.
    """

    name: str
    role: Role
    kind: RawKind
    features: tuple[str, ...]


def require_columns(wanted: Sequence[str], names: Sequence[str], where: object) -> None:
    """Raise ParamsError unless every column that is ``wanted`` is among ``names``."""
    missing = [name for name in wanted if name not in names]
    if not missing:
        return
    first = f"{missing[0]!r}; {nearest(missing[0], names)}"
    more = f", and {len(missing) - 1} more: {', '.join(missing[1:])}" if missing[1:] else ""
    raise ParamsError(
        f"there is no column {first}{more}"[:1000],
        where=where,
        got=", ".join(names)[:500],
        expected=f"{len(wanted)} columns: {', '.join(wanted)}"[:2000],
        next_step="name the columns as in the raw files on which the model was trained; where its "
        "features come from several files, give one table that has them all",
    )


def kind_of(given: Input) -> RawKind:
    if given.role == DENSE:
        return NUMBER
    return INTEGER if given.role == SPARSE and given.type in ("integer", "unsigned") else TEXT


def features_of(given: Input, dense: Sequence[str]) -> tuple[str, ...]:
    if given.role != DATE:
        return (stored_name(given.name),)
    parts = date_values(pl.Series(stored_name(given.name), [None], pl.Null), given)[0]
    return tuple(name for name in dense if name in parts)
