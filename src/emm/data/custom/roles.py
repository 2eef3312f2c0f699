"""Roles of the columns of custom data, and the faults of their configuration."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from emm.data.custom.columns import unknown_column
from emm.data.custom.tasks import CustomTask
from emm.data.tables.names import stored_name


@dataclass(frozen=True)
class CustomColumns:
    """The configured roles of columns.

    Args:
        dense: dense features.
        sparse: sparse features. Unless both kinds are configured, columns without a role are
            inferred to be features of one kind (`emm.data.custom.inference`).
        dates: dates and times whose parts are dense features; None: inferred.
        bags: multi-valued fields, and the separators of their values.
        drop: columns that are not features.
        key: identifies the user of a row.
        weight: weight of a row.
        carried: further columns to read, which the section preprocess names.
        raw: columns whose raw values are wanted, too.
    """

    dense: tuple[str, ...] | None = None
    sparse: tuple[str, ...] | None = None
    bags: Mapping[str, str] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    key: str | None = None
    weight: str | None = None
    carried: tuple[str, ...] = ()
    dates: tuple[str, ...] | None = None
    raw: tuple[str, ...] = ()

    def stored(self) -> "CustomColumns":
        """The same roles for the columns under the names under which they are stored."""
        return CustomColumns(
            None if self.dense is None else tuple(map(stored_name, self.dense)),
            None if self.sparse is None else tuple(map(stored_name, self.sparse)),
            {stored_name(column): separator for column, separator in self.bags.items()},
            tuple(map(stored_name, self.drop)),
            stored_name(self.key) if self.key else None,
            stored_name(self.weight) if self.weight else None,
            tuple(map(stored_name, self.carried)),
            None if self.dates is None else tuple(map(stored_name, self.dates)),
            tuple(map(stored_name, self.raw)),
        )


def misnamed(
    where: str,
    columns: CustomColumns,
    tasks: Mapping[str, CustomTask],
    split: str | None,
    known: Sequence[str],
) -> list[str]:
    """Messages for the columns that don't exist in the files."""
    roles: dict[str, Iterable[str | None]] = {
        "dense": columns.dense or (),
        "sparse": columns.sparse or (),
        "dates": columns.dates or (),
        "bags": columns.bags,
        "drop": columns.drop,
        "key": (columns.key,),
        "weight": (columns.weight,),
        "split.column": (split,) if split != columns.key else (),
        **{f"tasks.{name}.made_from": task.made_from for name, task in tasks.items()},
    }
    places = {f"{where}.{role}": names for role, names in roles.items()}
    return [
        unknown_column(place, column, known)
        for place, names in (places | {"preprocess": columns.carried}).items()
        for column in names
        if column is not None and column not in known
    ]


def in_two_roles(where: str, columns: CustomColumns, hidden: Iterable[str]) -> list[str]:
    """Messages for the features that have another role, too."""
    features: dict[str, Iterable[str]] = {
        "dense": columns.dense or (),
        "sparse": columns.sparse or (),
        "dates": columns.dates or (),
        "bags": columns.bags,
    }
    weight = (columns.weight,) if columns.weight else ()
    others = {"drop": columns.drop, "weight": weight, "the columns of a label": tuple(hidden)}
    clashes = [
        (one, other, {*features[one]} & {*features[other]})
        for one, other in combinations(features, 2)
    ]
    clashes += [
        (role, other, {*names} & {*more})
        for role, names in features.items()
        for other, more in others.items()
    ]
    clashes.append(("dense", "key", {*features["dense"]} & {columns.key or ""}))
    return [
        f"{where}.{one}: {column!r} is also in {other}; remove one of them"
        for one, other, both in clashes
        for column in sorted(both)
    ]
