"""The members of a pool, trained on the half of train without joint rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import Tensor

from emm.data.tables.rows import RowTensors
from emm.regimes.boosting import boost, matrix
from emm.regimes.rows import Halves, Table
from emm.regimes.settings import Member, Pool
from emm.training.part_settings import Part, hidden_columns
from emm.training.parts import conditions_of, rows_of_part, without_columns
from emm.trees.forest import CATEGORIES

Predictor = Callable[[RowTensors], Tensor]
"""Rows -> logits [N] float64 of the regimes' task."""


@dataclass(frozen=True)
class Trained:
    """The trained members of a pool.

    Attributes:
        own: members of the regimes' task, by name.
        others: members of other tasks.
        routes: which rows are each member's, if all have rows of their own.
        last: the rows of the last prediction, and the prediction.
    """

    own: Mapping[str, Predictor]
    others: Mapping[str, Predictor]
    routes: Mapping[str, Callable[[RowTensors], Tensor]]
    last: dict[str, Any] = field(default_factory=dict)

    def logits(self, rows: RowTensors) -> Tensor:
        """Those of the task's members: [N, M, 1] float32."""
        return self._predictions(rows)[0]

    def other_logits(self, rows: RowTensors) -> Tensor:
        """Those of the other tasks' members: [N, Q] float32."""
        return self._predictions(rows)[1]

    def _predictions(self, rows: RowTensors) -> tuple[Tensor, Tensor]:
        """Both; those of the rows that were asked for last are kept, as every method asks."""
        if self.last.get("rows") is not rows:
            found = _stacked(self.own, rows).unsqueeze(2), _stacked(self.others, rows)
            self.last.update(rows=rows, found=found)
        kept: tuple[Tensor, Tensor] = self.last["found"]
        return kept


def train_members(table: Table, halves: Halves, pool: Pool, task: str) -> Trained:
    """Train all members of a pool on the members' half of train."""
    own, others = dict[str, Predictor](), dict[str, Predictor]()
    for number, (name, member) in enumerate(pool.members.items()):
        found = _train(table, halves, member, member.task or task, 100 * halves.draw + number)
        (own if member.task in (None, task) else others)[name] = found
    parts = pool.members.items() if pool.routed else ()
    routes = {n: conditions_of(each, table.schema, table.processed) for n, each in parts}
    return Trained(own, others, routes)


def _train(table: Table, halves: Halves, member: Member, task: str, seed: int) -> Predictor:
    number = table.schema.tasks.index(task)
    rows = _rows_of(table, halves, member, seed)
    part = Part(rows=member.rows)
    validation = rows_of_part(
        table.validation, part, table.schema, table.processed, "validation"
    ).in_memory(1, 0)
    hidden = hidden_columns(member, table.schema)
    seen, held_out = (without_columns(each.task(number), hidden) for each in (rows, validation))
    inputs = table.context.inputs
    if member.learner == "lightgbm":
        return boost(seen, inputs, held_out, seed)
    return _histogram(seen, inputs.cardinalities, inputs.dense, seed)


def _rows_of(table: Table, halves: Halves, member: Member, seed: int) -> RowTensors:
    rows = halves.members
    if member.half is not None:
        start = (len(rows) // 2) * (member.half - 1)
        order = torch.from_numpy(np.random.default_rng(halves.draw).permutation(len(rows)))
        rows = rows.rows(order[start : start + len(rows) // 2].sort().values)
    part = Part(rows=member.rows)
    rows = rows_of_part(rows, part, table.schema, table.processed, "train").in_memory(1, 0)
    if member.sample is not None:
        order = torch.from_numpy(np.random.default_rng(seed).permutation(len(rows)))
        rows = rows.rows(order[: member.sample].sort().values)
    return rows


def _histogram(
    rows: RowTensors, cardinalities: tuple[int, ...], dense: int, seed: int
) -> Predictor:
    """Scikit-learn's trees; a tenth of the rows chooses their number."""
    ensemble: Any = import_module("sklearn.ensemble")
    fields = [size <= CATEGORIES for size in cardinalities]
    found = ensemble.HistGradientBoostingClassifier(
        learning_rate=0.05,
        max_iter=500,
        categorical_features=[False] * dense + fields,
        early_stopping=True,
        n_iter_no_change=20,
        random_state=seed,
    )
    found.fit(matrix(rows, len(fields)), rows.labels[:, 0].numpy())
    return lambda new: torch.from_numpy(found.decision_function(matrix(new, len(fields))))


def _stacked(members: Mapping[str, Predictor], rows: RowTensors) -> Tensor:
    columns = [member(rows).float() for member in members.values()]
    return torch.stack(columns, dim=1) if columns else torch.zeros(len(rows), 0)
