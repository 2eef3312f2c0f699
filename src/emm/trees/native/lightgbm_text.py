"""Parsing of a LightGBM text model: its header, one block of lines per tree, and its footer."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emm.trees.native.files import Array, Kind, content, damaged, model_kind, unsupported
from emm.trees.native.nodes import Feature

VERSIONS = ("v2", "v3", "v4")
REGRESSIONS = ("regression", "regression_l1", "huber", "fair", "quantile", "mape")
BINARY = ("binary", "cross_entropy")


@dataclass(frozen=True)
class Text:
    """Pairs ``key=value`` of the header and of each tree, and the text after the last tree."""

    header: Mapping[str, str]
    trees: Sequence[Mapping[str, str]]
    footer: str


def read_text(file: Path) -> str:
    """The text of the file. Raises ModelFileError if it is none."""
    try:
        return content(file).decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise damaged(file, "it isn't text") from error


def split_text(file: Path, text: str) -> Text:
    """Split the ``text`` of a file into its parts. Raises ModelFileError if it is cut off."""
    body, end, footer = text.partition("\nend of trees")
    head, *blocks = body.split("\nTree=")
    if not end or ("\nparameters:" in footer and "\nend of parameters" not in footer):
        raise damaged(file, "it is cut off")
    header = _pairs(head)
    # Files of old versions don't declare their number of trees.
    if not blocks or len(header.get("tree_sizes", "").split()) not in (0, len(blocks)):
        raise damaged(file, f"its {len(blocks)} trees aren't as many as its header declares")
    return Text(header, [_pairs(block) for block in blocks], footer)


def numbers(file: Path, block: Mapping[str, str], key: str, count: int, kind: Any) -> Array:
    """The ``count`` numbers at ``key``, as dtype ``kind``. Raises ModelFileError for others."""
    words = block.get(key, "").split()
    if len(words) != count:
        raise damaged(file, f"{key} has {len(words)} numbers instead of {count}")
    try:
        return np.array(words, dtype=kind)
    except (OverflowError, ValueError) as error:
        raise damaged(file, f"{key} contains values that aren't numbers") from error


def check_kind(file: Path, header: Mapping[str, str], outputs: int, kind: Kind) -> None:
    """Raise ModelFileError unless the model is of a known version, and predicts logits of
    ``outputs`` classes (1: of a binary task), or a regression's value."""
    known = ("multiclass",) if outputs > 1 else BINARY if kind == "classifier" else REGRESSIONS
    classes, trees = (header.get(key, "1") for key in ("num_class", "num_tree_per_iteration"))
    found = header.get("objective", "none")
    # A model with the option "sqrt" predicts the square root.
    if (
        found.split()[:1] not in [[name] for name in known]
        or "sqrt" in found.split()
        or (classes != str(outputs))
    ):
        expected = " or ".join(f"objective={name}" for name in known)
        raise unsupported(
            file,
            f"isn't {model_kind(outputs, kind)}",
            got=f"objective={found}, num_class={classes}",
            expected=f"{expected}, num_class={outputs}",
            next_step="train it with these parameters, or export it to ONNX (onnxmltools)",
        )
    if trees != classes:
        raise damaged(file, f"it has {trees} trees per round for {classes} classes")
    if header.get("version") not in VERSIONS:
        raise unsupported(
            file,
            "is of an unknown version",
            got=header.get("version"),
            expected=", ".join(VERSIONS),
            next_step="save it with LightGBM 2.1 to 4",
        )


def sigmoid(file: Path, header: Mapping[str, str]) -> float:
    """The parameter ``sigmoid``: probability = 1 / (1 + exp(-sigmoid * raw score)).

    Other models than binary ones have none: a model of several classes, for example, whose
    probabilities are the softmax of the raw scores.
    """
    options = dict(option.partition(":")[::2] for option in header["objective"].split()[1:])
    (value,) = numbers(file, {"sigmoid": "1", **options}, "sigmoid", 1, np.float64)
    if not (np.isfinite(value) and value > 0):
        raise damaged(file, f"sigmoid is {value}")
    return float(value)


def features_of(file: Path, text: Text) -> list[Feature]:
    """Names, categories and values in training of the features.

    LightGBM stores the lists of categories of a data frame's columns without their names: they are
    those of the categorical features in ascending order, if there are equally many of both, and if
    each list is long enough for its feature's codes.
    """
    names = text.header.get("feature_names", "").split()
    infos = text.header.get("feature_infos", "").split()
    if infos and len(infos) != len(names):
        raise damaged(file, f"it has {len(infos)} feature_infos for {len(names)} features")
    spans = [_span(file, info) for info in infos] or [(None, None)] * len(names)
    lists = _lists_of_categories(file, text.footer, len(names))
    for feature, categories in lists.items():
        most = spans[feature][1]
        if most is not None and most >= len(categories):
            raise unsupported(
                file,
                "has lists of categories that don't belong to its categorical features",
                got=f"the code {most:.0f} of {names[feature]!r}, in a list of {len(categories)}",
                expected="a list for each categorical feature, as long as its codes",
                next_step="train on a data frame whose category columns are the only categorical "
                "features, and not ordered",
            )
    return [Feature(name, lists.get(number), *spans[number]) for number, name in enumerate(names)]


def _span(file: Path, info: str) -> tuple[float | None, float | None]:
    """The least and largest value of a feature: [0:1.5] of numbers, 3:0:7 of categories."""
    if info == "none":
        return None, None
    try:
        values = [float(word) for word in info.strip("[]").split(":")]
    except ValueError as error:
        raise damaged(file, f"feature_infos contains {info[:40]!r}") from error
    if not info.startswith("["):
        values = [value for value in values if value >= 0] or [0.0]  # -1: missing
    return min(values), max(values)


def _lists_of_categories(file: Path, footer: str, features: int) -> dict[int, Sequence[object]]:
    """The list of categories of each feature that was a category column of a data frame."""
    _, key, stored = footer.rpartition("\npandas_categorical:")
    listed = footer.partition("\n[categorical_feature: ")[2].partition("]")[0]
    try:
        lists = (json.loads(stored) or []) if key else []
        categorical = sorted({int(feature) for feature in listed.split(",") if feature})
        plain = all(each == list(range(len(each))) for each in lists)
        whole = all(isinstance(each, list) for each in lists)
    except (RecursionError, TypeError, ValueError) as error:
        raise damaged(file, "its lists of categories can't be read") from error
    if not whole or any(not 0 <= feature < features for feature in categorical):
        raise damaged(file, "its lists of categories can't be read")
    if plain:
        return {}  # each code is its category
    if len(lists) == len(categorical):
        return dict(zip(categorical, lists, strict=True))
    raise unsupported(
        file,
        "doesn't declare which of its features are encoded as category codes",
        got=f"{len(lists)} lists of categories, {len(categorical)} categorical features",
        expected="equally many of both",
        next_step="train on a data frame whose category columns are the only categorical features, "
        "and not ordered",
    )


def _pairs(block: str) -> dict[str, str]:
    parts = (line.partition("=") for line in block.split("\n"))
    return {key: value for key, _, value in parts}
