"""What tests read of boosted trees and their histories."""

from torch import Tensor

from emm.data.tables.rows import RowTensors
from emm.trees.gbdt import GradientBoosting
from emm.trees.history import BoostingHistory, Iteration

Trained = tuple[GradientBoosting, list[BoostingHistory]]


def outputs(model: GradientBoosting, rows: RowTensors) -> Tensor:
    return model.decision(rows.dense, rows.sparse)


def best(history: BoostingHistory) -> Iteration:
    (found,) = (each for each in history.iterations if each.iteration == history.best_iteration)
    return found
