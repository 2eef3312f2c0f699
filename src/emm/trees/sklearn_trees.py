"""Trees of a scikit-learn HistGradientBoostingClassifier or Regressor, as a `TreeEnsemble`.

The only module that reads scikit-learn's private fields. Tests compare with its predictions.
"""

import math
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from emm.core.errors import EmmError
from emm.metrics.classes import macro_auc
from emm.nn.inputs import Inputs
from emm.trees.forest import OUTSIDE, WORDS, TreeEnsemble

NODE_FIELDS = (
    "value",
    "count",
    "feature_idx",
    "num_threshold",
    "missing_go_to_left",
    "left",
    "right",
    "depth",
    "is_leaf",
    "is_categorical",
    "bitset_idx",
)
Array = NDArray[Any]


@dataclass(frozen=True)
class _Parts:
    """The parts of a fitted estimator.

    Attributes:
        nodes: node array of each tree, round by round.
        bitsets: bitset array of each tree.
        baseline: prediction before the first tree, [] or [outputs].
        columns: input columns in the order in which scikit-learn reads them.
        ids: ids of each categorical column, by scikit-learn's code.
    """

    nodes: list[Array]
    bitsets: list[Array]
    baseline: Array
    columns: Array
    ids: dict[int, Array]


def from_sklearn(estimator: Any, inputs: Inputs, iterations: int, outputs: int = 1) -> TreeEnsemble:
    """The first ``iterations`` rounds of trees of ``estimator``, a classifier or a regressor.

    It was fitted on the D dense features, then the F sparse fields. An id that did not occur in
    training is treated like a missing value, as scikit-learn does. ``outputs``: number of classes
    of a task of classes, otherwise 1. Raises EmmError if this version of scikit-learn stores its
    trees in an unknown layout.
    """
    parts = _parts(estimator, iterations, outputs)
    nodes = np.concatenate(parts.nodes)
    sizes = [len(tree) for tree in parts.nodes]
    starts = np.cumsum([0, *sizes[:-1]])
    splits = (nodes["is_categorical"] == 1) & (nodes["is_leaf"] == 0)
    ensemble = TreeEnsemble(
        inputs,
        trees=len(sizes),
        nodes=len(nodes),
        bitsets=int(splits.sum()),
        depth=int(nodes["depth"].max()),
        outputs=outputs,
    )
    values = _node_values(nodes, np.repeat(starts, sizes), parts.columns)
    values["bitset"][splits] = np.arange(splits.sum())
    values["bitsets"] = _bitsets(parts, nodes[splits], values["column"][splits], splits)
    values |= {"starts": starts, "baseline": parts.baseline}
    ensemble.load_state_dict({name: torch.tensor(array) for name, array in values.items()})
    return ensemble


def classifier_of_classes(**settings: Any) -> Any:
    """A HistGradientBoostingClassifier that stops by the macro AUC, as networks do.

    The scorers of scikit-learn raise an error if a class doesn't occur among the rows that they
    score, and its boosting also scores a sample of train, which may lack a rare class.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    class Classifier(HistGradientBoostingClassifier):  # type: ignore[misc]
        def _score_with_raw_predictions(
            self, _columns: Array, labels: Array, _weights: Array | None, raw: Array
        ) -> float:
            if (labels == labels[0]).all():
                return math.nan  # a sample of train, by which boosting doesn't stop
            numbers = np.searchsorted(self.classes_, labels)
            return macro_auc(torch.from_numpy(raw), torch.from_numpy(numbers))

    return Classifier(scoring="roc_auc_ovr", **settings)


def _parts(estimator: Any, iterations: int, outputs: int) -> _Parts:
    try:
        trees = [tree for stage in estimator._predictors[:iterations] for tree in stage]
        missing = set(NODE_FIELDS) - set(trees[0].nodes.dtype.names)
        if missing:
            raise _unknown_layout(f"no node field {', '.join(sorted(missing))}")
        columns, ids = _columns(estimator)
        parts = _Parts(
            nodes=[tree.nodes for tree in trees],
            bitsets=[tree.raw_left_cat_bitsets for tree in trees],
            baseline=estimator._baseline_prediction.astype(np.float64).squeeze(),
            columns=columns,
            ids=ids,
        )
        if outputs == 1 or len(estimator.classes_) == outputs > 2:
            return parts
        return _with_every_class(parts, estimator.classes_, outputs)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise _unknown_layout(str(error)) from error


def _with_every_class(parts: _Parts, present: Array, outputs: int) -> _Parts:
    """The parts with one tree per round and one baseline for each of the ``outputs`` classes.

    ``present``: the classes that occur in training. A classifier of two classes has trees for the
    second only: the logit of the first is 0. A class that doesn't occur has the share of half a
    row before the first tree, and no trees.
    """
    known = np.zeros(len(present))
    known[-parts.baseline.size :] = parts.baseline
    rows = int(parts.nodes[0]["count"][0])
    baseline = np.full(outputs, np.logaddexp.reduce(known) + np.log(0.5 / rows))
    baseline[present] = known
    grown = present[-parts.baseline.size :]
    leaf = np.zeros(1, dtype=parts.nodes[0].dtype)
    leaf["is_leaf"] = 1
    nodes, bitsets = [], []
    for start in range(0, len(parts.nodes), len(grown)):
        own = {int(number): start + place for place, number in enumerate(grown)}
        for number in range(outputs):
            nodes.append(parts.nodes[own[number]] if number in own else leaf)
            bitsets.append(parts.bitsets[own[number]] if number in own else parts.bitsets[0][:0])
    return replace(parts, nodes=nodes, bitsets=bitsets, baseline=baseline)


def _columns(estimator: Any) -> tuple[Array, dict[int, Array]]:
    categorical = estimator.is_categorical_
    if categorical is None:
        return np.arange(estimator.n_features_in_), {}
    # It moves categorical columns to the front and encodes the ids that occur in training.
    fields = np.flatnonzero(categorical)
    encoder = estimator._preprocessor.named_transformers_["encoder"]
    columns = np.concatenate([fields, np.flatnonzero(~categorical)])
    return columns, dict(zip(fields.tolist(), encoder.categories_, strict=True))


def _node_values(nodes: Array, start: Array, columns: Array) -> dict[str, Array]:
    leaf = nodes["is_leaf"] == 1
    itself = np.arange(len(nodes))
    return {
        "column": np.where(leaf, 0, columns[nodes["feature_idx"]]),
        "threshold": _rounded_down(nodes["num_threshold"]),
        "left": np.where(leaf, itself, start + nodes["left"]),
        "right": np.where(leaf, itself, start + nodes["right"]),
        "missing_left": nodes["missing_go_to_left"] == 1,
        "bitset": np.full(len(nodes), -1),
        "value": nodes["value"],
    }


def _rounded_down(threshold: Array) -> Array:
    # For float32 values x, x <= threshold is equivalent to x <= the next float32 below it.
    with np.errstate(over="ignore"):
        nearest = threshold.astype(np.float32)
    return np.where(nearest > threshold, np.nextafter(nearest, np.float32(-np.inf)), nearest)


def _bitsets(parts: _Parts, nodes: Array, column: Array, splits: Array) -> Array:
    """Bitsets by id for the categorical splits ``nodes``, [len(nodes), WORDS] int32."""
    if not len(nodes):
        return np.zeros((0, WORDS), dtype=np.int32)
    first = np.cumsum([0, *(len(bits) for bits in parts.bitsets[:-1])])
    tree = np.repeat(np.arange(len(parts.nodes)), [len(tree) for tree in parts.nodes])[splits]
    theirs = np.concatenate(parts.bitsets)[first[tree] + nodes["bitset_idx"]]
    bits = np.unpackbits(theirs.astype("<u4").view(np.uint8), axis=1, bitorder="little")
    ours = np.repeat(nodes["missing_go_to_left"][:, None], OUTSIDE + 1, axis=1)
    for field, ids in parts.ids.items():
        rows = np.flatnonzero(column == field)
        ours[np.ix_(rows, ids.astype(np.int64))] = bits[rows, : len(ids)]
    return np.packbits(ours, axis=1, bitorder="little").view("<i4").astype(np.int32)


def _unknown_layout(got: str) -> EmmError:
    return EmmError(
        "this version of scikit-learn stores its trees in an unknown layout",
        where=f"scikit-learn {version('scikit-learn')}",
        got=got,
        expected=f"nodes with the fields {', '.join(NODE_FIELDS)}, as in 1.7 to 1.9",
        next_step="install the version of scikit-learn in requirements.lock",
    )
