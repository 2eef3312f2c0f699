"""The boosted correction in cross-validation: how many rounds, and what they add to each row."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from emm.fusion.stacking.residual import Boosting, as_trees, corrections
from emm.fusion.stacking.rows import TaskRows
from emm.nn.inputs import Inputs
from emm.trees.forest import TreeEnsemble

ROUNDS = 400
"""Most rounds of boosting; cross-validation chooses how many of them."""
PATIENCE = 25
"""Rounds without a lower loss after which boosting stops."""


@dataclass(frozen=True)
class Boosted:
    """Corrections that were boosted without each fold.

    Attributes:
        added: to the prediction of each row, by the booster without its fold: [N, C] float64.
        boosters: by fold.
        rounds: with the least loss over all rows.
    """

    added: Tensor
    boosters: Sequence[Any]
    rounds: int

    def trees(self, rows: TaskRows, inputs: Inputs) -> list[TreeEnsemble]:
        """Each booster's rounds as an ensemble."""
        return [as_trees(each, rows, inputs, self.rounds) for each in self.boosters]


def boosted(rows: TaskRows, inputs: Inputs, folds: Sequence[int], start: Tensor) -> Boosted:
    """Boost from the predictions ``start`` [N, C] on, all folds round by round.

    It stops once the loss of the rows that were left out, of all folds together, doesn't fall.
    """
    runs = []
    for fold in folds:
        inside = rows.folds == fold
        unseen = rows.at(inside), start[inside]
        runs.append((Boosting(rows.at(~inside), start[~inside], inputs, unseen), int(inside.sum())))
    best, lowest, number = 1, float("inf"), 0
    while number < min(ROUNDS, best + PATIENCE):
        number += 1
        loss = sum(run.round() * count for run, count in runs) / len(rows)
        if loss < lowest:
            best, lowest = number, loss
    added = start.clone()
    for fold, (run, _) in zip(folds, runs, strict=True):
        inside = rows.folds == fold
        added[inside] = corrections(run.booster, rows.at(inside), inputs, best)
    return Boosted(added, [run.booster for run, _ in runs], best)
