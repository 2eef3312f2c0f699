"""What an exported model was made of: its architecture, and the members of a fused one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emm.config.binding import bind
from emm.core.errors import ModelFileError
from emm.fusion.member_facts import MemberFacts
from emm.fusion.members import Members, NetworkMember, TreeMember, WholeMember
from emm.report.markdown import NOTHING, code, markdown_table
from emm.training.store import Description

_SHORT = 12  # characters of a hash


@dataclass(frozen=True)
class MemberLine:
    """A member of a fused model; ``share``: its mean weight in the fusion of its task; ``outside``:
    whether it was trained elsewhere."""

    name: str
    task: str
    kind: str
    share: float | None
    score: float | None
    checked: str
    source_sha256: str
    outside: bool = False


def members_of(description: Description) -> Members | None:
    """The members of a fused model; None of any other. Raises ModelFileError."""
    pool = description.arguments.get("pool")
    if description.architecture != "emm" or pool is None:
        return None
    errors: list[str] = []
    members: Members = bind(Members, pool, "pool", errors)
    if errors:
        raise ModelFileError(f"the pool's description is damaged: {'; '.join(errors)}")
    return members


def member_lines(
    members: Members,
    tasks: Sequence[str],
    shares: Mapping[str, float],
    facts: Sequence[MemberFacts],
) -> list[MemberLine]:
    """The members of a fused model in their order.

    ``shares``: by name, where they are known; ``facts``: of a pool with models from outside.
    """
    known = {each.name: each for each in facts}
    lines = []
    for member in members.all:
        own = known.get(member.name)
        share = own.share if own else shares.get(member.name)
        kind = f"{own.kind}, {own.join}" if own else _kind(member)
        outside = own.outside if own else member.name in members.scored_names
        checked = "unchecked" if outside else "trained here"
        if own and own.checked:
            checked = f"within {own.checked.largest_difference:.0e}"
        score = own.validation if own else None
        source = member.source_sha256
        task = tasks[member.task]
        lines.append(MemberLine(member.name, task, kind, share, score, checked, source, outside))
    return lines


def members_table(lines: Sequence[MemberLine]) -> str:
    """The table of members; "" without any."""
    if not lines:
        return ""
    header = ["member", "task", "kind", "share", "validation", "origin", "sha256 of its file"]
    rows = [
        [
            code(each.name),
            each.task,
            each.kind,
            NOTHING if each.share is None else f"{each.share:.3f}",
            NOTHING if each.score is None else f"{each.score:.5f}",
            each.checked,
            code(each.source_sha256[:_SHORT]),
        ]
        for each in lines
    ]
    return markdown_table(header, rows)


def arguments_text(description: Description) -> str:
    """The arguments of a model's class, without its pool: "blocks [[8, 8]], dropout 0.0"."""
    return ", ".join(
        f"{name} {_plain(value)}"
        for name, value in description.arguments.items()
        if name != "pool" and not isinstance(value, Mapping)
    )


def _kind(member: Any) -> str:
    if isinstance(member, NetworkMember):
        return f"network, {member.architecture}"
    if isinstance(member, WholeMember):
        return f"network as a whole, {member.architecture}"
    return "boosted trees" if isinstance(member, TreeMember) else "opaque"


def _plain(value: Any) -> str:
    text = str(list(value) if isinstance(value, tuple) else value)
    return text if len(text) <= 80 else text[:79] + "…"
