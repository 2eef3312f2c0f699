"""Boosting of one task with CatBoost, which is imported when the first tree is trained.

Prokhorenkova et al., "CatBoost: unbiased boosting with categorical features", NeurIPS 2018. Of its
two ideas, ordered boosting and target statistics of categories, neither is used here: fields of at
most 255 ids are compared with one id at a time, larger ones by their order. So its symmetric trees
read nothing but the row.
"""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from emm.core.errors import DataError
from emm.data.tables.schema import CLASSES, REGRESSION
from emm.nn.inputs import Inputs
from emm.trees.catboost_package import catboost_package
from emm.trees.catboost_trees import Columns, from_catboost
from emm.trees.forest import CATEGORIES, TreeEnsemble, categorical_fields
from emm.trees.history import Array, BoostingHistory, Iteration, shown
from emm.trees.settings import CatBoostSettings
from emm.trees.task_rows import TaskRows

LOSSES = {REGRESSION: "RMSE", CLASSES: "MultiClass"}
SCORES = {REGRESSION: "R2", CLASSES: "AUC:type=OneVsAll"}


def boost(
    rows: TaskRows,
    held_out: TaskRows,
    inputs: Inputs,
    boosting: CatBoostSettings,
    seed: int,
    threads: int,
) -> tuple[TreeEnsemble, BoostingHistory]:
    """See `emm.trees.libraries.Library`."""
    present, columns = _present(rows), _columns(inputs)
    rounds = _Rounds(boosting.patience, rows.kind, _classes_of(held_out, present))
    model = _model(rows, boosting, boosting.max_iterations, seed, threads)
    pool = _pool(rows, present, columns)
    _fit(model, pool, rows, eval_set=_pool(held_out, present, columns), callbacks=[rounds])
    history = rounds.history()
    return _trees(model, pool, rows, inputs, history.best_iteration), history


def regrow(
    rows: TaskRows,
    inputs: Inputs,
    boosting: CatBoostSettings,
    rounds: int,
    seed: int,
    threads: int,
) -> TreeEnsemble:
    """See `emm.trees.libraries.Library`."""
    model = _model(rows, boosting, rounds, seed, threads)
    pool = _pool(rows, _present(rows), _columns(inputs))
    _fit(model, pool, rows)
    return _trees(model, pool, rows, inputs, rounds)


@dataclass
class _Rounds:
    """Called after each round: the scores so far, and whether to go on.

    ``classes``: which numbers of CatBoost's classes occur among the held-out rows.
    """

    patience: int
    kind: str
    classes: tuple[int, ...]
    scores: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)

    def after_iteration(self, info: Any) -> bool:
        """CatBoost's callback; it stops at False."""
        learn, held_out = info.metrics["learn"], info.metrics["validation"]
        loss = learn[LOSSES.get(self.kind, "Logloss")][-1]
        self.losses.append(loss**2 if self.kind == REGRESSION else loss)
        if self.kind == CLASSES:
            found = [held_out[f"AUC:class={number}"][-1] for number in self.classes]
            self.scores.append(math.fsum(found) / len(found))
        else:
            self.scores.append(held_out[SCORES.get(self.kind, "AUC")][-1])
        return len(self.scores) - self.best < self.patience

    @property
    def best(self) -> int:
        """The first round with the best score."""
        return int(np.argmax(self.scores)) + 1

    def history(self) -> BoostingHistory:
        """The history of all rounds."""
        numbers = shown(self.best, len(self.scores))
        found = (Iteration(n, self.losses[n - 1], self.scores[n - 1]) for n in numbers)
        return BoostingHistory(self.best, tuple(found))


def _model(rows: TaskRows, boosting: CatBoostSettings, rounds: int, seed: int, threads: int) -> Any:
    several = rows.kind == CLASSES
    return catboost_package().CatBoost(
        {
            "loss_function": LOSSES.get(rows.kind, "Logloss"),
            "custom_metric": [SCORES.get(rows.kind, "AUC")],
            "iterations": rounds,
            "learning_rate": boosting.learning_rate,
            "depth": boosting.depth,
            "l2_leaf_reg": boosting.l2_regularization,
            "bootstrap_type": "Bernoulli",
            "subsample": boosting.rows_per_tree,
            "rsm": boosting.columns_per_split,
            "random_strength": boosting.random_strength,
            "one_hot_max_size": CATEGORIES,
            "boosting_type": "Plain",
            "grow_policy": "SymmetricTree",
            "max_ctr_complexity": 1,
            "use_best_model": False,
            "random_seed": seed,
            "thread_count": threads,
            "allow_writing_files": False,
            "logging_level": "Silent",
            **({} if several else {"boost_from_average": True}),
        }
    )


def _fit(model: Any, pool: Any, rows: TaskRows, **more: Any) -> None:
    if (rows.columns == rows.columns[:1]).all():
        raise DataError(
            "CatBoost can't fit trees: no column has two values",
            got=f"{len(rows.labels)} rows with the same values",
            expected="a column that tells rows apart",
            next_step="take the table's other columns in, or write `library: lightgbm`",
        )
    model.fit(pool, **more)


def _columns(inputs: Inputs) -> Columns:
    by_set = np.array([False] * inputs.dense + categorical_fields(inputs))
    return Columns(np.flatnonzero(~by_set), np.flatnonzero(by_set))


def _present(rows: TaskRows) -> Array:
    """The classes that occur, in order; [0] for a task of one output."""
    return np.unique(rows.labels) if rows.kind == CLASSES else np.zeros(1, dtype=np.int64)


def _classes_of(held_out: TaskRows, present: Array) -> tuple[int, ...]:
    return tuple(np.flatnonzero(np.isin(present, held_out.labels)).tolist())


def _pool(rows: TaskRows, present: Array, columns: Columns) -> Any:
    """The rows as CatBoost reads them: float32 numbers, and ids as text."""
    catboost = catboost_package()
    ids = rows.columns[:, columns.categories].astype(np.int64)
    words = np.array([b"%d" % number for number in range(CATEGORIES)], dtype=np.object_)
    features = catboost.FeaturesData(
        num_feature_data=rows.columns[:, columns.numbers].astype(np.float32)
        if len(columns.numbers)
        else None,
        cat_feature_data=words[ids] if len(columns.categories) else None,
    )
    labels = np.searchsorted(present, rows.labels) if rows.kind == CLASSES else rows.labels
    return catboost.Pool(features, labels, weight=rows.weights)


def _trees(model: Any, pool: Any, rows: TaskRows, inputs: Inputs, rounds: int) -> TreeEnsemble:
    """The first ``rounds`` rounds of trees; absent classes have the share of half a row."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "model.json")
        model.save_model(str(file), format="json", pool=pool)
        stored = json.loads(file.read_bytes())
    present = _present(rows)
    absent = math.log(len(present) * 0.5 / len(rows.labels))
    return from_catboost(stored, inputs, _columns(inputs), rounds, present, rows.outputs, absent)
