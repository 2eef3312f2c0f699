"""Boosted trees of the regimes, by LightGBM: one model, and models bagged over folds."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emm.data.tables.rows import RowTensors
from emm.nn.inputs import Inputs
from emm.trees.forest import CATEGORIES

ROUNDS, PATIENCE = 250, 20
"""Of members; the loss on validation stops them earlier."""
SCRATCH_ROUNDS, SCRATCH_PATIENCE = 500, 30
"""Of trees from scratch, which the folds left out stop earlier."""
SETTINGS: dict[str, Any] = {
    "objective": "binary",
    "learning_rate": 0.05,
    "num_leaves": 31,
    "feature_fraction": 0.4,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "cat_smooth": 50.0,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}
"""Ordinary settings, the same for members and for trees from scratch."""


@dataclass(frozen=True)
class Boosters:
    """The mean of several boosters' logits, each of its first ``rounds``."""

    boosters: Sequence[Any]
    rounds: int
    fields: int

    def __call__(self, rows: RowTensors) -> Tensor:
        """Logits [N] float64."""
        columns = matrix(rows, self.fields)
        parts = [
            each.predict(columns, raw_score=True, num_iteration=self.rounds)
            for each in self.boosters
        ]
        return torch.from_numpy(np.mean(parts, axis=0))


def boost(rows: RowTensors, inputs: Inputs, validation: RowTensors, seed: int) -> Boosters:
    """Trees on the rows of one task, as many as the loss on ``validation`` prefers."""
    lightgbm: Any = import_module("lightgbm")
    own = _dataset(lightgbm, rows, inputs)
    held_out = _dataset(lightgbm, validation, inputs, own)
    stop = lightgbm.early_stopping(PATIENCE, verbose=False)
    booster = lightgbm.train(_settings(seed), own, ROUNDS, valid_sets=[held_out], callbacks=[stop])
    return Boosters([booster], max(booster.best_iteration, 1), len(inputs.cardinalities))


def boost_rounds(rows: RowTensors, inputs: Inputs, rounds: int, seed: int) -> Boosters:
    """So many trees on the rows of one task."""
    lightgbm: Any = import_module("lightgbm")
    booster = lightgbm.train(_settings(seed), _dataset(lightgbm, rows, inputs), rounds)
    return Boosters([booster], rounds, len(inputs.cardinalities))


def boost_folds(rows: RowTensors, inputs: Inputs, folds: Tensor, seed: int) -> Boosters:
    """A booster without each fold; the folds left out choose how many rounds all of them have."""
    lightgbm: Any = import_module("lightgbm")
    boosters, losses = [], []
    for fold in range(int(folds.max()) + 1):
        inside = folds == fold
        seen, unseen = (rows.rows(mask.nonzero().squeeze(1)) for mask in (~inside, inside))
        record: dict[str, Any] = {}
        own = _dataset(lightgbm, seen, inputs)
        held_out = _dataset(lightgbm, unseen, inputs, own)
        callbacks = [lightgbm.record_evaluation(record)]
        stop = lightgbm.early_stopping(SCRATCH_PATIENCE, verbose=False)
        boosters.append(
            lightgbm.train(
                _settings(seed),
                own,
                SCRATCH_ROUNDS,
                valid_sets=[held_out],
                callbacks=[*callbacks, stop],
            )
        )
        losses.append((int(inside.sum()), record["valid_0"]["binary_logloss"]))
    return Boosters(boosters, _best(losses), len(inputs.cardinalities))


def matrix(rows: RowTensors, fields: int) -> NDArray[np.float32]:
    """Dense features, then ids: [N, D + F]; bags aren't read."""
    return torch.cat([rows.dense, rows.sparse[:, :fields].float()], dim=1).cpu().numpy()


def _best(losses: Sequence[tuple[int, Sequence[float]]]) -> int:
    """The number of rounds with the least mean loss, of those that all folds reached."""
    shortest = min(len(each) for _, each in losses)
    sums = np.sum([count * np.asarray(each[:shortest]) for count, each in losses], axis=0)
    return int(sums.argmin()) + 1


def _settings(seed: int) -> dict[str, Any]:
    return {**SETTINGS, "seed": seed, "num_threads": torch.get_num_threads()}


def _dataset(lightgbm: Any, rows: RowTensors, inputs: Inputs, like: Any = None) -> Any:
    sizes = enumerate(inputs.cardinalities, start=inputs.dense)
    return lightgbm.Dataset(
        matrix(rows, len(inputs.cardinalities)),
        rows.labels[:, 0].cpu().numpy(),
        categorical_feature=[place for place, size in sizes if size <= CATEGORIES],
        reference=like,
    )
