"""Cutting of an ONNX network: what of it runs in torch, and from which tensor on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from emm.core.errors import EmmError
from emm.nn.structure import Layer
from emm.outside.onnx.describe import UninterpretableError, as_plain, unknown_operator
from emm.outside.onnx.flow import FLOATS, Boundary, Flow, ancestors, tensors_of
from emm.outside.onnx.graph import Node
from emm.outside.onnx.layers import front, layer
from emm.outside.onnx.model import OnnxModel
from emm.outside.onnx.network import LayerDescription, OnnxLayers
from emm.outside.onnx.operators import MIXING, OPERATORS, RANDOM, RECURRENT
from emm.outside.onnx.probe import made_up_rows, probe
from emm.outside.onnx.recognise import merge
from emm.outside.onnx.session import Session
from emm.outside.onnx.written import Written, write
from emm.outside.scorer import Opaque

TOLERANCE = 1e-5

BOUNDED = frozenset({"Sigmoid", "Softmax", "HardSigmoid", "Tanh", "Clip", "Min", "Max", "Erf"})
"""Operators after which a prediction is no logit, at the end of a network."""

APART = "its branches come together only at its output: no vector holds all that leads there"


@dataclass(frozen=True)
class CutOnnx:
    """A network that is cut (`emm.outside.scorer.CutNetwork`).

    ``scored``: the tensor, and its shape without the rows, that onnxruntime computes: the output
    of the front and the first unit.
    """

    model: OnnxModel
    scored: Boundary
    description: dict[str, Any]
    layers: tuple[Layer, ...]
    weights: dict[str, Tensor]

    def build(self) -> OnnxLayers:
        """Its layers in torch, with their weights."""
        network = OnnxLayers(self.description)
        network.load_state_dict(self.weights)
        return network.eval()

    def scored_input(self, batches: Iterable[pl.DataFrame]) -> NDArray[np.float32]:
        """The output of the front and the first unit: [N, H1]."""
        width = prod(self.scored.shape)
        session = self.model.session(self.scored.name)
        found = [
            np.asarray(values, np.float32).reshape(len(values), width)
            for (values,) in session.stream(batches)
        ]
        return np.concatenate(found) if found else np.zeros((0, width), np.float32)


def cut(model: OnnxModel, rows: pl.DataFrame | None = None) -> CutOnnx | Opaque:
    """Cut ``model`` at the tensors through which every path to its logit goes (Algorithm 1).

    ``rows``: some that it accepts, by default made up. What can't be cut, or isn't the same in
    torch on these rows, is opaque.
    """
    output = model.logit or model.prediction
    nodes = ancestors(model.graph, output)
    odd = next((node.op for node in nodes if node.op in RECURRENT | RANDOM), None)
    if odd is not None:
        return Opaque(unknown_operator(odd))
    if model.gives == "probability" and model.logit is None:
        odd = next((node.op for node in reversed(nodes) if node.op not in OPERATORS), None)
        probability = "its probability is not the sigmoid or softmax of one of its tensors"
        return Opaque(probability if odd is None else unknown_operator(odd))
    rows = made_up_rows(model.graph, model.inputs) if rows is None else rows
    try:
        seen = probe(model.path, model.proto, model.inputs, tensors_of(nodes), rows)
        found = _cut(model, Flow(model.graph, output, seen))
    except UninterpretableError as error:
        return Opaque(str(error))
    except EmmError as error:
        return Opaque(f"its tensors can't be seen, as {str(error).splitlines()[0]}")
    if isinstance(found, Opaque):
        return found
    return _verified(found, output, rows)


def _cut(model: OnnxModel, flow: Flow) -> CutOnnx | Opaque:
    boundaries = flow.boundaries()
    if not boundaries or boundaries[-1].name != flow.output:
        return Opaque(f"its output isn't one of {' or '.join(FLOATS)} for each row")
    if len(boundaries) < 2:
        return Opaque(APART)
    start, *_ = boundaries
    written = merge([write(flow, each) for each in flow.stretches(boundaries)])
    layers = [front("layers.0", prod(start.shape))]
    for number, each in enumerate(written, start=1):
        layers.append(layer(f"layers.{number}", each, layers[-1].structure.output[0]))
    mixing = [number for number, each in enumerate(layers) if number and each.linear]
    if len(mixing) < 2:
        return Opaque(_nothing_between(flow.nodes))
    if model.gives is None and not BOUNDED.isdisjoint(
        op for x in written[mixing[-1] :] for op in x.ops
    ):
        return Opaque(f"it ends in {'+'.join(written[-1].ops)}, behind which its logit is hidden")
    first = mixing[1]  # of the second unit
    end = written[first - 2]
    passed = [LayerDescription()] * first
    kept = written[first - 1 :]
    return CutOnnx(
        model,
        Boundary(end.end, end.output),
        {
            "width": end.width,
            "layers": [as_plain(each) for each in [*passed, *(x.description for x in kept)]],
        },
        tuple(layers),
        _weights(kept, first),
    )


def _nothing_between(nodes: Sequence[Node]) -> str:
    """Why a network of these operators has no place to cut."""
    products = sum(node.op in MIXING for node in nodes)
    return APART if products > 1 else "it has no hidden layer between its encoders and its output"


def _weights(kept: Sequence[Written], first: int) -> dict[str, Tensor]:
    """The weights by their names in `OnnxLayers`; the first of ``kept`` is layer ``first``."""
    return {
        f"layers.{number}.{name}": tensor
        for number, each in enumerate(kept, start=first)
        for name, tensor in each.tensors.items()
    }


@torch.no_grad()
def _verified(found: CutOnnx, output: str, rows: pl.DataFrame) -> CutOnnx | Opaque:
    """``found`` if its layers in torch give what onnxruntime gives, row by row."""
    session = Session(found.model.path, found.model.proto, found.model.inputs, [output])
    (expected,) = session.run(rows)
    single = np.concatenate([session.run(rows[n : n + 1])[0] for n in range(min(len(rows), 8))])
    if not np.allclose(single, expected[: len(single)], TOLERANCE, TOLERANCE, equal_nan=True):
        return Opaque("its prediction for a row depends on the other rows")
    try:
        actual = found.build()(torch.from_numpy(found.scored_input([rows]))).numpy()
    except (RuntimeError, TypeError, IndexError, KeyError) as error:
        return Opaque(f"its layers can't be run in torch: {str(error).splitlines()[0][:200]}")
    difference = np.abs(actual - expected) / np.maximum(1, np.abs(expected))
    if actual.shape != expected.shape or not np.nanmax(difference, initial=0) <= TOLERANCE:
        return Opaque(
            f"its layers in torch differ from onnxruntime by {np.nanmax(difference):.2g}, more "
            f"than {TOLERANCE:g}"
        )
    return found
