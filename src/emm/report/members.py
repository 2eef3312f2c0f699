"""The members of the fused models' pool, if some of them come from outside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from emm.report.markdown import NOTHING, code, markdown_table
from emm.report.names import display_name
from emm.report.results import ModelResults, read_json

FILE = "members.json"


@dataclass(frozen=True)
class Compared:
    """A member's largest difference from its original's predictions."""

    rows: int
    largest_difference: float
    tolerance: float
    reason: str | None = None


@dataclass(frozen=True)
class Member:
    """A member of a fused model; ``validation``, ``train``: its score there, ``share``: its mean
    weight in the fusion of its task, each by seed."""

    name: str
    task: str
    kind: str
    join: str
    outside: bool
    metric: Literal["auc", "r2"]
    validation: tuple[float | None, ...]
    train: tuple[float | None, ...]
    share: tuple[float, ...]
    checked: Compared | None = None


@dataclass(frozen=True)
class PoolMembers:
    """Content of members.json of a fused model."""

    format: int
    seeds: tuple[int, ...]
    members: tuple[Member, ...]
    warnings: tuple[str, ...] = ()


def read_members(results: Sequence[ModelResults]) -> dict[str, PoolMembers]:
    """The members by fused model, of those with members from outside. Raises DataError."""
    return {
        each.name: read_json(each.folder / FILE, PoolMembers)
        for each in results
        if (each.folder / FILE).exists()
    }


def members_table(pools: Mapping[str, PoolMembers]) -> str:
    """A row for every member with its share in each fused model; "" if none is from outside."""
    found: dict[str, Member] = {}
    for pool in pools.values():
        for member in pool.members:
            found.setdefault(member.name, member)
    if not found:
        return ""
    shares = [{each.name: each for each in pool.members} for pool in pools.values()]
    metrics = sorted({_MEASURES[each.metric] for each in found.values()})
    header = ["member", "task", "kind", f"validation {' or '.join(metrics)}", "checked"]
    header += [f"share in {display_name(model)}" for model in pools]
    rows = [
        [
            code(each.name),
            each.task,
            f"{each.kind}, {each.join}",
            _mean(each.validation, 5),
            _checked(each),
            *(_mean(own[each.name].share if each.name in own else (), 3) for own in shares),
        ]
        for each in found.values()
    ]
    return markdown_table(header, rows)


def member_warnings(pools: Mapping[str, PoolMembers]) -> list[str]:
    """What is suspicious about members, each once."""
    return list(dict.fromkeys(warning for pool in pools.values() for warning in pool.warnings))


_MEASURES = {"auc": "AUC", "r2": "R²"}


def _mean(values: Sequence[float | None], digits: int) -> str:
    known = [value for value in values if value is not None]
    return f"{fmean(known):.{digits}f}" if known else NOTHING


def _checked(member: Member) -> str:
    if not member.outside:
        return "trained here"
    if member.checked is None:
        return "**unchecked**"
    found = member.checked
    reason = f" ({found.reason})" if found.reason else ""
    return f"within {found.largest_difference:.0e} in {found.rows:,} rows{reason}"
