"""The logit of a model whose output is a probability: what its last sigmoid or softmax reads."""

from dataclasses import dataclass

import numpy as np

from emm.outside.onnx.graph import Graph, Node

# They leave a prediction as it is, apart from its shape and its precision.
_SAME = ("Identity", "Cast", "Squeeze", "Unsqueeze", "Reshape", "Flatten", "Dropout")


@dataclass(frozen=True)
class Logit:
    """Logits of a probability: those of a tensor, or of one of its columns less another.

    ``tensor``: the tensor; ``sign``: -1 if the probability is that of the other class;
    ``columns``: that of the class and that of the other one, or None for all columns.
    """

    tensor: str
    sign: int = 1
    columns: tuple[int, int] | None = None


def find_logit(graph: Graph, tensor: str, width: int, column: int | None) -> Logit | None:
    """The logit of ``column`` of the probabilities ``tensor`` [B, width], or of all its columns.

    None if they are not the end of a sigmoid or softmax. It knows two classes by a softmax or as
    [1 - p, p], as scikit-learn writes them, and one class of either taken out of its matrix.
    """
    node = graph.producers.get(tensor)
    if node is None:
        return None
    if node.op in _SAME:
        return find_logit(graph, node.inputs[0], width, column)
    if node.op == "Sigmoid" and (width == 1 or column is None):
        return Logit(node.inputs[0])
    if node.op == "Softmax" and width > 1:
        return _of_softmax(node, width, column)
    if node.op == "Concat" and width == 2 and column is not None:
        return _of_pair(graph, node, column)
    if node.op == "Sub" and width == 1:
        return _opposite(graph, node)
    if width == 1 and node.op in ("Gather", "Slice", "ai.onnx.ml.ArrayFeatureExtractor"):
        return _of_column(graph, node)
    return None


def _of_softmax(node: Node, width: int, column: int | None) -> Logit | None:
    if node.attribute("axis", -1) not in (-1, 1):
        return None
    if column is None:
        return Logit(node.inputs[0])
    if width != 2:
        return None  # the odds of one class against all others are no column of the scores
    return Logit(node.inputs[0], columns=(column, 1 - column))


def _of_pair(graph: Graph, node: Node, column: int) -> Logit | None:
    """Of [1 - p, p] or [p, 1 - p]."""
    if len(node.inputs) != 2:
        return None
    for place, (this, other) in enumerate([node.inputs, node.inputs[::-1]]):
        found = find_logit(graph, this, 1, None)
        rest = graph.producers.get(other)
        if found is None or rest is None or rest.op != "Sub":
            continue
        if _is_one(graph, rest.inputs[0]) and rest.inputs[1] == this:
            sign = found.sign if column == place else -found.sign
            return Logit(found.tensor, sign, found.columns)
    return None


def _opposite(graph: Graph, node: Node) -> Logit | None:
    """Of 1 - p."""
    found = find_logit(graph, node.inputs[1], 1, None) if _is_one(graph, node.inputs[0]) else None
    return Logit(found.tensor, -found.sign, found.columns) if found else None


def _of_column(graph: Graph, node: Node) -> Logit | None:
    """Of probabilities [B, 2], of which one column is taken."""
    index = graph.constants.get(node.inputs[1]) if len(node.inputs) > 1 else None
    if index is None or index.size != 1:
        return None
    if node.op == "Gather" and node.attribute("axis", 0) not in (1, -1):
        return None
    column = int(index.reshape(-1)[0])
    return find_logit(graph, node.inputs[0], 2, column % 2) if -2 <= column < 2 else None


def _is_one(graph: Graph, name: str) -> bool:
    value = graph.constants.get(name)
    return value is not None and bool(np.all(value == 1))


def log_odds(probabilities: np.ndarray) -> np.ndarray:
    """Logits of probabilities: [N, 1] -> log p / (1 - p), [N, K] -> log p, each kept finite.

    What is nearer to 0 or 1 than numbers of their precision tell apart counts as that far off.
    """
    edge = np.finfo(np.float32).eps / 2
    p = np.clip(probabilities.astype(np.float64), edge, 1 - edge)
    return np.log(p / (1 - p)) if p.shape[1] == 1 else np.log(p)
