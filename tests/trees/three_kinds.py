"""Rows of a binary task, one of three classes, and a regression, for tests of boosting."""

import numpy as np
import torch

from emm.data.tables.rows import RowTensors
from emm.data.tables.schema import BINARY, CLASSES, REGRESSION
from emm.metrics.classes import macro_auc
from emm.metrics.ranking import auc
from emm.metrics.regression import r_squared
from emm.nn.inputs import Inputs
from emm.trees.gbdt import GradientBoosting

INPUTS = Inputs(dense=2, cardinalities=(6, 200, 400))
KINDS = (BINARY, CLASSES, REGRESSION)
OUTPUTS = (1, 3, 1)
SCORES = {BINARY: auc, CLASSES: macro_auc, REGRESSION: r_squared}


def make_rows(rows: int, seed: int, ids: tuple[int, int, int] = (5, 150, 300)) -> RowTensors:
    """``ids``: how many of each field occur, fewer than it has."""
    generator = torch.Generator().manual_seed(seed)
    dense = torch.rand(rows, 2, generator=generator)
    sparse = torch.stack([torch.randint(n, (rows,), generator=generator) for n in ids], dim=1)
    value = dense[:, 0] * 3 + sparse[:, 0] % 2 + (sparse[:, 1] % 7) / 4 + sparse[:, 2] / 150
    value = value + torch.randn(rows, generator=generator)
    labels = torch.stack(
        [(value > 4).float(), torch.bucketize(value, torch.tensor([3.0, 5.0])).float(), value],
        dim=1,
    )
    return RowTensors(dense, sparse.int(), labels, outputs=OUTPUTS, kinds=KINDS)


TRAIN, VALIDATION = make_rows(900, 0), make_rows(400, 1)
UNSEEN = make_rows(300, 2, ids=(6, 200, 400))


def columns(rows: RowTensors) -> np.ndarray:
    return np.concatenate([rows.dense.double().numpy(), rows.sparse.double().numpy()], axis=1)


def losses(model: GradientBoosting, rows: RowTensors) -> list[float]:
    """Log losses of the first two tasks, and the squared error of the third."""
    outputs = [each.decision(rows.dense, rows.sparse) for each in model.ensembles]
    labels = rows.labels.double()
    functional = torch.nn.functional
    found = [
        functional.binary_cross_entropy_with_logits(outputs[0], labels[:, 0]),
        functional.cross_entropy(outputs[1], labels[:, 1].long()),
        functional.mse_loss(outputs[2], labels[:, 2]),
    ]
    return [float(each) for each in found]


def columns_of_splits(model: GradientBoosting) -> tuple[set[int], set[int]]:
    """The columns that are split by sets of ids, and by thresholds."""
    by_set: set[int] = set()
    by_order: set[int] = set()
    for ensemble in model.ensembles:
        inner = ensemble.left != torch.arange(len(ensemble.left))
        by_set.update(ensemble.column[inner & (ensemble.bitset >= 0)].tolist())
        by_order.update(ensemble.column[inner & (ensemble.bitset < 0)].tolist())
    return by_set, by_order


def same(left: GradientBoosting, right: GradientBoosting) -> bool:
    pairs = zip(left.buffers(), right.buffers(), strict=True)
    return left.arguments() == right.arguments() and all(torch.equal(a, b) for a, b in pairs)
