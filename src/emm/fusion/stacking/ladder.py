"""The steps of stacking, each kept only if cross-validation prefers it beyond its standard error.

average -> weights drawn towards it -> weights that depend on the row -> a small boosted correction.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from emm.fusion.settings import StackingSettings, StackingStep
from emm.fusion.stacking.boosted import Boosted, boosted
from emm.fusion.stacking.combination import Combination
from emm.fusion.stacking.fits import fit_average, fit_gate, fit_weights, predictions
from emm.fusion.stacking.means import mean_combination, mean_trees
from emm.fusion.stacking.residual import columns_of
from emm.fusion.stacking.rows import TaskRows
from emm.nn.inputs import Inputs
from emm.trees.forest import TreeEnsemble

STRENGTHS: Mapping[str, Sequence[float]] = {
    "weights": (10.0, 1.0, 0.1, 0.01, 0.001),
    "gate": (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001),
}
"""Strengths of the ridge, from the strongest on."""

FEW_FITS = 5_000
"""Of more rows, only the first fold chooses the strength: there its choice is no chance."""

FEW_ERRORS = 2
"""Standard errors that the gain of a step must be above where there are few rows."""


@dataclass(frozen=True)
class StepRecord:
    """A step that was tried.

    Attributes:
        loss: its mean loss in cross-validation.
        gain: by how much that is below the loss of the steps taken before.
        error: the standard error of the gain, over groups of rows.
        taken: whether the gain is larger than that, or twice that with few rows.
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

    The correction is boosted from the weights on. If the gate is taken as well, the mean of both is
    tried. What is returned predicts the mean of the fits without each fold.

    With fewer rows than ``settings.few_rows``, it ends at the weights, which must gain twice their
    standard error: the choice of more would be chance.
    """
    rows = rows.joined()
    folds: list[int] = torch.unique(rows.folds).tolist()
    few = len(rows) < settings.few_rows
    best = _average(rows, inputs, folds)
    records = [_first(rows, best)]
    if "weights" in settings.steps:
        tried = _path(rows, folds, _weights, best, STRENGTHS["weights"])
        records.append(_record("weights", rows, best, tried, FEW_ERRORS if few else 1))
        best = tried if records[-1].taken else best
    constant = best
    if "gate" in settings.steps and not few:
        tried = _path(rows, folds, partial(_gate, inputs), best, STRENGTHS["gate"])
        records.append(_record("gate", rows, best, tried))
        best = tried if records[-1].taken else best
    if "residual" in settings.steps and not few:
        found = boosted(rows, inputs, folds, constant.predictions)
        corrected = _corrected(constant, best, found)
        records.append(_record("residual", rows, best, corrected))
        if records[-1].taken:
            share = 1.0 if best is constant else 0.5
            own = columns_of(inputs, rows.members * rows.outputs + rows.others.shape[1])
            trees = mean_trees(own, found.trees(rows, inputs), share)
            return Stack(mean_combination(inputs, corrected.fits), trees, tuple(records))
    return Stack(mean_combination(inputs, best.fits), None, tuple(records))


def _corrected(constant: _Tried, best: _Tried, found: Boosted) -> _Tried:
    """The weights with the correction, or the mean of that and of the gate that was taken."""
    predictions = constant.predictions + found.added
    if best is constant:
        return _Tried(predictions, constant.fits, found.rounds)
    fits = (*constant.fits, *best.fits)
    return _Tried((predictions + best.predictions) / 2, fits, found.rounds)


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


def _gate(
    inputs: Inputs, rows: TaskRows, start: Combination, strength: float, warm: Combination | None
) -> Combination:
    return fit_gate(rows, inputs, start, strength, warm)


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
    best, lowest = strengths[0], float("inf")
    fits, kept = dict[int, Combination](), dict[int, Combination]()
    for strength in strengths:
        losses = list[Tensor]()
        for fold, start in zip(chosen, base.fits, strict=False):
            seen, unseen = rows.fold(fold, inside=False), rows.fold(fold, inside=True)
            fits[fold] = fit(seen, start, strength, fits.get(fold))
            losses.append(unseen.losses(predictions(fits[fold], unseen)))
        loss = float(torch.cat(losses).mean())
        if loss >= lowest:
            break
        best, lowest, kept = strength, loss, dict(fits)
    near = kept.get(folds[0])  # the minimum of another fold is a good place to start from
    found = tuple(
        kept.get(fold) or fit(rows.fold(fold, inside=False), start, best, near)
        for fold, start in zip(folds, base.fits, strict=True)
    )
    return _Tried(_out_of_fold(rows, folds, found), found, best)


def _out_of_fold(rows: TaskRows, folds: Sequence[int], fits: Sequence[Combination]) -> Tensor:
    found = torch.empty(len(rows), rows.outputs, dtype=torch.float64)
    for fold, fit in zip(folds, fits, strict=True):
        found[rows.folds == fold] = predictions(fit, rows.fold(fold, inside=True))
    return found


def _first(rows: TaskRows, tried: _Tried) -> StepRecord:
    return StepRecord("average", float(rows.loss(tried.predictions)), 0.0, 0.0, taken=True)


def _record(
    step: StackingStep, rows: TaskRows, before: _Tried, tried: _Tried, errors: float = 1
) -> StepRecord:
    """``errors``: how many standard errors the gain must be above."""
    gain, error = gain_of(rows, before.predictions, tried.predictions)
    loss = float(rows.loss(tried.predictions))
    return StepRecord(step, loss, gain, error, gain > errors * error, tried.setting)
