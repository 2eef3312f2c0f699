"""Parsing of an XGBoost JSON model into checked values."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from emm.trees.native.files import Array, TreeFile, classifier, content, damaged, unsupported

OBJECTIVES = ("binary:logistic", "binary:logitraw")
OBJECTIVES_OF_CLASSES = ("multi:softprob", "multi:softmax")
LEAST_PROBABILITY = np.float32(1e-6)  # XGBoost clips base_score to [this, 1 - this]
Part = Mapping[str, Any]


def read_learner(file: TreeFile, outputs: int) -> Part:
    """The file's ``learner``. Raises ModelFileError unless it is a model of trees, and a binary
    classifier, or one of ``outputs`` classes if there are several."""
    try:
        document = json.loads(content(file))
    except (RecursionError, ValueError) as error:
        raise damaged(file, f"it isn't JSON: {error}") from error
    if not isinstance(document, dict):
        raise damaged(file, "it has no 'learner'")
    learner: Part = part(file, document, "learner", dict)
    _check_objective(file, learner, outputs)
    _check_booster(file, learner)
    return learner


def part(file: TreeFile, parent: Part, key: str, kind: type) -> Any:
    """``parent[key]``. Raises ModelFileError if it is missing or not of this ``kind``."""
    value = parent.get(key)
    if not isinstance(value, kind):
        raise damaged(file, f"it has no {key!r}, or one that isn't a {kind.__name__}")
    return value


def size(file: TreeFile, parent: Part, key: str) -> int:
    """The count at ``key``, which is stored as text. Raises ModelFileError for other values."""
    try:
        value = int(str(parent.get(key)))
    except ValueError as error:
        raise damaged(file, f"{key} is not a number") from error
    if value < 0:
        raise damaged(file, f"{key} is {value}")
    return value


def reals(file: TreeFile, parent: Part, key: str, count: int) -> Array:
    """The ``count`` numbers at ``key``, float64; infinity and NaN are not refused."""
    return _array(file, parent, key, count, "iuf").astype(np.float64)


def integers(file: TreeFile, parent: Part, key: str, count: int | None = None) -> Array:
    """The ``count`` (None: any number of) integers or booleans at ``key``, int64."""
    return _array(file, parent, key, count, "iub").astype(np.int64)


def margin(file: TreeFile, learner: Part, outputs: int) -> Array:
    """The logits before the first tree, [] or [outputs]: base_score, which is a probability for
    the objective binary:logistic."""
    stored = str(part(file, learner, "learner_model_param", dict).get("base_score"))
    try:
        # A list since version 3.1.
        words = stored.removeprefix("[").removesuffix("]").split(",")
        scores = np.array(words, dtype=np.float32)
    except ValueError as error:
        raise damaged(file, f"base_score is {stored!r}") from error
    likely = learner["objective"]["name"] == "binary:logistic"
    inside = ((scores >= 0) & (scores <= 1)).all() if likely else np.isfinite(scores).all()
    if not inside or len(scores) not in (1, outputs):
        raise damaged(file, f"base_score is {stored!r}")
    if likely:
        scores = np.clip(scores, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
        scores = -np.log(1 / scores - 1)
    return np.broadcast_to(scores, outputs).astype(np.float64).squeeze()


def _array(file: TreeFile, parent: Part, key: str, count: int | None, kinds: str) -> Array:
    values = part(file, parent, key, list)
    if count is not None and len(values) != count:
        raise damaged(file, f"{key} has {len(values)} numbers instead of {count}")
    try:
        array = np.asarray(values) if values else np.zeros(0, dtype=np.int64)
    except ValueError as error:
        raise damaged(file, f"{key} contains values that aren't numbers") from error
    if array.ndim != 1 or array.dtype.kind not in kinds:
        raise damaged(file, f"{key} contains values that aren't numbers")
    return array


def _check_objective(file: TreeFile, learner: Part, outputs: int) -> None:
    objective = part(file, part(file, learner, "objective", dict), "name", str)
    sizes = part(file, learner, "learner_model_param", dict)
    classes, targets = (str(sizes.get(key, "1")) for key in ("num_class", "num_target"))
    known = OBJECTIVES if outputs == 1 else OBJECTIVES_OF_CLASSES
    counts = ("0", "1") if outputs == 1 else (str(outputs),)
    if objective not in known or classes not in counts or targets not in ("0", "1"):
        number = "" if outputs == 1 else f" and num_class={outputs}"
        raise unsupported(
            file,
            f"isn't {classifier(outputs)}",
            got=f"objective={objective}, num_class={classes}, num_target={targets}",
            expected=" or ".join(f"objective={name}" for name in known) + number,
            next_step="train it on the task's column of the processed data with "
            f"objective={known[0]}{number}",
        )


def _check_booster(file: TreeFile, learner: Part) -> None:
    booster = part(file, learner, "gradient_booster", dict).get("name")
    if booster not in ("gbtree", "dart"):
        raise unsupported(
            file,
            "isn't a tree model",
            got=f"booster={booster}",
            expected="booster=gbtree or booster=dart",
            next_step="train with booster=gbtree",
        )
