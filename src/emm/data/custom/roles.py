"""What a person says of the columns of own data, and whether it can be so."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from emm.data.custom.columns import CustomTask, unknown_column


@dataclass(frozen=True)
class CustomColumns:
    """What a person says of the columns.

    ``dense`` and ``sparse``: features of each kind. A column named nowhere is inferred unless both
    are given: see `emm.data.custom.columns.infer`. ``bags``: multi-valued fields, and what
    separates their values; ``drop``: no features; ``key``: identifies a row's user; ``weight``: how
    much a row counts; ``carried``: read beside them, for what else needs them.
    """

    dense: tuple[str, ...] | None = None
    sparse: tuple[str, ...] | None = None
    bags: Mapping[str, str] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    key: str | None = None
    weight: str | None = None
    carried: tuple[str, ...] = ()


def misnamed(
    where: str,
    columns: CustomColumns,
    tasks: Mapping[str, CustomTask],
    split: str | None,
    known: Sequence[str],
) -> list[str]:
    """A message for every column that isn't in the files."""
    said: dict[str, Iterable[str | None]] = {
        "dense": columns.dense or (),
        "sparse": columns.sparse or (),
        "bags": columns.bags,
        "drop": columns.drop,
        "key": (columns.key,),
        "weight": (columns.weight,),
        "split.column": (split,) if split != columns.key else (),
        "carried": columns.carried,
        **{f"tasks.{task}.made_from": own.made_from for task, own in tasks.items()},
    }
    return [
        unknown_column(f"{where}.{role}", column, known)
        for role, names in said.items()
        for column in names
        if column is not None and column not in known
    ]


def in_two_roles(where: str, columns: CustomColumns, hidden: Iterable[str]) -> list[str]:
    """A message for every feature that is something else, too."""
    features = {"dense": columns.dense or (), "sparse": columns.sparse or (), "bags": columns.bags}
    weight = (columns.weight,) if columns.weight else ()
    others = {"drop": columns.drop, "weight": weight, "what a task is made from": tuple(hidden)}
    pairs = [("dense", "sparse"), ("dense", "bags"), ("sparse", "bags")]
    clashes = [(one, other, {*features[one]} & {*features[other]}) for one, other in pairs]
    clashes += [
        (role, other, {*names} & {*more})
        for role, names in features.items()
        for other, more in others.items()
    ]
    clashes.append(("dense", "key", {*features["dense"]} & {columns.key or ""}))
    return [
        f"{where}.{one}: {column!r} is in {other}, too; keep one of them"
        for one, other, both in clashes
        for column in sorted(both)
    ]
