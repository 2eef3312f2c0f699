"""Members from outside that score new rows by their files, as the stage `score` does.

Shapes: N rows, W columns of scores.
"""

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from polars.selectors import by_name

from emm.core.errors import ModelFileError
from emm.data.tables.kinds import RawKind
from emm.data.tables.schema import Schema
from emm.fusion.members import Members
from emm.fusion.outside_models import read_stored
from emm.outside.check import Opened, open_entry, with_gives
from emm.outside.logits import Values, to_logits
from emm.outside.matching import Matches
from emm.outside.member import WEIGHTS, MemberDescription
from emm.outside.onnx import OnnxLayers
from emm.outside.open import join_of
from emm.outside.score import has_logits
from emm.outside.scorer import CutNetwork
from emm.outside.settings import Gives, OutsideModel
from emm.outside.typed import model_rows
from emm.training.store import load_weights

Scores = NDArray[np.float32]
Score = Callable[[pl.DataFrame], Values]


@dataclass(frozen=True)
class OutsideScorer:
    """A member from outside. ``score``: rows in the columns that it reads -> scores [N, W];
    ``processed``: the data on which it was fused."""

    opened: Opened
    score: Score
    processed: Path | None = None

    @property
    def raw(self) -> dict[str, RawKind]:
        """The raw columns that it reads."""
        opened = self.opened
        if opened.model.columns != "raw":
            return {}
        return {name: opened.known[name] for name in opened.columns}

    def scores(self, encoded: pl.DataFrame, raw: pl.DataFrame) -> Scores:
        """The scores [N, W] of rows: their features, and the same rows in raw columns."""
        opened = self.opened
        rows = raw if opened.model.columns == "raw" else encoded
        known = rows.select(by_name(*opened.columns))
        batch = model_rows(known, opened.model.inputs, opened.matches.inputs)
        return np.ascontiguousarray(self.score(batch), np.float32)


@dataclass(frozen=True)
class OutsidePool:
    """The entries of the pool by name; ``scores``: the folder of what the stage `score` found out
    about them; ``where``: of the entries, for messages."""

    entries: Mapping[str, OutsideModel]
    scores: Path
    where: str


def open_members(
    members: Members, pool: OutsidePool, processed: Path, schema: Schema
) -> dict[str, OutsideScorer]:
    """Open the members of a fused model that it can't compute, by the entries of its pool.

    Raises ModelFileError if a file isn't the one that was fused.
    """
    sources = {each.name: each.source_sha256 for each in members.all}
    opaque = {each.name for each in members.opaque}
    found = {}
    for name in members.scored_names:
        where, folder = f"{pool.where}.{name}", pool.scores / name
        entry = pool.entries.get(name)
        if entry is None:
            raise _changed(name, where, "no such entry")
        member = read_stored(pool.scores, name, entry)
        if member.sha256 != sources[name]:
            raise _changed(name, entry.path, f"sha256 {member.sha256}")
        opened = open_entry(name, entry, processed, schema, where)
        opened = replace(opened, matches=Matches(member.inputs))
        opened = with_gives(opened, member.gives)
        found[name] = OutsideScorer(opened, _score(opened, member, folder, opaque), processed)
    return found


def _score(opened: Opened, member: MemberDescription, folder: Path, opaque: Set[str]) -> Score:
    """What computes the scores with which a member was fused."""
    if member.join.kind != "cut":
        return partial(_logits, opened, member.gives)
    join: Any = join_of(opened.model, opened.context)
    if opened.name not in opaque:
        return partial(_first_unit, join)
    layers = OnnxLayers(dict(member.join.description or {}))
    layers.load_state_dict(load_weights(folder / WEIGHTS))
    return partial(_through, layers.eval(), join)


def _logits(opened: Opened, gives: Gives, rows: pl.DataFrame) -> Values:
    model: Any = opened.model
    if has_logits(opened):
        exact: Values = model.logits(iter([rows]))
        return exact
    context = opened.context
    return to_logits(model.predict(iter([rows])), gives, context.kind, context.target)


def _first_unit(join: CutNetwork, rows: pl.DataFrame) -> Values:
    """The inputs of the layers that a fused model has: [N, H]."""
    return join.scored_input(iter([rows]))


@torch.inference_mode()
def _through(layers: OnnxLayers, join: CutNetwork, rows: pl.DataFrame) -> Values:
    """The logits of a network whose layers a fused model doesn't have: [N, O]."""
    inputs = torch.from_numpy(_first_unit(join, rows).astype(np.float32))
    logits: Values = layers(inputs).numpy()
    return logits


def _changed(name: str, where: object, got: str) -> ModelFileError:
    return ModelFileError(
        f"{name} isn't the model that was fused",
        where=where,
        got=got,
        expected="the entry and the file with which the model was fused",
        next_step="put the file back, or dvc repro",
    )
