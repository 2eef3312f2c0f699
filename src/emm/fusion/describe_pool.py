"""The facts about the members of a pool, at its decomposition."""

from collections.abc import Mapping
from pathlib import Path

from torch import nn

from emm.fusion.layers import device_of
from emm.fusion.member_facts import Joined, MemberFacts, metric_of, quality
from emm.fusion.members import Member, NetworkMember, OpaqueMember, TreeMember, WholeMember
from emm.fusion.outside_models import read_stored
from emm.fusion.pool import Pool
from emm.nn.bags import attach_bags
from emm.outside.member import MemberDescription, Quality
from emm.outside.settings import OutsideModel
from emm.training.context import TrainingContext


def describe_members(
    pool: Pool,
    models: Mapping[str, nn.Module],
    context: TrainingContext,
    entries: Mapping[str, OutsideModel],
    scores: Path,
) -> list[MemberFacts]:
    """The facts about every member; ``share`` is that in the ensemble.

    ``models``: the networks and trees by name; ``entries``: the outside models, of which ``scores``
    has what the stage `score` found out.
    """
    counts = [sum(x.task == task for x in pool.members.all) for task in range(len(pool.tasks))]
    facts = []
    for member in pool.members.all:
        entry = entries.get(member.name)
        stored = read_stored(scores, member.name, entry) if entry else None
        found = _quality(member, models, context, stored)
        facts.append(
            MemberFacts(
                name=member.name,
                task=pool.tasks[member.task],
                kind=stored.kind if stored else _OWN[type(member)],
                join=_JOINS[type(member)],
                outside=entry is not None,
                metric=found.metric,
                validation=found.validation,
                train=found.train,
                share=1 / counts[member.task],
                checked=stored.checked if stored else None,
            )
        )
    return facts


_OWN = {NetworkMember: "network", WholeMember: "network", TreeMember: "trees"}
_JOINS: Mapping[type, Joined] = {
    NetworkMember: "cut",
    TreeMember: "rounds",
    WholeMember: "whole",
    OpaqueMember: "opaque",
}


def _quality(
    member: Member,
    models: Mapping[str, nn.Module],
    context: TrainingContext,
    stored: MemberDescription | None,
) -> Quality:
    """Scores of a member; those on train only of outside models, which may have seen other rows."""
    if stored and stored.quality:
        return stored.quality
    model = models[member.name]
    before = device_of(model)
    model.to(context.device)
    attach_bags(model, context.bags)
    train = quality(model, context.train, member.task) if stored else None
    metric = metric_of(context.schema.kind(context.schema.tasks[member.task]))
    found = Quality(metric, quality(model, context.validation, member.task), train)
    model.to(before)
    return found
