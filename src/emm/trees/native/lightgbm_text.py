"""Parsing of a LightGBM text model: its header, one block of lines per tree, and its footer."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emm.trees.native.files import Array, TreeFile, classifier, content, damaged, unsupported
from emm.trees.native.nodes import ids_of_categories

VERSIONS = ("v2", "v3", "v4")


@dataclass(frozen=True)
class Text:
    """Pairs ``key=value`` of the header and of each tree, and the text after the last tree."""

    header: Mapping[str, str]
    trees: Sequence[Mapping[str, str]]
    footer: str


def split_text(file: TreeFile) -> Text:
    """Split the file into its parts. Raises ModelFileError if it is cut off."""
    try:
        text = content(file).decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise damaged(file, "it isn't text") from error
    body, end, footer = text.partition("\nend of trees")
    head, *blocks = body.split("\nTree=")
    if not end or ("\nparameters:" in footer and "\nend of parameters" not in footer):
        raise damaged(file, "it is cut off")
    header = _pairs(head)
    # Files of old versions don't declare their number of trees.
    if not blocks or len(header.get("tree_sizes", "").split()) not in (0, len(blocks)):
        raise damaged(file, f"its {len(blocks)} trees aren't as many as its header declares")
    return Text(header, [_pairs(block) for block in blocks], footer)


def numbers(file: TreeFile, block: Mapping[str, str], key: str, count: int, kind: Any) -> Array:
    """The ``count`` numbers at ``key``, as dtype ``kind``. Raises ModelFileError for others."""
    words = block.get(key, "").split()
    if len(words) != count:
        raise damaged(file, f"{key} has {len(words)} numbers instead of {count}")
    try:
        return np.array(words, dtype=kind)
    except (OverflowError, ValueError) as error:
        raise damaged(file, f"{key} contains values that aren't numbers") from error


def check_kind(file: TreeFile, header: Mapping[str, str], outputs: int) -> None:
    """Raise ModelFileError unless the model is of a known version, and a binary classifier, or one
    of ``outputs`` classes if there are several."""
    objective = "binary" if outputs == 1 else "multiclass"
    classes, trees = (header.get(key, "1") for key in ("num_class", "num_tree_per_iteration"))
    found = header.get("objective", "none")
    if found.split()[:1] != [objective] or classes != str(outputs):
        raise unsupported(
            file,
            f"isn't {classifier(outputs)}",
            got=f"objective={found}, num_class={classes}",
            expected=f"objective={objective}, num_class={outputs}",
            next_step="train it on the task's column of the processed data with these parameters",
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


def sigmoid(file: TreeFile, header: Mapping[str, str]) -> float:
    """The parameter ``sigmoid``: probability = 1 / (1 + exp(-sigmoid * raw score)).

    A model of several classes has none: its probabilities are the softmax of the raw scores.
    """
    options = dict(option.partition(":")[::2] for option in header["objective"].split()[1:])
    (value,) = numbers(file, {"sigmoid": "1", **options}, "sigmoid", 1, np.float64)
    if not (np.isfinite(value) and value > 0):
        raise damaged(file, f"sigmoid is {value}")
    return float(value)


def ids_of_codes(file: TreeFile, names: Sequence[str], footer: str) -> dict[int, Array]:
    """For each feature that was a categorical column of a data frame, the id of each code."""
    _, key, stored = footer.rpartition("\npandas_categorical:")
    listed = footer.partition("\n[categorical_feature: ")[2].partition("]")[0]
    try:
        categories = (json.loads(stored) or []) if key else []
        if all(each == list(range(len(each))) for each in categories):
            return {}  # each code is its id
        features = sorted({int(feature) for feature in listed.split(",") if feature})
        if len(features) == len(categories):
            pairs = zip(features, categories, strict=True)
            return {k: ids_of_categories(file, names[k], each) for k, each in pairs}
    except (IndexError, RecursionError, TypeError, ValueError) as error:
        raise damaged(file, "its lists of categories can't be read") from error
    raise unsupported(
        file,
        "doesn't declare which of its features are encoded as category codes",
        got=f"{len(categories)} lists of categories, {len(features)} categorical features",
        expected="equally many of both",
        next_step="train on the int32 ids themselves and list them in categorical_feature",
    )


def _pairs(block: str) -> dict[str, str]:
    parts = (line.partition("=") for line in block.split("\n"))
    return {key: value for key, _, value in parts}
