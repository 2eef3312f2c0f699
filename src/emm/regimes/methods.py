"""What is compared: fusions of a pool's members, and models trained on the joint rows only.

All learn on the same joint rows; the folds of the fusion are those of the bagged trees.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import Tensor

from emm.data.tables.folds import folds_of
from emm.data.tables.rows import RowTensors
from emm.data.tables.schema import BINARY
from emm.fusion.settings import StackingSettings
from emm.fusion.stacking.fits import predictions
from emm.fusion.stacking.ladder import Stack, stack
from emm.fusion.stacking.residual import logit_columns
from emm.fusion.stacking.rows import TaskRows
from emm.metrics.ranking import auc
from emm.regimes.boosting import boost_folds, boost_rounds
from emm.regimes.members import Predictor, Trained
from emm.regimes.networks import Network, train_network
from emm.regimes.rows import Table, of_task

FUSIONS = ("emm", "average", "logistic", "best", "routing")
FROM_SCRATCH = ("trees", "bagged_trees", "mmoe", "shared_bottom")


@dataclass(frozen=True)
class Joint:
    """The joint rows of one draw, and what the members predict for them.

    Attributes:
        rows: with the labels of all tasks.
        own: the labelled rows of the regimes' task.
        folds: number of the fold of each row of ``own``.
    """

    table: Table
    rows: RowTensors
    own: RowTensors
    folds: Tensor
    task: str
    seed: int


def joint_of(table: Table, rows: RowTensors, task: str, folds: int, seed: int) -> Joint:
    """The joint rows of a draw, with folds that keep groups of rows together."""
    own = of_task(rows, table.schema, task)
    return Joint(table, rows, own, folds_of(own, folds, seed), task, seed)


def fit_fusions(joint: Joint, pool: Trained) -> tuple[dict[str, Predictor], Stack]:
    """Fit each of FUSIONS; routing only if the pool has groups. Returns the steps of EMM, too."""
    logits, others = pool.logits(joint.own), pool.other_logits(joint.own)
    labels = joint.own.labels[:, 0].float()
    settings = StackingSettings(other_tasks=bool(others.shape[1]))
    rows = task_rows(joint.own, logits, others, joint.folds)
    found = stack(rows, joint.table.context.inputs, settings)
    fitted: dict[str, Predictor] = {
        "emm": _Stacked(pool, found),
        "average": lambda new: pool.logits(new).double().mean(1)[:, 0],
        "logistic": _logistic(pool, torch.cat([logits[:, :, 0], others], 1), labels),
        "best": _best(pool, logits, labels),
    }
    if pool.routes:
        fitted["routing"] = lambda new: _routed(pool, new)
    return fitted, found


def fit_from_scratch(joint: Joint) -> dict[str, Predictor]:
    """Fit each of FROM_SCRATCH."""
    inputs = joint.table.context.inputs
    bagged = boost_folds(joint.own, inputs, joint.folds, joint.seed)
    place = joint.table.schema.tasks.index(joint.task)

    def network(name: str) -> Network:
        return Network(train_network(joint.table, name, joint.rows, joint.seed), place)

    return {
        "trees": boost_rounds(joint.own, inputs, bagged.rounds, joint.seed),
        "bagged_trees": bagged,
        "mmoe": network("mmoe"),
        "shared_bottom": network("shared_bottom"),
    }


def task_rows(rows: RowTensors, logits: Tensor, others: Tensor, folds: Tensor) -> TaskRows:
    """The rows of one binary task as stacking reads them."""
    groups = torch.arange(len(rows)) if rows.groups is None else rows.groups.long()
    labels = rows.labels[:, 0].float()
    return TaskRows(logits, rows.dense, rows.sparse, others, labels, BINARY, folds, groups)


@dataclass(frozen=True)
class _Stacked:
    """EMM as a predictor."""

    pool: Trained
    stack: Stack

    def __call__(self, rows: RowTensors) -> Tensor:
        logits, others = self.pool.logits(rows), self.pool.other_logits(rows)
        folds = torch.zeros(len(rows), dtype=torch.int64)
        own = task_rows(rows, logits, others, folds).joined()
        found = predictions(self.stack.combination, own)[:, 0]
        if self.stack.residual is not None:
            columns = torch.cat([rows.dense, logit_columns(own.logits, own.others)], 1)
            found = found + self.stack.residual.decision(columns, rows.sparse)  # [N]
        return found


def _logistic(pool: Trained, logits: Tensor, labels: Tensor) -> Predictor:
    """Stacking by scikit-learn's logistic regression on all members' logits [N, M]."""
    linear: Any = import_module("sklearn.linear_model")
    found = linear.LogisticRegression(max_iter=1000).fit(logits.numpy(), labels.numpy())

    def predict(new: RowTensors) -> Tensor:
        columns = torch.cat([pool.logits(new)[:, :, 0], pool.other_logits(new)], 1)
        return torch.from_numpy(found.decision_function(columns.numpy()))

    return predict


def _best(pool: Trained, logits: Tensor, labels: Tensor) -> Predictor:
    """The member with the highest AUC on the joint rows."""
    scores = [auc(logits[:, number, 0], labels) for number in range(logits.shape[1])]
    return [*pool.own.values()][int(np.argmax(scores))]


def _routed(pool: Trained, rows: RowTensors) -> Tensor:
    """Each row by the member of its group, and by the average where it has none."""
    logits = pool.logits(rows)[:, :, 0].double()
    mine = torch.stack([pool.routes[name](rows) for name in pool.own], dim=1).double()
    count = mine.sum(1)
    return torch.where(count > 0, (logits * mine).sum(1) / count.clamp(min=1), logits.mean(1))
