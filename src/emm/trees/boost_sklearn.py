"""Boosting of one task with scikit-learn, which is imported when the first tree is trained."""

from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from emm.data.tables.schema import CLASSES, REGRESSION
from emm.nn.inputs import Inputs
from emm.trees.forest import CATEGORIES, TreeEnsemble, categorical_fields
from emm.trees.history import BoostingHistory, Iteration, log_loss, shown, squared_error
from emm.trees.settings import ScikitLearnSettings
from emm.trees.sklearn_trees import classifier_of_classes, from_sklearn
from emm.trees.task_rows import TaskRows


def boost(
    rows: TaskRows,
    held_out: TaskRows,
    inputs: Inputs,
    boosting: ScikitLearnSettings,
    seed: int,
    threads: int,
) -> tuple[TreeEnsemble, BoostingHistory]:
    """See `emm.trees.libraries.Library`."""
    estimator = _estimator(rows, inputs, boosting, seed)
    with threadpool_limits(threads, user_api="openmp"):
        estimator.fit(
            rows.columns, rows.labels, rows.weights, X_val=held_out.columns, y_val=held_out.labels
        )
    history = _history(estimator, rows)
    return from_sklearn(estimator, inputs, history.best_iteration, rows.outputs), history


def regrow(
    rows: TaskRows,
    inputs: Inputs,
    boosting: ScikitLearnSettings,
    rounds: int,
    seed: int,
    threads: int,
) -> TreeEnsemble:
    """See `emm.trees.libraries.Library`."""
    estimator = _estimator(rows, inputs, boosting, seed)
    estimator.set_params(early_stopping=False, max_iter=rounds)
    with threadpool_limits(threads, user_api="openmp"):
        estimator.fit(rows.columns, rows.labels, rows.weights)
    return from_sklearn(estimator, inputs, rounds, rows.outputs)


def _estimator(rows: TaskRows, inputs: Inputs, boosting: ScikitLearnSettings, seed: int) -> Any:
    """An estimator for the task of ``rows``; early stopping by the score that networks have."""
    from sklearn import ensemble

    settings: dict[str, Any] = {
        "learning_rate": boosting.learning_rate,
        "max_iter": boosting.max_iterations,
        "max_leaf_nodes": boosting.max_leaf_nodes,
        "min_samples_leaf": boosting.min_samples_leaf,
        "l2_regularization": boosting.l2_regularization,
        "max_bins": CATEGORIES,
        "categorical_features": [False] * inputs.dense + categorical_fields(inputs),
        "early_stopping": True,
        "n_iter_no_change": boosting.patience,
        "tol": 0.0,
        "random_state": seed,
    }
    if rows.kind == REGRESSION:
        return ensemble.HistGradientBoostingRegressor(scoring="r2", **settings)
    if rows.kind == CLASSES and len(np.unique(rows.labels)) > 2:
        return classifier_of_classes(**settings)
    return ensemble.HistGradientBoostingClassifier(scoring="roc_auc", **settings)


def _history(estimator: Any, rows: TaskRows) -> BoostingHistory:
    scores = estimator.validation_score_[1:]  # the first is that of the baseline without trees
    best, last = int(scores.argmax()) + 1, len(scores)
    numbers = set(shown(best, last))
    regression = rows.kind == REGRESSION
    stages = estimator.staged_predict if regression else estimator.staged_decision_function
    labels = rows.labels if regression else np.searchsorted(estimator.classes_, rows.labels)
    loss = squared_error if regression else log_loss
    iterations = tuple(
        Iteration(number, loss(outputs, labels), float(scores[number - 1]))
        for number, outputs in enumerate(stages(rows.columns), start=1)
        if number in numbers
    )
    return BoostingHistory(best, iterations)
