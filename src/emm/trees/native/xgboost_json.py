"""An XGBoost JSON model as checked values: its learner, its objective, its numbers."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from emm.trees.native.files import Array, TreeFile, content, damaged, unsupported

OBJECTIVES = ("binary:logistic", "binary:logitraw")
SURE = np.float32(1e-6)  # XGBoost reads a probability of 0 or 1 as one that is so far from it
Part = Mapping[str, Any]


def read_learner(file: TreeFile) -> Part:
    """What the file says of its model; ModelFileError unless it is a binary model of trees."""
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


def part(file: TreeFile, whole: Part, key: str, kind: type) -> Any:
    """``whole[key]``; ModelFileError unless it is there and of this ``kind``."""
    value = whole.get(key)
    if not isinstance(value, kind):
        raise damaged(file, f"it has no {key!r}, or not as {kind.__name__}")
    return value


def size(file: TreeFile, whole: Part, key: str) -> int:
    """The number of things at ``key``, which XGBoost writes as text; ModelFileError for others."""
    try:
        value = int(str(whole.get(key)))
    except ValueError as error:
        raise damaged(file, f"{key} is no number") from error
    if value < 0:
        raise damaged(file, f"{key} is {value}")
    return value


def reals(file: TreeFile, whole: Part, key: str, count: int) -> Array:
    """The ``count`` numbers at ``key``, float64; infinite ones and NaN are let through."""
    return _array(file, whole, key, count, "iuf").astype(np.float64)


def integers(file: TreeFile, whole: Part, key: str, count: int | None = None) -> Array:
    """The ``count`` (any number, if None) integers or booleans at ``key``, int64."""
    return _array(file, whole, key, count, "iub").astype(np.int64)


def margin(file: TreeFile, learner: Part) -> float:
    """The logit before the first tree: base_score is one, or a probability, by the objective."""
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
    score = np.clip(score, SURE, 1 - SURE)
    return float(-np.log(1 / score - 1))


def _array(file: TreeFile, whole: Part, key: str, count: int | None, kinds: str) -> Array:
    values = part(file, whole, key, list)
    if count is not None and len(values) != count:
        raise damaged(file, f"{key} has {len(values)} numbers instead of {count}")
    try:
        array = np.asarray(values) if values else np.zeros(0, dtype=np.int64)
    except ValueError as error:
        raise damaged(file, f"{key} has something else than numbers") from error
    if array.ndim != 1 or array.dtype.kind not in kinds:
        raise damaged(file, f"{key} has something else than numbers")
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
            "isn't made of trees",
            got=f"booster={booster}",
            expected="booster=gbtree or booster=dart",
            next_step="train with booster=gbtree",
        )
