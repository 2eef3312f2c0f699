"""Parsing of an XGBoost JSON model into checked values."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from emm.trees.native.files import Array, TreeFile, content, damaged, unsupported

OBJECTIVES = ("binary:logistic", "binary:logitraw")
LEAST_PROBABILITY = np.float32(1e-6)  # XGBoost clips base_score to [this, 1 - this]
Part = Mapping[str, Any]


def read_learner(file: TreeFile) -> Part:
    """The file's ``learner``. Raises ModelFileError unless it is a binary model of trees."""
    try:
        document = json.loads(content(file))
    except (RecursionError, ValueError) as error:
        raise damaged(file, f"it isn't JSON: {error}") from error
    if not isinstance(document, dict):
        raise damaged(file, "it has no 'learner'")
    learner: Part = part(file, document, "learner", dict)
    _check_objective(file, learner)
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


def margin(file: TreeFile, learner: Part) -> float:
    """The logit before the first tree: base_score, a logit or probability by the objective."""
    stored = str(part(file, learner, "learner_model_param", dict).get("base_score"))
    try:
        score = np.float32(stored.removeprefix("[").removesuffix("]"))  # a list since version 3.1
    except ValueError as error:
        raise damaged(file, f"base_score is {stored!r}") from error
    raw = learner["objective"]["name"] == "binary:logitraw"
    if not np.isfinite(score) or not (raw or 0 <= score <= 1):
        raise damaged(file, f"base_score is {stored!r}")
    if raw:
        return float(score)
    score = np.clip(score, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    return float(-np.log(1 / score - 1))


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


def _check_objective(file: TreeFile, learner: Part) -> None:
    objective = part(file, part(file, learner, "objective", dict), "name", str)
    sizes = part(file, learner, "learner_model_param", dict)
    one = [str(sizes.get(key, "1")) in ("0", "1") for key in ("num_class", "num_target")]
    if objective not in OBJECTIVES or not all(one):
        raise unsupported(
            file,
            "isn't a binary classifier",
            got=f"objective={objective}",
            expected=" or ".join(f"objective={name}" for name in OBJECTIVES),
            next_step="train one model with objective=binary:logistic per task",
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
