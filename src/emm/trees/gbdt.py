"""Gradient-boosted trees, one ensemble per task: a common alternative to networks."""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from emm.core.errors import ModelFileError
from emm.core.progress import Report
from emm.data.tables.rows import RowTensors
from emm.nn.inputs import Inputs
from emm.trees.forest import TreeEnsemble
from emm.trees.history import BoostingHistory
from emm.trees.libraries import library
from emm.trees.settings import BoostingSettings
from emm.trees.task_rows import of_known_classes, rows_by_task


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
    threads: int = 1,
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
    boost = library(boosting.library).boost
    ensembles, histories = [], []
    for task, (rows, held_out) in enumerate(splits):
        scored = of_known_classes(held_out, rows)
        ensemble, history = boost(rows, scored, inputs, boosting, seed, threads)
        ensembles.append(ensemble)
        histories.append(history)
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
    threads: int = 1,
    positive_weights: Sequence[float] = (),
    tasks: Sequence[str] = (),
) -> GradientBoosting:
    """Boost a fixed number of ``iterations`` for each task, without validation rows.

    Raises DataError if the labels of a task are all equal.
    """
    own = rows_by_task(train, "train", len(inputs.cardinalities), positive_weights, tasks)
    regrow = library(boosting.library).regrow
    ensembles = [
        regrow(rows, inputs, boosting, count, seed, threads)
        for rows, count in zip(own, iterations, strict=True)
    ]
    return _assemble(inputs, ensembles)


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
