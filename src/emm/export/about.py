"""Collect what the model card of a row says."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from emm.data.tables.memory import open_splits
from emm.export.card import CardFacts
from emm.export.card_scores import card_scores
from emm.export.identifiers import identifying_columns, identifying_members
from emm.export.made_of import MemberLine, member_lines, members_of
from emm.export.row import Row
from emm.export.signature import BundleSignature
from emm.fusion.emm import EMM
from emm.fusion.member_facts import MemberFacts, load_facts, warnings_of
from emm.fusion.members import Members
from emm.fusion.shares import mean_shares
from emm.fusion.student_settings import TEACHER
from emm.nn.bags import attach_bags
from emm.predict.encoder import Encoder
from emm.report.facts import facts_of
from emm.report.new_rows import add_seen
from emm.report.results import read_tree
from emm.training.bags import load_bags
from emm.training.store import Stored


def about(
    row: Row,
    signature: BundleSignature,
    stored: Sequence[Stored],
    encoder: Encoder,
    model: nn.Module,
) -> CardFacts:
    """The facts for the card. A model that has not been evaluated has no scores.

    Raises DataError for evaluations that can't be used.
    """
    facts = facts_of(row.dataset, encoder.schema)
    if row.seen.exists():
        facts = add_seen(facts, row.seen)
    evaluated = (row.evaluation / "metrics.json").exists()
    known = load_facts(row.models)
    texts = (each for each in signature.inputs if each.role == "member" and each.type == "text")
    return CardFacts(
        signature=signature,
        facts=facts,
        descriptions=[each.description for each in stored],
        members=_members(row, stored[0], encoder, model, known),
        warnings=[warning for each in known for warning in warnings_of(each)],
        identifiers=identifying_columns(encoder.schema, encoder.vocabularies)
        | identifying_members(each.column for each in texts),
        teacher=_teacher(row),
        scores=card_scores(row.model, row.evaluation, facts, row.seed) if evaluated else None,
    )


def _members(
    row: Row, stored: Stored, encoder: Encoder, model: nn.Module, known: Sequence[MemberFacts]
) -> list[MemberLine]:
    members = members_of(stored.description)
    if members is None:
        return []
    shares = {} if known else _shares(row, encoder, model, members)
    return member_lines(members, encoder.schema.tasks, shares, known)


def _shares(row: Row, encoder: Encoder, model: nn.Module, members: Members) -> Mapping[str, float]:
    """The mean weights over validation; {} where its rows aren't there."""
    if not isinstance(model, EMM) or not (row.processed / "validation.parquet").exists():
        return {}
    device = torch.device("cpu")
    attach_bags(model, load_bags(row.processed, encoder.schema, device))
    rows = open_splits(row.processed, ("validation",), encoder.schema, device)["validation"]
    return mean_shares(model, members, rows)


def _teacher(row: Row) -> Mapping[str, Any]:
    """What teacher.json says of a student's teacher; {} for other models."""
    path = row.models.parent / TEACHER
    return dict(read_tree(path)) if path.exists() else {}
