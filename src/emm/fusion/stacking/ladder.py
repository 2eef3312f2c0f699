"""The steps of stacking, each kept only if cross-validation prefers it beyond its standard error.

average -> weights drawn towards it -> weights that depend on the row -> a small boosted correction.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from emm.fusion.settings import StackingSettings, StackingStep
from emm.fusion.stacking.combination import Combination
from emm.fusion.stacking.fits import fit_average, fit_gate, fit_weights, predictions
from emm.fusion.stacking.residual import ROUNDS, as_trees, corrections, fit_residual
from emm.fusion.stacking.rows import TaskRows
from emm.nn.inputs import Inputs
from emm.trees.forest import TreeEnsemble

STRENGTHS: Mapping[str, Sequence[float]] = {
    "weights": (10.0, 1.0, 0.1, 0.01, 0.001),
    "gate": (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001),
}
"""Strengths of the ridge, from the strongest on."""

FEW_FITS = 20_000
"""Of more rows, only the first fold chooses the strength: there its choice is no chance."""


@dataclass(frozen=True)
class StepRecord:
    """A step that was tried.

    Attributes:
        loss: its mean loss in cross-validation.
        gain: by how much that is below the loss of the steps taken before.
        error: the standard error of the gain, over groups of rows.
        taken: whether the gain is larger than that.
        setting: the strength of its ridge, or its number of boosting rounds.
    """

    step: StackingStep | Literal["average"]
    loss: float
    gain: float
    error: float
    taken: bool
    setting: float | None = None


@dataclass(frozen=True)
class Stack:
    """The stacking of one task, and how it was chosen."""

    combination: Combination
    residual: TreeEnsemble | None
    steps: tuple[StepRecord, ...]


@dataclass(frozen=True)
class _Tried:
    """A step in cross-validation: its predictions for each row, [N, C] float64, by the fit without
    the row's fold, and these fits."""

    predictions: Tensor
    fits: tuple[Combination, ...]
    setting: float | None = None


Fit = Callable[[TaskRows, Combination, float, Combination | None], Combination]


def stack(rows: TaskRows, inputs: Inputs, settings: StackingSettings) -> Stack:
    """Climb the ladder on the ``rows`` of a task.

    With fewer rows than ``settings.few_rows``, it ends at the weights: the choice of more would be
    chance.
    """
    folds: list[int] = torch.unique(rows.folds).tolist()
    best = _average(rows, inputs, folds)
    records = [_first(rows, best)]
    combination = fit_average(rows, inputs)

    def gate(
        own: TaskRows, start: Combination, strength: float, warm: Combination | None
    ) -> Combination:
        return fit_gate(own, inputs, start, strength, warm)

    fits: Mapping[StackingStep, Fit] = {"weights": _weights, "gate": gate}
    for step, fit in fits.items():
        if step not in settings.steps or (step == "gate" and len(rows) < settings.few_rows):
            continue
        tried = _path(rows, folds, fit, best, STRENGTHS[step])
        records.append(_record(step, rows, best, tried))
        if records[-1].taken and tried.setting is not None:
            combination, best = fit(rows, combination, tried.setting, None), tried
    residual = None
    if "residual" in settings.steps and len(rows) >= settings.few_rows:
        tried = _residual(rows, inputs, folds, best.predictions)
        records.append(_record("residual", rows, best, tried))
        if records[-1].taken and tried.setting:
            rounds = int(tried.setting)
            booster, _ = fit_residual(rows, best.predictions, inputs, rounds)
            residual = as_trees(booster, rows, inputs, rounds)
    return Stack(combination, residual, tuple(records))


def gain_of(rows: TaskRows, before: Tensor, after: Tensor) -> tuple[float, float]:
    """By how much the loss falls, and the standard error of that, over groups of rows.

    before, after: predictions [N, C].
    """
    falls = (rows.losses(before) - rows.losses(after)).double().numpy()
    groups = np.unique(rows.groups.numpy(), return_inverse=True)[1]
    sums = np.bincount(groups, falls - falls.mean())
    return float(falls.mean()), float(np.sqrt(np.square(sums).sum()) / len(falls))


def _average(rows: TaskRows, inputs: Inputs, folds: Sequence[int]) -> _Tried:
    fits = tuple(fit_average(rows.fold(fold, inside=False), inputs) for fold in folds)
    return _Tried(_out_of_fold(rows, folds, fits), fits)


def _weights(
    rows: TaskRows, start: Combination, strength: float, _warm: Combination | None
) -> Combination:
    return fit_weights(rows, start, strength)


def _path(
    rows: TaskRows, folds: Sequence[int], fit: Fit, base: _Tried, strengths: Sequence[float]
) -> _Tried:
    """A step in cross-validation, with the best strength.

    Strengths are tried from the strongest on while a weaker one helps.
    """
    chosen = folds if len(rows) <= FEW_FITS else folds[:1]
    best, lowest, fits = strengths[0], float("inf"), dict[int, Combination]()
    for strength in strengths:
        losses = list[Tensor]()
        for fold, start in zip(chosen, base.fits, strict=False):
            seen, unseen = rows.fold(fold, inside=False), rows.fold(fold, inside=True)
            fits[fold] = fit(seen, start, strength, fits.get(fold))
            losses.append(unseen.losses(predictions(fits[fold], unseen)))
        loss = float(torch.cat(losses).mean())
        if loss >= lowest:
            break
        best, lowest = strength, loss
    found = tuple(
        fit(rows.fold(fold, inside=False), start, best, None)
        for fold, start in zip(folds, base.fits, strict=True)
    )
    return _Tried(_out_of_fold(rows, folds, found), found, best)


def _residual(rows: TaskRows, inputs: Inputs, folds: Sequence[int], start: Tensor) -> _Tried:
    """The best number of rounds in cross-validation, from the predictions ``start`` [N, C] on."""
    boosters, losses = [], []
    for fold in folds:
        inside = rows.folds == fold
        booster, of_rounds = fit_residual(
            rows.at(~inside),
            start[~inside],
            inputs,
            ROUNDS,
            unseen=rows.at(inside),
            unseen_start=start[inside],
        )
        boosters.append(booster)
        losses.append(of_rounds * int(inside.sum()))
    rounds = int(np.sum(losses, axis=0).argmin()) + 1
    found = start.clone()
    for fold, booster in zip(folds, boosters, strict=True):
        inside = rows.folds == fold
        found[inside] += corrections(booster, rows.at(inside), inputs, rounds)
    return _Tried(found, (), rounds)


def _out_of_fold(rows: TaskRows, folds: Sequence[int], fits: Sequence[Combination]) -> Tensor:
    found = torch.empty(len(rows), rows.outputs, dtype=torch.float64)
    for fold, fit in zip(folds, fits, strict=True):
        found[rows.folds == fold] = predictions(fit, rows.fold(fold, inside=True))
    return found


def _first(rows: TaskRows, tried: _Tried) -> StepRecord:
    return StepRecord("average", float(rows.loss(tried.predictions)), 0.0, 0.0, taken=True)


def _record(step: StackingStep, rows: TaskRows, before: _Tried, tried: _Tried) -> StepRecord:
    gain, error = gain_of(rows, before.predictions, tried.predictions)
    loss = float(rows.loss(tried.predictions))
    return StepRecord(step, loss, gain, error, gain > error, tried.setting)
