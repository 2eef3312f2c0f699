"""The rows of the regimes: two halves of train, and joint rows drawn from the second."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from emm.data.tables.folds import folds_of
from emm.data.tables.memory import open_splits
from emm.data.tables.rows import RowTensors
from emm.data.tables.schema import Schema
from emm.training.context import TrainingContext, open_context
from emm.training.settings import TrainingSettings

VALIDATION_ROWS = 10_000
"""Rows of validation, at most, that choose the members' rounds and the networks' epochs."""

FEWEST_GROUPS = 100
"""Of fewer groups of rows, such as a few days, halves and small draws could not be made: then each
row is on its own."""


@dataclass(frozen=True)
class Halves:
    """One division of train: ``members`` learn on the first half, ``joint`` is the second."""

    members: RowTensors
    joint: RowTensors
    draw: int

    def draw_joint(self, rows: int) -> RowTensors:
        """So many joint rows: those of smaller numbers are among those of larger ones."""
        order = torch.from_numpy(np.random.default_rng(self.draw).permutation(len(self.joint)))
        return self.joint.rows(order[:rows].sort().values)


@dataclass(frozen=True)
class Table:
    """Train and a part of validation, in memory."""

    context: TrainingContext
    train: RowTensors
    validation: RowTensors
    processed: Path

    @property
    def schema(self) -> Schema:
        return self.context.schema

    def halves(self, draw: int) -> Halves:
        """Rows of a group are in the same half."""
        first = folds_of(self.train, 2, draw) == 0
        own, joint = (self.train.rows(mask.nonzero().squeeze(1)) for mask in (first, ~first))
        return Halves(own, joint, draw)


def open_table(processed: Path) -> Table:
    """Open train and validation, never test."""
    context = open_context(processed, "default", TrainingSettings(device="cpu"))
    train, validation = (rows.in_memory(1, 0) for rows in (context.train, context.validation))
    groups = train.groups
    if groups is not None and len(torch.unique(groups)) < FEWEST_GROUPS:
        train = replace(train, groups=None)
    chosen = spread(len(validation), VALIDATION_ROWS)
    return Table(context, train, validation.rows(chosen), processed)


def open_test(table: Table) -> RowTensors:
    """Open test, once everything is fitted."""
    device = torch.device("cpu")
    return open_splits(table.processed, ("test",), table.schema, device)["test"].in_memory(1, 0)


def open_labels(processed: Path, schema: Schema, task: str) -> Tensor:
    """The labels of the labelled rows of test, [N]."""
    test = open_splits(processed, ("test",), schema, torch.device("cpu"))["test"]
    return test.task(schema.tasks.index(task)).labels[:, 0].float()


def spread(rows: int, most: int) -> Tensor:
    """The numbers of at most so many of the rows, spread evenly: [N]."""
    return torch.linspace(0, rows - 1, min(rows, most), dtype=torch.float64).round().long()


def of_task(rows: RowTensors, schema: Schema, task: str) -> RowTensors:
    """The labelled rows of one task, with its labels only."""
    return rows.task(schema.tasks.index(task))
