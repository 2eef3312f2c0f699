"""Raw columns of custom data: their kinds, and those that casts change."""

from collections.abc import Collection, Mapping, Sequence

import polars as pl

from emm.data.tables.kinds import NUMBER, RawKind, kind_of_type
from emm.data.tables.names import original_name


def raw_kinds(sample: pl.DataFrame, dense: Collection[str]) -> dict[str, RawKind]:
    """The kinds of the columns of a sample that a model can read; dense ones are numbers."""
    kinds = {
        name: NUMBER if name in dense else kind_of_type(dtype)
        for name, dtype in sample.schema.items()
    }
    return {original_name(name): kind for name, kind in kinds.items() if kind is not None}


def changed_columns(
    sample: pl.DataFrame,
    raw: Sequence[str],
    casts: Mapping[str, pl.Expr],
    sparse: Collection[str],
    dense: Collection[str],
) -> tuple[str, ...]:
    """The columns ``raw`` whose ``casts`` change more than their type.

    Dense columns are numbers before and after, and sparse ones of text or whole numbers are as they
    were read.
    """
    types = sample.schema
    plain = {name for name in sparse if types[name] == pl.String or types[name].is_integer()}
    readable = [name for name in raw if kind_of_type(types[name]) is not None]
    return tuple(name for name in readable if name in casts and name not in (*plain, *dense))
