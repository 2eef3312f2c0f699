"""Boosting of one task with LightGBM, which is imported when the first tree is trained.

Ke et al., "LightGBM: A Highly Efficient Gradient Boosting Decision Tree", NeurIPS 2017. Fields of
at most 255 ids are categories, which it splits into two sets by the order of their smoothed mean
gradients (Fisher, "On Grouping for Maximum Homogeneity", JASA 1958).
"""

from pathlib import Path
from typing import Any

import numpy as np

from emm.data.tables.schema import CLASSES, REGRESSION
from emm.nn.inputs import Inputs
from emm.trees.forest import TreeEnsemble, categorical_fields
from emm.trees.history import (
    HISTORY_EVERY,
    Array,
    BoostingHistory,
    Iteration,
    score,
    shown,
    squared_error,
)
from emm.trees.native.files import Kind
from emm.trees.native.lightgbm_trees import parse_text
from emm.trees.native.processed import on_processed_columns
from emm.trees.settings import LightGBMSettings
from emm.trees.task_rows import TaskRows

OBJECTIVES = {REGRESSION: "regression", CLASSES: "multiclass"}
# A round without any split is tried again, as the next one may read other columns.
TRIES = 10
SMALLEST = np.finfo(np.float64).tiny


def boost(
    rows: TaskRows,
    held_out: TaskRows,
    inputs: Inputs,
    boosting: LightGBMSettings,
    seed: int,
    threads: int,
) -> tuple[TreeEnsemble, BoostingHistory]:
    """See `emm.trees.libraries.Library`."""
    import lightgbm

    train = _data_set(rows, inputs)
    booster = lightgbm.Booster(_parameters(rows, boosting, seed, threads), train)
    booster.add_valid(
        lightgbm.Dataset(held_out.columns, held_out.labels, reference=train), "validation"
    )
    found: dict[int, Iteration] = {}
    best, best_score, last = 0, -np.inf, 0
    while last - best < boosting.patience and last < boosting.max_iterations:
        if not _another_round(booster) and last:
            break
        last = booster.current_iteration()
        reached = _score(booster, held_out)
        if reached > best_score:
            best, best_score = last, reached
        if best == last or last % HISTORY_EVERY == 0:
            found[last] = Iteration(last, _loss(booster, rows), reached)
    found.setdefault(last, Iteration(last, _loss(booster, rows), reached))
    history = BoostingHistory(best, tuple(found[n] for n in shown(best, last) if n in found))
    return _trees(booster, rows, inputs, best), history


def regrow(
    rows: TaskRows,
    inputs: Inputs,
    boosting: LightGBMSettings,
    rounds: int,
    seed: int,
    threads: int,
) -> TreeEnsemble:
    """See `emm.trees.libraries.Library`; fewer rounds if nothing is left to split."""
    import lightgbm

    parameters = _parameters(rows, boosting, seed, threads)
    booster = lightgbm.Booster(parameters, _data_set(rows, inputs))
    while booster.current_iteration() < rounds and _another_round(booster):
        pass
    return _trees(booster, rows, inputs, rounds)


def _data_set(rows: TaskRows, inputs: Inputs) -> Any:
    import lightgbm

    by_set = [False] * inputs.dense + categorical_fields(inputs)
    return lightgbm.Dataset(
        rows.columns,
        rows.labels,
        weight=rows.weights,
        categorical_feature=np.flatnonzero(by_set).tolist(),
        params={"verbosity": -1},
    )


def _parameters(
    rows: TaskRows, boosting: LightGBMSettings, seed: int, threads: int
) -> dict[str, Any]:
    bagging = boosting.rows_per_tree < 1
    return {
        "objective": OBJECTIVES.get(rows.kind, "binary"),
        "num_class": rows.outputs,
        "metric": "None",
        "learning_rate": boosting.learning_rate,
        "num_leaves": boosting.max_leaf_nodes,
        "min_data_in_leaf": boosting.min_samples_leaf,
        "lambda_l2": boosting.l2_regularization,
        "feature_fraction": boosting.columns_per_tree,
        "bagging_fraction": boosting.rows_per_tree,
        "bagging_freq": int(bagging),
        "cat_smooth": boosting.category_smoothing,
        "cat_l2": boosting.category_l2,
        "min_data_per_group": boosting.min_samples_category,
        "seed": seed,
        "num_threads": threads,
        "deterministic": True,
        "force_col_wise": True,
        "verbosity": -1,
    }


def _another_round(booster: Any) -> bool:
    """Whether a round of trees could be added."""
    return any(not booster.update() for _ in range(TRIES))


def _score(booster: Any, held_out: TaskRows) -> float:
    def score_of(outputs: Array, _data: Any) -> tuple[str, float, bool]:
        # Probabilities; their logarithms are logits of several classes.
        several = held_out.kind == CLASSES
        outputs = np.log(np.maximum(outputs, SMALLEST)) if several else outputs
        return "score", score(np.ascontiguousarray(outputs), held_out.labels, held_out.kind), True

    ((_, _, found, _),) = booster.eval_valid(score_of)
    return float(found)


def _loss(booster: Any, rows: TaskRows) -> float:
    """The mean train loss after the last round."""

    def loss_of(outputs: Array, _data: Any) -> tuple[str, float, bool]:
        if rows.kind == REGRESSION:
            return "loss", squared_error(outputs, rows.labels), False
        if rows.kind == CLASSES:
            own = np.take_along_axis(outputs, rows.labels[:, None], axis=1)
        else:
            own = np.where(rows.labels == 1, outputs, 1 - outputs)
        return "loss", -float(np.log(np.maximum(own, SMALLEST)).mean()), False

    ((_, _, found, _),) = booster.eval_train(loss_of)
    return float(found)


def _trees(booster: Any, rows: TaskRows, inputs: Inputs, rounds: int) -> TreeEnsemble:
    """The first ``rounds`` rounds of trees."""
    columns = [f"Column_{number}" for number in range(rows.columns.shape[1])]
    written = booster.model_to_string(num_iteration=rounds)
    kind: Kind = "regression" if rows.kind == REGRESSION else "classifier"
    native = parse_text(Path("LightGBM"), written, rows.outputs, kind)
    trees = on_processed_columns(native, inputs, columns, columns)
    if rows.kind == CLASSES:
        _without_absent_classes(trees, rows)
    return trees


def _without_absent_classes(trees: TreeEnsemble, rows: TaskRows) -> None:
    """A class that doesn't occur in training has the share of half a row, and no trees.

    LightGBM gives it a probability of 1e-15.
    """
    for number in set(range(rows.outputs)) - set(np.unique(rows.labels).tolist()):
        starts = trees.starts[number :: trees.outputs]
        trees.value[starts] = 0.0  # the only node of each of its trees
        trees.baseline[number] = float(np.log(0.5 / len(rows.labels)))
