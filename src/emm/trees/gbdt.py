"""Gradient-boosted trees, one ensemble per task: a common alternative to networks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from emm.core.errors import DataError, ModelFileError
from emm.core.progress import Report
from emm.data.tables.rows import RowTensors
from emm.nn.inputs import Inputs
from emm.trees.forest import CATEGORIES, TreeEnsemble, categorical_fields
from emm.trees.settings import BoostingSettings
from emm.trees.sklearn_trees import from_sklearn

HISTORY_EVERY = 10
Array = NDArray[Any]


@dataclass(frozen=True)
class Iteration:
    """Mean train loss and validation score of the first ``iteration`` trees.

    Log loss in nats and AUC for a binary task; squared error and R squared for a regression task.
    """

    iteration: int
    train_loss: float
    score: float


@dataclass(frozen=True)
class BoostingHistory:
    """History of one task: the number of trees kept, every tenth iteration, the best, the last."""

    best_iteration: int
    iterations: tuple[Iteration, ...]


class GradientBoosting(nn.Module):
    """One tree ensemble per task: y_t = baseline_t + sum of t's trees.

    ``ensembles``: sizes of the ensemble of each task (trees, nodes, bitsets, depth), so that a
    stored model can be built empty and loaded. Raises ModelFileError unless there is one per task.
    Friedman, "Greedy Function Approximation: A Gradient Boosting Machine", Annals of Statistics
    2001, algorithms 5 (binary) and 2 (regression), with second-order leaf values.
    """

    def __init__(
        self, inputs: Inputs, tasks: int, *, ensembles: Sequence[Mapping[str, int]]
    ) -> None:
        super().__init__()
        _check_count(tasks, len(ensembles))
        self.ensembles = nn.ModuleList(TreeEnsemble(inputs, **sizes) for sizes in ensembles)

    def arguments(self) -> dict[str, list[dict[str, int]]]:
        """Arguments of the constructor besides inputs and tasks, as plain JSON."""
        return {"ensembles": [ensemble.sizes() for ensemble in self._ensembles()]}

    def decision(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """Outputs in full precision: dense [B, D], sparse [B, F] -> [B, T] float64."""
        decisions = [ensemble.decision(dense, sparse) for ensemble in self._ensembles()]
        return torch.stack(decisions, dim=1)

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """dense [B, D], sparse [B, F] -> logits [B, T] float32."""
        return self.decision(dense, sparse).to(torch.float32)

    def _ensembles(self) -> Iterator[TreeEnsemble]:
        return (module for module in self.ensembles if isinstance(module, TreeEnsemble))


def fit(
    train: RowTensors,
    validation: RowTensors,
    inputs: Inputs,
    boosting: BoostingSettings,
    *,
    seed: int,
    report: Report | None = None,
) -> tuple[GradientBoosting, list[BoostingHistory]]:
    """Boost one ensemble per task on ``train``; ``validation`` determines the number of trees.

    A binary task minimises the log loss and is scored by the AUC. A regression task minimises the
    squared error and is scored by R squared; the sum of its trees is the prediction. Boosting stops
    after ``patience`` trees without a better validation score, as networks do, and keeps the trees
    up to the first best score. Fields of at most 255 ids are split by sets of ids. Larger fields
    are split by the order of their ids, which are numbered by falling frequency from 1, with 0 for
    unknown and rare ones. The same input and ``seed`` give the same bytes. ``report`` is called
    after each task.
    Raises DataError if the labels of a task are all equal in either split.
    """
    _check_labels(train, "train")
    _check_labels(validation, "validation")
    fields = len(inputs.cardinalities)
    columns, held_out = _columns(train, fields), _columns(validation, fields)
    sets_of_ids = [False] * inputs.dense + categorical_fields(inputs)
    ensembles, histories = [], []
    for task, kind in enumerate(_kinds(train)):
        labels, held_out_labels = (_labels(rows, task, kind) for rows in (train, validation))
        estimator = _estimator(boosting, sets_of_ids, seed, kind)
        estimator.fit(columns, labels, _weights(train), X_val=held_out, y_val=held_out_labels)
        histories.append(_history(estimator, columns, labels, kind))
        ensembles.append(from_sklearn(estimator, inputs, histories[-1].best_iteration))
        if report:
            report(task + 1, f"{histories[-1].best_iteration} trees")
    return _assemble(inputs, ensembles), histories


def grow(
    train: RowTensors,
    inputs: Inputs,
    boosting: BoostingSettings,
    iterations: Sequence[int],
    *,
    seed: int,
) -> GradientBoosting:
    """Boost a fixed number of ``iterations`` for each task, without validation rows.

    Raises DataError if the labels of a task are all equal.
    """
    _check_labels(train, "train")
    columns = _columns(train, len(inputs.cardinalities))
    sets_of_ids = [False] * inputs.dense + categorical_fields(inputs)
    ensembles = []
    for task, (kind, count) in enumerate(zip(_kinds(train), iterations, strict=True)):
        estimator = _estimator(boosting, sets_of_ids, seed, kind)
        estimator.set_params(early_stopping=False, max_iter=count)
        estimator.fit(columns, _labels(train, task, kind), _weights(train))
        ensembles.append(from_sklearn(estimator, inputs, count))
    return _assemble(inputs, ensembles)


def _estimator(boosting: BoostingSettings, sets_of_ids: list[bool], seed: int, kind: str) -> Any:
    # Imported here: it takes a second, and stored models are used and described without it.
    from sklearn import ensemble

    regression = kind == "regression"
    family: Any = (
        ensemble.HistGradientBoostingRegressor
        if regression
        else ensemble.HistGradientBoostingClassifier
    )
    return family(
        learning_rate=boosting.learning_rate,
        max_iter=boosting.max_iterations,
        max_leaf_nodes=boosting.max_leaf_nodes,
        min_samples_leaf=boosting.min_samples_leaf,
        l2_regularization=boosting.l2_regularization,
        max_bins=CATEGORIES,
        categorical_features=sets_of_ids,
        early_stopping=True,
        scoring="r2" if regression else "roc_auc",
        n_iter_no_change=boosting.patience,
        tol=0.0,
        random_state=seed,
    )


def _kinds(rows: RowTensors) -> tuple[str, ...]:
    return rows.kinds or ("binary",) * rows.labels.shape[1]


def _columns(rows: RowTensors, fields: int) -> Array:
    """Dense features, then ids: [N, D + F] float64, the type that scikit-learn computes in."""
    # Trees don't read bags, whose column follows the fields.
    dense, sparse = rows.dense.cpu().numpy(), rows.sparse[:, :fields].cpu().numpy()
    return np.concatenate([dense.astype(np.float64), sparse.astype(np.float64)], axis=1)


def _labels(rows: RowTensors, task: int, kind: str) -> Array:
    labels: Array = rows.labels[:, task].cpu().numpy()
    return labels.astype(np.float64) if kind == "regression" else labels.astype(np.uint8)


def _weights(rows: RowTensors) -> Array | None:
    return None if rows.weights is None else rows.weights.cpu().numpy()


def _history(estimator: Any, columns: Array, labels: Array, kind: str) -> BoostingHistory:
    scores = estimator.validation_score_[1:]  # the first is that of the baseline without trees
    best, last = int(scores.argmax()) + 1, len(scores)
    shown = {best, last, *range(HISTORY_EVERY, last, HISTORY_EVERY)}
    regression = kind == "regression"
    stages = estimator.staged_predict if regression else estimator.staged_decision_function
    loss = _squared_error if regression else _log_loss
    iterations = tuple(
        Iteration(number, loss(outputs, labels), float(scores[number - 1]))
        for number, outputs in enumerate(stages(columns), start=1)
        if number in shown
    )
    return BoostingHistory(best, iterations)


def _log_loss(logits: Array, labels: Array) -> float:
    return float((np.logaddexp(0, logits) - labels * logits).mean())


def _squared_error(predictions: Array, labels: Array) -> float:
    return float(np.square(predictions - labels).mean())


def _assemble(inputs: Inputs, ensembles: Sequence[TreeEnsemble]) -> GradientBoosting:
    sizes = [ensemble.sizes() for ensemble in ensembles]
    model = GradientBoosting(inputs, len(ensembles), ensembles=sizes)
    for empty, full in zip(model.ensembles, ensembles, strict=True):
        empty.load_state_dict(full.state_dict())
    return model.eval()


def _check_labels(rows: RowTensors, split: str) -> None:
    for task, kind in enumerate(_kinds(rows)):
        labels = rows.labels[:, task]
        if not bool((labels != labels[:1]).any()):
            raise DataError(
                "trees can't be fitted: all labels are equal",
                where=f"task {task} in {split}",
                got=f"{len(rows)} rows with the same label",
                expected="at least two values" if kind == "regression" else "rows of both classes",
                next_step="see the labels of each split in the output of the stage check-data",
            )


def _check_count(tasks: int, ensembles: int) -> None:
    if tasks != ensembles:
        raise ModelFileError(
            "a boosted model needs one tree ensemble per task",
            got=f"{ensembles} ensembles",
            expected=f"{tasks}, one per task",
            next_step="dvc checkout to restore the model, or dvc repro to train it again",
        )
