"""The flow of values from a model's inputs to its logit, and the tensors it all goes through."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from emm.nn.structure import Shape
from emm.outside.onnx.graph import Graph, Node
from emm.outside.onnx.probe import Probe

# The shape of a tensor depends on the number of rows, but on nothing in them.
_SHAPES = ("Shape", "Size")

FLOATS = ("float32", "float64")


@dataclass(frozen=True)
class Boundary:
    """A tensor [B, ...] through which every path from the inputs to the logit goes."""

    name: str
    shape: Shape


@dataclass(frozen=True)
class Stretch:
    """The operators between two neighbouring boundaries."""

    start: Boundary
    end: Boundary
    nodes: tuple[Node, ...]


def ancestors(graph: Graph, name: str) -> tuple[Node, ...]:
    """The operators that the tensor ``name`` is made with, in execution order."""
    needed = {name}
    found: list[Node] = []
    for node in reversed(graph.nodes):
        if not needed.isdisjoint(node.outputs):
            found.append(node)
            needed.update(node.inputs)
    return tuple(reversed(found))


def tensors_of(nodes: Iterable[Node]) -> list[str]:
    """The names of all tensors that ``nodes`` make."""
    return [name for node in nodes for name in node.outputs if name]


class Flow:
    """The operators that lead to ``output``, without those that only pass a tensor on.

    ``dependent``: tensors whose values depend on those of the inputs; ``sized``: others that depend
    on the number of rows. All remaining tensors are constants.
    """

    def __init__(self, graph: Graph, output: str, probe: Probe) -> None:
        self.graph, self.probe = graph, probe
        self.aliases: dict[str, str] = {}
        self.nodes: list[Node] = []
        for node in ancestors(graph, output):
            inputs = tuple(self.aliases.get(name, name) for name in node.inputs)
            if _passes_on(node, probe):
                self.aliases[node.outputs[0]] = inputs[0]
            else:
                self.nodes.append(Node(node.op, inputs, node.outputs, node.attributes))
        self.output = self.aliases.get(output, output)
        self.dependent, self.sized = self._kinds()
        self.producers = {name: node for node in self.nodes for name in node.outputs if name}

    def _kinds(self) -> tuple[set[str], set[str]]:
        dependent, sized = set(self.graph.inputs), set[str]()
        for node in self.nodes:
            shapes = node.op in _SHAPES
            if not shapes and not dependent.isdisjoint(node.inputs):
                dependent.update(node.outputs)
            elif not sized.isdisjoint(node.inputs) or not dependent.isdisjoint(node.inputs):
                sized.update(node.outputs)
        return dependent - {""}, sized - {""}

    def constant(self, name: str) -> np.ndarray:
        """The value of a tensor that depends on no input."""
        stored = self.graph.constants.get(name)
        return self.probe.constant(name) if stored is None else stored

    def boundaries(self) -> list[Boundary]:
        """The tensors [B, ...] of numbers through which every path goes, from first to last."""
        order = self._relevant()
        position = {name: number for number, name in enumerate(order)}
        inputs = [position[name] for name in order if name in self.graph.inputs]
        # The last tensor that is made of this one or of those before it; the inputs have one
        # source in common, the row.
        reach = max(inputs, default=0)
        ends = dict.fromkeys(order, 0)
        for node in self.nodes:
            if node.op in _SHAPES:
                continue
            for output in node.outputs:
                for name in node.inputs:
                    if output in position and name in position:
                        ends[name] = max(ends[name], position[output])
        found = []
        for name in order:
            if reach <= position[name]:
                found.append(name)
            reach = max(reach, ends[name])
        shapes = {name: self.probe.shape(name) for name in found}
        return [
            Boundary(name, shape)
            for name, shape in shapes.items()
            if shape and self.probe.dtype(name) in FLOATS
        ]

    def _relevant(self) -> list[str]:
        """The dependent tensors from which values flow to the output, in execution order."""
        needed = {self.output}
        for node in reversed(self.nodes):
            if node.op not in _SHAPES and not needed.isdisjoint(node.outputs):
                needed.update(name for name in node.inputs if name in self.dependent)
        made = [name for node in self.nodes for name in node.outputs]
        return [name for name in [*self.graph.inputs, *made] if name in needed]

    def stretches(self, boundaries: Sequence[Boundary]) -> list[Stretch]:
        """What lies between neighbouring boundaries."""
        return [Stretch(a, b, self.between(a.name, b.name)) for a, b in pairwise(boundaries)]

    def between(self, start: str, end: str) -> tuple[Node, ...]:
        """The operators that make ``end`` of ``start``, constants, and sizes, in their order."""
        needed, found = {end}, []
        for node in reversed(self.nodes):
            if not needed.isdisjoint(node.outputs) and self._is_made(node):
                found.append(node)
                needed.update(name for name in node.inputs if name != start)
        return tuple(reversed(found))

    def _is_made(self, node: Node) -> bool:
        """Whether a stretch has to run it: it makes neither a constant nor a list of sizes."""
        names = [name for name in node.outputs if name]
        if not self.dependent.isdisjoint(names):
            return True
        return any(name in self.sized and self.probe.sizes(name) is None for name in names)


def _passes_on(node: Node, probe: Probe) -> bool:
    """Whether the operator gives its input as it is, apart from the precision."""
    if node.op == "Identity":
        return True
    if node.op == "Dropout":
        return len(node.outputs) == 1 or not any(node.outputs[1:])
    if node.op != "Cast":
        return False
    return {probe.dtype(node.inputs[0]), probe.dtype(node.outputs[0])} <= {*FLOATS}
