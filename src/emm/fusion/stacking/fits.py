"""Fits of a combination: its scale, its weights, and weights that depend on the row.

All are minima of convex functions, so that they depend on no seed.
"""

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emm.data.tables.schema import BINARY, CLASSES
from emm.fusion.stacking.combination import Combination
from emm.fusion.stacking.design import design, put, taken
from emm.fusion.stacking.rows import TaskRows
from emm.nn.inputs import Inputs

Array = NDArray[np.float64]

ITERATIONS = 200
"""Most iterations of L-BFGS; fits of few weights need a dozen."""

MOST_ROWS = 50_000
"""Rows from which weights that depend on the row are learned: more would cost time only."""


@dataclass(frozen=True)
class _Problem:
    """The loss of f = sum_j (w_j + (X g)_j) z_j + b + (X g)_0, with a ridge around w = ``target``
    and g = 0.

    Attributes:
        logits: z, [N, M, C].
        features: X, [N, K]; K = 0 for weights that are the same for all rows.
        labels: [N].
        weights: of the rows, [N], with the mean 1.
        kind: of the task.
        target: [M].
        strength: of the ridge.
    """

    logits: Array
    features: Any
    labels: Array
    weights: Array
    kind: str
    target: Array
    strength: float

    def minimum(self, start: Array) -> Array:
        """The parameters w [M], b [C] and g [K, M + C], one after another."""
        from scipy.optimize import minimize  # imported here, as it takes most of a second

        options = {"maxiter": ITERATIONS, "maxcor": 20, "ftol": 1e-10, "gtol": 1e-7}
        found = minimize(self._loss, start, method="L-BFGS-B", jac=True, options=options)
        return np.asarray(found.x, np.float64)

    def split(self, parameters: Array) -> tuple[Array, Array, Array]:
        """w [M], b [C] and g [K, M + C]."""
        _, members, outputs = self.logits.shape
        own = members + outputs
        return parameters[:members], parameters[members:own], parameters[own:].reshape(-1, own)

    def _loss(self, parameters: Array) -> tuple[float, Array]:
        w, b, g = self.split(parameters)
        members, rows = len(w), len(self.labels)
        of_rows = self.features @ g  # [N, M + C]
        own = w + of_rows[:, :members]  # [N, M]
        found = np.einsum("nm,nmc->nc", own, self.logits) + b + of_rows[:, members:]
        losses, slopes = _losses(found, self.labels, self.kind)
        slopes *= self.weights[:, None] / rows  # [N, C]
        of_members = np.einsum("nc,nmc->nm", slopes, self.logits)
        distance = w - self.target
        loss = float(losses @ self.weights / rows)
        loss += self.strength / 2 * float(np.square(distance).sum() + np.square(g).sum())
        into_g = self.features.T @ np.hstack([of_members, slopes]) + self.strength * g
        gradient = [of_members.sum(0) + self.strength * distance, slopes.sum(0), into_g.ravel()]
        return loss, np.concatenate(gradient)


def fit_average(rows: TaskRows, inputs: Inputs) -> Combination:
    """The mean of the members, calibrated: a mean + b, of the least loss (Platt scaling).

    A scale that isn't above zero would turn the order of the rows round: then the mean stays.
    """
    model = Combination(
        inputs, rows.members, rows.outputs, features=False, others=rows.of_other_tasks
    )
    own = rows.logits[:, : rows.members - rows.of_other_tasks]
    mean = own.double().mean(1, keepdim=True)  # [N, 1, C]
    problem = _problem(rows, mean, np.ones(1), 0.0)
    scale, bias, _ = problem.split(problem.minimum(np.append(1.0, np.zeros(rows.outputs))))
    if scale[0] > 0:
        with torch.no_grad():
            model.weight.mul_(float(scale[0]))
            model.bias.copy_(torch.from_numpy(bias))
    return model


def fit_weights(rows: TaskRows, start: Combination, strength: float) -> Combination:
    """One weight per member, drawn towards those of ``start``: ridge regression of this
    ``strength``."""
    model = deepcopy(start)
    problem = _problem(rows, rows.logits, _values(start.weight), strength)
    w, b, _ = problem.split(problem.minimum(_flat(start)))
    _put(model, w, b)
    return model


def fit_gate(
    rows: TaskRows,
    inputs: Inputs,
    start: Combination,
    strength: float,
    warm: Combination | None = None,
) -> Combination:
    """Weights that depend on the features, drawn towards those of ``start`` with this ``strength``.

    ``warm``: the fit of another strength, from which the search for the minimum begins.
    """
    rows = rows.at_most(MOST_ROWS)
    model = Combination(inputs, rows.members, rows.outputs, features=True)
    model.load_state_dict((warm or start).state_dict(), strict=False)
    features = design(inputs, rows.dense, rows.sparse)
    problem = _problem(rows, rows.logits, _values(start.weight), strength, features)
    flat = _flat(model)
    w, b, g = problem.split(problem.minimum(flat))
    _put(model, w, b)
    put(model, g)
    return model


@torch.no_grad()
def predictions(model: Combination, rows: TaskRows) -> Tensor:
    """What a combination predicts for rows, [N, C] float64."""
    found: Tensor = deepcopy(model).double()(rows.logits.double(), rows.dense.double(), rows.sparse)
    return found


def _problem(
    rows: TaskRows, logits: Tensor, target: Array, strength: float, features: Any = None
) -> _Problem:
    count = len(rows)
    weights = np.ones(count) if rows.weights is None else rows.weights.double().numpy()
    return _Problem(
        logits.double().numpy(),
        np.zeros((count, 0)) if features is None else features,
        rows.labels.double().numpy(),
        weights / weights.mean(),
        rows.kind,
        target,
        strength,
    )


def _losses(found: Array, labels: Array, kind: str) -> tuple[Array, Array]:
    """The loss of each row [N], and its slope in each output [N, C], as in `emm.nn.losses`."""
    from scipy.special import expit, log_softmax, softmax

    if kind == CLASSES:
        numbers = labels.astype(np.int64)
        slopes = softmax(found, axis=1)
        slopes[np.arange(len(found)), numbers] -= 1
        return -log_softmax(found, axis=1)[np.arange(len(found)), numbers], slopes
    value = found[:, 0]
    if kind == BINARY:
        return np.logaddexp(0, value) - labels * value, (expit(value) - labels)[:, None]
    return np.square(value - labels), 2 * (value - labels)[:, None]


def _values(weight: Tensor) -> Array:
    return weight.detach().double().numpy()


def _flat(model: Combination) -> Array:
    """w, b and, if weights depend on the row, g."""
    parts = [_values(model.weight), _values(model.bias)]
    return np.concatenate([*parts, *([] if model.features is None else [taken(model).ravel()])])


@torch.no_grad()
def _put(model: Combination, w: Array, b: Array) -> None:
    model.weight.copy_(torch.from_numpy(w))
    model.bias.copy_(torch.from_numpy(b))
