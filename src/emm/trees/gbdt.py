"""Gradient-boosted trees, one ensemble a task: the reference that people would otherwise use."""

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
from emm.trees.settings import Boosting
from emm.trees.sklearn_trees import from_sklearn

HISTORY_EVERY = 10
Array = NDArray[Any]


@dataclass(frozen=True)
class Iteration:
    """The first ``iteration`` trees: mean loss per train row (log loss in nats, or squared error)
    and validation score (AUC, or R squared)."""

    iteration: int
    train_loss: float
    score: float


@dataclass(frozen=True)
class Run:
    """Boosting of one task: the number of trees kept, and every tenth iteration beside it."""

    best_iteration: int
    iterations: tuple[Iteration, ...]


class GradientBoosting(nn.Module):
    """One tree ensemble per task: y_t = baseline_t + sum of t's trees.

    ``ensembles``: sizes of each task's ensemble (trees, nodes, bitsets, depth), so that a stored
    model can be built empty and loaded. ModelFileError unless there are as many as ``tasks``.
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
        """What the constructor needs beside inputs and tasks, as plain JSON."""
        return {"ensembles": [ensemble.sizes() for ensemble in self._each()]}

    def decision(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """Outputs in full precision: dense [B, D], sparse [B, F] -> [B, T] float64."""
        return torch.stack([each.decision(dense, sparse) for each in self._each()], dim=1)

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """Dense [B, D], sparse [B, F] -> logits [B, T] float32."""
        return self.decision(dense, sparse).to(torch.float32)

    def _each(self) -> Iterator[TreeEnsemble]:
        return (each for each in self.ensembles if isinstance(each, TreeEnsemble))


def fit(
    train: RowTensors,
    validation: RowTensors,
    inputs: Inputs,
    boosting: Boosting,
    *,
    seed: int,
    report: Report | None = None,
) -> tuple[GradientBoosting, list[Run]]:
    """Boost one ensemble per task on ``train``; ``validation`` chooses the number of trees.

    A binary task follows the log loss and is scored by the AUC; a regression task follows the
    squared error, is scored by R squared, and its trees' sum is the prediction. A task stops after
    ``patience`` trees without a better validation score, the rule of the networks, and keeps the
    trees up to its first best score. Fields of at most 255 ids are split by sets of ids; larger
    ones by the order of their ids, which fall by frequency, with 0 (unknown or rare) below all.
    The same input and ``seed`` give the same bytes. ``report`` hears of each finished task. Raises
    DataError for a split with labels of one class, or of one value, only.
    """
    _check_labels(train, "train")
    _check_labels(validation, "validation")
    fields = len(inputs.cardinalities)
    columns, held_out = _columns(train, fields), _columns(validation, fields)
    sets_of_ids = [False] * inputs.dense + categorical_fields(inputs)
    ensembles, runs = [], []
    for task, kind in enumerate(_kinds(train)):
        labels, wanted = (_labels(table, task, kind) for table in (train, validation))
        estimator = _estimator(boosting, sets_of_ids, seed, kind)
        estimator.fit(columns, labels, _weights(train), X_val=held_out, y_val=wanted)
        runs.append(_run(estimator, columns, labels, kind))
        ensembles.append(from_sklearn(estimator, inputs, runs[-1].best_iteration))
        if report:
            report(task + 1, f"{runs[-1].best_iteration} trees")
    return _assemble(inputs, ensembles), runs


def grow(
    train: RowTensors, inputs: Inputs, boosting: Boosting, iterations: Sequence[int], *, seed: int
) -> GradientBoosting:
    """Boost exactly so many ``iterations`` of each task, with nothing to choose them by.

    Raises DataError for rows with labels of one class, or of one value, only.
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


def _estimator(boosting: Boosting, sets_of_ids: list[bool], seed: int, kind: str) -> Any:
    # Imported late: it takes a second, and using or describing a stored model doesn't need it.
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


def _kinds(table: RowTensors) -> tuple[str, ...]:
    return table.kinds or ("binary",) * table.labels.shape[1]


def _columns(table: RowTensors, fields: int) -> Array:
    """Dense features, then ids: [N, D + F] float64, which is what scikit-learn computes in."""
    # Trees read no bags: what points at them stands behind the fields.
    dense, sparse = table.dense.cpu().numpy(), table.sparse[:, :fields].cpu().numpy()
    return np.concatenate([dense.astype(np.float64), sparse.astype(np.float64)], axis=1)


def _labels(table: RowTensors, task: int, kind: str) -> Array:
    labels: Array = table.labels[:, task].cpu().numpy()
    return labels.astype(np.float64) if kind == "regression" else labels.astype(np.uint8)


def _weights(table: RowTensors) -> Array | None:
    return None if table.weights is None else table.weights.cpu().numpy()


def _run(estimator: Any, columns: Array, labels: Array, kind: str) -> Run:
    scores = estimator.validation_score_[1:]  # without that of no tree at all
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
    return Run(best, iterations)


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


def _check_labels(table: RowTensors, split: str) -> None:
    for task, kind in enumerate(_kinds(table)):
        labels = table.labels[:, task]
        if not bool((labels != labels[:1]).any()):
            what, wanted = (
                ("value", "at least two values")
                if kind == "regression"
                else ("class", "rows of both classes")
            )
            raise DataError(
                f"trees can't be fitted: all labels are of one {what}",
                where=f"task {task} in {split}",
                got=f"{len(table)} rows with the same label",
                expected=wanted,
                next_step="check-data shows what the labels of every split are like",
            )


def _check_count(tasks: int, ensembles: int) -> None:
    if tasks != ensembles:
        raise ModelFileError(
            "a boosted model needs one tree ensemble per task",
            got=f"{ensembles} ensembles",
            expected=f"{tasks}, one per task",
            next_step="dvc checkout to restore the model, or dvc repro to train it again",
        )
