"""Keys, such as users, that are in several splits.

Most rules share keys on purpose, as a split by time does. A rule by key keeps them apart.
"""

from collections.abc import Mapping
from itertools import combinations
from typing import NamedTuple

import polars as pl

from emm.data.datasets.split_rules import ByKey, HeldOut, Split
from emm.data.prepare.checks.table import KEY, feature, features_of
from emm.data.tables.names import original_name, stored_name
from emm.data.tables.schema import SPLITS, Schema

_PAIRS = tuple(combinations(SPLITS, 2))


class Shared(NamedTuple):
    """Keys that are in several splits.

    ``both``: number of distinct keys that two splits share; ``rows``: number of the rows of
    validation and test whose keys are in train.
    """

    both: dict[tuple[str, str], int]
    rows: dict[str, int]


def shared_keys(splits: Mapping[str, pl.LazyFrame], column: str, schema: Schema) -> Shared:
    """Count the keys in ``column``, under its stored name, which the splits share.

    Null is no key, nor is id 0 of a sparse column, which stands for all unknown and rare values.
    """
    own = KEY
    if column in schema.sparse_names:
        own = feature(features_of(schema).index(column))
    known = pl.col(own).is_not_null()
    if column in schema.sparse_names:
        known &= pl.col(own) > 0
    keys = {
        name: rows.filter(known).group_by(own).len().collect(engine="streaming")
        for name, rows in splits.items()
    }
    both = {(a, b): keys[b].join(keys[a], on=own, how="semi") for a, b in _PAIRS}
    return Shared(
        {pair: len(each) for pair, each in both.items()},
        {b: int(each["len"].sum()) for (a, b), each in both.items() if a == "train"},
    )


def not_disjoint(splits: Mapping[str, pl.LazyFrame], split: Split, schema: Schema) -> list[str]:
    """Faults: keys in several splits that the rule keeps apart."""
    column = stored_name(_apart(split)[0])
    if column != schema.key and column not in schema.sparse_names:
        return []  # not stored
    shared = shared_keys(splits, column, schema)
    return [
        f"{shared.both[pair]:,} values of {original_name(column)!r} are in both of "
        f"{pair[0]} and {pair[1]}, which the split by key must keep apart"
        for pair in _apart(split)[1]
        if shared.both[pair]
    ]


def _apart(split: Split) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The column whose values a rule keeps apart, and in which pairs of splits."""
    if isinstance(split, ByKey):
        return split.column, _PAIRS
    if isinstance(split, HeldOut) and split.key is not None:
        return split.key, (("train", "validation"),)
    return "", ()
