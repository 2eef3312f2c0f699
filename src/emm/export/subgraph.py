"""The part of an ONNX model that computes one of its tensors, in a version that can be composed."""

from typing import Any, NamedTuple

from emm.core.errors import ModelFileError
from emm.core.onnx_packages import onnx_library
from emm.export.nodes import ML, ML_OPSET, OPSET

_OLD_TREES = ("TreeEnsembleClassifier", "TreeEnsembleRegressor")
"""Operators that ai.onnx.ml 5 has no longer."""
_BEFORE_TREES = 4


class Part(NamedTuple):
    """``graph``: a GraphProto; ``versions``: those of operators by domain that it can be of."""

    graph: Any
    versions: dict[str, int]


def part_for(proto: Any, tensor: str, where: object) -> Part:
    """The part of a ModelProto that computes ``tensor``, with its constants.

    Raises ModelFileError if its operators can't be brought to a version of today.
    """
    modern = _modern(proto, where)
    nodes, names = _needed(modern.graph, tensor)
    graph = type(modern.graph)()
    graph.node.extend(nodes)
    graph.initializer.extend(each for each in modern.graph.initializer if each.name in names)
    old = any(node.domain == ML and node.op_type in _OLD_TREES for node in nodes)
    return Part(graph, {"": _version(modern, ""), ML: _BEFORE_TREES if old else ML_OPSET})


def _version(proto: Any, domain: str) -> int:
    names = ("", "ai.onnx") if domain == "" else (domain,)
    return max((each.version for each in proto.opset_import if each.domain in names), default=1)


def _modern(proto: Any, where: object) -> Any:
    """A model with ONNX's own operators of version `OPSET` or later, which differ in none that a
    model of rows has."""
    if _version(proto, "") >= OPSET:
        return proto
    onnx_library()
    from onnx import version_converter

    try:
        return version_converter.convert_version(proto, OPSET)
    except Exception as error:  # the library has errors of its own, by version
        raise ModelFileError(
            f"the operators of {where} can't be brought to version {OPSET}",
            where=where,
            got=f"version {_version(proto, '')}: {str(error).strip()[:300]}",
            next_step=f"export it again with opset {OPSET}, and add it again",
        ) from error


def _needed(graph: Any, tensor: str) -> tuple[list[Any], set[str]]:
    """The nodes that ``tensor`` depends on, in order, and the names of all tensors they read."""
    names, nodes = {tensor}, []
    for node in reversed(graph.node):
        if not names.isdisjoint(node.output):
            nodes.append(node)
            names.update(tensors_read(node))
    return nodes[::-1], names


def tensors_read(node: Any) -> set[str]:
    """The tensors that a node reads, those of its inner graphs included."""
    found = {*node.input}
    for attribute in node.attribute:
        for graph in [attribute.g] if attribute.HasField("g") else attribute.graphs:
            for inner in graph.node:
                found |= tensors_read(inner)
            found |= {each.name for each in graph.output}
    return found - {""}
