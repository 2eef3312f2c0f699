"""Gradient-boosted trees, one ensemble per task: a common alternative to networks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from emm.core.errors import ModelFileError
from emm.core.progress import Report
from emm.data.tables.rows import RowTensors
from emm.data.tables.schema import REGRESSION
from emm.nn.inputs import Inputs
from emm.trees.estimators import TaskRows, estimator_of, of_known_classes, rows_by_task
from emm.trees.forest import TreeEnsemble
from emm.trees.settings import BoostingSettings
from emm.trees.sklearn_trees import from_sklearn

HISTORY_EVERY = 10
Array = NDArray[Any]


@dataclass(frozen=True)
class Iteration:
    """Mean train loss and validation score after ``iteration`` rounds.

    Log loss in nats and AUC for a binary task, or for one of classes the mean of the one-vs-rest
    AUCs; squared error and R squared for a regression task.
    """

    iteration: int
    train_loss: float
    score: float


@dataclass(frozen=True)
class BoostingHistory:
    """History of one task: the number of rounds kept, every tenth, the best, the last."""

    best_iteration: int
    iterations: tuple[Iteration, ...]


class GradientBoosting(nn.Module):
    """One tree ensemble per task: y_t = baseline_t + sum of t's trees.

    ``ensembles``: arguments of the `TreeEnsemble` of each task, so that a stored model can be built
    empty and loaded. Raises ModelFileError unless there is one per task.
    Friedman, "Greedy Function Approximation: A Gradient Boosting Machine", Annals of Statistics
    2001, algorithms 5 (binary), 6 (classes) and 2 (regression), with second-order leaf values.
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
        """Outputs in full precision: dense [B, D], sparse [B, F] -> [B, O] float64."""
        decisions = [
            ensemble.decision(dense, sparse).view(dense.shape[0], ensemble.outputs)
            for ensemble in self._ensembles()
        ]
        return torch.cat(decisions, dim=1)

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """dense [B, D], sparse [B, F] -> logits [B, O] float32."""
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
    positive_weights: Sequence[float] = (),
    tasks: Sequence[str] = (),
) -> tuple[GradientBoosting, list[BoostingHistory]]:
    """Boost one ensemble per task on ``train``; ``validation`` determines the number of rounds.

    A binary task minimises the log loss and is scored by the AUC. A task of classes minimises the
    log loss of the softmax, with one tree per class and round, and is scored by the mean of the
    one-vs-rest AUCs. A regression task minimises the squared error and is scored by R squared; the
    sum of its trees is the prediction. Each task uses the rows that have its label.

    Boosting stops after ``patience`` rounds without a better validation score, as networks do, and
    keeps the trees up to the first best score. Fields of at most 255 ids are split by sets of ids.
    Larger fields are split by the order of their ids, which are numbered by falling frequency from
    1, with 0 for unknown and rare ones. The same input and ``seed`` give the same bytes.

    ``positive_weights``: factor of the loss of each task's positive rows, () if all are 1.
    ``report`` is called after each task; ``tasks``: their names in errors.
    Raises DataError if the labels of a task are all equal in either split.
    """
    fields = len(inputs.cardinalities)
    splits = zip(
        rows_by_task(train, "train", fields, positive_weights, tasks),
        rows_by_task(validation, "validation", fields, (), tasks),
        strict=True,
    )
    ensembles, histories = [], []
    for task, (rows, held_out) in enumerate(splits):
        scored = of_known_classes(held_out, rows)
        estimator = estimator_of(rows, inputs, boosting, seed)
        estimator.fit(
            rows.columns, rows.labels, rows.weights, X_val=scored.columns, y_val=scored.labels
        )
        history = _history(estimator, rows)
        histories.append(history)
        ensembles.append(from_sklearn(estimator, inputs, history.best_iteration, rows.outputs))
        if report:
            report(task + 1, f"{history.best_iteration} rounds")
    return _assemble(inputs, ensembles), histories


def grow(
    train: RowTensors,
    inputs: Inputs,
    boosting: BoostingSettings,
    iterations: Sequence[int],
    *,
    seed: int,
    positive_weights: Sequence[float] = (),
    tasks: Sequence[str] = (),
) -> GradientBoosting:
    """Boost a fixed number of ``iterations`` for each task, without validation rows.

    Raises DataError if the labels of a task are all equal.
    """
    own = rows_by_task(train, "train", len(inputs.cardinalities), positive_weights, tasks)
    ensembles = []
    for rows, count in zip(own, iterations, strict=True):
        estimator = estimator_of(rows, inputs, boosting, seed)
        estimator.set_params(early_stopping=False, max_iter=count)
        estimator.fit(rows.columns, rows.labels, rows.weights)
        ensembles.append(from_sklearn(estimator, inputs, count, rows.outputs))
    return _assemble(inputs, ensembles)


def _history(estimator: Any, rows: TaskRows) -> BoostingHistory:
    scores = estimator.validation_score_[1:]  # the first is that of the baseline without trees
    best, last = int(scores.argmax()) + 1, len(scores)
    shown = {best, last, *range(HISTORY_EVERY, last, HISTORY_EVERY)}
    regression = rows.kind == REGRESSION
    stages = estimator.staged_predict if regression else estimator.staged_decision_function
    labels = rows.labels if regression else np.searchsorted(estimator.classes_, rows.labels)
    loss = _squared_error if regression else _log_loss
    iterations = tuple(
        Iteration(number, loss(outputs, labels), float(scores[number - 1]))
        for number, outputs in enumerate(stages(rows.columns), start=1)
        if number in shown
    )
    return BoostingHistory(best, iterations)


def _log_loss(logits: Array, labels: Array) -> float:
    """Mean log loss: logits [N], or [N, C] of several classes; labels [N], numbers from 0."""
    if logits.ndim == 1:
        return float((np.logaddexp(0, logits) - labels * logits).mean())
    own = np.take_along_axis(logits, labels[:, None], axis=1)
    return float((np.logaddexp.reduce(logits, axis=1, keepdims=True) - own).mean())


def _squared_error(predictions: Array, labels: Array) -> float:
    return float(np.square(predictions - labels).mean())


def _assemble(inputs: Inputs, ensembles: Sequence[TreeEnsemble]) -> GradientBoosting:
    sizes = [ensemble.sizes() for ensemble in ensembles]
    model = GradientBoosting(inputs, len(ensembles), ensembles=sizes)
    for empty, full in zip(model.ensembles, ensembles, strict=True):
        empty.load_state_dict(full.state_dict())
    return model.eval()


def _check_count(tasks: int, ensembles: int) -> None:
    if tasks != ensembles:
        raise ModelFileError(
            "a boosted model needs one tree ensemble per task",
            got=f"{ensembles} ensembles",
            expected=f"{tasks}, one per task",
            next_step="dvc checkout to restore the model, or dvc repro to train it again",
        )
