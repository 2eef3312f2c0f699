"""Parsing of an XGBoost model, JSON or UBJSON, into checked values."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emm.trees.native import ubjson
from emm.trees.native.files import Array, Kind, content, damaged, model_kind, unsupported
from emm.trees.native.formats import UBJSON_KEY, XGBOOST_CONFIG, refused

LOGISTIC = ("binary:logistic", "reg:logistic")  # base_score is a probability
OBJECTIVES = ("binary:logistic", "binary:logitraw", "reg:logistic")
OBJECTIVES_OF_CLASSES = ("multi:softprob", "multi:softmax")
REGRESSIONS = (
    "reg:squarederror",
    "reg:absoluteerror",
    "reg:pseudohubererror",
    "reg:quantileerror",
    "reg:linear",  # before version 1.0
)
LEAST_PROBABILITY = np.float32(1e-6)  # XGBoost clips base_score to [this, 1 - this]
Part = Mapping[str, Any]


def read_document(file: Path, outputs: int, kind: Kind) -> Part:
    """The file's content. Raises ModelFileError unless it is a model of trees, and a classifier of
    ``outputs`` classes (1: of a binary task), or a regression."""
    raw = content(file)
    try:
        document = ubjson.parse(raw) if UBJSON_KEY.match(raw) else json.loads(raw)
    except (RecursionError, ValueError) as error:
        raise damaged(file, f"it isn't JSON: {error}") from error
    if not isinstance(document, dict):
        raise damaged(file, "it has no 'learner'")
    learner: Part = part(file, document, "learner", dict)
    booster = part(file, learner, "gradient_booster", dict)
    if "generic_param" in learner and "model" not in booster and "gbtree" not in booster:
        raise refused(file, XGBOOST_CONFIG)
    _check_booster(file, booster)
    _check_objective(file, learner, outputs, kind)
    return document


def version(document: Part) -> tuple[int, ...]:
    """The version of XGBoost that wrote the file; () if it doesn't say."""
    found = document.get("version")
    numbers = list(found) if isinstance(found, list | np.ndarray) else []
    return tuple(int(each) for each in numbers if isinstance(each, int | np.integer))


def part(file: Path, parent: Part, key: str, kind: type) -> Any:
    """``parent[key]``. Raises ModelFileError if it is missing or not of this ``kind``."""
    value = parent.get(key)
    if not isinstance(value, kind):
        raise damaged(file, f"it has no {key!r}, or one that isn't a {kind.__name__}")
    return value


def size(file: Path, parent: Part, key: str) -> int:
    """The count at ``key``, which is stored as text. Raises ModelFileError for other values."""
    try:
        value = int(str(parent.get(key)))
    except ValueError as error:
        raise damaged(file, f"{key} is not a number") from error
    if value < 0:
        raise damaged(file, f"{key} is {value}")
    return value


def reals(file: Path, parent: Part, key: str, count: int) -> Array:
    """The ``count`` numbers at ``key``, float64; infinity and NaN are not refused."""
    return _array(file, parent, key, count, "iuf").astype(np.float64)


def integers(file: Path, parent: Part, key: str, count: int | None = None) -> Array:
    """The ``count`` (None: any number of) integers or booleans at ``key``, int64."""
    return _array(file, parent, key, count, "iub").astype(np.int64)


def margin(file: Path, learner: Part, outputs: int) -> Array:
    """The logits before the first tree, [] or [outputs]: base_score, which is a probability for
    the objective binary:logistic."""
    stored = str(part(file, learner, "learner_model_param", dict).get("base_score"))
    try:
        # A list since version 3.1.
        words = stored.removeprefix("[").removesuffix("]").split(",")
        scores = np.array(words, dtype=np.float32)
    except ValueError as error:
        raise damaged(file, f"base_score is {stored!r}") from error
    likely = learner["objective"]["name"] in LOGISTIC
    inside = ((scores >= 0) & (scores <= 1)).all() if likely else np.isfinite(scores).all()
    if not inside or len(scores) not in (1, outputs):
        raise damaged(file, f"base_score is {stored!r}")
    if likely:
        scores = np.clip(scores, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
        scores = -np.log(1 / scores - 1)
    return np.broadcast_to(scores, outputs).astype(np.float64).squeeze()


def _array(file: Path, parent: Part, key: str, count: int | None, kinds: str) -> Array:
    values = parent.get(key)
    if not isinstance(values, list | np.ndarray):
        raise damaged(file, f"it has no {key!r}, or one that isn't a list")
    if count is not None and len(values) != count:
        raise damaged(file, f"{key} has {len(values)} numbers instead of {count}")
    try:
        array = np.asarray(values) if len(values) else np.zeros(0, dtype=np.int64)
    except ValueError as error:
        raise damaged(file, f"{key} contains values that aren't numbers") from error
    if array.ndim != 1 or array.dtype.kind not in kinds:
        raise damaged(file, f"{key} contains values that aren't numbers")
    return array


def _check_objective(file: Path, learner: Part, outputs: int, kind: Kind) -> None:
    objective = part(file, part(file, learner, "objective", dict), "name", str)
    sizes = part(file, learner, "learner_model_param", dict)
    classes, targets = (str(sizes.get(key, "1")) for key in ("num_class", "num_target"))
    if targets not in ("0", "1"):
        raise unsupported(
            file,
            "predicts several targets at once",
            got=f"num_target={targets}",
            expected="one target",
            next_step="train one model for each task",
        )
    classifier = OBJECTIVES_OF_CLASSES if outputs > 1 else OBJECTIVES
    known: Sequence[str] = classifier if kind == "classifier" else REGRESSIONS
    counts = ("0", "1") if outputs == 1 else (str(outputs),)
    if objective not in known or classes not in counts:
        number = "" if outputs == 1 else f" and num_class={outputs}"
        raise unsupported(
            file,
            f"isn't {model_kind(outputs, kind)}",
            got=f"objective={objective}, num_class={classes}",
            expected=" or ".join(f"objective={name}" for name in known) + number,
            next_step=f"train it with objective={known[0]}{number}, or export it to ONNX "
            "(onnxmltools)",
        )


def _check_booster(file: Path, booster: Part) -> None:
    name = booster.get("name")
    if name not in ("gbtree", "dart"):
        raise unsupported(
            file,
            "isn't a tree model",
            got=f"booster={name}",
            expected="booster=gbtree or booster=dart",
            next_step="train with booster=gbtree",
        )
